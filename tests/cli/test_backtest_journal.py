"""`backtest --journal`: the journal's own blocks, vault and path, and every comparable quote identical."""

from dataclasses import replace
from fractions import Fraction

import pytest

from app.domain.formula import PathPoint
from app.domain.parameters import Parameters
from app.domain.units import Wei, WeiPerGas
from app.domain.vault import NO_VAULT, VaultSource, VaultState
from app.engine.entries import Entry
from app.engine.ports import StoreError, StoreFault
from tests.cli.command_line import CommandLine
from tests.domain.build import DEFAULTS, ETHER, GWEI, a_header, a_quote
from tests.fakes_store import FakeDatabase

LIMITED = Parameters(max_fee_increase=Fraction(1, 10), max_fee_decrease=Fraction(1, 10))
LIMITS = ("--max-fee-increase", "0.1", "--max-fee-decrease", "0.1")
BLOCKS = 12


def journaled(
    database: FakeDatabase,
    *,
    parameters: Parameters = DEFAULTS,
    source: VaultSource = VaultSource.ONCHAIN,
    blocks: int = BLOCKS,
    first: int = 100,
) -> None:
    """What a service leaves that began at 11 gwei, and whose vault drains by a milliether a block while L1 jumps."""
    path = PathPoint(WeiPerGas(11 * GWEI))
    for index in range(blocks):
        balance = Wei(9 * ETHER - index * 10**15)
        vault = NO_VAULT if source is VaultSource.NONE else VaultState(source, balance, Wei(10 * ETHER))
        header = a_header(number=first + index, base_fee=(20 + 7 * (index % 4)) * GWEI)
        quote = a_quote(header, parameters=parameters, vault=vault, previous=path)
        database.write([Entry(quote, header.timestamp * 1000, "main", base_fee_verified=False)])  # type: ignore[arg-type]
        path = quote.price.point


@pytest.mark.parametrize("source", VaultSource)
@pytest.mark.parametrize(("parameters", "flags"), [(DEFAULTS, ()), (LIMITED, LIMITS)], ids=["none", "rate limit"])
def test_the_record_alone_tells_the_vault_and_the_path(
    cli: CommandLine, source: VaultSource, parameters: Parameters, flags: tuple[str, ...]
) -> None:
    journaled(cli.services.store.database, parameters=parameters, source=source)
    outcome = cli("backtest", "--journal", *flags, "--json")
    assert outcome.status == 0, outcome.err
    assert outcome.document["agreement"] == {
        "comparableQuotes": BLOCKS,
        "identicalQuotes": BLOCKS,
        "otherParameters": 0,
        "otherDeficit": 0,
        "otherPath": 0,
        "firstDifferingBlock": None,
    }
    assert outcome.document["history"] == "the journal"
    vault = outcome.document["scorecard"]["vault"]
    if source is VaultSource.NONE:
        assert vault is None
    else:
        assert vault["greatestDeficitWei"] == str(ETHER + (BLOCKS - 1) * 10**15)


def test_a_vault_on_chain_needs_no_balance_where_it_was_recorded(cli: CommandLine) -> None:
    journaled(cli.services.store.database)
    vault = ("--vault-addresses", f"l1:0x{'1' * 40}", "--vault-target-eth", "10")
    agreed = cli("backtest", "--journal", *vault, "--json")
    assert agreed.document["agreement"]["identicalQuotes"] == BLOCKS
    other = cli("backtest", "--journal", *vault[:3], "11", "--json")
    assert other.status == 0
    assert other.document["agreement"]["otherDeficit"] == BLOCKS


def test_other_parameters_in_force_are_told_and_are_no_difference(cli: CommandLine) -> None:
    journaled(cli.services.store.database, parameters=Parameters(alpha_data=Fraction(2, 10)), blocks=4)
    journaled(cli.services.store.database, blocks=5, first=104)
    outcome = cli("backtest", "--journal")
    assert outcome.status == 0
    lines = [" ".join(line.split()) for line in outcome.out.splitlines()]
    assert "quotes identical to those served 5 of 5" in lines
    assert "quoted with other parameters 4, not compared" in lines


def test_a_quote_that_is_another_ends_with_1_and_names_its_block(cli: CommandLine) -> None:
    database = cli.services.store.database
    journaled(database)
    entry = database.entries[7]
    database.entries[7] = replace(entry, claims={**entry.claims, "fee_per_gas": 5})
    outcome = cli("backtest", "--journal")
    assert outcome.status == 1
    assert "error: block 107 comes to another fee than the one that was quoted" in outcome.err
    assert "11 of 12" in outcome.out


def test_blocks_that_the_journal_lacks_are_refused_and_reported_where_they_are_allowed(cli: CommandLine) -> None:
    database = cli.services.store.database
    journaled(database)
    del database.entries[3:5]
    refused = cli("backtest", "--journal")
    assert refused.status == 3
    assert "the journal has no blocks 103 to 104" in refused.err
    allowed = cli("backtest", "--journal", "--allow-gaps")
    assert allowed.status == 0
    assert "gap: blocks 103 to 104 are missing, and not filled" in allowed.err


def test_a_journal_that_cannot_be_taken_for_what_it_says_ends_with_3(cli: CommandLine) -> None:
    assert "the journal has no entries yet" in cli("backtest", "--journal").err
    database = cli.services.store.database
    journaled(database)
    database.entries[2] = replace(database.entries[2], is_intact=False)
    outcome = cli("backtest", "--journal")
    assert (outcome.status, outcome.out) == (3, "")
    assert "the digest of entry 3 does not hold; see verify" in outcome.err


@pytest.mark.parametrize("command", [("backtest",), ("compare",), ("sweep", "--vary", "alphaData=0.18")])
def test_a_store_that_cannot_be_read_ends_with_4(cli: CommandLine, command: tuple[str, ...]) -> None:
    cli.services.store.fault = StoreError(StoreFault.UNAVAILABLE, "there is no database file in its place")
    outcome = cli(*command, "--journal")
    assert (outcome.status, outcome.out) == (4, "")
    assert outcome.err == "error: store unavailable: there is no database file in its place\n"


def test_a_comparison_over_the_journal_holds_each_candidate_to_the_recorded_vault(cli: CommandLine) -> None:
    journaled(cli.services.store.database)
    candidates = cli("compare", "--journal", "--json").document["candidates"]
    deficits = {each["scorecard"]["vault"]["greatestDeficitWei"] for each in candidates.values()}
    assert deficits == {str(ETHER + (BLOCKS - 1) * 10**15)}
