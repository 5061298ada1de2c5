"""The journal's chain as a history: through reorgs, gaps and several networks, and never from what cannot be read."""

from dataclasses import replace
from fractions import Fraction

import pytest

from app.domain.formula import FeeFormula, PathPoint
from app.domain.parameters import Parameters
from app.domain.simulation import SimulatedVault, SimulationPlan, simulated
from app.domain.units import Wei, WeiDelta, WeiPerGas
from app.domain.vault import NO_VAULT, VaultSource, VaultState
from app.engine.entries import Entry, UndecodableEntry
from app.engine.recorded import RecordedBlock, UnreadableJournalError, recorded_blocks
from tests.domain.build import MAINNET, a_header, a_quote
from tests.engine.rig import running
from tests.fakes import FakeChain, FakeVault, genesis
from tests.fakes_store import FakeDatabase, FakeStore

ETHER = 10**18
FULL = 30_000_000
DRAINING = {number: 9 * ETHER - number * 10**15 for number in range(400)}


async def a_run(
    chain: FakeChain,
    *,
    parameters: Parameters | None = None,
    vault: VaultState = NO_VAULT,
    blocks: int = 12,
    database: FakeDatabase | None = None,
) -> FakeDatabase:
    """What a service leaves that sees `blocks` more heads, some of them several blocks apart."""
    database, reader = database or FakeDatabase(), FakeVault(vault)
    if vault is not NO_VAULT:
        reader.balances = DRAINING
    async with running(chain, parameters=parameters, vault=reader, store=FakeStore(database)) as rig:
        for block in range(blocks):
            await rig.poll()
            chain.grow(1 + block % 3, gas_used=FULL if block % 2 else 0)
        await rig.poll()
    return database


async def recorded(database: FakeDatabase) -> list[RecordedBlock]:
    return await recorded_blocks(FakeStore(database))


async def test_every_block_of_the_chain_with_what_was_quoted_for_it() -> None:
    chain = FakeChain(oldest=genesis(number=0))
    vault = VaultState(VaultSource.ONCHAIN, Wei(9 * ETHER), Wei(10 * ETHER))
    database = await a_run(chain, vault=vault)
    found = await recorded(database)
    assert [each.block.number for each in found] == [header.number for header in chain.headers]
    for each, header, entry in zip(found, chain.headers, database.entries, strict=True):
        assert (each.block.timestamp, each.block.base_fee) == (header.timestamp, header.base_fee_per_gas)
        assert each.block.vault_balance == DRAINING[header.number]
        assert each.target == 10 * ETHER
        assert each.priced_deficit == 10 * ETHER - DRAINING[header.number]
        assert each.fee == entry.claims["fee_per_gas"]
        assert each.parameters_id == Parameters().parameters_id


async def test_without_a_vault_there_is_neither_balance_nor_target() -> None:
    (first, *_) = await recorded(await a_run(FakeChain()))
    assert (first.block.vault_balance, first.target, first.priced_deficit) == (None, None, 0)


async def test_a_surplus_is_priced_as_the_service_priced_it() -> None:
    for discounts, priced in ((False, 0), (True, -ETHER)):
        vault = VaultState(VaultSource.STATIC, Wei(11 * ETHER), Wei(10 * ETHER), surplus_discount=discounts)
        quote = a_quote(a_header(), vault=vault)
        database = FakeDatabase()
        database.write([Entry(quote, quote.header.timestamp * 1000, "main", base_fee_verified=False)])  # type: ignore[arg-type]
        (only,) = await recorded(database)
        assert (only.priced_deficit, only.surplus_discount) == (priced, discounts)


@pytest.mark.parametrize(
    "parameters",
    [
        Parameters(),
        Parameters(max_fee_increase=Fraction(1, 100), max_fee_decrease=Fraction(1, 100)),
    ],
    ids=["none", "rate limit"],
)
async def test_a_backtest_of_it_makes_the_fees_that_were_quoted(parameters: Parameters) -> None:
    chain = FakeChain(oldest=genesis(number=0))
    vault = VaultState(VaultSource.ONCHAIN, Wei(9 * ETHER), Wei(10 * ETHER))
    database = await a_run(chain, parameters=parameters, vault=vault, blocks=20)
    found = await recorded(database)
    plan = SimulationPlan(
        formula=FeeFormula.of(parameters),
        vault=SimulatedVault(balance=Wei(9 * ETHER), target=Wei(10 * ETHER)),
        previous_fee=found[0].previous.fee,
    )
    fees = [block.fee for block in simulated(plan, [each.block for each in found])]
    assert fees == [each.fee for each in found]
    assert len(set(fees)) > 10


async def test_of_a_reorg_only_the_branch_that_was_followed_is_taken() -> None:
    chain = FakeChain(oldest=genesis(number=0))
    database = await a_run(chain)
    abandoned = chain.headers[-3:]
    chain.reorganise(3, branch="b", gas_used=0, blocks=5)
    await a_run(chain, database=database, blocks=4)
    found = await recorded(database)
    assert [(each.block.number, each.block.base_fee) for each in found] == [
        (header.number, header.base_fee_per_gas) for header in chain.headers
    ]
    journaled = {entry.observation.header.hash for entry in database.entries}
    assert {header.hash for header in abandoned} <= journaled


async def test_a_branch_that_was_journaled_last_but_lies_lower_is_the_chain() -> None:
    """The newest entry in the order of appending decides, not the greatest height."""
    chain = FakeChain(oldest=genesis(number=0))
    database = await a_run(chain)
    height = chain.head.number
    chain.reorganise(5, branch="b", gas_used=0, blocks=2)
    async with running(chain, vault=FakeVault(NO_VAULT), store=FakeStore(database)) as rig:
        await rig.poll()
    found = await recorded(database)
    assert found[-1].block.number == chain.head.number < height
    assert [each.block.base_fee for each in found] == [header.base_fee_per_gas for header in chain.headers]


async def test_a_branch_that_was_come_back_to_is_followed_by_its_parents() -> None:
    """At the heights of the reorg, the other branch was journaled last."""
    chain = FakeChain(oldest=genesis(number=0))
    database = await a_run(chain)
    left = chain.headers[-3:]
    chain.reorganise(3, branch="b", gas_used=0)
    async with running(chain, vault=FakeVault(NO_VAULT), store=FakeStore(database)) as rig:
        await rig.poll()
        chain.headers[-3:] = left
        chain.grow()
        await rig.poll()
    assert [(each.block.number, each.block.base_fee) for each in await recorded(database)] == [
        (header.number, header.base_fee_per_gas) for header in chain.headers
    ]


async def test_over_a_gap_it_goes_on_at_the_newest_block_below() -> None:
    database = await a_run(FakeChain(oldest=genesis(number=0)))
    del database.entries[5:9]
    numbers = [each.block.number for each in await recorded(database)]
    assert numbers[:6] == [0, 1, 2, 3, 4, 9]
    assert numbers == sorted(set(numbers))


async def test_of_several_networks_the_one_of_the_newest_entry_is_taken() -> None:
    database = FakeDatabase()
    await a_run(FakeChain(oldest=genesis(number=0)), database=database)
    chain = FakeChain(chain_id=560_048, oldest=genesis(number=0, base_fee=31 * 10**9))
    await a_run(chain, database=database, blocks=3)
    assert {entry.observation.network.l1_chain_id for entry in database.entries} == {1, 560_048}
    assert [(each.block.number, each.block.base_fee) for each in await recorded(database)] == [
        (header.number, header.base_fee_per_gas) for header in chain.headers
    ]


async def test_a_change_of_parameters_is_seen_block_by_block() -> None:
    chain = FakeChain(oldest=genesis(number=0))
    database = await a_run(chain, blocks=3)
    before = chain.head.number
    chain.grow()
    changed = Parameters(alpha_data=Fraction(2, 10))
    await a_run(chain, database=database, parameters=changed, blocks=3)
    for each in await recorded(database):
        expected = Parameters() if each.block.number <= before else changed
        assert each.parameters_id == expected.parameters_id


async def test_a_digest_that_does_not_hold_is_refused_by_its_entry() -> None:
    database = await a_run(FakeChain())
    database.entries[3] = replace(database.entries[3], is_intact=False)
    with pytest.raises(UnreadableJournalError, match="the digest of entry 4 does not hold; see verify"):
        await recorded(database)


async def test_an_entry_that_cannot_be_read_is_refused_by_its_number() -> None:
    database = await a_run(FakeChain())

    class Torn(FakeStore):
        async def entries(self, network, first, last):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
            async for entry in super().entries(network, first, last):
                yield UndecodableEntry(5, None, "no number") if entry.sequence == 5 else entry

    with pytest.raises(UnreadableJournalError, match="entry 5 cannot be read: no number; see verify"):
        await recorded_blocks(Torn(database))


async def test_a_journal_without_entries_is_no_history() -> None:
    with pytest.raises(UnreadableJournalError, match="the journal has no entries yet"):
        await recorded(FakeDatabase())


async def test_the_path_that_a_quote_went_on_from_is_kept() -> None:
    parameters = Parameters(max_fee_increase=Fraction(1, 100))
    previous = PathPoint(WeiPerGas(9 * 10**9))
    quote = a_quote(a_header(), parameters=parameters, previous=previous, network=MAINNET)
    database = FakeDatabase()
    database.write([Entry(quote, quote.header.timestamp * 1000, "main", base_fee_verified=False)])  # type: ignore[arg-type]
    (only,) = await recorded(database)
    assert (only.previous, only.fee, only.priced_deficit) == (previous, 9_090_000_000, WeiDelta(0))
