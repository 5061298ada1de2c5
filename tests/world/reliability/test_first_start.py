"""Replicas that start at the same moment on a database that nobody has used, as a new deployment does."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Self

import pytest

from tests.postgres import Postgres, running_postgres
from tests.service import Service
from tests.world.reliability.devnet_chain import DevnetChain, catch_up, oracle_on, quote_after
from tests.world.reliability.journals import (
    assert_unbroken,
    execute,
    opened,
    rows_of,
)

PROCESSES = 3
ROUNDS = 4
_OPENER = """
import asyncio, sys
from app.adapters.store import SqlStore
from app.adapters.store import schema, records, postgres  # so that the moment of the start is that of the opening
from tests.domain.build import MAINNET

async def opened(url):
    store = SqlStore(url)
    await store.load(MAINNET, 1)
    await store.close()

print("ready", flush=True)
for line in sys.stdin:
    asyncio.run(opened(line.strip()))
    print("opened", flush=True)
"""
"""Opens the journal at each URL that it is told, and says so."""
_DATABASES = count()


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with running_postgres(durable=False) as server:
        yield server


@pytest.fixture
def database(server: Postgres) -> str:
    return new_database(server)


def new_database(server: Postgres) -> str:
    """A database that nobody has used."""
    name = f"new_{next(_DATABASES)}"
    execute(server.url, f"CREATE DATABASE {name}")
    return f"{server.url.rpartition('/')[0]}/{name}"


def test_processes_that_open_an_empty_database_at_the_same_moment_make_one_schema_and_none_fails(
    server: Postgres, project_root: Path
) -> None:
    with ExitStack() as stack:
        openers = [stack.enter_context(_Opener(project_root)) for _ in range(PROCESSES)]
        for opener in openers:
            assert opener.said() == "ready"
        for _ in range(ROUNDS):
            database = new_database(server)
            for opener in openers:
                opener.tell(database)
            assert [opener.said() for opener in openers] == ["opened"] * PROCESSES
            with opened(database) as connection:
                assert len(connection.execute("SELECT version_num FROM journal_schema").fetchall()) == 1


def test_two_oracles_that_start_at_once_on_an_empty_database_never_lose_it_and_tell_the_same(
    database: str, tmp_path: Path
) -> None:
    held = tmp_path / "state-url"
    held.write_text(f"{database}\n", encoding="utf-8")
    from_file = {"TAIKO_STATE_URL_FILE": str(held)}
    with (
        DevnetChain(0.5) as chain,
        oracle_on(chain, "", **from_file) as first,
        oracle_on(chain, "", **from_file) as second,
    ):
        oracles: tuple[Service, ...] = (first, second)
        for oracle in oracles:
            quote_after(oracle, chain.head() + 2)
        head = catch_up(first, chain)
        assert catch_up(second, chain) == head
        for oracle in oracles:
            assert oracle.get("/readyz").json()["journal"] == "ok"
            assert oracle.events("journal_degraded") == []
        told = [oracle.quote() for oracle in oracles]
        assert told[0] is not None
        assert told[1] is not None
        assert told[0]["quoteId"] == told[1]["quoteId"]
        rows = rows_of(database)
        assert_unbroken(rows)
        assert rows[-1].block_number == head


class _Opener:
    """A process that opens journals when told."""

    def __init__(self, project_root: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _OPENER], cwd=project_root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def tell(self, url: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{url}\n")
        self._process.stdin.flush()

    def said(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()
