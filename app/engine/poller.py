"""The poll loop: sees the head, finds the way to it, reads the vault along it, and hands the blocks to the oracle."""

from dataclasses import replace
from itertools import pairwise

from app.domain.advance import Observation
from app.domain.formula import PathPoint
from app.domain.freshness import Witnesses
from app.domain.header import L1Header, block_interval_seconds
from app.domain.network import Network
from app.domain.units import WeiPerGas
from app.domain.vault import VaultPlan, VaultState
from app.engine.chain import ChainFollower, Path
from app.engine.events import (
    HeadWentBack,
    Observer,
    PathRebuilt,
    PollFailed,
    PollSucceeded,
    ReorgFollowed,
    VaultReadable,
    VaultUnreadable,
)
from app.engine.oracle import Batch, Oracle, Restart
from app.engine.ports import Clock, FeedStatus, HeaderSource, HeadSighting, Publisher, UpstreamError, VaultReader


class Poller:
    """Polls at a fixed cadence. A failed poll is an event with a reason; it never ends the loop."""

    def __init__(
        self,
        *,
        source: HeaderSource,
        vault: VaultReader,
        vault_plan: VaultPlan,
        oracle: Oracle,
        publisher: Publisher,
        clock: Clock,
        observe: Observer,
        initial_fee: WeiPerGas,
        l2_chain_id: int,
        interval_seconds: float,
    ) -> None:
        self._source = source
        self._vault = vault
        self._vault_plan = vault_plan
        self._oracle = oracle
        self._publisher = publisher
        self._clock = clock
        self._observe = observe
        self._initial_fee = initial_fee
        self._l2_chain_id = l2_chain_id
        self._interval_seconds = interval_seconds
        self._chain = ChainFollower(source, observe, self._beat)
        self._status = FeedStatus()
        self._last_vault: VaultState | None = None
        self._vault_failures = 0

    async def run(self) -> None:
        """Poll until cancelled."""
        while True:
            started = self._clock.monotonic()
            await self.poll()
            elapsed = self._clock.monotonic() - started
            await self._clock.sleep(max(0.0, self._interval_seconds - elapsed))

    async def poll(self) -> None:
        """One poll, whatever comes of it."""
        try:
            sighting = await self._source.latest()
            await self._follow(sighting)
        except UpstreamError as error:
            self._failed(error)
        else:
            self._succeeded(sighting)

    async def _follow(self, sighting: HeadSighting) -> None:
        head = sighting.header
        network = Network(await self._source.chain_id(), self._l2_chain_id)
        self._status = replace(self._status, network=network)
        held = self._chain.head
        if held is not None and self._chain.is_behind(head):
            if head.number < held.number:
                self._observe(HeadWentBack(sighting.provider, held.number, head.number))
            return
        while self._chain.head is None or not self._chain.is_behind(head):
            if not await self._go_on(network, sighting.provider, await self._chain.path_to(head)):
                return

    async def _go_on(self, network: Network, provider: str, path: Path) -> bool:
        """Price the blocks of `path`; false where they cannot be, since the vault was never read."""
        self._chain.check(path, provider=provider, public=network.is_public)
        batch = await self._batch(network, path)
        if batch is None:
            return False
        await self._oracle.accept(batch)
        self._chain.hold(path)
        self._announce(path)
        return True

    async def _batch(self, network: Network, path: Path) -> Batch | None:
        """The blocks of `path` with the vault along it; None while the vault was never read."""
        if path.parent is not None:
            return await self._continued(network, (path.parent, *path.headers))
        vault = await self._vault_or_held(path.head)
        if vault is None:
            return None
        older = path.headers[:-1]
        newest = _observation(network, older[-1] if older else None, path.head, vault)
        if not self._oracle.parameters.depends_on_path:
            return Batch((newest,), Restart())
        replayed = await self._replayed(network, older)
        return Batch((newest,), Restart(replayed, None if replayed else PathPoint(self._initial_fee)))

    async def _continued(self, network: Network, headers: tuple[L1Header, ...]) -> Batch | None:
        """The blocks after the first of `headers`.

        Once the vault could not be read it is held for the rest: a vault that is slow to fail must not hold up the
        head. A node that merely lacks an old block's state says so at once, and is asked again for the next block.
        """
        observations = []
        held: VaultState | None = None
        for parent, header in pairwise(headers):
            vault = self._held(held, header) if held else await self._vault_or_held(header)
            if vault is None:
                return None
            if self._status.vault_failure_reason not in (None, "missing_state"):
                held = vault
            observations.append(_observation(network, parent, header, vault))
            self._beat()
        return Batch(tuple(observations))

    async def _replayed(self, network: Network, headers: tuple[L1Header, ...]) -> tuple[Observation, ...]:
        """The newest of `headers` for which the node still has the vault's balances, oldest first."""
        observations: list[Observation] = []
        for index in range(len(headers) - 1, -1, -1):
            try:
                vault = await self._vault.at(headers[index])
            except UpstreamError:
                break
            parent = headers[index - 1] if index else None
            observations.append(_observation(network, parent, headers[index], vault))
            self._beat()
        return tuple(reversed(observations))

    async def _vault_or_held(self, header: L1Header) -> VaultState | None:
        """The vault at `header`; the last known state, marked held, where it cannot be read; None if it never was."""
        try:
            vault = await self._vault.at(header)
        except UpstreamError as error:
            self._vault_failures += 1
            self._observe(VaultUnreadable(error.reason, str(error), self._vault_failures))
            self._status = replace(self._status, vault_failure_reason=error.reason)
            return None if self._last_vault is None else self._held(self._last_vault, header)
        if self._vault_failures:
            self._observe(VaultReadable(self._vault_failures))
            self._vault_failures = 0
            self._status = replace(self._status, vault_failure_reason=None)
        self._last_vault = vault
        return vault

    def _held(self, known: VaultState, header: L1Header) -> VaultState:
        return known.held(header.timestamp, self._vault_plan.max_age_seconds)

    def _announce(self, path: Path) -> None:
        if path.rebuilt is not None:
            self._observe(PathRebuilt(path.rebuilt.value, len(path.headers), path.head.number, path.gap_blocks))
        if path.reorg_depth:
            self._observe(ReorgFollowed(path.reorg_depth, path.head.number))

    def _succeeded(self, sighting: HeadSighting) -> None:
        now = self._clock.now()
        failures = self._status.consecutive_failures
        self._status = replace(
            self._status,
            witnesses=Witnesses(sighting.agreeing),
            provider=sighting.provider,
            polls=self._status.polls + 1,
            last_poll_at=now,
            last_success_at=now,
            consecutive_failures=0,
            failure_reason=None,
            failure_detail=None,
        )
        self._publisher.feed(self._status)
        self._observe(PollSucceeded(sighting.provider, sighting.header.number, now, failures))

    def _failed(self, error: UpstreamError) -> None:
        self._status = replace(
            self._status,
            witnesses=Witnesses(0),
            polls=self._status.polls + 1,
            last_poll_at=self._clock.now(),
            consecutive_failures=self._status.consecutive_failures + 1,
            failure_reason=error.reason,
            failure_detail=error.detail,
        )
        self._publisher.feed(self._status)
        self._observe(PollFailed(error.provider, error.reason, str(error), self._status.consecutive_failures))

    def _beat(self) -> None:
        """Show that the loop lives while one poll takes long."""
        self._status = replace(self._status, last_poll_at=self._clock.now())
        self._publisher.feed(self._status)


def _observation(network: Network, parent: L1Header | None, header: L1Header, vault: VaultState) -> Observation:
    interval = block_interval_seconds(parent, header, public=network.is_public)
    return Observation(network, header, vault, interval)
