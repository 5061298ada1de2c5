"""`verify` on the command line."""

from dataclasses import replace

from app.engine.entries import Entry
from app.engine.ports import StoreError, StoreFault
from tests.cli.command_line import CommandLine
from tests.domain.build import a_header, a_quote
from tests.fakes_store import FakeDatabase


def filled(database: FakeDatabase, blocks: int = 5) -> None:
    quotes = [a_quote(a_header(number=number)) for number in range(100, 100 + blocks)]
    database.write([Entry(quote, quote.header.timestamp * 1000, "main", base_fee_verified=False) for quote in quotes])  # type: ignore[arg-type]


def test_a_journal_that_holds_is_exit_0_with_a_summary(cli: CommandLine) -> None:
    filled(cli.services.store.database)
    outcome = cli("verify")
    assert (outcome.status, outcome.err) == (0, "")
    assert outcome.out == "5 entries, blocks 100 to 104: 0 findings\n"


def test_an_empty_journal_holds(cli: CommandLine) -> None:
    assert cli("verify").out == "0 entries: 0 findings\n"


def test_a_tampered_entry_is_named_and_exit_1(cli: CommandLine) -> None:
    database = cli.services.store.database
    filled(database)
    entry = database.entries[3]
    database.entries[3] = replace(entry, claims={**entry.claims, "fee_per_gas": 5})
    outcome = cli("verify")
    assert outcome.status == 1
    assert outcome.out.startswith("entry 4, block 103: recomputation: fee_per_gas: stored 5, computed ")


def test_as_json_everything_is_a_field(cli: CommandLine) -> None:
    database = cli.services.store.database
    filled(database)
    database.entries[3] = replace(database.entries[3], is_intact=False)
    outcome = cli("verify", "--json")
    document = outcome.document
    assert outcome.status == 1
    assert (document["ok"], document["entries"], document["findingsTotal"]) == (False, 5, 1)
    assert (document["findings"][0]["sequence"], document["findings"][0]["blockNumber"]) == (4, 103)
    assert (document["gaps"], document["pathBreaks"], document["divergences"]) == ([], [], 0)


def test_a_range_is_taken_from_the_command_line(cli: CommandLine) -> None:
    filled(cli.services.store.database)
    assert cli("verify", "--from-block", "101", "--to-block", "102").out.startswith("2 entries, blocks 101 to 102")


def test_a_range_that_ends_before_it_begins_is_a_usage_error(cli: CommandLine) -> None:
    outcome = cli("verify", "--from-block", "5", "--to-block", "4")
    assert outcome.status == 2
    assert "--to-block: got 4, expected at least --from-block (5)" in outcome.err


def test_a_store_that_cannot_be_read_is_exit_4_and_says_why(cli: CommandLine) -> None:
    cli.services.store.fault = StoreError(StoreFault.UNAVAILABLE, "no such file")
    outcome = cli("verify")
    assert (outcome.status, outcome.out) == (4, "")
    assert outcome.err == "error: store unavailable: no such file\n"
