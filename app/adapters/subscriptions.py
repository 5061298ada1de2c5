"""Keeping an eye on pushed heads: a subscription that says nothing while the chain goes on is made anew."""

from collections.abc import Callable
from typing import Final

from app.adapters.nodes import HeadListener, PushingNode
from app.adapters.provider import Provider
from app.domain.header import L1Header
from app.engine.events import Observer, SubscriptionBegan, SubscriptionEnded
from app.engine.ports import Clock, UpstreamError

SILENCE_SECONDS: Final = 3.0
"""How long a subscription may be behind a block that is known otherwise."""


class Subscription(HeadListener):
    """One provider's pushed heads."""

    def __init__(
        self,
        provider: Provider,
        node: PushingNode,
        *,
        clock: Clock,
        observe: Observer,
        on_head: Callable[[Provider, L1Header], None],
        on_end: Callable[[Provider], None],
    ) -> None:
        self._provider = provider
        self._node = node
        self._clock = clock
        self._observe = observe
        self._on_head = on_head
        self._on_end = on_end
        self._newest: int | None = None
        self._behind_since: float | None = None

    async def run(self) -> None:
        """Keep it alive until cancelled."""
        await self._node.run(self)

    def subscribed(self) -> None:
        """From now on, what a poll sees must have been pushed; what it sees first may be from before."""
        self._newest = self._behind_since = None
        self._provider.subscribed = True
        self._observe(SubscriptionBegan(self._provider.alias))

    def pushed(self, header: L1Header) -> None:
        """A head came."""
        self._newest, self._behind_since = header.number, None
        self._on_head(self._provider, header)

    def push_failed(self, failure: UpstreamError) -> None:
        """A push that is no header is the provider's failure."""
        self._provider.failed(failure)

    def unsubscribed(self, reason: str) -> None:
        """The node behind it may be another when it is back."""
        self._provider.subscribed = False
        self._observe(SubscriptionEnded(self._provider.alias, reason))
        self._on_end(self._provider)

    def compare(self, number: int) -> None:
        """Hold block `number`, which a poll saw, against what was pushed."""
        if not self._provider.subscribed:
            return
        if self._newest is None:
            self._newest = number
        if number <= self._newest:
            self._behind_since = None
            return
        now = self._clock.monotonic()
        if self._behind_since is None:
            self._behind_since = now
        elif now - self._behind_since > SILENCE_SECONDS:
            self._behind_since = None
            self._node.resubscribe()
