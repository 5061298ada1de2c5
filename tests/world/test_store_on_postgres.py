import asyncio
import logging
import subprocess
import sys
import time
import traceback
from collections.abc import AsyncIterator, Iterator
from itertools import count
from pathlib import Path

import psycopg
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, Engine, create_engine, event

from app.adapters.store import SqlStore
from app.adapters.store.schema import CONNECTION, MIGRATIONS, VERSION_TABLE
from app.adapters.store.tables import METADATA
from app.domain.units import BlockNumber
from app.engine.entries import Place
from app.engine.ports import StoreError, StoreFault
from tests.adapters.store_contract import (
    NOTHING_SEEN,
    OpenStore,
    StoreContract,
    all_entries,
    an_entry,
    heights,
    some_entries,
)
from tests.domain.build import MAINNET
from tests.postgres import Postgres, running_postgres


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with running_postgres(durable=False) as server:
        yield server


_SCHEMAS = count()


@pytest.fixture
def url(server: Postgres) -> str:
    """A URL to a schema that nobody has used."""
    schema = f"journal_{next(_SCHEMAS)}"
    with server.connection() as connection:
        connection.execute(f"CREATE SCHEMA {schema}")
    return f"{server.url}?options=-csearch_path%3D{schema}"


class TestPostgresStore(StoreContract):
    @pytest.fixture
    def open_store(self, url: str) -> OpenStore:
        return lambda: SqlStore(url)


@pytest.fixture
async def store(url: str) -> AsyncIterator[SqlStore]:
    store = SqlStore(url)
    yield store
    await store.close()


@pytest.fixture
async def crashing() -> AsyncIterator[Postgres]:
    """A server for a test that harms it."""
    with running_postgres() as server:
        yield server


def open_files() -> int:
    """How many this process has."""
    return len(list(Path("/proc/self/fd").iterdir()))


async def error_of(store: SqlStore, number: int = 999) -> StoreError:
    with pytest.raises(StoreError) as caught:
        await store.append([an_entry(number)], NOTHING_SEEN)
    return caught.value


class TestTrouble:
    """Each fault has its name, and the store works again when it is over."""

    async def test_a_killed_server_loses_nothing_that_was_appended(self, crashing: Postgres) -> None:
        store = SqlStore(crashing.url)
        await store.append(some_entries(1, 3), NOTHING_SEEN)
        crashing.kill()
        assert (await error_of(store)).fault is StoreFault.UNAVAILABLE
        assert (await error_of(store)).fault is StoreFault.UNAVAILABLE
        crashing.start()
        assert (await store.append([an_entry(4)], NOTHING_SEEN)).is_complete
        entries = await all_entries(store)
        assert heights(entries) == [1, 2, 3, 4]
        assert all(entry.is_intact for entry in entries)
        await store.close()

    async def test_a_url_that_the_driver_cannot_use(self) -> None:
        store = SqlStore("postgresql://oracle@127.0.0.1/journal?sslmod=require")
        failure = await error_of(store)
        assert (failure.fault, "oracle" in failure.detail) == (StoreFault.UNAVAILABLE, False)
        await store.close()

    async def test_a_server_that_is_stopped_and_started_again(self, crashing: Postgres) -> None:
        store = SqlStore(crashing.url)
        await store.append([an_entry(1)], NOTHING_SEEN)
        crashing.stop()
        assert (await error_of(store)).fault is StoreFault.UNAVAILABLE
        crashing.start()
        assert (await store.append([an_entry(2)], NOTHING_SEEN)).is_complete
        await store.close()

    async def test_a_frozen_server_is_left_behind_in_time(self, crashing: Postgres) -> None:
        store = SqlStore(crashing.url, timeout_seconds=1)
        await store.append([an_entry(1)], NOTHING_SEEN)
        crashing.freeze()
        for _ in range(3):
            began = time.monotonic()
            assert (await error_of(store, 2)).fault is StoreFault.TIMEOUT
            assert time.monotonic() - began < 1.5
        crashing.thaw()
        assert (await store.append(some_entries(2, 3), NOTHING_SEEN)).is_complete
        entries = await all_entries(store)
        assert heights(entries) == [1, 2, 3]
        assert all(entry.is_intact for entry in entries)
        await store.close()

    async def test_a_frozen_server_holds_up_no_closing(self, crashing: Postgres) -> None:
        store = SqlStore(crashing.url, timeout_seconds=1)
        await store.append([an_entry(1)], NOTHING_SEEN)
        crashing.freeze()
        began = time.monotonic()
        await store.close()
        assert time.monotonic() - began < 1.5

    def test_a_frozen_server_holds_up_no_end_of_a_process(self, crashing: Postgres) -> None:
        with subprocess.Popen(
            [sys.executable, "-c", _ENDS_WHILE_FROZEN, crashing.url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            assert process.stdin is not None
            assert process.stdout.readline() == "open\n"
            crashing.freeze()
            process.stdin.write("\n")
            process.stdin.flush()
            assert process.wait(10) == 0
            assert process.stdout.read() == "timeout\n"

    async def test_many_connections_that_were_left_behind_are_not_kept(self, crashing: Postgres) -> None:
        store = SqlStore(crashing.url, timeout_seconds=0.3)
        await store.append([an_entry(1)], NOTHING_SEEN)
        before = open_files()
        crashing.freeze()
        for _ in range(5):
            assert (await error_of(store)).fault is StoreFault.TIMEOUT
        crashing.thaw()
        await store.append([an_entry(2)], NOTHING_SEEN)
        async with asyncio.timeout(10):
            while open_files() > before:  # noqa: ASYNC110 - threads end by themselves
                await asyncio.sleep(0.05)
        await store.close()

    async def test_another_writer_that_does_not_end(self, store: SqlStore, url: str) -> None:
        await store.append([an_entry(1)], NOTHING_SEEN)
        with psycopg.connect(url) as other:
            other.execute("SELECT pg_advisory_xact_lock(1952541035, hashtext(current_schema()))")
            assert (await error_of(store)).fault is StoreFault.LOCKED
            assert heights(await all_entries(store)) == [1]
        assert (await store.append([an_entry(2)], NOTHING_SEEN)).is_complete

    async def test_a_database_that_takes_no_writes(self, store: SqlStore, server: Postgres) -> None:
        await store.append([an_entry(1)], NOTHING_SEEN)
        await store.close()
        with server.connection() as admin:
            admin.execute("ALTER DATABASE postgres SET default_transaction_read_only = on")
        assert (await error_of(store)).fault is StoreFault.READ_ONLY
        await store.close()
        with server.connection() as admin:
            admin.execute("SET default_transaction_read_only = off")
            admin.execute("ALTER DATABASE postgres RESET default_transaction_read_only")
        assert (await store.append([an_entry(2)], NOTHING_SEEN)).is_complete

    async def test_a_connection_that_an_operator_ends(self, store: SqlStore, server: Postgres) -> None:
        await store.append([an_entry(1)], NOTHING_SEEN)
        with server.connection() as admin:
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'taiko-fee-oracle'"
            )
        assert (await error_of(store)).fault is StoreFault.UNAVAILABLE
        assert (await store.append([an_entry(2)], NOTHING_SEEN)).is_complete

    async def test_a_schema_of_a_newer_version(self, store: SqlStore, url: str) -> None:
        await store.load(MAINNET, 1)
        await store.close()
        with psycopg.connect(url) as other:
            other.execute("UPDATE journal_schema SET version_num = 'r9999'")
        assert (await error_of(store)).fault is StoreFault.INCOMPATIBLE

    async def test_a_table_that_is_gone(self, store: SqlStore, url: str) -> None:
        await store.load(MAINNET, 1)
        with psycopg.connect(url) as other:
            other.execute("DROP TABLE entries")
        assert (await error_of(store)).fault is StoreFault.CORRUPT

    async def test_a_tampered_row_is_found(self, store: SqlStore, url: str) -> None:
        await store.append(some_entries(1, 3), NOTHING_SEEN)
        with psycopg.connect(url) as other:
            other.execute("UPDATE entries SET fee_per_gas = fee_per_gas + 1 WHERE sequence = 2")
        assert [entry.is_intact for entry in await all_entries(store)] == [True, False, True]

    async def test_a_reader_makes_no_schema(self, url: str) -> None:
        reader = SqlStore(url, must_exist=True)
        with pytest.raises(StoreError, match="no journal"):
            await reader.load(MAINNET, 1)
        await reader.close()
        with psycopg.connect(url) as other:
            assert other.execute("SELECT count(*) FROM pg_tables WHERE schemaname = current_schema()").fetchone() == (
                0,
            )

    async def test_many_that_start_at_once_make_one_schema(self, url: str) -> None:
        stores = [SqlStore(url) for _ in range(6)]
        await asyncio.gather(*(store.append([an_entry(n)], NOTHING_SEEN) for n, store in enumerate(stores)))
        assert sorted(heights(await all_entries(stores[0]))) == list(range(6))
        await asyncio.gather(*(store.close() for store in stores))

    async def test_the_schema_that_the_migrations_make_is_the_one_that_the_queries_use(
        self, store: SqlStore, url: str
    ) -> None:
        await store.load(MAINNET, 1)
        engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
        with engine.connect() as connection:
            context = MigrationContext.configure(
                connection, opts={"version_table": VERSION_TABLE, "compare_type": True}
            )
            assert compare_metadata(context, METADATA) == []
        engine.dispose()

    async def test_a_journal_of_an_older_version_is_brought_up_to_date_with_all_that_it_holds(
        self, store: SqlStore, url: str
    ) -> None:
        await store.append(some_entries(1, 40), NOTHING_SEEN)
        await store.close()
        engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        with engine.begin() as connection:
            config.attributes[CONNECTION] = connection
            command.downgrade(config, "r0001")
        engine.dispose()
        reader = SqlStore(url, must_exist=True)
        with pytest.raises(StoreError, match="no journal of this version"):
            await reader.entries_below(MAINNET, None, 1)
        assert heights(await all_entries(store)) == list(range(1, 41))
        assert len(await reader.entries_below(MAINNET, None, 100)) == 40
        await reader.close()

    async def test_a_page_is_read_by_its_index_alone_whatever_the_server_knows_of_the_table(
        self, store: SqlStore, url: str
    ) -> None:
        """A server that was never told to look would sort half of the journal for every page."""
        await store.append(some_entries(1, 1_500), NOTHING_SEEN)
        plans: list[str] = []

        def explain(_: Connection, __: object, statement: str, parameters: dict[str, object], *___: object) -> None:
            if statement.startswith("SELECT entries."):
                with psycopg.connect(url) as other:
                    plans.extend(str(row[0]) for row in other.execute(f"EXPLAIN {statement}", parameters))

        event.listen(Engine, "before_cursor_execute", explain)
        try:
            for place in (None, Place(BlockNumber(900), 0), Place(BlockNumber(900), 900)):
                await store.entries_below(MAINNET, place, 32)
        finally:
            event.remove(Engine, "before_cursor_execute", explain)
        assert sum("Index Scan Backward using entries_height" in step for step in plans) == 3
        assert [step for step in plans if "Sort" in step or "Seq Scan on entries" in step] == []

    async def test_nobody_who_writes_waits_for_who_looks_back_nor_the_other_way_round(
        self, store: SqlStore, url: str
    ) -> None:
        await store.append(some_entries(1, 3), NOTHING_SEEN)
        reader = SqlStore(url, must_exist=True)
        with psycopg.connect(url) as other:
            other.execute("SELECT pg_advisory_xact_lock(1952541035, hashtext(current_schema()))")
            other.execute("LOCK TABLE entries IN ROW EXCLUSIVE MODE")
            assert len(await reader.entries_below(MAINNET, None, 10)) == 3
        with psycopg.connect(url) as other:
            assert len(other.execute("SELECT * FROM entries").fetchall()) == 3
            assert (await store.append([an_entry(4)], NOTHING_SEEN)).is_complete
        await reader.close()


_ENDS_WHILE_FROZEN = """
import asyncio, sys
from app.adapters.store import SqlStore
from app.domain.network import Network
from app.engine.ports import StoreError

async def main():
    store = SqlStore(sys.argv[1], timeout_seconds=1)
    await store.load(Network(1, 167000), 1)
    print("open", flush=True)
    sys.stdin.readline()
    try:
        await store.load(Network(1, 167000), 1)
    except StoreError as error:
        print(error.fault.value, flush=True)

asyncio.run(main())
"""


class TestSecrets:
    """What is said of a server that cannot be used names neither it nor who was to use it."""

    @pytest.mark.parametrize(
        ("place", "fault"),
        [
            ("taiko:secret@127.0.0.1:{dead}/ledger", StoreFault.UNAVAILABLE),
            ("taiko:secret@no-such-host.invalid:{port}/ledger", StoreFault.UNAVAILABLE),
            ("taiko:hunter2@127.0.0.1:{port}/postgres", StoreFault.UNAVAILABLE),
            ("nobody:secret@127.0.0.1:{port}/postgres", StoreFault.UNAVAILABLE),
            ("taiko:secret@127.0.0.1:{port}/ledger", StoreFault.UNAVAILABLE),
            ("taiko:secret@127.0.0.1:{port}/postgres?sslmode=require", StoreFault.UNAVAILABLE),
            ("taiko:secret@127.0.0.1:{port}/postgres?options=-csecret%3Dhunter2", StoreFault.UNAVAILABLE),
        ],
    )
    async def test_a_refused_connection(
        self, server: Postgres, free_port: int, place: str, fault: StoreFault, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        store = SqlStore(f"postgresql://{place.format(dead=free_port, port=server.port)}")
        error = await error_of(store)
        assert error.fault is fault
        shown = f"{error}{error!r}{''.join(traceback.format_exception(error))}{caplog.text}"
        for secret in ("secret", "hunter2", "127.0.0.1", "no-such-host", "ledger", "nobody", str(free_port)):
            assert secret not in shown
        await store.close()
