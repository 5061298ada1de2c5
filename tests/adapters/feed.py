"""An L1 feed in virtual time: nodes whose chains grow, lag, lie, hang and push as told."""

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from app.adapters.l1 import L1HeaderSource
from app.adapters.nodes import Dated, HeadListener, NodeGroup
from app.domain.header import L1Header
from app.domain.units import UnixMillis, UnixSeconds
from app.engine.ports import HeadSighting, ProviderState, UpstreamError
from tests.adapters.fake_nodes import block, header
from tests.fakes import EventLog
from tests.virtual_time import VirtualClock, run_in_virtual_time

FIRST_NUMBER = 90
HEAD_NUMBER = 100
EPOCH_SECONDS = header(HEAD_NUMBER).timestamp + 2
ATTEMPT_SECONDS = 2.0
POLL_SECONDS = 2.0


def in_virtual_time(test: Callable[..., Coroutine[None, None, None]]) -> Callable[..., None]:
    """Run a test on a loop that jumps from timer to timer."""

    @functools.wraps(test)
    def run(*arguments: object, **keywords: object) -> None:
        run_in_virtual_time(test(*arguments, **keywords))

    return run


def clock_at_the_head() -> VirtualClock:
    """A right clock, two seconds after the head's time."""
    return VirtualClock(UnixMillis(EPOCH_SECONDS * 1000))


class LiveNode:
    """A node that holds blocks `FIRST_NUMBER` to its head."""

    def __init__(self, alias: str, *, latency: float = 0.05, chain_id: int = 1) -> None:
        self.alias = alias
        self.latency = latency
        self.chain_id = chain_id
        self.failure: str | None = None
        """A reason with which every call fails; `timeout` takes its time."""
        self.calls: list[str] = []
        self.in_flight = 0
        self.most_in_flight = 0
        self.dated: Dated | None = None
        self._blocks = {number: header(number) for number in range(FIRST_NUMBER, HEAD_NUMBER + 1)}
        self._head = HEAD_NUMBER

    @property
    def head(self) -> L1Header:
        return self._blocks[self._head]

    def mine(self, number: int | None = None) -> L1Header:
        """Go on to block `number`, or by one."""
        for each in range(self._head + 1, (self._head + 1 if number is None else number) + 1):
            self._blocks[each] = header(each)
            self._head = each
        return self.head

    def stand_at(self, number: int) -> None:
        """Know nothing above block `number`."""
        self._head = number

    def forge(self, forged: L1Header) -> None:
        """Give `forged` for its height, and as the head where that is the height."""
        self._blocks[forged.number] = forged

    def heads_asked(self) -> int:
        return self.calls.count("latest")

    def redacted(self, text: str) -> str:
        return text

    async def call(self, method: str, params: list[object]) -> object:
        self.calls.append(str(params[0]) if params else method)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await asyncio.sleep(ATTEMPT_SECONDS if self.failure == "timeout" else self.latency)
        finally:
            self.in_flight -= 1
        if self.failure is not None:
            raise UpstreamError(self.alias, self.failure, "as told")
        return self._result(method, params)

    def _result(self, method: str, params: list[object]) -> object:
        if method == "eth_chainId":
            return hex(self.chain_id)
        known = {number: each for number, each in self._blocks.items() if number <= self._head}
        if params[0] == "latest":
            return block(self.head)
        wanted = {hex(each.number): each for each in known.values()} | {each.hash: each for each in known.values()}
        found = wanted.get(str(params[0]))
        return None if found is None else block(found)


class PushingLiveNode(LiveNode):
    """A node that pushes its heads while it is subscribed."""

    def __init__(self, alias: str, *, latency: float = 0.05) -> None:
        super().__init__(alias, latency=latency)
        self.listener: HeadListener | None = None
        self.resubscriptions = 0

    async def run(self, listener: HeadListener) -> None:
        self.listener = listener
        listener.subscribed()
        await asyncio.Event().wait()

    def resubscribe(self) -> None:
        self.resubscriptions += 1
        assert self.listener is not None
        self.listener.unsubscribed("silent")
        self.listener.subscribed()

    def push(self) -> L1Header:
        """Go on by one block, and push it."""
        mined = self.mine()
        assert self.listener is not None
        self.listener.pushed(mined)
        return mined


@dataclass
class Feed:
    """A source over nodes, and what it said."""

    nodes: list[LiveNode]
    source: L1HeaderSource
    clock: VirtualClock
    events: EventLog = field(default_factory=EventLog)

    async def polls(self, count: int) -> list[HeadSighting | UpstreamError]:
        """So many polls at the usual interval, and what came of each."""
        outcomes: list[HeadSighting | UpstreamError] = []
        for _ in range(count):
            started = self.clock.monotonic()
            try:
                outcomes.append(await self.source.latest())
            except UpstreamError as error:
                outcomes.append(error)
            await asyncio.sleep(max(0.0, started + POLL_SECONDS - self.clock.monotonic()))
        return outcomes

    def state_of(self, alias: str) -> ProviderState:
        """Whether a provider is asked now."""
        return next(each.state for each in self.source.view.providers if each.alias == alias)

    async def poll(self) -> HeadSighting:
        """One poll that must succeed, and the pause after it."""
        (outcome,) = await self.polls(1)
        assert isinstance(outcome, HeadSighting), outcome
        return outcome

    async def failed_poll(self) -> UpstreamError:
        """One poll that must fail, and the pause after it."""
        (outcome,) = await self.polls(1)
        assert isinstance(outcome, UpstreamError), outcome
        return outcome


@asynccontextmanager
async def feed(
    *nodes: LiveNode, quorum: int | None = None, chain_id: int | None = 1, failback_seconds: float = 60
) -> AsyncIterator[Feed]:
    """A feed whose subscriptions run until the block ends."""
    clock, events = clock_at_the_head(), EventLog()
    source = L1HeaderSource(
        NodeGroup(nodes, chain_id),
        events,
        clock=clock,
        quorum=quorum,
        poll_interval_seconds=POLL_SECONDS,
        failback_seconds=failback_seconds,
    )
    running = asyncio.create_task(source.run())
    await asyncio.sleep(0.001)
    try:
        yield Feed(list(nodes), source, clock, events)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await source.close()


def forged(number: int = HEAD_NUMBER, **changes: Any) -> L1Header:  # noqa: ANN401 - fields of L1Header, by name
    """The true block of this height with other fields."""
    return replace(header(number), **changes)


def own(number: int = HEAD_NUMBER) -> L1Header:
    """A block that no honest node has."""
    return replace(header(number, branch=9), timestamp=UnixSeconds(header(number).timestamp))
