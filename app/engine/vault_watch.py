"""The vault along the chain: read at each block, held where it cannot be read, never made up."""

from app.domain.governance import pushed_vault
from app.domain.header import L1Header
from app.domain.vault import VaultPlan, VaultState
from app.engine.events import Observer, VaultReadable, VaultUnreadable
from app.engine.oracle import Oracle
from app.engine.ports import UpstreamError, VaultReader

_TOLD_AT_ONCE = frozenset({"missing_state", "not_pushed"})
"""Failures that cost no time, so that the next block is asked for all the same."""


class VaultWatch:
    """A vault reader with a memory: the last known state, and the failure that lasts."""

    def __init__(self, reader: VaultReader, plan: VaultPlan, observe: Observer) -> None:
        self._reader = reader
        self._plan = plan
        self._observe = observe
        self._known: VaultState | None = None
        self._failures = 0
        self._failure_reason: str | None = None

    @property
    def failure_reason(self) -> str | None:
        """Label of the current failure to read the vault; None while it can be read."""
        return self._failure_reason

    @property
    def is_slow_to_fail(self) -> bool:
        """Whether another reading now would probably take its time, and fail."""
        return self._failure_reason is not None and self._failure_reason not in _TOLD_AT_ONCE

    def remember(self, vault: VaultState) -> None:
        """Take a state of an earlier run for the last known one, if it is of the same vault."""
        plan = self._plan
        if vault.source is not plan.source or not vault.is_configured:
            return
        read = {(reading.layer, reading.address) for reading in vault.readings}
        if read == {(address.layer, address.address) for address in plan.addresses}:
            self._known = VaultState(
                source=vault.source,
                balance=vault.balance,
                target=plan.target,
                surplus_discount=plan.surplus_discount,
                observed_at=vault.observed_at,
                readings=vault.readings,
            )

    async def at(self, header: L1Header) -> VaultState | None:
        """The vault at `header`; the last known state, marked held, where it cannot be read; None if it never was."""
        try:
            vault = await self._reader.at(header)
        except UpstreamError as error:
            self._failures += 1
            self._failure_reason = error.reason
            self._observe(VaultUnreadable(error.reason, str(error), self._failures))
            return self.held_at(header)
        if self._failures:
            self._observe(VaultReadable(self._failures))
        self._failures, self._failure_reason = 0, None
        self._known = vault
        return vault

    def held_at(self, header: L1Header) -> VaultState | None:
        """The last known state carried on to `header`, without a reading."""
        known = self._known
        return None if known is None else known.held(header.timestamp, self._plan.max_age_seconds)

    async def reading_at(self, header: L1Header) -> VaultState:
        """What the vault was at an older block. Raises `UpstreamError`, and remembers nothing."""
        return await self._reader.at(header)


class PushedVaultReader(VaultReader):
    """A vault whose balance is pushed: the report in force, which the writer exchanges for a newer one."""

    def __init__(self, oracle: Oracle, plan: VaultPlan) -> None:
        self._oracle = oracle
        self._plan = plan

    async def at(self, header: L1Header) -> VaultState:
        """The balance of the newest report. Raises `UpstreamError` (`not_pushed`) while there is none."""
        report = self._oracle.governance.report
        if report is None:
            raise UpstreamError("push", "not_pushed", "no balance has been pushed yet")
        return pushed_vault(report, self._plan, header)
