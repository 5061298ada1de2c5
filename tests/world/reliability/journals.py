"""A journal seen from outside: its rows by plain SQL, `verify`, and what an oracle says of it."""

import contextlib
import io
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import astuple, dataclass, fields
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

import psycopg

from app.cli import run
from tests.recorder import Recorder
from tests.service import Service, bare_environment, wait_until

_SQLITE = "sqlite:///"
DEGRADED_METRIC = re.compile(r"^taiko_fee_oracle_journal_degraded (\S+)$", re.MULTILINE)
SPOOLED_METRIC = re.compile(r"^taiko_fee_oracle_journal_spooled_entries (\S+)$", re.MULTILINE)
QUOTES_METRIC = re.compile(r"^taiko_fee_oracle_quotes_total\{[^}]*\} (\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Row:
    """What the tests look at in an entry, by the names of its columns."""

    sequence: int
    block_number: int
    block_hash: str
    parent_hash: str
    parameters_id: str
    previous_fee: int | None
    fee_per_gas: int
    quote_id: str
    vault_balance: str | None
    instance: str


class _Connection(Protocol):
    """What both drivers have."""

    def execute(self, query: Any, /) -> Any:  # noqa: ANN401 - the drivers differ
        """Run one statement; a cursor."""
        ...


@contextlib.contextmanager
def opened(state_url: str) -> Iterator[_Connection]:
    """A connection of the test's own, each statement its own transaction."""
    if state_url.startswith(_SQLITE):
        path = Path(state_url.removeprefix(_SQLITE))
        assert path.exists(), "there is no journal"
        with contextlib.closing(sqlite3.connect(path, isolation_level=None, timeout=5)) as held:
            yield held
    else:
        with psycopg.connect(state_url, autocommit=True) as connection:
            yield connection


def execute(state_url: str, *statements: str) -> None:
    """Run statements, as whoever has the database's password can."""
    with opened(state_url) as connection:
        for statement in statements:
            connection.execute(statement)


def rows_of(state_url: str) -> list[Row]:
    """Every entry, in append order."""
    columns = ", ".join(field.name for field in fields(Row))
    with opened(state_url) as connection:
        found = connection.execute(f"SELECT {columns} FROM entries ORDER BY sequence").fetchall()  # noqa: S608
    return [Row(*row) for row in found]


def verify(state_url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`verify` as an operator runs it."""
    return subprocess.run(
        [sys.executable, "-m", "app", "verify", *arguments],
        env=bare_environment(TAIKO_STATE_URL=state_url),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def verify_here(state_url: str, *arguments: str) -> tuple[int, str]:
    """`verify` in this process, for the many tests that end with it: its exit status, and what it printed."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        status = run(["verify", *arguments], {"TAIKO_STATE_URL": state_url})
    return status, printed.getvalue()


def assert_verified(state_url: str) -> None:
    """`verify` finds nothing."""
    status, printed = verify_here(state_url)
    assert status == 0, printed
    assert " 0 findings" in printed


def gaps_of(state_url: str) -> set[tuple[int, int]]:
    """First and last block of each gap that the journal names."""
    with opened(state_url) as connection:
        return set(connection.execute("SELECT first_block, last_block FROM gaps").fetchall())


def assert_unbroken(rows: Sequence[Row], *, gaps: AbstractSet[tuple[int, int]] = frozenset()) -> None:
    """The sequence has no hole, the block numbers none but `gaps`, and each fee goes on from its parent's."""
    assert [row.sequence for row in rows] == list(range(1, len(rows) + 1))
    for earlier, later in pairwise(rows):
        if (earlier.block_number + 1, later.block_number - 1) in gaps:
            continue
        assert later.block_number == earlier.block_number + 1, (astuple(earlier), astuple(later))
        assert later.parent_hash == earlier.block_hash, (astuple(earlier), astuple(later))
        expected = None if rows[0].previous_fee is None else earlier.fee_per_gas
        assert later.previous_fee == expected, (astuple(earlier), astuple(later))


def assert_journaled(recorder: Recorder, rows: Iterable[Row]) -> None:
    """Every quote that the client ever received is there, with the fee that it was told."""
    journaled = {(row.block_hash, row.quote_id, row.fee_per_gas) for row in rows}
    served = {
        (answer.body["l1"]["blockHash"], answer.body["quoteId"], answer.body["feePerGas"]) for answer in recorder.quotes
    }
    assert served, "the client received no quote at all"
    assert served <= journaled, f"served and not journaled: {sorted(served - journaled)[:5]}"


def quotes_counted(oracle: Service) -> int:
    """The blocks that an oracle's metrics count since its start."""
    return round(sum(float(value) for value in QUOTES_METRIC.findall(oracle.get("/metrics").text)))


def assert_degraded(oracle: Service, *faults: str, seconds: float = 20) -> None:
    """The oracle says everywhere that its journal fails, by one of these faults, and serves on."""

    def probe() -> bool:
        status = oracle.get("/v1/status").json()
        return status["journal"] == "degraded" and status["store"]["reason"] in faults

    wait_until(probe, f"a journal degraded by {' or '.join(faults)}", seconds=seconds)
    assert oracle.get("/v1/status").json()["store"]["degradedSince"] is not None
    assert oracle.get("/readyz").json()["journal"] == "degraded"
    assert DEGRADED_METRIC.findall(oracle.get("/metrics").text) == ["1.0"]
    assert {event["fault"] for event in oracle.events("journal_degraded")} & set(faults)


def assert_recovered(oracle: Service, *, seconds: float = 20) -> None:
    """Nothing is left of a fault: every flag is reset, and nothing waits for the store."""

    def probe() -> bool:
        return bool(oracle.get("/v1/status").json()["journal"] == "ok")

    wait_until(probe, "a journal that is well again", seconds=seconds)
    store = oracle.get("/v1/status").json()["store"]
    assert (store["reason"], store["detail"], store["degradedSince"], store["spooled"]) == (None, None, None, 0)
    assert store["lost"] == 0
    assert oracle.get("/readyz").status_code == 200
    assert oracle.get("/readyz").json()["journal"] == "ok"
    metrics = oracle.get("/metrics").text
    assert DEGRADED_METRIC.findall(metrics) == ["0.0"]
    assert SPOOLED_METRIC.findall(metrics) == ["0.0"]
    assert oracle.events("journal_recovered")
