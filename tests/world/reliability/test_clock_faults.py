"""A host clock that jumps under the running service: it is measured and named, and makes no old quote fresh."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service import wait_until
from tests.world.anvil import Anvil
from tests.world.conftest import StartAnvil
from tests.world.reliability.watched import STALE_AFTER_SECONDS, Chain, Watched, watched

LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
JUMP_SECONDS = 60


class HostClock:
    """The wall clock that the service sees; its monotonic clock goes on."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.set(0)

    def set(self, seconds_ahead: int) -> None:
        """Let it be so far ahead of the truth."""
        self._path.write_text(f"{seconds_ahead:+d}\n")

    @property
    def environment(self) -> dict[str, str]:
        """What makes a program see it."""
        assert LIBRARIES, "no libfaketime: run make test-world, which installs it"
        return {
            "LD_PRELOAD": str(LIBRARIES[0]),
            "FAKETIME_TIMESTAMP_FILE": str(self._path),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }


@pytest.fixture
def node(start_anvil: StartAnvil) -> Anvil:
    return start_anvil(block_time_seconds=1)


@pytest.fixture
def host_clock(tmp_path: Path) -> HostClock:
    return HostClock(tmp_path / "clock")


@pytest.fixture
def oracle(node: Anvil, host_clock: HostClock) -> Iterator[Watched]:
    chain = Chain(node)
    with watched({"only": node.url}, **host_clock.environment) as oracle:
        yield oracle
        host_clock.set(0)
        oracle.recovers(preferred="only")
        assert oracle.service.event("clock_right")
        chain.note()
    oracle.recorder.assert_honest(chain.blocks, stale_after_seconds=STALE_AFTER_SECONDS)


def offset_is(oracle: Watched, seconds: int) -> bool:
    measured = oracle.metric("clock_offset_seconds")
    return measured is not None and abs(measured - seconds) < 3


def test_a_clock_that_jumps_ahead_is_named_and_takes_every_quote_for_old(
    oracle: Watched, host_clock: HostClock
) -> None:
    host_clock.set(JUMP_SECONDS)
    assert abs(oracle.service.event("clock_skewed")["offset_millis"] - 1000 * JUMP_SECONDS) < 3000
    assert wait_until(lambda: offset_is(oracle, JUMP_SECONDS), "the offset's measurement")
    oracle.awaits("503")
    assert oracle.service.events("head_stood") == [], "the head moves; it is the clock that is wrong"


def test_a_clock_that_is_set_back_is_named_and_keeps_no_quote_fresh_for_longer(
    oracle: Watched, host_clock: HostClock, node: Anvil
) -> None:
    host_clock.set(-JUMP_SECONDS)
    assert abs(oracle.service.event("clock_skewed")["offset_millis"] + 1000 * JUMP_SECONDS) < 3000
    assert wait_until(lambda: offset_is(oracle, -JUMP_SECONDS), "the offset's measurement")
    assert oracle.service.event("head_in_future")["provider"] == "only"
    node.rpc("evm_setIntervalMining", 0)
    oracle.awaits("stale", seconds=STALE_AFTER_SECONDS + 4)
    node.rpc("evm_setIntervalMining", 1)
    oracle.awaits("fresh")
