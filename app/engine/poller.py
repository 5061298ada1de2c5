"""The poll loop: sees the head, finds the way to it, reads the vault along it, and hands the blocks to the oracle."""

import asyncio
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

from app.domain.advance import Observation
from app.domain.formula import PathPoint
from app.domain.freshness import Witnesses
from app.domain.header import L1Header, block_interval_seconds
from app.domain.network import Network
from app.domain.units import MILLIS_PER_SECOND, BlockNumber, WeiPerGas
from app.domain.vault import VaultState
from app.engine.chain import ChainFollower, Path, RebuildReason
from app.engine.entries import Gap
from app.engine.events import (
    HeadMoved,
    HeadStood,
    HeadWentBack,
    Observer,
    PathRebuilt,
    PollFailed,
    PollSucceeded,
    ReorgFollowed,
)
from app.engine.oracle import Batch, Block, Oracle, Restart
from app.engine.ports import Clock, FeedStatus, HeaderSource, HeadSighting, Publisher, UpstreamError
from app.engine.vault_watch import VaultWatch

_LIES: Final = frozenset({"rejected_header", "inconsistent_chain"})
"""Failures for which the provider of the head is distrusted."""


@dataclass(frozen=True, slots=True)
class PollPolicy:
    """How the loop goes."""

    interval_seconds: float
    stale_after_seconds: int
    """Age from which a head that polls confirm is said to stand."""
    initial_fee: WeiPerGas
    """Previous fee where a chain has no earlier block."""
    l2_chain_id: int
    known_l1_chain_id: int | None = None
    """With it, the journal is taken over before any provider answers."""


class Poller:
    """Polls at a fixed cadence, and at once when a head is pushed.

    A failed poll is an event with a reason; it never ends the loop.
    """

    def __init__(
        self,
        *,
        source: HeaderSource,
        vault: VaultWatch,
        oracle: Oracle,
        publisher: Publisher,
        clock: Clock,
        observe: Observer,
        policy: PollPolicy,
    ) -> None:
        self._source = source
        self._vault = vault
        self._oracle = oracle
        self._publisher = publisher
        self._clock = clock
        self._observe = observe
        self._policy = policy
        self._chain = ChainFollower(source, observe, self._beat, clock)
        self._status = FeedStatus()
        self._is_open = False
        self._stands: L1Header | None = None
        self._unproven: frozenset[str] = frozenset()

    async def run(self) -> None:
        """Poll until cancelled."""
        if self._policy.known_l1_chain_id is not None:
            await self._open(Network(self._policy.known_l1_chain_id, self._policy.l2_chain_id))
        while True:
            started = self._clock.monotonic()
            await self.poll()
            elapsed = self._clock.monotonic() - started
            await self._pause(max(0.0, self._policy.interval_seconds - elapsed))

    async def poll(self) -> None:
        """One poll, whatever comes of it."""
        try:
            sighting = await self._followed()
        except UpstreamError as error:
            self._failed(error)
        else:
            self._succeeded(sighting)
        self._oracle.tend()

    async def _pause(self, seconds: float) -> None:
        """Until the next poll is due: after `seconds`, or once a head was pushed."""
        waits = (asyncio.ensure_future(self._clock.sleep(seconds)), asyncio.ensure_future(self._source.news()))
        try:
            done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)
        for wait in done:
            wait.result()

    async def _open(self, network: Network) -> None:
        """Go on from what the journal holds: its headers, and the vault as it was known."""
        self._is_open = True
        restored = await self._oracle.open(network)
        if restored:
            self._chain.restore([stored.observation.header for stored in restored])
            self._unproven = frozenset(
                stored.observation.header.hash for stored in restored if not stored.base_fee_verified
            )
            self._vault.remember(restored[-1].observation.vault)

    async def _followed(self) -> HeadSighting:
        """The head, followed. A provider whose head is a lie is left out, and the next one asked."""
        while True:
            sighting = await self._source.latest()
            try:
                await self._follow(sighting)
            except UpstreamError as error:
                if error.reason not in _LIES or not self._source.reject(sighting, error.reason):
                    raise
            else:
                return sighting

    async def _follow(self, sighting: HeadSighting) -> None:
        head = sighting.header
        network = Network(await self._source.chain_id(), self._policy.l2_chain_id)
        self._status = replace(self._status, network=network)
        was_open = self._is_open
        if not was_open:
            await self._open(network)
        held = self._chain.head
        if held is not None and self._chain.is_behind(head):
            if head.number < held.number and was_open:
                self._observe(HeadWentBack(sighting.provider, held.number, head.number))
            await self._oracle.confirm(head)
            return
        while self._chain.head is None or not self._chain.is_behind(head):
            if not await self._go_on(network, sighting.provider, await self._chain.path_to(head)):
                return

    async def _go_on(self, network: Network, provider: str, path: Path) -> bool:
        """Price the blocks of `path`; false where they cannot be, since the vault was never read."""
        proven = self._chain.check(path, provider=provider, public=network.is_public)
        observations, restart = await self._observed(network, path)
        if not observations:
            return False
        blocks = tuple(Block(seen, provider, seen.header.hash in proven) for seen in observations)
        await self._oracle.accept(Batch(blocks, restart, _gap_before(self._chain.head, path)))
        self._unproven = frozenset(header.hash for header in path.headers) - proven
        self._chain.hold(path)
        self._announce(path)
        return True

    async def _observed(self, network: Network, path: Path) -> tuple[tuple[Observation, ...], Restart | None]:
        """The blocks of `path` that are to have a quote, and how the state begins anew where it does.

        None of them while the vault was never read.
        """
        if path.parent is not None:
            return await self._continued(network, (path.parent, *path.headers)), None
        vault = await self._vault.at(path.head)
        if vault is None:
            return (), None
        older = path.headers[:-1]
        newest = _observation(network, older[-1] if older else None, path.head, vault)
        if not self._oracle.parameters.depends_on_path:
            return (newest,), Restart()
        replayed = await self._replayed(network, older)
        return (newest,), Restart(replayed, None if replayed else PathPoint(self._policy.initial_fee))

    async def _continued(self, network: Network, headers: tuple[L1Header, ...]) -> tuple[Observation, ...]:
        """The blocks after the first of `headers`; none of them while the vault was never read.

        Once the vault could not be read it is held for the rest: a vault that is slow to fail must not hold up the
        head. A node that merely lacks an old block's state says so at once, and is asked again for the next block.
        """
        observations = []
        gave_up = False
        for parent, header in pairwise(headers):
            vault = self._vault.held_at(header) if gave_up else await self._vault.at(header)
            if vault is None:
                return ()
            gave_up = self._vault.is_slow_to_fail
            observations.append(_observation(network, parent, header, vault))
            self._beat()
        return tuple(observations)

    async def _replayed(self, network: Network, headers: tuple[L1Header, ...]) -> tuple[Observation, ...]:
        """The newest of `headers` for which the node still has the vault's balances, oldest first."""
        observations: list[Observation] = []
        for index in range(len(headers) - 1, -1, -1):
            try:
                vault = await self._vault.reading_at(headers[index])
            except UpstreamError:
                break
            parent = headers[index - 1] if index else None
            observations.append(_observation(network, parent, headers[index], vault))
            self._beat()
        return tuple(reversed(observations))

    def _announce(self, path: Path) -> None:
        if path.rebuilt is not None:
            self._observe(PathRebuilt(path.rebuilt.value, len(path.headers), path.head.number, path.gap_blocks))
        if path.reorg_depth:
            self._observe(ReorgFollowed(path.reorg_depth, path.head.number))

    def _succeeded(self, sighting: HeadSighting) -> None:
        now = self._clock.now()
        failures = self._status.consecutive_failures
        held = self._chain.head
        confirms = held is None or sighting.header.hash == held.hash
        self._status = replace(
            self._current(),
            witnesses=Witnesses(sighting.agreeing if confirms else min(1, sighting.agreeing)),
            provider=sighting.provider,
            polls=self._status.polls + 1,
            last_success_at=now,
            consecutive_failures=0,
            failure_reason=None,
            failure_detail=None,
        )
        self._judge_standing(held)
        self._publisher.feed(self._status)
        self._observe(PollSucceeded(sighting.provider, sighting.header.number, now, failures))

    def _failed(self, error: UpstreamError) -> None:
        self._status = replace(
            self._current(),
            witnesses=Witnesses(0),
            polls=self._status.polls + 1,
            consecutive_failures=self._status.consecutive_failures + 1,
            failure_reason=error.reason,
            failure_detail=error.detail,
        )
        self._publisher.feed(self._status)
        self._observe(PollFailed(error.provider, error.reason, str(error), self._status.consecutive_failures))

    def _judge_standing(self, held: L1Header | None) -> None:
        """Say once that a head stands which polls confirm, and once that it has moved.

        By the world's time, as far as it is known: under a host clock that is ahead every head would stand.
        """
        if held is None:
            return
        world_now = self._clock.now() - (self._status.view.clock_offset_millis or 0)
        age = world_now // MILLIS_PER_SECOND - held.timestamp
        stood = self._stands
        if stood is not None and held.hash != stood.hash:
            self._stands = None
            self._observe(HeadMoved(held.number, held.timestamp - stood.timestamp))
        elif stood is None and age > self._policy.stale_after_seconds:
            self._stands = held
            self._observe(HeadStood(held.number, age))

    def _beat(self) -> None:
        """Show that the loop lives while one poll takes long."""
        self._status = self._current()
        self._publisher.feed(self._status)

    def _current(self) -> FeedStatus:
        """The status with what the other parts say of themselves now."""
        head = self._chain.head
        return replace(
            self._status,
            last_poll_at=self._clock.now(),
            vault_failure_reason=self._vault.failure_reason,
            view=self._source.view,
            base_fee_verified=None if head is None else head.hash not in self._unproven,
        )


def _observation(network: Network, parent: L1Header | None, header: L1Header, vault: VaultState) -> Observation:
    interval = block_interval_seconds(parent, header, public=network.is_public)
    return Observation(network, header, vault, interval)


def _gap_before(held: L1Header | None, path: Path) -> Gap | None:
    """The blocks between ours and the new head that get no quote, where the path could not be joined."""
    if held is None or path.rebuilt is not RebuildReason.GAP or path.head.number <= held.number + 1:
        return None
    return Gap(BlockNumber(held.number + 1), BlockNumber(path.head.number - 1), "not_joined")
