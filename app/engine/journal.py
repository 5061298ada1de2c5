"""The journal: everything that is served goes into the store first, or into the spool while the store fails."""

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final, TypeVar

from app.domain.governance import Governance, ParameterChange, Revision, VaultReport
from app.domain.network import Network
from app.domain.units import MILLIS_PER_SECOND, BlockNumber, UnixSeconds
from app.engine.entries import Entry, Gap
from app.engine.events import EntriesLost, JournalDegraded, JournalRecovered, JournalSpooled, Observer
from app.engine.merging import Replacement, Replacements
from app.engine.ports import (
    Appended,
    Clock,
    History,
    JournalState,
    JournalStatus,
    NoNetworkError,
    Publisher,
    Store,
    StoreError,
    StoreFault,
)

Result = TypeVar("Result")

RESTORED_ENTRIES: Final = 256
"""Twice the reorg window: what a start takes over."""
MOST_SPOOLED: Final = 10_000
"""Entries kept in memory while the store fails: over a day of slots."""
MERGED_AT_ONCE: Final = 500
_EVERYTHING_SEEN: Final = Revision(change=2**53, report=2**53)
"""What was spooled is as it was served: decisions that came since change nothing of it."""
_FIRST_RETRY_SECONDS: Final = 1.0
_LONGEST_RETRY_SECONDS: Final = 30.0
_PRUNE_EVERY_SECONDS: Final = 600.0
_SECONDS_PER_DAY: Final = 86_400


@dataclass(frozen=True, slots=True)
class Mended:
    """The store is back: what it holds, and what took the place of quotes that we had spooled."""

    history: History
    replacements: tuple[Replacement, ...]


class Journal:
    """A store that may fail, for one network. Only the writer calls it."""

    def __init__(
        self, *, store: Store, publisher: Publisher, clock: Clock, observe: Observer, history_days: int
    ) -> None:
        self._store = store
        self._publisher = publisher
        self._clock = clock
        self._observe = observe
        self._history_seconds = history_days * _SECONDS_PER_DAY
        self._network: Network | None = None
        self._spool: deque[tuple[Entry, Gap | None]] = deque()
        self._status = JournalStatus()
        self._retry_at = 0.0
        self._retry_seconds = _FIRST_RETRY_SECONDS
        self._prune_at = clock.monotonic()
        self._newest = UnixSeconds(0)
        """The newest head's time: a clock that jumps ahead must not empty the journal."""

    @property
    def status(self) -> JournalStatus:
        """How it is now."""
        return self._status

    @property
    def is_degraded(self) -> bool:
        """Whether the store fails."""
        return self._status.state is JournalState.DEGRADED

    async def open(self, network: Network) -> History | None:
        """What the store holds of `network`, which all further calls are about; None where the store fails."""
        self._network = network
        history = await self._tried(lambda: self._store.load(network, RESTORED_ENTRIES))
        if history is not None:
            self._show(replace(self._status, state=JournalState.OK))
        return history

    async def append(self, entries: Sequence[Entry], seen: Revision, gap: Gap | None = None) -> Appended:
        """Put `entries` into the store, as `Store.append` does; into the spool where that fails."""
        self._newest = entries[-1].quote.header.timestamp
        if not self.is_degraded:
            appended = await self._tried(lambda: self._store.append(entries, seen, gap))
            if appended is not None:
                if appended.is_complete:
                    self._show(replace(self._status, last_entry_at=self._clock.now()))
                return appended
        self._spooled(entries, gap)
        return Appended()

    async def diverge(self, entry: Entry) -> None:
        """Keep an entry of ours whose block has another's entry that cannot be believed."""
        if await self._tried(lambda: self._store.merge((entry,))) is None:
            self._spooled((entry,), None)
        else:
            self._show(replace(self._status, divergences=self._status.divergences + 1))

    async def mend(self, *, now: bool = False) -> Mended | None:
        """Where the store fails and it is time to, or `now`, try it again and merge the spool.

        None where there is nothing to mend, or where it still fails.
        """
        network = self._network
        if network is None or not self.is_degraded or not (now or self._clock.monotonic() >= self._retry_at):
            return None
        history = await self._tried(lambda: self._store.load(network, RESTORED_ENTRIES))
        if history is None:
            return None
        self._name_gap_before_spool(history)
        merged, lost, replacements = 0, 0, Replacements()
        while self._spool:
            chunk = list(islice(self._spool, MERGED_AT_ONCE))
            losses = await self._tried(lambda chunk=chunk: self._merged(chunk, replacements))  # type: ignore[misc]
            if losses is None:
                return None
            merged += len(chunk)
            lost += losses
            for _ in chunk:
                self._spool.popleft()
            self._observe(JournalSpooled(len(self._spool)))
        self._recovered(merged, lost)
        return Mended(history, replacements.all)

    async def decisions(self) -> Governance | None:
        """What is in force in the store; None where it is not open, or fails."""
        network = self._network
        if network is None or self.is_degraded:
            return None
        history = await self._tried(lambda: self._store.load(network, 0))
        return None if history is None else history.governance

    async def newest_decisions(self) -> Governance:
        """What is in force in the store now. Raises `StoreError`, which degrades nothing, and `NoNetworkError`."""
        history = await self._store.load(self._known_network(), 0)
        return history.governance

    async def change_parameters(self, change: ParameterChange, seen: int) -> ParameterChange:
        """Put `change` in force. Raises as `Store.change_parameters`, which degrades nothing."""
        return await self._store.change_parameters(self._known_network(), change, seen)

    async def report_vault(self, report: VaultReport) -> VaultReport:
        """Put `report` in force. Raises as `Store.report_vault`, which degrades nothing."""
        return await self._store.report_vault(self._known_network(), report)

    async def prune(self) -> None:
        """Now and then, forget what is older than the history is to be, by the host's clock and by the chain's."""
        if self._network is None or self.is_degraded or self._clock.monotonic() < self._prune_at:
            return
        now = min(self._clock.now() // MILLIS_PER_SECOND, self._newest)
        pruned = await self._tried(lambda: self._store.prune(UnixSeconds(now - self._history_seconds)))
        if not pruned:
            self._prune_at = self._clock.monotonic() + _PRUNE_EVERY_SECONDS

    async def close(self) -> None:
        """Try a last time to merge the spool, say what is lost, and let go of the store."""
        await self.mend(now=True)
        if self._spool:
            self._lose(len(self._spool))
        await self._store.close()

    def _known_network(self) -> Network:
        if self._network is None:
            raise NoNetworkError
        if self.is_degraded:
            raise StoreError(self._status.reason or StoreFault.UNAVAILABLE, "the journal is degraded")
        return self._network

    def fail(self, error: StoreError) -> None:
        """Be degraded by a failure that somebody else met."""
        self._degrade(error)

    def _name_gap_before_spool(self, history: History) -> None:
        """Blocks between the store's newest and the oldest that waits: from before a start without it, or lost."""
        if not self._spool or not history.entries:
            return
        oldest, gap = self._spool[0]
        first = max(entry.observation.header.number for entry in history.entries) + 1
        last = oldest.quote.header.number - 1
        if gap is None and first <= last:
            self._spool[0] = oldest, Gap(BlockNumber(first), BlockNumber(last), "journal_away")

    async def _merged(self, chunk: Sequence[tuple[Entry, Gap | None]], replacements: Replacements) -> int:
        """How many entries of `chunk`, which is in the store now, lost and are kept as divergences."""
        entries = [entry for entry, _ in chunk]
        gaps = [gap for _, gap in chunk if gap is not None]
        there = await self._store.append(entries, _EVERYTHING_SEEN)
        written, lost = replacements.sort_out(entries, there.decided)
        late = await self._store.merge(written, gaps)
        for entry in written:
            if (winner := late.decided.get(entry.quote.header.hash)) is not None:
                replacements.note(winner, entry)
        await self._store.merge(lost)
        return len(lost) + len(late.decided)

    async def _tried(self, work: Callable[[], Awaitable[Result]]) -> Result | None:
        try:
            return await work()
        except StoreError as error:
            self._degrade(error)
            return None

    def _degrade(self, error: StoreError) -> None:
        if self._status.reason is not error.fault:
            self._observe(JournalDegraded(error.fault.value, error.detail))
        self._retry_at = self._clock.monotonic() + self._retry_seconds
        self._retry_seconds = min(2 * self._retry_seconds, _LONGEST_RETRY_SECONDS)
        self._show(
            replace(
                self._status,
                state=JournalState.DEGRADED,
                reason=error.fault,
                detail=error.detail,
                since=self._status.since or self._clock.now(),
            )
        )

    def _recovered(self, merged: int, divergences: int) -> None:
        self._retry_seconds = _FIRST_RETRY_SECONDS
        self._observe(JournalRecovered(merged, divergences, self._status.lost))
        self._show(
            JournalStatus(
                state=JournalState.OK,
                lost=self._status.lost,
                divergences=self._status.divergences + divergences,
                last_entry_at=self._clock.now() if merged else self._status.last_entry_at,
            )
        )

    def _spooled(self, entries: Sequence[Entry], gap: Gap | None) -> None:
        first, *others = entries
        self._spool.extend(((first, gap), *((entry, None) for entry in others)))
        surplus = len(self._spool) - MOST_SPOOLED
        for _ in range(surplus):
            self._spool.popleft()
        if surplus > 0:
            self._lose(surplus)
        self._observe(JournalSpooled(len(self._spool)))
        self._show(replace(self._status, spooled=len(self._spool)))

    def _lose(self, entries: int) -> None:
        self._observe(EntriesLost(entries))
        self._show(replace(self._status, lost=self._status.lost + entries))

    def _show(self, status: JournalStatus) -> None:
        self._status = status
        self._publisher.journal(status)
