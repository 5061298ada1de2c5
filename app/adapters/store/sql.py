"""The store that a database keeps, as the engine sees it: every call bounded, whatever the database does."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING, Final, TypeVar

from app.adapters.store.place import PostgresPlace, place_of
from app.adapters.store.worker import Worker
from app.domain.governance import ParameterChange, Revision, VaultReport
from app.domain.network import Network
from app.domain.units import UnixSeconds
from app.engine.entries import Entry, Gap, Place, StoredEntry, UndecodableEntry
from app.engine.ports import (
    Appended,
    Archive,
    History,
    Merged,
    Store,
    StoreError,
    StoreFault,
    UndecodableDecision,
)

if TYPE_CHECKING:
    from app.adapters.store.records import Records

Result = TypeVar("Result")

_OPENING_SECONDS: Final = 10.0
"""For the first connection, which may have to make the schema."""
_ENTRIES_A_SECOND: Final = 1_000
"""What a slow disk takes at the least: many entries at once have more time."""
_ROWS_AT_ONCE: Final = 500
_MOST_LEFT_BEHIND: Final = 8
"""Threads that hang in a dead disk or network: no more are started until one of them ends."""


class SqlStore(Store, Archive):
    """SQLite or PostgreSQL behind one thread. A call that takes too long is left behind with its connection.

    `must_exist` refuses to make a database or to change its schema. Raises `InvalidValueError`, which does not show
    the URL, for one that cannot be used.
    """

    def __init__(self, url: str, *, timeout_seconds: float = 2.0, must_exist: bool = False) -> None:
        self._place: Final = place_of(url)
        self._timeout_seconds: Final = timeout_seconds
        self._must_exist: Final = must_exist
        self._instance: Final = secrets.token_hex(8)
        self._turn: Final = asyncio.Lock()
        self._worker: Worker[Records] | None = None
        self._left_behind: list[Worker[Records]] = []
        self._has_opened = False

    async def load(self, network: Network, most: int) -> History:
        """As `Store.load`."""
        return await self._done(lambda records: records.load(network, most))

    async def append(self, entries: Sequence[Entry], seen: Revision, gap: Gap | None = None) -> Appended:
        """As `Store.append`."""
        if not entries:
            return Appended()
        return await self._done(lambda records: records.append(entries, seen, gap), weight=len(entries))

    async def merge(self, entries: Sequence[Entry], gaps: Sequence[Gap] = ()) -> Merged:
        """As `Store.merge`."""
        if not entries:
            return Merged({})
        return await self._done(lambda records: records.merge(entries, gaps), weight=len(entries))

    async def change_parameters(self, network: Network, change: ParameterChange, seen: int) -> ParameterChange:
        """As `Store.change_parameters`."""
        return await self._done(lambda records: records.change_parameters(network, change, seen))

    async def report_vault(self, network: Network, report: VaultReport) -> VaultReport:
        """As `Store.report_vault`."""
        return await self._done(lambda records: records.report_vault(network, report))

    async def entries(
        self, network: Network | None, first: int, last: int | None
    ) -> AsyncIterator[StoredEntry | UndecodableEntry]:
        """As `Store.entries`, a bounded number of rows at a time: nobody who writes waits for whoever reads."""
        after = 0
        while chunk := await self._entries_after(after, network, first, last):
            for entry in chunk:
                yield entry
            after = chunk[-1].sequence
        wrong = await self._done(lambda records: records.wrong_end())
        if wrong is not None:
            yield wrong

    async def gaps(self, network: Network | None) -> Sequence[Gap]:
        """As `Store.gaps`."""
        return await self._done(lambda records: records.gaps(network))

    async def divergences(self, network: Network | None) -> int:
        """As `Store.divergences`."""
        return await self._done(lambda records: records.divergences(network))

    async def entries_below(
        self, network: Network, place: Place | None, most: int
    ) -> Sequence[StoredEntry | UndecodableEntry]:
        """As `Archive.entries_below`."""
        return await self._done(lambda records: records.entries_below(network, place, most))

    async def gaps_between(self, network: Network, first: int, last: int | None, most: int) -> Sequence[Gap]:
        """As `Archive.gaps_between`."""
        return await self._done(lambda records: records.gaps_between(network, first, last, most))

    async def changes_below(
        self, network: Network, number: int | None, most: int
    ) -> Sequence[ParameterChange | UndecodableDecision]:
        """As `Archive.changes_below`."""
        return await self._done(lambda records: records.changes_below(network, number, most))

    async def reports_below(
        self, network: Network, sequence: int | None, most: int
    ) -> Sequence[VaultReport | UndecodableDecision]:
        """As `Archive.reports_below`."""
        return await self._done(lambda records: records.reports_below(network, sequence, most))

    async def prune(self, before: UnixSeconds) -> int:
        """As `Store.prune`."""
        return await self._done(lambda records: records.prune(before))

    async def close(self) -> None:
        """As `Store.close`. The next call opens it again."""
        worker, self._worker = self._worker, None
        if worker is not None:
            closing = asyncio.wrap_future(worker.submit(lambda records: records.close()))
            await asyncio.wait({closing}, timeout=self._timeout_seconds)
            worker.leave()

    async def _entries_after(
        self, sequence: int, network: Network | None, first: int, last: int | None
    ) -> Sequence[StoredEntry | UndecodableEntry]:
        return await self._done(lambda records: records.entries_after(sequence, _ROWS_AT_ONCE, network, first, last))

    async def _done(self, work: Callable[["Records"], Result], *, weight: int = 0) -> Result:
        limit = (self._timeout_seconds if self._has_opened else _OPENING_SECONDS) + weight / _ENTRIES_A_SECOND
        await self._taken_turn(limit)
        try:
            result = await self._done_in_turn(work, limit)
        finally:
            self._turn.release()
        self._has_opened = True
        return result

    async def _taken_turn(self, limit: float) -> None:
        try:
            async with asyncio.timeout(limit):
                await self._turn.acquire()
        except TimeoutError:
            raise StoreError(StoreFault.TIMEOUT, f"other calls took more than {limit:g} s") from None

    async def _done_in_turn(self, work: Callable[["Records"], Result], limit: float) -> Result:
        worker = self._worker = self._worker or self._new_worker()
        future = asyncio.wrap_future(worker.submit(work))
        try:
            await asyncio.wait({future}, timeout=limit)
            if future.done():
                return future.result()
        finally:
            future.cancel()
        self._worker = None
        worker.leave()
        self._left_behind.append(worker)
        raise StoreError(StoreFault.TIMEOUT, f"no answer within {limit:g} s")

    def _new_worker(self) -> "Worker[Records]":
        self._left_behind = [worker for worker in self._left_behind if worker.is_alive]
        if len(self._left_behind) >= _MOST_LEFT_BEHIND:
            raise StoreError(StoreFault.TIMEOUT, f"{len(self._left_behind)} earlier calls still hang")
        return Worker(self._opened_records)

    def _opened_records(self) -> "Records":
        """Called by the worker's thread, so that the imports hold up nobody else."""
        from app.adapters.store.records import Records  # noqa: PLC0415 - brings the database library

        place = self._place
        if isinstance(place, PostgresPlace):
            from app.adapters.store.postgres import PostgresBackend  # noqa: PLC0415 - brings its driver

            return Records(
                PostgresBackend(place, timeout_seconds=self._timeout_seconds),
                must_exist=self._must_exist,
                instance=self._instance,
            )
        from app.adapters.store.sqlite import SqliteBackend  # noqa: PLC0415 - not where PostgreSQL is used

        return Records(
            SqliteBackend(place, must_exist=self._must_exist), must_exist=self._must_exist, instance=self._instance
        )
