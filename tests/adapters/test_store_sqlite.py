import asyncio
import re
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from fractions import Fraction
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, Engine, create_engine, event

from app.adapters.store import SqlStore
from app.adapters.store.place import PostgresPlace, SqlitePlace, place_of
from app.adapters.store.rows import entry_cells, parameters_text
from app.adapters.store.schema import CONNECTION, MIGRATIONS, VERSION_TABLE
from app.adapters.store.tables import ENTRIES, METADATA
from app.domain.errors import InvalidValueError
from app.domain.units import BlockNumber, UnixSeconds
from app.engine.entries import Gap, Place, StoredEntry, UndecodableEntry, claims_of
from app.engine.ports import StoreError, StoreFault, UndecodableDecision
from tests.adapters.store_contract import (
    LEGACY,
    NOTHING_SEEN,
    OTHER_PARAMETERS,
    READ_VAULT,
    a_change,
    a_report,
    all_entries,
    all_places,
    an_entry,
    heights,
    some_entries,
)
from tests.domain.build import DEFAULTS, GENESIS_TIME, MAINNET, adjusted

PAGE = 4096


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "journal.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SqlStore]:
    store = SqlStore(f"sqlite:///{path}")
    yield store
    await store.close()


def tamper(path: Path, statement: str, *values: object) -> None:
    """What somebody with an editor for databases could do."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        assert connection.execute(statement, values).rowcount == 1


@contextmanager
def held_by_another_writer(path: Path) -> Iterator[None]:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield


@contextmanager
def at_most_pages(pages: int) -> Iterator[None]:
    """Files that are opened meanwhile cannot grow beyond this, as on a full disk."""

    def limit(connection: sqlite3.Connection, _: object) -> None:
        connection.execute(f"PRAGMA max_page_count={pages}")

    event.listen(Engine, "connect", limit)
    try:
        yield
    finally:
        event.remove(Engine, "connect", limit)


def pages_of(path: Path) -> int:
    return path.stat().st_size // PAGE


def put(path: Path, content: bytes, offset: int | None = None) -> None:
    """Write `content` into a file: in place of what it holds, or over it from `offset` on."""
    with path.open("wb" if offset is None else "r+b") as file:
        file.seek(offset or 0)
        file.write(content)


def remove_files(directory: Path) -> None:
    for file in directory.iterdir():
        file.unlink()


def make_directory(path: Path) -> None:
    path.mkdir(parents=True)


async def everything(store: SqlStore) -> list[StoredEntry | UndecodableEntry]:
    return [entry async for entry in store.entries(None, 0, None)]


async def fault_of(store: SqlStore) -> StoreFault:
    with pytest.raises(StoreError) as caught:
        await store.append([an_entry(999)], NOTHING_SEEN)
    return caught.value.fault


class TestTampering:
    """Whatever is changed behind the journal's back is found, and the entry is named."""

    @pytest.mark.parametrize("column", [column.name for column in ENTRIES.columns if column.name != "sequence"])
    async def test_a_change_in_any_column_is_noticed(self, store: SqlStore, path: Path, column: str) -> None:
        await store.append([an_entry(n, vault=READ_VAULT, parameters=LEGACY) for n in (1, 2, 3)], NOTHING_SEEN)
        await store.append([an_entry(4, parameters=OTHER_PARAMETERS)], NOTHING_SEEN)
        tamper(path, f"UPDATE entries SET {column} = {_another(column)} WHERE sequence = 2")  # noqa: S608 - ours
        _, changed, after, *_ = await everything(store)
        assert isinstance(changed, UndecodableEntry) or not changed.is_intact
        assert changed.sequence == 2
        if column == "digest":
            assert isinstance(after, StoredEntry)
            assert not after.is_intact

    async def test_an_emptied_column_is_noticed(self, store: SqlStore, path: Path) -> None:
        await store.append([an_entry(1, vault=READ_VAULT)], NOTHING_SEEN)
        tamper(path, "UPDATE entries SET vault_observed_at = NULL")
        (changed,) = await all_entries(store)
        assert not changed.is_intact

    async def test_changed_parameters_are_noticed_at_every_entry_they_priced(self, store: SqlStore, path: Path) -> None:
        await store.append([an_entry(1), an_entry(2), an_entry(3, parameters=OTHER_PARAMETERS)], NOTHING_SEEN)
        tamper(
            path,
            "UPDATE parameter_sets SET content = replace(content, '9/50', '1/5') WHERE parameters_id = ?",
            an_entry(1).quote.parameters_id,
        )
        assert [entry.is_intact for entry in await all_entries(store)] == [False, False, True]

    async def test_an_entry_that_was_moved_is_noticed(self, store: SqlStore, path: Path) -> None:
        await store.append(some_entries(1, 3), NOTHING_SEEN)
        tamper(path, "UPDATE entries SET sequence = 9 WHERE sequence = 2")
        assert [entry.is_intact for entry in await all_entries(store)] == [True, False, False]

    @pytest.mark.parametrize("sequence", [1, 2])
    async def test_a_missing_entry_is_noticed_at_the_next(self, store: SqlStore, path: Path, sequence: int) -> None:
        await store.append(some_entries(1, 3), NOTHING_SEEN)
        tamper(path, "DELETE FROM entries WHERE sequence = ?", sequence)
        broken = [entry.sequence for entry in await all_entries(store) if not entry.is_intact]
        assert broken == [sequence + 1]

    async def test_a_missing_newest_entry_is_noticed(self, store: SqlStore, path: Path) -> None:
        await store.append(some_entries(1, 3), NOTHING_SEEN)
        tamper(path, "DELETE FROM entries WHERE sequence = 3")
        missing = (await everything(store))[-1]
        assert isinstance(missing, UndecodableEntry)
        assert (missing.sequence, missing.block_number) == (3, None)
        await store.append([an_entry(4)], NOTHING_SEEN)
        assert [(entry.sequence, entry.is_intact) for entry in await all_entries(store)] == [
            (1, True),
            (2, True),
            (4, False),
        ]

    async def test_a_missing_first_entry_is_noticed_after_pruning_too(self, store: SqlStore, path: Path) -> None:
        entries = some_entries(1, 200)
        await store.append(entries, NOTHING_SEEN)
        await store.prune(entries[49].quote.header.timestamp)
        tamper(path, "DELETE FROM entries WHERE sequence = 50")
        first, *others = await all_entries(store)
        assert (first.sequence, first.is_intact) == (51, False)
        assert all(entry.is_intact for entry in others)

    @pytest.mark.parametrize(
        ("column", "value"),
        [
            ("block_number", "many"),
            ("base_fee_per_gas", 0.5),
            ("vault_source", "hole in the ground"),
            ("vault_balance", "1e18"),
            ("vault_target", None),
            ("vault_readings", '{"l1": 1}'),
            ("vault_readings", "[" * 100_000),
            ("provider", b"\xff\xfe"),
            ("base_fee_verified", 2),
            ("gas_limit", 0),
            ("parameters_id", "none of ours"),
        ],
    )
    async def test_a_row_that_is_no_entry_is_named_and_hides_no_other(
        self, store: SqlStore, path: Path, column: str, value: object
    ) -> None:
        await store.append([an_entry(n, vault=READ_VAULT) for n in (1, 2, 3)], NOTHING_SEEN)
        tamper(path, f"UPDATE entries SET {column} = ? WHERE sequence = 2", value)  # noqa: S608 - ours
        before, broken, after = await everything(store)
        assert isinstance(before, StoredEntry)
        assert isinstance(broken, UndecodableEntry)
        assert isinstance(after, StoredEntry)
        assert (before.is_intact, broken.sequence, after.is_intact) == (True, 2, True)
        history = await store.load(MAINNET, 3)
        assert heights(history.entries) == [1, 3]

    @pytest.mark.parametrize("content", ["", "{}", '{"alpha_data": "1/0"}', "[]", "7"])
    async def test_parameters_that_are_none_are_named_at_the_entry(
        self, store: SqlStore, path: Path, content: str
    ) -> None:
        await store.append([an_entry(1)], NOTHING_SEEN)
        tamper(path, "UPDATE parameter_sets SET content = ?", content)
        (broken,) = await everything(store)
        assert isinstance(broken, UndecodableEntry)
        assert broken.block_number == 1

    async def test_a_text_that_is_no_utf8_is_noticed(self, store: SqlStore, path: Path) -> None:
        await store.append(some_entries(1, 2), NOTHING_SEEN)
        tamper(path, "UPDATE entries SET provider = CAST(x'ff80' AS TEXT) WHERE sequence = 1")
        assert [entry.is_intact for entry in await all_entries(store)] == [False, True]

    async def test_an_entry_that_cannot_be_read_decides_nothing(self, store: SqlStore, path: Path) -> None:
        await store.append([an_entry(1)], NOTHING_SEEN)
        tamper(path, "UPDATE entries SET vault_source = 'x', quote_id = 'y'")
        with pytest.raises(StoreError, match="entry 1 cannot be read") as caught:
            await store.append([an_entry(1)], NOTHING_SEEN)
        assert caught.value.fault is StoreFault.CORRUPT


class TestTamperingSeenByWhoLooksBack:
    """A row that cannot be read is named, and hides no other."""

    @pytest.mark.parametrize("height", ["many", 0.5, 7.5, b"\xff", -1])
    @pytest.mark.parametrize("most", [1, 2, 3, 10])
    async def test_an_entry_whose_height_is_none(self, store: SqlStore, path: Path, height: object, most: int) -> None:
        await store.append(some_entries(6, 9), NOTHING_SEEN)
        tamper(path, "UPDATE entries SET block_number = ? WHERE sequence = 2", height)
        places = await all_places(store, most)
        assert sorted(place.sequence for place in places) == [1, 2, 3, 4]
        assert [place.sequence for place in places if place.sequence != 2] == [4, 3, 1]

    @pytest.mark.parametrize("at", [-1, 253_402_300_800_000, 2**62])
    async def test_a_moment_that_no_text_can_show(self, store: SqlStore, path: Path, at: int) -> None:
        await store.append([an_entry(1)], NOTHING_SEEN)
        await store.report_vault(MAINNET, a_report(1))
        tamper(path, "UPDATE entries SET computed_at = ?", at)
        tamper(path, "UPDATE vault_reports SET at = ?", at)
        (entry,) = await store.entries_below(MAINNET, None, 10)
        (report,) = await store.reports_below(MAINNET, None, 10)
        assert isinstance(entry, UndecodableEntry)
        assert isinstance(report, UndecodableDecision)

    @pytest.mark.parametrize(
        ("column", "value"),
        [
            ("sources", "{}"),
            ("sources", "[]"),
            ("preset", "reckless"),
            ("from_block", "soon"),
            ("parameters_id", "none of ours"),
            ("actor", b"\xff"),
        ],
    )
    async def test_a_change_that_is_none(self, store: SqlStore, path: Path, column: str, value: object) -> None:
        for seen in range(3):
            await store.change_parameters(MAINNET, a_change(alphaData=f"0.{seen}"), seen)
        tamper(path, f"UPDATE parameter_changes SET {column} = ? WHERE number = 2", value)  # noqa: S608 - ours
        third, second, first = await store.changes_below(MAINNET, None, 10)
        assert isinstance(second, UndecodableDecision)
        assert second.number == 2
        assert not isinstance(third, UndecodableDecision)
        assert not isinstance(first, UndecodableDecision)

    @pytest.mark.parametrize(
        ("column", "value"), [("first_block", "soon"), ("last_block", b"\xff"), ("reason", b"\xff")]
    )
    async def test_a_gap_that_is_none(self, store: SqlStore, path: Path, column: str, value: object) -> None:
        await store.append([an_entry(9)], NOTHING_SEEN, Gap(BlockNumber(2), BlockNumber(8), "absence"))
        tamper(path, f"UPDATE gaps SET {column} = ?", value)  # noqa: S608 - ours
        for reading in (store.gaps(MAINNET), store.gaps_between(MAINNET, 0, None, 10)):
            with pytest.raises(StoreError, match=f"a gap cannot be read: {column}") as caught:
                await reading
            assert caught.value.fault is StoreFault.CORRUPT

    async def test_a_change_to_a_ratio_that_no_decimal_writes(self, store: SqlStore, path: Path) -> None:
        """The environment alone sets it, and the trail has to show it."""
        await store.change_parameters(MAINNET, a_change(), 0)
        third = adjusted(DEFAULTS, legacy_mu=Fraction(1, 3))
        tamper(
            path,
            "UPDATE parameter_sets SET parameters_id = ?, content = ?",
            third.parameters_id,
            parameters_text(third),
        )
        tamper(path, "UPDATE parameter_changes SET parameters_id = ?", third.parameters_id)
        (change,) = await store.changes_below(MAINNET, None, 10)
        assert isinstance(change, UndecodableDecision)

    async def test_a_decision_without_a_number_has_no_place(self, store: SqlStore, path: Path) -> None:
        await store.change_parameters(MAINNET, a_change(), 0)
        tamper(path, "UPDATE parameter_changes SET number = 'first'")
        with pytest.raises(StoreError, match="number: got 'first'") as caught:
            await store.changes_below(MAINNET, None, 10)
        assert caught.value.fault is StoreFault.CORRUPT


def _another(column: str) -> str:
    """An SQL expression for a value that the column does not hold but could."""
    others = {
        "parameters_id": f"'{an_entry(4, parameters=OTHER_PARAMETERS).quote.parameters_id}'",
        "bound": "'rate_up'",
        "vault_source": "'static'",
        "vault_condition": "'expired'",
        "vault_readings": "'[]'",
        "vault_surplus_discount": "1 - vault_surplus_discount",
        "base_fee_verified": "1 - base_fee_verified",
    }
    is_whole = ENTRIES.columns[column].type.python_type is int
    return others.get(column, f"COALESCE({column}, 0) + 1" if is_whole else f"COALESCE({column}, '') || '1'")


class TestTrouble:
    """Each fault has its name, and the store works again when it is over."""

    async def test_a_locked_file(self, store: SqlStore, path: Path) -> None:
        await store.append([an_entry(1)], NOTHING_SEEN)
        with held_by_another_writer(path):
            assert await fault_of(store) is StoreFault.LOCKED
            assert heights(await all_entries(store)) == [1]
        assert (await store.append([an_entry(2)], NOTHING_SEEN)).is_complete

    async def test_a_call_that_takes_too_long_is_left_behind(self, path: Path) -> None:
        store = SqlStore(f"sqlite:///{path}", timeout_seconds=0.2)
        await store.load(MAINNET, 1)
        with held_by_another_writer(path):
            began = time.monotonic()
            assert await fault_of(store) is StoreFault.TIMEOUT
            assert time.monotonic() - began < 0.7
        assert (await store.append([an_entry(1)], NOTHING_SEEN)).is_complete
        assert heights(await all_entries(store)) == [1]
        await store.close()

    async def test_a_caller_that_goes_away_leaves_the_store_usable(self, store: SqlStore, path: Path) -> None:
        await store.load(MAINNET, 1)
        with held_by_another_writer(path):
            caller = asyncio.create_task(store.append([an_entry(1)], NOTHING_SEEN))
            await asyncio.sleep(0)
            caller.cancel()
            await asyncio.gather(caller, return_exceptions=True)
        assert (await store.append([an_entry(2)], NOTHING_SEEN)).is_complete

    async def test_a_full_disk(self, store: SqlStore, path: Path) -> None:
        await store.append([an_entry(1)], NOTHING_SEEN)
        await store.close()
        with at_most_pages(pages_of(path) + 2):
            with pytest.raises(StoreError) as caught:
                await store.append(some_entries(2, 500), NOTHING_SEEN)
            assert caught.value.fault is StoreFault.FULL
            assert heights(await all_entries(store)) == [1]
        await store.close()
        assert (await store.append(some_entries(2, 500), NOTHING_SEEN)).is_complete
        assert all(entry.is_intact for entry in await all_entries(store))

    @pytest.mark.parametrize("content", [b"no database" * 500, b"short"])
    async def test_a_file_that_is_no_database_any_more(self, path: Path, content: bytes) -> None:
        store = SqlStore(f"sqlite:///{path}")
        await store.append([an_entry(1)], NOTHING_SEEN)
        await store.close()
        put(path, content)
        assert await fault_of(store) is StoreFault.CORRUPT
        remove_files(path.parent)
        assert (await store.append([an_entry(2)], NOTHING_SEEN)).is_complete
        await store.close()

    async def test_a_damaged_page(self, path: Path) -> None:
        store = SqlStore(f"sqlite:///{path}")
        await store.append(some_entries(1, 300), NOTHING_SEEN)
        await store.close()
        put(path, b"\xff" * PAGE * (pages_of(path) - 1), offset=PAGE)
        with pytest.raises(StoreError) as caught:
            await store.load(MAINNET, 300)
        assert caught.value.fault is StoreFault.CORRUPT
        await store.close()

    async def test_a_file_that_was_removed_takes_no_more_entries_in_silence(self, store: SqlStore, path: Path) -> None:
        await store.append([an_entry(1)], NOTHING_SEEN)
        remove_files(path.parent)
        assert await fault_of(store) is StoreFault.UNAVAILABLE
        assert (await store.append([an_entry(2)], NOTHING_SEEN)).is_complete
        assert heights(await all_entries(store)) == [2]

    async def test_a_directory_that_cannot_be_made(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("in the way")
        store = SqlStore(f"sqlite:///{tmp_path}/file/state/journal.db")
        assert await fault_of(store) is StoreFault.UNAVAILABLE
        (tmp_path / "file").unlink()
        assert (await store.append([an_entry(1)], NOTHING_SEEN)).is_complete
        await store.close()

    async def test_a_directory_in_place_of_the_file(self, path: Path) -> None:
        make_directory(path)
        store = SqlStore(f"sqlite:///{path}")
        with pytest.raises(StoreError) as caught:
            await store.load(MAINNET, 1)
        assert caught.value.fault is StoreFault.READ_ONLY
        assert str(path) not in str(caught.value)
        await store.close()

    async def test_a_schema_of_a_newer_version(self, store: SqlStore, path: Path) -> None:
        await store.load(MAINNET, 1)
        await store.close()
        tamper(path, "UPDATE journal_schema SET version_num = 'r9999'")
        with pytest.raises(StoreError, match="r9999 was made by a newer version") as caught:
            await store.load(MAINNET, 1)
        assert caught.value.fault is StoreFault.INCOMPATIBLE

    async def test_a_table_that_is_gone(self, store: SqlStore, path: Path) -> None:
        await store.load(MAINNET, 1)
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("DROP TABLE entries")
        assert await fault_of(store) is StoreFault.CORRUPT

    async def test_the_row_of_the_ends_is_gone(self, store: SqlStore, path: Path) -> None:
        await store.append([an_entry(1)], NOTHING_SEEN)
        tamper(path, "DELETE FROM journal_ends")
        assert await fault_of(store) is StoreFault.CORRUPT
        last = (await everything(store))[-1]
        assert isinstance(last, UndecodableEntry)


class TestReadingAlone:
    """A reader makes no database where there is none."""

    async def test_no_file(self, path: Path) -> None:
        store = SqlStore(f"sqlite:///{path}", must_exist=True)
        with pytest.raises(StoreError, match="no database file") as caught:
            await store.load(MAINNET, 1)
        assert caught.value.fault is StoreFault.UNAVAILABLE
        assert not path.parent.exists()
        await store.close()

    async def test_a_file_without_a_journal(self, path: Path) -> None:
        path.parent.mkdir()
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("CREATE TABLE shopping (item TEXT)")
        store = SqlStore(f"sqlite:///{path}", must_exist=True)
        with pytest.raises(StoreError, match="no journal") as caught:
            await store.load(MAINNET, 1)
        assert caught.value.fault is StoreFault.INCOMPATIBLE
        await store.close()

    async def test_beside_a_store_that_writes(self, store: SqlStore, path: Path) -> None:
        await store.append([an_entry(1)], NOTHING_SEEN)
        reader = SqlStore(f"sqlite:///{path}", must_exist=True)
        assert heights(await all_entries(reader)) == [1]
        await reader.close()


async def test_the_schema_that_the_migrations_make_is_the_one_that_the_queries_use(store: SqlStore, path: Path) -> None:
    await store.load(MAINNET, 1)
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE, "compare_type": True})
        assert compare_metadata(context, METADATA) == []
    engine.dispose()


async def test_a_journal_of_an_older_version_is_brought_up_to_date_with_all_that_it_holds(
    store: SqlStore, path: Path
) -> None:
    await store.append(some_entries(1, 40), NOTHING_SEEN)
    await store.close()
    migrate(path, "r0001")
    assert "entries_height" not in indexes_of(path)
    reader = SqlStore(f"sqlite:///{path}", must_exist=True)
    with pytest.raises(StoreError, match="no journal of this version"):
        await reader.load(MAINNET, 1)
    assert heights(await all_entries(store)) == list(range(1, 41))
    assert {"entries_height", "entries_sequence", "entries_block"} <= indexes_of(path)
    assert "entries_block_number" not in indexes_of(path)
    assert len(await reader.entries_below(MAINNET, None, 100)) == 40
    await reader.close()


def migrate(path: Path, revision: str) -> None:
    """Take the schema back to what an older version of the program made."""
    engine = create_engine(f"sqlite:///{path}")
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        config.attributes[CONNECTION] = connection
        command.downgrade(config, revision)
    engine.dispose()


def indexes_of(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as connection:
        return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'index'")}


async def test_many_that_open_a_new_file_at_once_make_one_schema(path: Path) -> None:
    stores = [SqlStore(f"sqlite:///{path}") for _ in range(6)]
    await asyncio.gather(*(store.append([an_entry(n)], NOTHING_SEEN) for n, store in enumerate(stores)))
    assert sorted(heights(await all_entries(stores[0]))) == list(range(6))
    await asyncio.gather(*(store.close() for store in stores))


async def test_the_directory_is_for_nobody_else(store: SqlStore, path: Path) -> None:
    await store.load(MAINNET, 1)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


async def test_what_was_appended_is_in_the_file_before_the_store_is_closed(store: SqlStore, path: Path) -> None:
    await store.append([an_entry(1)], NOTHING_SEEN)
    with closing(sqlite3.connect(path)) as connection:
        (entries,) = connection.execute("SELECT count(*) FROM entries").fetchone()
        (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
    assert (entries, mode) == (1, "wal")


class Plans:
    """How SQLite goes about each query that is made meanwhile."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.steps: list[str] = []

    def explain(self, _: Connection, __: object, statement: str, parameters: tuple[object, ...], *___: object) -> None:
        if statement.startswith(("SELECT", "DELETE")):
            with closing(sqlite3.connect(self._path)) as other:
                rows = other.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
                self.steps += [f"{row[3]}: {statement}" for row in rows]


async def test_no_call_of_a_running_service_reads_the_whole_journal(store: SqlStore, path: Path) -> None:
    """With a month in it, a call that did would outlast its deadline, and the journal would stay degraded for ever."""
    await store.append(some_entries(1, 300), NOTHING_SEEN)
    plans = Plans(path)
    event.listen(Engine, "before_cursor_execute", plans.explain)
    try:
        await store.load(MAINNET, 256)
        await store.append(some_entries(301, 302), NOTHING_SEEN)
        await store.merge(some_entries(303, 304))
        await store.report_vault(MAINNET, a_report(1))
        await store.change_parameters(MAINNET, a_change(), 0)
        await store.prune(UnixSeconds(GENESIS_TIME + 12 * 100))
        for place in (None, Place(BlockNumber(250), 0), Place(BlockNumber(250), 251), Place(None, 250)):
            await store.entries_below(MAINNET, place, 32)
        await store.gaps_between(MAINNET, 100, 200, 100)
        await store.changes_below(MAINNET, 2, 32)
        await store.reports_below(MAINNET, 2, 32)
    finally:
        event.remove(Engine, "before_cursor_execute", plans.explain)
    assert len(plans.steps) > 20
    slow = [step for step in plans.steps if "TEMP B-TREE" in step or re.match(r"SCAN (entries|divergences)\b", step)]
    assert slow == []


def test_every_column_of_an_entry_is_written_and_every_claim_has_one() -> None:
    written = set(entry_cells(an_entry(1), "instance"))
    assert written == {column.name for column in ENTRIES.columns} - {"sequence", "digest"}
    assert set(claims_of(an_entry(1).quote)) <= written


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("sqlite:///var/journal.db", SqlitePlace("var/journal.db")),
        ("sqlite:////var/journal.db", SqlitePlace("/var/journal.db")),
        ("postgres://u@db/x", PostgresPlace("postgresql+psycopg://u@db/x")),
        (
            "PostgreSQL://u:p%40@db:5433/x?sslmode=require",
            PostgresPlace("postgresql+psycopg://u:p%40@db:5433/x?sslmode=require"),
        ),
    ],
)
def test_a_url_says_where_the_store_is(url: str, place: SqlitePlace | PostgresPlace) -> None:
    assert place_of(url) == place


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hunter2",
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite:///hunter2/",
        "sqlite:///hunter2.db?mode=ro",
        "mysql://u:hunter2@db/x",
        "postgresql://u:hunter2@db:port/x",
        "postgresql://u:hunter2@db:0/x",
        "postgresql://u:hunter2@db/x y",
        "postgresql://u:hunter2@[db/x",
        "postgresql://u:hunter2@db/\nx",
    ],
)
def test_a_url_that_cannot_be_used_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(InvalidValueError) as caught:
        SqlStore(url)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_url_is_in_no_repr() -> None:
    url = "postgresql://u:hunter2@db.internal/x"
    assert "hunter2" not in repr(SqlStore(url))
    assert "hunter2" not in repr(place_of(url))


@pytest.mark.process
def test_naming_the_store_brings_no_database_library() -> None:
    loaded = "import sys, app.adapters.store; print({'sqlalchemy', 'alembic', 'psycopg'} & set(sys.modules))"
    answer = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "set()"
