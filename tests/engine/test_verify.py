"""The journal recomputed: what holds passes, and whatever was changed is found and named."""

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import pytest

from app.domain.formula import PathPoint
from app.domain.parameters import Controller, Parameters
from app.domain.units import BlockNumber, Wei, WeiPerGas
from app.domain.vault import VaultSource, VaultState
from app.engine.entries import Gap, StoredEntry, UndecodableEntry, claims_of
from app.engine.verify import Finding, Verification, Verifier
from tests.engine.rig import running
from tests.fakes import FakeChain, FakeVault, genesis
from tests.fakes_store import FakeDatabase, FakeStore

ETHER = 10**18
FULL = 30_000_000
PATHS = {
    "none": Parameters(),
    "rate limit": Parameters(max_fee_increase=Fraction(1, 100), max_fee_decrease=Fraction(1, 100)),
    "legacy": Parameters(controller=Controller.LEGACY),
}


async def a_journal(parameters: Parameters, blocks: int = 30) -> FakeDatabase:
    """What a run over so many blocks leaves, with a vault that drains and a reorg."""
    database = FakeDatabase()
    chain = FakeChain(oldest=genesis(number=0))
    vault = FakeVault(VaultState(VaultSource.ONCHAIN, Wei(9 * ETHER), Wei(10 * ETHER)))
    vault.balances = {number: 9 * ETHER - number * 10**15 for number in range(blocks * 2)}
    async with running(chain, parameters=parameters, vault=vault, store=FakeStore(database)) as rig:
        for block in range(blocks):
            await rig.poll()
            chain.grow(1 + block % 3, gas_used=FULL if block % 2 else 0)
            if block == blocks // 2:
                chain.reorganise(2, branch="b", blocks=3)
    return database


async def verified(
    database: FakeDatabase, first: int = 0, last: int | None = None
) -> tuple[Verification, list[Finding]]:
    verifier = Verifier(FakeStore(database))
    found = [finding async for finding in verifier.findings(None, first, last, lambda _: None)]
    return verifier.result, found


@pytest.mark.parametrize("parameters", PATHS.values(), ids=PATHS)
async def test_an_honest_journal_has_no_findings(parameters: Parameters) -> None:
    database = await a_journal(parameters)
    result, found = await verified(database)
    assert found == []
    assert result.entries == len(database.entries)
    assert result.breaks == []
    assert result.first_block == 0


def with_claim(name: str, value: object) -> Callable[[StoredEntry], StoredEntry]:
    return lambda entry: replace(entry, claims={**entry.claims, name: value})  # type: ignore[dict-item]


def with_header(**fields: object) -> Callable[[StoredEntry], StoredEntry]:
    def changed(entry: StoredEntry) -> StoredEntry:
        header = replace(entry.observation.header, **fields)  # type: ignore[arg-type]
        return replace(entry, observation=replace(entry.observation, header=header))

    return changed


def with_balance(entry: StoredEntry) -> StoredEntry:
    vault = replace(entry.observation.vault, balance=Wei(1))
    return replace(entry, observation=replace(entry.observation, vault=vault))


CLAIMS = (
    "quote_id",
    "raw_fee_per_gas",
    "fee_per_gas",
    "bound",
    "da",
    "proof",
    "deficit",
    "base",
    "adjustment",
    "next_base_fee",
    "next_fee",
    "batch_cost",
    "batch_revenue",
)
TAMPERED: dict[str, Callable[[StoredEntry], StoredEntry]] = {
    **{f"claim {name}": with_claim(name, "0") for name in CLAIMS},
    "base fee": with_header(base_fee_per_gas=WeiPerGas(1)),
    "gas used": with_header(gas_used=1),
    "balance": with_balance,
    "parameters": lambda entry: replace(entry, parameters=replace(entry.parameters, alpha_data=Fraction(1, 3))),
    "previous": lambda entry: replace(entry, previous=PathPoint(WeiPerGas(5))),
    "digest": lambda entry: replace(entry, is_intact=False),
}


@pytest.mark.parametrize("tamper", TAMPERED.values(), ids=TAMPERED)
async def test_a_changed_entry_is_found_and_named(tamper: Callable[[StoredEntry], StoredEntry]) -> None:
    database = await a_journal(PATHS["rate limit"])
    victim = database.entries[20]
    database.entries[20] = tamper(victim)
    _, found = await verified(database)
    assert (victim.sequence, victim.observation.header.number) in {
        (finding.sequence, finding.block_number) for finding in found
    }


async def test_an_entry_that_was_taken_out_is_missed() -> None:
    """The digest of the one after it has nothing to build on any more."""
    database = await a_journal(PATHS["none"])
    removed = database.entries.pop(20)
    database.entries[20] = replace(database.entries[20], is_intact=False)
    _, found = await verified(database)
    assert (removed.sequence, "missing") in {(finding.sequence, finding.kind) for finding in found}


async def test_entries_that_were_pruned_while_they_were_read_are_not_missed() -> None:
    database = await a_journal(PATHS["none"])
    del database.entries[5:20]
    assert (await verified(database))[1] == []


async def test_a_consistent_forgery_of_a_base_fee_contradicts_its_parent() -> None:
    """Every number of the entry follows from the forged one, but EIP-1559 has it otherwise."""
    database = await a_journal(PATHS["none"])
    forged = with_header(base_fee_per_gas=WeiPerGas(7 * 10**9))(database.entries[20])
    database.entries[20] = replace(forged, claims=claims_of(forged.recomputed()))
    _, found = await verified(database)
    assert ("base_fee", forged.sequence) in {(finding.kind, finding.sequence) for finding in found}


async def test_a_path_that_was_rebuilt_is_listed_and_no_error() -> None:
    database = await a_journal(PATHS["rate limit"])
    entry = replace(database.entries[20], previous=PathPoint(WeiPerGas(10**10)))
    database.entries[20] = replace(entry, claims=claims_of(entry.recomputed()))
    result, found = await verified(database)
    assert found == []
    assert entry.sequence in {broken.sequence for broken in result.breaks}


async def test_a_range_is_verified_alone() -> None:
    database = await a_journal(PATHS["none"])
    database.entries[2] = replace(database.entries[2], is_intact=False)
    result, found = await verified(database, first=20, last=30)
    assert found == []
    assert (result.first_block, result.last_block) == (20, 30)


async def test_an_unreadable_entry_is_a_finding_and_what_follows_is_verified() -> None:
    database = await a_journal(PATHS["none"])

    class Torn(FakeStore):
        async def entries(self, network, first, last):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
            async for entry in super().entries(network, first, last):
                yield UndecodableEntry(5, None, "no number") if entry.sequence == 5 else entry

    verifier = Verifier(Torn(database))
    found = [finding async for finding in verifier.findings(None, 0, None, lambda _: None)]
    assert [(finding.sequence, finding.kind) for finding in found] == [(5, "undecodable")]
    assert verifier.result.entries == len(database.entries) - 1


async def test_gaps_and_divergences_are_reported() -> None:
    database = await a_journal(PATHS["none"])
    network = database.entries[0].observation.network
    database.gaps[network, 3, 9] = Gap(BlockNumber(3), BlockNumber(9), "not_joined")
    result, found = await verified(database)
    assert (found, [(gap.first, gap.last) for gap in result.gaps], result.divergences) == ([], [(3, 9)], 0)
