"""One header from several providers: taken where enough of them give the same one."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from app.adapters.nodes import all_failed
from app.adapters.provider import Provider, shown
from app.domain.header import L1Header
from app.domain.quorum import Agreement, agreed_head
from app.engine.ports import UpstreamError

Ask = Callable[[Provider], Awaitable[L1Header]]


async def confirmed_header(order: Sequence[Provider], ask: Ask, quorum: int) -> L1Header:
    """The header that `quorum` providers give. As many are asked at a time as could decide; the others on a failure.

    Raises `UpstreamError`: the first one's reason where nobody gives a header, `missing_block` where too few have it
    and nobody gives another, else `no_quorum`.
    """
    vote = _Vote(quorum)
    waiting = list(order)
    running: set[asyncio.Task[None]] = set()
    try:
        while (agreement := vote.agreement()) is None:
            while waiting and len(running) + vote.most < quorum:
                running.add(asyncio.ensure_future(vote.take(waiting.pop(0), ask)))
            if not running:
                raise vote.failed()
            done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        return agreement.header
    finally:
        for task in running:
            task.cancel()


class _Vote:
    """Who gave which header, and who failed."""

    def __init__(self, quorum: int) -> None:
        self._quorum = quorum
        self._given: dict[str, list[L1Header]] = {}
        self._failures: list[UpstreamError] = []

    @property
    def most(self) -> int:
        """How many gave the header that most gave."""
        headers = [header for headers in self._given.values() for header in headers]
        return max(map(headers.count, headers), default=0)

    async def take(self, provider: Provider, ask: Ask) -> None:
        """Ask one provider, and note what it gives."""
        try:
            self._given[provider.alias] = [await ask(provider)]
        except UpstreamError as failure:
            self._failures.append(failure)

    def agreement(self) -> Agreement | None:
        """The header that enough gave."""
        return agreed_head(self._given, self._quorum)

    def failed(self) -> UpstreamError:
        """Why there is none."""
        if not self._given:
            return all_failed(self._failures)
        said = [f"{alias} gives {shown(header)}" for alias, (header,) in self._given.items()]
        contradicts = len({header for (header,) in self._given.values()}) > 1
        only_missing = all(failure.reason == "missing_block" for failure in self._failures)
        reason = "missing_block" if self._failures and only_missing and not contradicts else "no_quorum"
        detail = "; ".join((*said, *map(str, self._failures)))
        return UpstreamError(next(iter(self._given)), reason, f"{self._quorum} must agree: {detail}")
