"""PostgreSQL goes away, dies, freezes, slows down or refuses, while a client asks, and comes back."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from urllib.parse import urlsplit

import pytest

from tests.postgres import Postgres, running_postgres
from tests.proxy import PASS, Delay, FaultProxy, Refuse
from tests.world.reliability.devnet_chain import DevnetChain, oracle_on, quote_after
from tests.world.reliability.journals import assert_degraded, assert_journaled, execute, gaps_of, rows_of
from tests.world.reliability.store_faults import (
    BLOCK_SECONDS,
    assert_merged,
    longest_pause_of_polls,
    outlast_a_retry,
    recorded,
)

STORE_DEADLINE_SECONDS = 2.0
SLACK_SECONDS = 1.0
_DATABASES = count()


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with running_postgres(durable=False) as server:
        yield server


@pytest.fixture(scope="module")
def one_chain() -> Iterator[DevnetChain]:
    with DevnetChain(BLOCK_SECONDS) as chain:
        yield chain


@pytest.fixture
def chain(one_chain: DevnetChain) -> DevnetChain:
    one_chain.go_on()
    return one_chain


@pytest.fixture
def database(server: Postgres) -> str:
    """A database that nobody has used."""
    name = f"journal_{next(_DATABASES)}"
    execute(server.url, f"CREATE DATABASE {name}")
    return f"{server.url.rpartition('/')[0]}/{name}"


@pytest.fixture
def proxy(server: Postgres) -> Iterator[FaultProxy]:
    with FaultProxy(server.port) as proxy:
        yield proxy


def through(proxy: FaultProxy, database: str) -> str:
    return database.replace(f":{urlsplit(database).port}/", f":{proxy.port}/")


@pytest.mark.parametrize("ended", [Postgres.stop, Postgres.kill], ids=["stopped", "killed"])
def test_a_server_that_goes_away_stops_no_quote_and_gets_them_all_when_it_is_back(
    chain: DevnetChain, server: Postgres, database: str, ended: Callable[[Postgres], None]
) -> None:
    with oracle_on(chain, database) as oracle, recorded(oracle, chain) as recorder:
        ended(server)
        assert_degraded(oracle, "unavailable")
        outlast_a_retry(oracle)
        server.start()
        assert_merged(oracle, chain, recorder, database)


def test_a_server_that_freezes_holds_up_no_reader_and_no_poll_beyond_the_deadline(
    chain: DevnetChain, server: Postgres, database: str
) -> None:
    with oracle_on(chain, database) as oracle, recorded(oracle, chain, always_fresh=False) as recorder:
        server.freeze()
        try:
            pause = longest_pause_of_polls(oracle, seconds=2 * STORE_DEADLINE_SECONDS)
            assert pause < STORE_DEADLINE_SECONDS + SLACK_SECONDS
            assert_degraded(oracle, "timeout")
            outlast_a_retry(oracle)
        finally:
            server.thaw()
        assert_merged(oracle, chain, recorder, database)


def test_connections_that_are_cut_lose_nothing(chain: DevnetChain, database: str, proxy: FaultProxy) -> None:
    with oracle_on(chain, through(proxy, database)) as oracle, recorded(oracle, chain) as recorder:
        proxy.cut()
        assert_degraded(oracle, "unavailable")
        proxy.fault = Refuse()
        outlast_a_retry(oracle)
        proxy.fault = PASS
        assert_merged(oracle, chain, recorder, database)


def test_a_server_that_is_slow_slows_no_reader(chain: DevnetChain, database: str, proxy: FaultProxy) -> None:
    with oracle_on(chain, through(proxy, database)) as oracle, recorded(oracle, chain) as recorder:
        proxy.fault = Delay(0.02)
        number = quote_after(oracle, 0)["l1"]["blockNumber"]
        quote_after(oracle, number + 10)
        assert not oracle.events("journal_degraded"), "slow within the deadline is no fault"
        assert oracle.get("/v1/status").json()["journal"] == "ok"
        recorder.stop()
        assert_journaled(recorder, rows_of(database))


def test_a_server_that_is_too_slow_is_given_up_for_a_while(
    chain: DevnetChain, database: str, proxy: FaultProxy
) -> None:
    with oracle_on(chain, through(proxy, database)) as oracle, recorded(oracle, chain, always_fresh=False) as recorder:
        proxy.fault = Delay(1.0)
        assert_degraded(oracle, "timeout", "unavailable")
        outlast_a_retry(oracle)
        proxy.fault = PASS
        assert_merged(oracle, chain, recorder, database)


def test_a_server_that_takes_no_writes_is_called_read_only(chain: DevnetChain, server: Postgres, database: str) -> None:
    with oracle_on(chain, database) as oracle, recorded(oracle, chain) as recorder:
        execute(server.url, "ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()")
        try:
            assert_degraded(oracle, "read_only")
            outlast_a_retry(oracle)
        finally:
            execute(server.url, "ALTER SYSTEM RESET default_transaction_read_only", "SELECT pg_reload_conf()")
        assert_merged(oracle, chain, recorder, database)


def test_a_schema_of_a_newer_version_is_left_alone_and_said(chain: DevnetChain, database: str) -> None:
    with oracle_on(chain, database) as earlier:
        quote_after(earlier, 0)
        assert earlier.stop() == 0
    left = rows_of(database)
    with ExitStack() as stack:
        execute(database, "UPDATE journal_schema SET version_num = 'r9999_' || version_num")
        oracle = stack.enter_context(oracle_on(chain, database))
        recorder = stack.enter_context(recorded(oracle, chain))
        assert_degraded(oracle, "incompatible")
        assert "newer version" in oracle.event("journal_degraded")["detail"]
        outlast_a_retry(oracle)
        execute(database, "UPDATE journal_schema SET version_num = replace(version_num, 'r9999_', '')")
        assert_merged(oracle, chain, recorder, database)
    first = rows_of(database)[len(left)].block_number
    assert gaps_of(database) == {(left[-1].block_number + 1, first - 1)}, "what was missed without the journal is named"


def test_a_wrong_password_is_said_without_showing_it(chain: DevnetChain, server: Postgres, database: str) -> None:
    user, password = f"oracle_{next(_DATABASES)}", "p4ssw0rd-n0body-may-see"
    place = urlsplit(database)
    execute(server.url, f"CREATE ROLE {user} LOGIN PASSWORD 'another'")
    execute(server.url, f"ALTER DATABASE {place.path[1:]} OWNER TO {user}")
    url = f"postgresql://{user}:{password}@127.0.0.1:{place.port}{place.path}"
    with oracle_on(chain, url) as oracle, recorded(oracle, chain) as recorder:
        assert_degraded(oracle, "unavailable")
        outlast_a_retry(oracle)
        shown = oracle.stderr + oracle.stdout
        for route in ("/v1/fee", "/v1/status", "/v1/parameters", "/metrics", "/readyz", "/"):
            shown += oracle.get(route).text
        assert password not in shown
        assert user not in shown
        execute(server.url, f"ALTER ROLE {user} PASSWORD '{password}'")
        assert_merged(oracle, chain, recorder, url)
        assert password not in oracle.stderr
