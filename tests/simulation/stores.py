"""A store that fails as told, and the record of what it truly did."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from random import Random
from typing import Final, TypeVar

from app.domain.formula import PathPoint
from app.domain.governance import Governance, ParameterChange, Revision, VaultReport
from app.domain.header import L1Header
from app.domain.network import Network
from app.domain.quote import Quote
from app.domain.units import UnixSeconds
from app.engine.entries import Entry, Gap, StoredEntry, UndecodableEntry
from app.engine.ports import Appended, History, Merged, Store, StoreError, StoreFault
from tests.simulation.schedule import StoreTrouble

Result = TypeVar("Result")

_PATIENCE_SECONDS: Final = 5.0
"""After so long a store's call fails."""
_MISHAP: Final = 1 / 3


class Ledger:
    """What is in one store for sure: every entry that a call of it reported, whoever made it, and the decisions."""

    def __init__(self) -> None:
        self.quote_ids: dict[str, str] = {}
        """By block hash."""
        self.headers: dict[str, L1Header] = {}
        """What each block was when it was priced, by its hash."""
        self.points: dict[str, PathPoint] = {}
        """What each block hands on, by its hash."""
        self.governance = Governance()
        self.misgoverned: list[str] = []
        """Entries that were appended with other decisions than the ones in force."""

    def took(self, entries: Sequence[Entry]) -> None:
        """These are in the store."""
        for entry in entries:
            self._keep(entry.quote, entry.quote.quote_id)

    def showed(self, entries: Sequence[StoredEntry]) -> None:
        """The store gave these."""
        for entry in entries:
            self._keep(entry.recomputed(), str(entry.claims["quote_id"]))

    def tips(self) -> set[str]:
        """Quote ids of blocks that no other block builds on."""
        parents = {header.parent_hash for header in self.headers.values()}
        return {quote_id for block_hash, quote_id in self.quote_ids.items() if block_hash not in parents}

    def judge(self, entries: Sequence[Entry]) -> None:
        """Entries that are appended while the store is well must be made with the newest decisions."""
        change, report = self.governance.change, self.governance.report
        for entry in entries:
            if entry.quote.header.hash in self.quote_ids:
                continue
            quote = entry.quote
            if change is not None and quote.formula.parameters != change.parameter_set.parameters:
                self.misgoverned.append(
                    f"block {quote.header.number} with older parameters than change {change.number}"
                )
            if report is not None and quote.vault.source == "push" and quote.vault.balance != report.balance:
                self.misgoverned.append(
                    f"block {quote.header.number} with an older vault than report {report.sequence}"
                )

    def _keep(self, quote: Quote, quote_id: str) -> None:
        block_hash = quote.header.hash
        self.quote_ids[block_hash] = quote_id
        self.headers[block_hash] = quote.header
        self.points[block_hash] = quote.price.point


class TroubledStore(Store):
    """One replica's way to a store: in trouble as told, and recorded in the ledger."""

    def __init__(self, store: Store, ledger: Ledger, dice: Random) -> None:
        self._store = store
        self._ledger = ledger
        self._dice = dice
        self.trouble = StoreTrouble.NONE

    async def load(self, network: Network, most: int) -> History:
        history = await self._read(lambda: self._store.load(network, most))
        self._ledger.showed(history.entries)
        return history

    async def append(self, entries: Sequence[Entry], seen: Revision, gap: Gap | None = None) -> Appended:
        async def work() -> Appended:
            appended = await self._store.append(entries, seen, gap)
            if appended.is_complete:
                if seen.change <= self._ledger.governance.revision.change:  # what was spooled is taken as it is
                    self._ledger.judge(entries)
                self._ledger.took(entries)
            self._ledger.showed(tuple(appended.decided.values()))
            return appended

        return await self._write(work)

    async def merge(self, entries: Sequence[Entry], gaps: Sequence[Gap] = ()) -> Merged:
        async def work() -> Merged:
            merged = await self._store.merge(entries, gaps)
            kept = {entry.quote.header.hash: entry for entry in reversed(entries)}
            self._ledger.took(
                [
                    entry
                    for entry in entries
                    if entry.quote.header.hash not in merged.decided and kept[entry.quote.header.hash] is entry
                ]
            )
            self._ledger.showed(tuple(merged.decided.values()))
            return merged

        return await self._write(work)

    async def change_parameters(self, network: Network, change: ParameterChange, seen: int) -> ParameterChange:
        async def work() -> ParameterChange:
            stored = await self._store.change_parameters(network, change, seen)
            self._ledger.governance = Governance(stored, self._ledger.governance.report)
            return stored

        return await self._write(work)

    async def report_vault(self, network: Network, report: VaultReport) -> VaultReport:
        async def work() -> VaultReport:
            stored = await self._store.report_vault(network, report)
            self._ledger.governance = Governance(self._ledger.governance.change, stored)
            return stored

        return await self._write(work)

    async def entries(
        self, network: Network | None, first: int, last: int | None
    ) -> AsyncIterator[StoredEntry | UndecodableEntry]:
        async for entry in self._store.entries(network, first, last):
            yield entry

    async def gaps(self, network: Network | None) -> Sequence[Gap]:
        return await self._read(lambda: self._store.gaps(network))

    async def divergences(self, network: Network | None) -> int:
        return await self._read(lambda: self._store.divergences(network))

    async def prune(self, before: UnixSeconds) -> int:
        return await self._write(lambda: self._store.prune(before))

    async def close(self) -> None:
        """The store outlives the process."""

    async def _read(self, work: Callable[[], Awaitable[Result]]) -> Result:
        if self.trouble is StoreTrouble.FULL:
            return await work()
        return await self._write(work)

    async def _write(self, work: Callable[[], Awaitable[Result]]) -> Result:
        """`work` as the trouble of the moment has it."""
        trouble = self.trouble
        if trouble is StoreTrouble.FLAKY:
            trouble = self._mishap()
        if trouble is StoreTrouble.DOWN:
            raise StoreError(StoreFault.UNAVAILABLE, "simulated")
        if trouble is StoreTrouble.FULL:
            raise StoreError(StoreFault.FULL, "simulated")
        if trouble is StoreTrouble.HANGING:
            await asyncio.sleep(_PATIENCE_SECONDS)
            raise StoreError(StoreFault.TIMEOUT, "simulated")
        longest = _PATIENCE_SECONDS / 2 - 1 if trouble is StoreTrouble.SLOW else 0.01
        await asyncio.sleep(self._dice.uniform(0, longest))
        result = await work()
        await asyncio.sleep(self._dice.uniform(0, longest))  # a process may die after the commit, before it knows of it
        if trouble is StoreTrouble.FORGETFUL:
            raise StoreError(StoreFault.UNAVAILABLE, "simulated, after it was done")
        return result

    def _mishap(self) -> StoreTrouble:
        if self._dice.random() < 1 - _MISHAP:
            return StoreTrouble.NONE
        return self._dice.choice((StoreTrouble.DOWN, StoreTrouble.FORGETFUL))
