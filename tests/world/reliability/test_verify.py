"""`verify` beside a live service, over journals that somebody tampered with, and where there is no journal."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.postgres import Postgres, running_postgres
from tests.service import bare_environment
from tests.world.reliability.devnet_chain import RATE_LIMIT, DevnetChain, catch_up, oracle_on, quote_after
from tests.world.reliability.disks import spoil
from tests.world.reliability.journals import Row, execute, rows_of, verify, verify_here

LEAST_ENTRIES = 12
SECRET = "p4ssw0rd-n0body-may-see"  # noqa: S105
_COPIES = count()


@dataclass(frozen=True, slots=True)
class Journal:
    """A journal that a service has left behind."""

    state_url: str
    rows: list[Row]
    tampered: Row
    """One in its middle."""


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with running_postgres(durable=False) as server:
        yield server


def left_behind(chain: DevnetChain, state_url: str) -> Journal:
    """Let a service write some entries and end; beside it, `verify` finds nothing."""
    chain.go_on()
    with oracle_on(chain, state_url, **RATE_LIMIT) as oracle:
        quote_after(oracle, quote_after(oracle, 0)["l1"]["blockNumber"] + LEAST_ENTRIES)
        beside = verify(state_url, "--json")
        assert beside.returncode == 0, beside.stdout + beside.stderr
        found = json.loads(beside.stdout)
        assert found["ok"] is True
        assert found["entries"] >= LEAST_ENTRIES
        assert (found["findings"], found["pathBreaks"], found["gaps"], found["divergences"]) == ([], [], [], 0)
        quote_after(oracle, found["lastBlock"])
        assert not oracle.events("journal_degraded"), "whoever verifies holds up no writer"
        catch_up(oracle, chain)
        assert oracle.stop() == 0
    rows = rows_of(state_url)
    return Journal(state_url, rows, rows[len(rows) // 2])


@pytest.fixture(scope="module")
def journals(tmp_path_factory: pytest.TempPathFactory, server: Postgres) -> dict[str, Journal]:
    """One of each kind."""
    path = tmp_path_factory.mktemp("journals") / "journal.db"
    execute(server.url, "CREATE DATABASE original")
    database = f"{server.url.rpartition('/')[0]}/original"
    with DevnetChain(0.1) as chain:
        return {"sqlite": left_behind(chain, f"sqlite:///{path}"), "postgresql": left_behind(chain, database)}


def copied(journal: Journal, directory: Path) -> str:
    """A copy to tamper with; its URL."""
    if journal.state_url.startswith("sqlite"):
        copy = directory / "copy.db"
        shutil.copy(journal.state_url.removeprefix("sqlite:///"), copy)
        return f"sqlite:///{copy}"
    place, _, name = journal.state_url.rpartition("/")
    copied_name = f"copy_{next(_COPIES)}"
    execute(f"{place}/postgres", f"CREATE DATABASE {copied_name} TEMPLATE {name}")
    return f"{place}/{copied_name}"


TAMPERING = {
    "a fee": "UPDATE entries SET fee_per_gas = fee_per_gas + 1 WHERE sequence = {n}",
    "a base fee": "UPDATE entries SET base_fee_per_gas = base_fee_per_gas + 1 WHERE sequence = {n}",
    "a previous fee": "UPDATE entries SET previous_fee = previous_fee - 1 WHERE sequence = {n}",
    "a hash": "UPDATE entries SET block_hash = replace(block_hash, '0', '1') WHERE sequence = {n}",
    "a deficit": "UPDATE entries SET deficit = '1' WHERE sequence = {n}",
    "a provider": "UPDATE entries SET provider = 'another' WHERE sequence = {n}",
    "a time": "UPDATE entries SET computed_at = computed_at - 1 WHERE sequence = {n}",
    "a digest": "UPDATE entries SET digest = substr(digest, 2) || substr(digest, 1, 1) WHERE sequence = {n}",
    "a text for a number": "UPDATE entries SET raw_fee_per_gas = 'much' WHERE sequence = {n}",
}
KINDS = pytest.mark.parametrize("kind", ["sqlite", "postgresql"])


def findings_of(state_url: str) -> list[dict[str, Any]]:
    """What `verify` finds, which is something."""
    status, printed = verify_here(state_url, "--json")
    assert status == 1, printed
    found = json.loads(printed)
    assert found["ok"] is False
    assert found["findingsTotal"] == len(found["findings"]) > 0
    return list(found["findings"])


@KINDS
@pytest.mark.parametrize("what", TAMPERING)
def test_an_entry_that_was_tampered_with_is_named(
    journals: dict[str, Journal], tmp_path: Path, kind: str, what: str
) -> None:
    journal = journals[kind]
    copy = copied(journal, tmp_path)
    execute(copy, TAMPERING[what].format(n=journal.tampered.sequence))
    named = {(finding["sequence"], finding["blockNumber"]) for finding in findings_of(copy)}
    row = journal.tampered
    assert (row.sequence, row.block_number) in named
    assert {sequence for sequence, _ in named} <= {row.sequence, row.sequence + 1}, "and at most the one built on it"


@KINDS
def test_an_entry_that_was_taken_out_is_missed(journals: dict[str, Journal], tmp_path: Path, kind: str) -> None:
    journal = journals[kind]
    copy = copied(journal, tmp_path)
    execute(copy, f"DELETE FROM entries WHERE sequence = {journal.tampered.sequence}")  # noqa: S608
    assert (journal.tampered.sequence, "missing") in {
        (finding["sequence"], finding["kind"]) for finding in findings_of(copy)
    }


@KINDS
def test_the_newest_entries_cannot_be_cut_off_unseen(journals: dict[str, Journal], tmp_path: Path, kind: str) -> None:
    journal = journals[kind]
    copy = copied(journal, tmp_path)
    execute(copy, f"DELETE FROM entries WHERE sequence > {journal.tampered.sequence}")  # noqa: S608
    first, last = journal.tampered.sequence + 1, journal.rows[-1].sequence
    assert [finding["sequence"] for finding in findings_of(copy)] == [first, last]


@KINDS
def test_a_parameter_that_was_changed_afterwards_shows_in_every_entry_made_with_it(
    journals: dict[str, Journal], tmp_path: Path, kind: str
) -> None:
    journal = journals[kind]
    copy = copied(journal, tmp_path)
    execute(copy, "UPDATE parameter_sets SET content = replace(content, '72', '73')")
    named = {(finding["sequence"], finding["blockNumber"]) for finding in findings_of(copy)}
    assert named == {(row.sequence, row.block_number) for row in journal.rows}


def test_the_command_names_entry_and_block_and_exits_1(journals: dict[str, Journal], tmp_path: Path) -> None:
    row = journals["sqlite"].tampered
    copy = copied(journals["sqlite"], tmp_path)
    execute(copy, TAMPERING["a fee"].format(n=row.sequence))
    done = subprocess.run(
        [sys.executable, "-m", "app", "verify", "--state-url", copy],
        env=bare_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert f"entry {row.sequence}, block {row.block_number}: " in done.stdout
    assert f"stored {row.fee_per_gas + 1}, computed {row.fee_per_gas}" in done.stdout
    elsewhere = verify(copy, "--to-block", str(row.block_number - 1))
    assert (elsewhere.returncode, elsewhere.stderr) == (0, ""), "a range without it holds"


def test_a_journal_that_is_not_there_is_said_and_not_made(tmp_path: Path) -> None:
    missing = tmp_path / "nowhere" / "journal.db"
    done = verify(f"sqlite:///{missing}")
    assert (done.returncode, done.stdout) == (4, "")
    assert "no database file" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_file_without_a_journal_is_said_and_left_as_it_is(tmp_path: Path) -> None:
    empty = tmp_path / "journal.db"
    empty.touch()
    done = verify(f"sqlite:///{empty}")
    assert (done.returncode, done.stdout) == (4, "")
    assert "no journal" in done.stderr
    assert empty.stat().st_size == 0


def test_a_spoiled_journal_is_called_corrupt(journals: dict[str, Journal], tmp_path: Path) -> None:
    copy = copied(journals["sqlite"], tmp_path)
    spoil(Path(copy.removeprefix("sqlite:///")))
    done = verify(copy)
    assert (done.returncode, done.stdout) == (4, "")
    assert "corrupt" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_server_that_is_not_there_is_said_without_its_password(free_port: int) -> None:
    done = verify(f"postgresql://somebody:{SECRET}@127.0.0.1:{free_port}/journal")
    assert (done.returncode, done.stdout) == (4, "")
    assert "store unavailable" in done.stderr
    assert SECRET not in done.stderr
    assert "Traceback" not in done.stderr
