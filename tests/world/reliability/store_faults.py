"""What all faults of a store have in common: a client asks all the while, and afterwards nothing is missing."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from tests.recorder import Recorder
from tests.service import Service, wait_until
from tests.world.reliability.devnet_chain import STALE_AFTER_SECONDS, DevnetChain, base_url, catch_up, quote_after
from tests.world.reliability.journals import (
    Row,
    assert_journaled,
    assert_recovered,
    assert_unbroken,
    assert_verified,
    gaps_of,
    rows_of,
)

BLOCK_SECONDS: Final = 0.2
_FIRST_RETRY_IS_OVER_SECONDS: Final = 1.5
_LONGEST_ANSWER_SECONDS: Final = 1.0


@contextmanager
def recorded(oracle: Service, chain: DevnetChain, *, always_fresh: bool = True) -> Iterator[Recorder]:
    """A client that asks from the first quote on. None of its answers was wrong, late, or old but called fresh."""
    first = quote_after(oracle, 0)["l1"]["blockNumber"]
    with Recorder(base_url(oracle)) as recorder:
        yield recorder
    recorder.assert_honest(chain.truth(first), stale_after_seconds=STALE_AFTER_SECONDS)
    assert not recorder.misses
    assert max(answer.arrived_at - answer.asked_at for answer in recorder.answers) < _LONGEST_ANSWER_SECONDS
    assert set(recorder.counts()) <= ({"fresh"} if always_fresh else {"fresh", "stale"}), recorder.counts()


def outlast_a_retry(oracle: Service) -> None:
    """Let the fault last until the store has been tried again, in vain, and quotes have been made all the while."""
    least = round(_FIRST_RETRY_IS_OVER_SECONDS / BLOCK_SECONDS)
    wait_until(lambda: oracle.get("/v1/status").json()["store"]["spooled"] >= least, f"{least} spooled entries")


def assert_merged(
    oracle: Service, chain: DevnetChain, recorder: Recorder, state_url: str, *, elsewhere: Sequence[Row] = ()
) -> None:
    """The journal is well, and nothing that was served is missing but what is `elsewhere`. Ends the recording.

    Blocks that have no entry are a gap that the journal names.
    """
    assert_recovered(oracle)
    catch_up(oracle, chain)
    recorder.stop()
    rows = rows_of(state_url)
    assert_unbroken(rows, gaps=gaps_of(state_url))
    assert_journaled(recorder, [*elsewhere, *rows])
    if elsewhere:
        assert rows[0].block_number == elsewhere[-1].block_number + 1
    assert_verified(state_url)


def longest_pause_of_polls(oracle: Service, *, seconds: float) -> float:
    """Watch the poll loop for some time; the longest that it stood still, in seconds."""
    began_at = last_at = time.monotonic()
    longest, polls = 0.0, -1
    while (now := time.monotonic()) < began_at + seconds:
        counted = oracle.get("/v1/status").json()["feed"]["polls"]
        if counted != polls:
            longest, polls, last_at = max(longest, now - last_at), counted, now
        time.sleep(0.02)
    return max(longest, time.monotonic() - last_at)
