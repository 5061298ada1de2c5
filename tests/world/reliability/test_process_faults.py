"""The process itself is stopped, told to end, or killed, while a client asks."""

import signal
import time
from pathlib import Path

import pytest

from tests.recorder import Recorder
from tests.service import wait_until
from tests.world.reliability.devnet_chain import (
    RATE_LIMIT,
    STALE_AFTER_SECONDS,
    DevnetChain,
    base_url,
    catch_up,
    oracle_on,
    quote_after,
)
from tests.world.reliability.disks import locked
from tests.world.reliability.journals import (
    assert_degraded,
    assert_journaled,
    assert_unbroken,
    assert_verified,
    rows_of,
)
from tests.world.reliability.kills import assert_nothing_served_is_lost


@pytest.fixture
def journal_path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


@pytest.fixture
def state_url(journal_path: Path) -> str:
    return f"sqlite:///{journal_path}"


def test_after_a_pause_of_the_process_no_answer_calls_an_old_quote_fresh(state_url: str) -> None:
    with DevnetChain(0.3) as chain, oracle_on(chain, state_url) as oracle:
        first = quote_after(oracle, 0)["l1"]["blockNumber"]
        with Recorder(base_url(oracle)) as recorder:
            time.sleep(0.5)
            oracle.process.send_signal(signal.SIGSTOP)
            time.sleep(STALE_AFTER_SECONDS + 1.5)
            oracle.process.send_signal(signal.SIGCONT)
            resumed_at = time.monotonic()
            wait_until(
                lambda: recorder.quotes[-1].asked_at > resumed_at and recorder.quotes[-1].body["status"] == "fresh",
                "a fresh quote",
            )
        recorder.assert_honest(chain.truth(first), stale_after_seconds=STALE_AFTER_SECONDS)
        hung = [answer for answer in recorder.quotes if answer.asked_at < resumed_at < answer.arrived_at]
        assert hung, "a question was waiting when the process went on"
        for answer in hung:
            age = answer.arrived_at_unix - answer.body["l1"]["timestamp"]
            assert answer.body["status"] != "fresh" or age <= STALE_AFTER_SECONDS + 1, answer
        catch_up(oracle, chain)
        wait_until(lambda: oracle.get("/v1/status").json()["journal"] == "ok", "a store call that the pause cut short")
        rows = rows_of(state_url)
        assert_unbroken(rows)
        assert_journaled(recorder, rows)


def test_a_drain_journals_everything_that_was_served(state_url: str) -> None:
    with DevnetChain(0.1) as chain, oracle_on(chain, state_url, **RATE_LIMIT) as oracle:
        first = quote_after(oracle, 0)["l1"]["blockNumber"]
        with Recorder(base_url(oracle)) as recorder:
            quote_after(oracle, first + 5)
            assert oracle.stop() == 0
        assert oracle.events("service_stopped")
        rows = rows_of(state_url)
        assert_unbroken(rows)
        assert_journaled(recorder, rows)
        assert rows[-1].block_number >= recorder.quotes[-1].block_number
        assert_verified(state_url)
        truth = chain.truth(first)
        recorder.assert_honest(truth, stale_after_seconds=STALE_AFTER_SECONDS, is_default_formula=False)


def test_an_end_while_the_journal_fails_says_what_is_lost_and_the_next_start_makes_it_good(
    state_url: str, journal_path: Path
) -> None:
    with DevnetChain(0.2) as chain:
        with oracle_on(chain, state_url, **RATE_LIMIT) as oracle:
            first = quote_after(oracle, 0)["l1"]["blockNumber"]
            with Recorder(base_url(oracle)) as recorder, locked(journal_path):
                assert_degraded(oracle, "locked")
                quote_after(oracle, chain.head())
                assert oracle.stop() == 0
            lost = oracle.event("entries_lost")["entries"]
            assert lost > 0
            assert "Traceback" not in oracle.stderr
        left = rows_of(state_url)
        assert_unbroken(left)
        assert left[-1].block_number + lost >= recorder.quotes[-1].block_number, "more was lost than was said"
        with oracle_on(chain, state_url, **RATE_LIMIT) as oracle:
            catch_up(oracle, chain)
        rows = rows_of(state_url)
        assert_unbroken(rows)
        assert_journaled(recorder, rows)
        assert_verified(state_url)
        truth = chain.truth(first)
        recorder.assert_honest(truth, stale_after_seconds=STALE_AFTER_SECONDS, is_default_formula=False)


def test_ten_kills_in_a_row_lose_nothing_that_was_served(state_url: str, free_port: int) -> None:
    assert_nothing_served_is_lost(state_url, kills=10, port=free_port, seed=1)
