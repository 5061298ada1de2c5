"""Two oracles with the same settings on the same L1, started at different times: what a client is told by either."""

import signal
from collections.abc import Iterator, Mapping, Sequence
from itertools import count, pairwise
from pathlib import Path

import pytest

from tests.postgres import Postgres, running_postgres
from tests.recorder import Recorder
from tests.service import Service, wait_until
from tests.world.reliability.devnet_chain import (
    PUSHED_VAULT,
    RATE_LIMIT,
    STALE_AFTER_SECONDS,
    DevnetChain,
    base_url,
    catch_up,
    oracle_on,
    push_vault,
    quote_after,
)
from tests.world.reliability.journals import (
    Row,
    assert_degraded,
    assert_journaled,
    assert_recovered,
    assert_unbroken,
    assert_verified,
    execute,
    rows_of,
)
from tests.world.reliability.store_faults import outlast_a_retry

TIGHT_LIMIT = {"TAIKO_MAX_FEE_INCREASE": "0.002", "TAIKO_MAX_FEE_DECREASE": "0.002"}
"""So that hardly a fee is free of the one before."""
PATH_BLOCKS = 64
"""How far back a path is rebuilt where there is no history."""
RISEN_AT = 18
LEAST_COMMON_HEADS = 10
_DATABASES = count()


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with running_postgres(durable=False) as server:
        yield server


@pytest.fixture
def database(server: Postgres) -> str:
    """A database that nobody has used."""
    name = f"shared_{next(_DATABASES)}"
    execute(server.url, f"CREATE DATABASE {name}")
    return f"{server.url.rpartition('/')[0]}/{name}"


def told(recorder: Recorder, oracle: Service) -> dict[str, str]:
    """By block hash, the quote that one oracle served. It never served two for one block."""
    quotes = [answer for answer in recorder.quotes if answer.base_url == base_url(oracle)]
    ids = {(answer.body["l1"]["blockHash"], answer.body["quoteId"]) for answer in quotes}
    by_hash = dict(ids)
    assert len(by_hash) == len(ids), "two quotes for one head"
    return by_hash


def compare(recorder: Recorder, *oracles: Service) -> None:
    """Go on until enough heads were asked of both; for each of them they told the same."""

    def common() -> set[str]:
        first, second = (told(recorder, oracle) for oracle in oracles)
        differing = [
            block_hash for block_hash in first.keys() & second.keys() if first[block_hash] != second[block_hash]
        ]
        assert not differing
        return first.keys() & second.keys()

    already = len(common())
    wait_until(lambda: len(common()) >= already + LEAST_COMMON_HEADS, "heads that both were asked at")


def assert_undisturbed(*oracles: Service) -> None:
    """No writer was in the other's way."""
    for oracle in oracles:
        assert not oracle.events("journal_degraded")
        assert not oracle.events("quote_contested")
        store = oracle.get("/v1/status").json()["store"]
        assert (store["divergences"], store["lost"]) == (0, 0)


def assert_whole(recorder: Recorder, chain: DevnetChain, database: str, *, first: int) -> Sequence[Row]:
    """Whoever wrote it, the shared journal is one unbroken chain that holds all that was served."""
    recorder.stop()
    rows = rows_of(database)
    assert_unbroken(rows)
    assert_journaled(recorder, rows)
    assert_verified(database)
    truth = chain.truth(first)
    recorder.assert_honest(truth, stale_after_seconds=STALE_AFTER_SECONDS, is_default_formula=False)
    return rows


def started_later(chain: DevnetChain, state_url: str, settings: Mapping[str, str], earlier: Service) -> Service:
    """Another oracle, some blocks after `earlier`; serving."""
    number = quote_after(earlier, 0)["l1"]["blockNumber"]
    quote_after(earlier, number + 8)
    later = oracle_on(chain, state_url, **settings)
    quote_after(later, number + 8)
    return later


class TestOneStore:
    def test_two_writers_at_a_high_block_rate_never_collide_and_tell_the_same(self, database: str) -> None:
        with DevnetChain(0.1, "--scenario", "spike") as chain, oracle_on(chain, database, **TIGHT_LIMIT) as one:
            first = quote_after(one, 0)["l1"]["blockNumber"]
            out_of_step = {**TIGHT_LIMIT, "TAIKO_POLL_INTERVAL_SECONDS": "0.13"}
            with started_later(chain, database, out_of_step, one) as two:
                with Recorder(base_url(one), base_url(two), per_second=25) as recorder:
                    compare(recorder, one, two)
                    wait_until(lambda: len({row.instance for row in rows_of(database)}) == 2, "entries of both")
                    assert catch_up(one, chain) == catch_up(two, chain)
                assert_whole(recorder, chain, database, first=first)
                assert_undisturbed(one, two)

    def test_a_changed_environment_of_one_governs_both_from_the_same_head(self, database: str) -> None:
        with DevnetChain(0.1) as chain, oracle_on(chain, database, **RATE_LIMIT) as one:
            first = quote_after(one, 0)["l1"]["blockNumber"]
            with started_later(chain, database, RATE_LIMIT, one) as two:
                assert two.stop() == 0
            with oracle_on(chain, database, **RATE_LIMIT, TAIKO_ALPHA_DATA="0.20") as two:
                base_url(two)
                with Recorder(base_url(one), base_url(two)) as recorder:
                    for oracle in (one, two):
                        wait_until(lambda oracle=oracle: alpha_of(oracle) == "0.2", "the other alpha")  # type: ignore[misc]
                    compare(recorder, one, two)
                    assert catch_up(one, chain) == catch_up(two, chain)
                ids = {oracle.get("/v1/parameters").json()["parametersId"] for oracle in (one, two)}
                assert len(ids) == 1
                rows = assert_whole(recorder, chain, database, first=first)
                governed = [row.parameters_id for row in rows]
                assert governed[-1] in ids
                assert flips(governed) == 1, "there and back"
                assert_undisturbed(one, two)

    def test_a_balance_that_is_pushed_through_one_governs_both_from_the_same_head(self, database: str) -> None:
        settings = {**RATE_LIMIT, **PUSHED_VAULT}
        with DevnetChain(0.1) as chain, oracle_on(chain, database, **settings) as one:
            base_url(one)
            wait_until(lambda: push_vault(one, 11 * 10**18, 1).is_success, "a first balance")
            first = quote_after(one, 0)["l1"]["blockNumber"]
            with started_later(chain, database, settings, one) as two:
                with Recorder(base_url(one), base_url(two)) as recorder:
                    quote_after(one, chain.head() + 3)
                    pushed = push_vault(one, 4 * 10**18, 2)
                    assert pushed.is_success
                    assert push_vault(two, 5 * 10**18, 2).status_code == 409, "the sequence was used at the other"
                    compare(recorder, one, two)
                    assert catch_up(one, chain) == catch_up(two, chain)
                vaults = [oracle.get("/v1/vault").json() for oracle in (one, two)]
                assert [(vault["sequence"], vault["balanceWei"]) for vault in vaults] == [(2, str(4 * 10**18))] * 2
                rows = assert_whole(recorder, chain, database, first=first)
                assert flips([row.vault_balance for row in rows]) == 1
                governed = next(row for row in rows if row.vault_balance == str(4 * 10**18))
                assert governed.block_number == pushed.json()["fromBlock"]
                assert_undisturbed(one, two)

    def test_when_one_is_killed_the_other_goes_on_alone(self, database: str) -> None:
        with DevnetChain(0.1) as chain, oracle_on(chain, database, **RATE_LIMIT) as one:
            first = quote_after(one, 0)["l1"]["blockNumber"]
            with started_later(chain, database, RATE_LIMIT, one) as two:
                with Recorder(base_url(one), base_url(two)) as recorder:
                    compare(recorder, one, two)
                    one.stop(signal.SIGKILL)
                    quote_after(two, chain.head() + 10)
                    catch_up(two, chain)
                assert_whole(recorder, chain, database, first=first)
                assert_undisturbed(two)
                assert {miss.base_url for miss in recorder.misses} == {base_url(one)}

    def test_both_outlive_a_restart_of_the_server_and_agree_afterwards(self, database: str, server: Postgres) -> None:
        with DevnetChain(0.1) as chain, oracle_on(chain, database, **RATE_LIMIT) as one:
            first = quote_after(one, 0)["l1"]["blockNumber"]
            with started_later(chain, database, RATE_LIMIT, one) as two:
                with Recorder(base_url(one), base_url(two)) as recorder:
                    quote_after(one, chain.head() + 3)
                    server.stop()
                    for oracle in (one, two):
                        assert_degraded(oracle, "unavailable")
                        outlast_a_retry(oracle)
                    server.start()
                    for oracle in (one, two):
                        assert_recovered(oracle)
                    compare(recorder, one, two)
                    assert catch_up(one, chain) == catch_up(two, chain)
                assert_whole(recorder, chain, database, first=first)


def test_on_stores_of_their_own_they_tell_the_same_from_where_their_paths_meet(tmp_path: Path) -> None:
    stores = [f"sqlite:///{tmp_path}/{name}.db" for name in ("one", "two")]
    limit = {
        "TAIKO_MAX_FEE_INCREASE": "0.01",
        "TAIKO_MAX_FEE_DECREASE": "0.01",
        "TAIKO_INITIAL_FEE_GWEI": "5.9",
    }
    history = a_rise_that_takes_long_to_follow(tmp_path / "history.csv")
    with DevnetChain(0, "--replay", str(history)) as chain, oracle_on(chain, stores[0], **limit) as one:
        quote_after(one, 0)
        started_at = chain.mine(RISEN_AT + PATH_BLOCKS)
        one.quote_for(started_at)
        with oracle_on(chain, stores[1], **limit) as two:
            quote_after(two, 0)
            with Recorder(base_url(one), base_url(two)) as recorder:
                for _ in range(12):
                    head = chain.mine(8)
                    for oracle in (one, two):
                        oracle.quote_for(head)
        truth = chain.truth(1)
    first, second = ({row.block_number: row.quote_id for row in rows_of(store)} for store in stores)
    assert list(second) == list(range(started_at, head + 1))
    same = [first[number] == second[number] for number in second]
    assert (same[0], same[-1]) == (False, True), "they begin apart, and meet"
    assert flips(same) == 1, "and never part again"
    recorder.assert_honest(truth, stale_after_seconds=STALE_AFTER_SECONDS, is_default_formula=False)
    assert_journaled(recorder, [row for store in stores for row in rows_of(store)])


def a_rise_that_takes_long_to_follow(path: Path) -> Path:
    """The base fee rises fourfold at once; under a limit of 1 % a block the fee needs over a hundred blocks for it."""
    base_fees = [10 * 10**9] * 5
    while len(base_fees) < RISEN_AT:
        base_fees.append(base_fees[-1] * 112 // 100)
    base_fees += base_fees[-1:] * 300
    lines = (f"{number},{12 * number},{base_fee}" for number, base_fee in enumerate(base_fees, start=1))
    path.write_text("\n".join(("block_number,timestamp,basefee_wei", *lines)))
    return path


def alpha_of(oracle: Service) -> str:
    """α that an oracle says is in force."""
    return str(oracle.get("/v1/parameters").json()["parameters"]["alphaData"])


def flips(values: Sequence[object]) -> int:
    """How often a value differs from the one before."""
    return sum(earlier != later for earlier, later in pairwise(values))
