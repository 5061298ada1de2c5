"""One provider of heads: what it said last, whether it is asked, and whether it is believed."""

import asyncio
from typing import Final

from app.adapters.breaker import LONGEST_PAUSE_SECONDS, Breaker
from app.adapters.nodes import Node, PushingNode
from app.domain.header import L1Header
from app.engine.events import DissentBegan, DissentEnded, Observer, ProviderClosed, ProviderOpened
from app.engine.ports import Clock, ProviderState, ProviderStatus, UpstreamError

NOT_THE_NODES_FAULT: Final = frozenset({"missing_block", "missing_state", "rpc_error"})
"""A node that lacks an old block is no broken node."""
SHOWN_HASH_DIGITS: Final = 10


class Provider:
    """The feed's side of one node."""

    def __init__(self, node: Node, clock: Clock, observe: Observer) -> None:
        self.node = node
        self.alias = node.alias
        self.breaker = Breaker()
        self.head: L1Header | None = None
        """The last header it gave as its head."""
        self.outcome: L1Header | UpstreamError | None = None
        """What the present poll has of it; None while it is being asked, and where it is not."""
        self.asking: asyncio.Task[None] | None = None
        """The call that is under way."""
        self.distrusted: L1Header | None = None
        """A head of it that contradicted its parents; until it gives another, it is not believed."""
        self.last_good_at = float("-inf")
        self.head_since = float("-inf")
        """When it first gave its present head."""
        self._clock = clock
        self._observe = observe
        self._head_at: float | None = None
        self._unpolled = False
        self._dissenting = False
        self._failure_reason: str | None = None
        self.subscribed: bool | None = False if isinstance(node, PushingNode) else None

    @property
    def is_usable(self) -> bool:
        """Whether it is believed, and was not left alone."""
        return self.distrusted is None and self.breaker.state is not ProviderState.OPEN

    @property
    def is_pending(self) -> bool:
        """Whether the present poll waits for it."""
        return self.outcome is None and self.asking is not None

    def collect(self) -> None:
        """Let go of a call that has ended. What went wrong in it, beyond expected failures, is raised."""
        if self.asking is not None and self.asking.done():
            task, self.asking = self.asking, None
            task.result()

    def begin_poll(self) -> None:
        """A head that was pushed since the last poll is this poll's answer."""
        self.collect()
        self.outcome = self.head if self._unpolled else None
        self._unpolled = False

    def vouched_head(self, window_seconds: float) -> L1Header | None:
        """Its head, where it gave it within `window_seconds` and has not failed since."""
        if self._head_at is None or self._clock.monotonic() - self._head_at > window_seconds:
            return None
        return self.head

    def answered(self, header: L1Header, asked_at: float) -> None:
        """Take the head that it was asked for at `asked_at`; what it pushed after that is newer."""
        pushed_since = self._unpolled and self._head_at is not None and self._head_at >= asked_at
        if not (pushed_since and self.head is not None and header.number < self.head.number):
            self._saw(header)

    def pushed(self, header: L1Header) -> bool:
        """Take a head that it pushed; whether it is another than before."""
        before = self.head
        self._saw(header)
        self._unpolled = True
        return header != before

    def seen_by_poll(self, header: L1Header) -> None:
        """The poll ended with `header`: a push of it, or of an older one, is no news."""
        if self.head is not None and self.head.number <= header.number:
            self._unpolled = False

    def failed(self, failure: UpstreamError) -> None:
        """Take a failure to give a head. It vouches for nothing until it gives one again."""
        self._stops_vouching(failure)
        if self.breaker.failed(failure.reason, self._clock.monotonic()):
            self._opened()

    def asked_in_vain(self, failure: UpstreamError) -> None:
        """Take a failure to give something else than the head."""
        if failure.reason in NOT_THE_NODES_FAULT or self.breaker.state is not ProviderState.CLOSED:
            return
        self._failure_reason = failure.reason
        if self.breaker.failed(failure.reason, self._clock.monotonic()):
            self._opened()

    def note_failure(self, reason: str) -> None:
        """Show a failure that leaves it in use."""
        self._failure_reason = reason

    def distrust(self, header: L1Header, reason: str) -> None:
        """Leave it alone for the longest pause, and do not believe it while `header` is what it gives."""
        self.distrusted = header
        self._stops_vouching(UpstreamError(self.alias, reason, f"its head {shown(header)} contradicts its parents"))
        if self.breaker.open(reason, self._clock.monotonic(), LONGEST_PAUSE_SECONDS):
            self._opened()

    def judge(self, number: int, dissent: tuple[str, ...] | None) -> None:
        """Note in what its header at height `number` differs from the agreed one; None changes nothing."""
        if dissent and not self._dissenting:
            self._dissenting = True
            self._observe(DissentBegan(self.alias, number, dissent))
        elif dissent == () and self._dissenting:
            self._dissenting = False
            self._observe(DissentEnded(self.alias))

    def status(self) -> ProviderStatus:
        """The provider as people see it."""
        return ProviderStatus(
            alias=self.alias,
            transport="http" if self.subscribed is None else "websocket",
            state=self.breaker.state,
            head_number=None if self.head is None else self.head.number,
            failure_reason=self._failure_reason,
            dissenting=self._dissenting,
            subscribed=self.subscribed,
        )

    def _saw(self, header: L1Header) -> None:
        if header == self.distrusted:
            self.failed(UpstreamError(self.alias, "rejected_header", f"gives {shown(header)} again, which was refused"))
            return
        now = self._clock.monotonic()
        if header != self.head:
            self.head_since = now
        self.head, self._head_at, self.last_good_at = header, now, now
        self.distrusted = self._failure_reason = None
        self.outcome = header
        if self.breaker.succeeded():
            self._observe(ProviderClosed(self.alias))

    def _stops_vouching(self, failure: UpstreamError) -> None:
        self.outcome = failure
        self._failure_reason = failure.reason
        self._head_at = None
        self._unpolled = False

    def _opened(self) -> None:
        self._observe(ProviderOpened(self.alias, self.breaker.reason or "", self.breaker.pause_seconds))


def shown(header: L1Header) -> str:
    """A header as an error message shows it: its number and the beginning of its hash."""
    return f"{header.number} ({header.hash[:SHOWN_HASH_DIGITS]}…)"
