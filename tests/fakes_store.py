"""A store in memory that keeps the contract of the real one, and fails as told."""

from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from app.domain.advance import REORG_WINDOW_BLOCKS, Observation
from app.domain.governance import Governance, ParameterChange, Revision, VaultReport, judged_report
from app.domain.network import Network
from app.domain.units import MILLIS_PER_SECOND, BlockNumber, UnixSeconds
from app.engine.entries import Entry, Gap, Place, StoredEntry, UndecodableEntry, claims_of
from app.engine.ports import (
    Appended,
    Archive,
    ChangeConflictError,
    History,
    Merged,
    Store,
    StoreError,
    StoreFault,
    UndecodableDecision,
)

PRUNED_AT_ONCE = 5_000


@dataclass
class FakeDatabase:
    """What several stores may share, as replicas share a database."""

    entries: list[StoredEntry] = field(default_factory=list)
    last_sequence: int = 0
    diverging: dict[tuple[Network, str, str], Entry] = field(default_factory=dict)
    gaps: dict[tuple[Network, int, int], Gap] = field(default_factory=dict)
    changes: defaultdict[Network, list[ParameterChange]] = field(default_factory=lambda: defaultdict(list))
    reports: defaultdict[Network, list[VaultReport]] = field(default_factory=lambda: defaultdict(list))

    def of(self, network: Network | None) -> list[StoredEntry]:
        """The entries of a network, or all of them."""
        return [entry for entry in self.entries if network in (None, entry.observation.network)]

    def governance(self, network: Network) -> Governance:
        """The newest decisions."""
        changes, reports = self.changes[network], self.reports[network]
        return Governance(changes[-1] if changes else None, reports[-1] if reports else None)

    def next_block(self, network: Network) -> BlockNumber:
        """The block after the one that was appended last."""
        held = self.of(network)
        return BlockNumber(held[-1].observation.header.number + 1 if held else 0)

    def write(self, entries: Sequence[Entry]) -> None:
        """Append `entries`."""
        for entry in entries:
            self.last_sequence += 1
            self.entries.append(_stored(entry, self.last_sequence))


@dataclass
class FakeStore(Store, Archive):
    """One process's view of a database."""

    database: FakeDatabase = field(default_factory=FakeDatabase)
    fault: StoreError | None = None
    """Raised by every call, which then does nothing."""
    is_read_only: bool = False
    """Whether calls that write fail."""
    commits_then_fails: int = 0
    """So many calls do what they were asked and raise all the same."""
    calls: list[str] = field(default_factory=list)

    async def load(self, network: Network, most: int) -> History:
        with self._called("load"):
            newest = self.database.of(network)[-most:] if most else []
            return History(tuple(newest), self.database.governance(network))

    async def append(self, entries: Sequence[Entry], seen: Revision, gap: Gap | None = None) -> Appended:
        with self._called("append"):
            if not entries:
                return Appended()
            network = entries[0].quote.network
            new, decided = self._sorted_out(network, entries)
            governance = self.database.governance(network)
            revision = governance.revision
            is_newer = bool(new or decided) and (revision.change > seen.change or revision.report > seen.report)
            if decided or is_newer:
                return Appended(decided, governance if is_newer else None)
            self.database.write(new)
            self._keep_gaps(network, () if gap is None else (gap,))
            return Appended()

    async def merge(self, entries: Sequence[Entry], gaps: Sequence[Gap] = ()) -> Merged:
        with self._called("merge"):
            if not entries:
                return Merged({})
            network = entries[0].quote.network
            new, decided = self._sorted_out(network, entries)
            self.database.write(new)
            kept = {entry.observation.header.hash: entry for entry in self.database.of(network)}
            for entry in entries:
                block_hash, quote_id = entry.quote.header.hash, entry.quote.quote_id
                if kept[block_hash].claims["quote_id"] != quote_id:
                    self.database.diverging.setdefault((network, block_hash, quote_id), entry)
                    decided[block_hash] = kept[block_hash]
            self._keep_gaps(network, gaps)
            return Merged(decided)

    async def change_parameters(self, network: Network, change: ParameterChange, seen: int) -> ParameterChange:
        with self._called("change_parameters"):
            newest = self.database.governance(network).change
            number = newest.number if newest else 0
            if (
                newest is not None
                and number == seen + 1
                and newest == replace(change, number=number, from_block=newest.from_block)
            ):
                return newest
            if number != seen:
                raise ChangeConflictError(newest)
            placed = replace(change, number=seen + 1, from_block=self.database.next_block(network))
            self.database.changes[network].append(placed)
            return placed

    async def report_vault(self, network: Network, report: VaultReport) -> VaultReport:
        with self._called("report_vault"):
            last = self.database.governance(network).report
            if judged_report(report, last) is last and last is not None:
                return last
            placed = replace(report, from_block=self.database.next_block(network))
            self.database.reports[network].append(placed)
            return placed

    async def entries(
        self, network: Network | None, first: int, last: int | None
    ) -> AsyncIterator[StoredEntry | UndecodableEntry]:
        with self._called("entries"):
            held = self.database.of(network)
        for entry in held:
            number = entry.observation.header.number
            if number >= first and (last is None or number <= last):
                yield entry

    async def gaps(self, network: Network | None) -> Sequence[Gap]:
        with self._called("gaps"):
            kept = [gap for (kept_network, _, _), gap in self.database.gaps.items() if network in (None, kept_network)]
            return sorted(kept, key=lambda gap: (gap.first, gap.last))

    async def divergences(self, network: Network | None) -> int:
        with self._called("divergences"):
            return sum(network in (None, kept_network) for kept_network, _, _ in self.database.diverging)

    async def entries_below(
        self, network: Network, place: Place | None, most: int
    ) -> Sequence[StoredEntry | UndecodableEntry]:
        with self._called("entries_below"):
            held = sorted(self.database.of(network), key=_height_and_sequence, reverse=True)
            if place is not None and place.block is not None:
                held = [entry for entry in held if _height_and_sequence(entry) < (place.block, place.sequence)]
            return held[:most]

    async def gaps_between(self, network: Network, first: int, last: int | None, most: int) -> Sequence[Gap]:
        with self._called("gaps_between"):
            held = [gap for (kept_network, _, _), gap in self.database.gaps.items() if kept_network == network]
            touched = [gap for gap in held if gap.last >= first and (last is None or gap.first <= last)]
            return sorted(touched, key=lambda gap: (gap.first, gap.last), reverse=True)[:most]

    async def changes_below(
        self, network: Network, number: int | None, most: int
    ) -> Sequence[ParameterChange | UndecodableDecision]:
        with self._called("changes_below"):
            changes = reversed(self.database.changes[network])
            return [change for change in changes if number is None or change.number < number][:most]

    async def reports_below(
        self, network: Network, sequence: int | None, most: int
    ) -> Sequence[VaultReport | UndecodableDecision]:
        with self._called("reports_below"):
            reports = reversed(self.database.reports[network])
            return [report for report in reports if sequence is None or report.sequence < sequence][:most]

    async def prune(self, before: UnixSeconds) -> int:
        with self._called("prune"):
            held = self.database.entries
            pruned = 0
            while (
                held
                and pruned < PRUNED_AT_ONCE
                and min(held[0].observation.header.timestamp * MILLIS_PER_SECOND, held[0].computed_at)
                < before * MILLIS_PER_SECOND
                and held[0].sequence <= self.database.last_sequence - REORG_WINDOW_BLOCKS
            ):
                del held[0]
                pruned += 1
            self._forget_older(before)
            return pruned

    async def close(self) -> None:
        self.calls.append("close")

    @contextmanager
    def _called(self, method: str) -> Iterator[None]:
        self.calls.append(method)
        if self.fault is not None:
            raise self.fault
        if self.is_read_only and method in ("append", "merge", "change_parameters", "report_vault", "prune"):
            raise StoreError(StoreFault.READ_ONLY, "as told")
        yield
        if self.commits_then_fails > 0:
            self.commits_then_fails -= 1
            raise StoreError(StoreFault.UNAVAILABLE, "the connection broke")

    def _sorted_out(self, network: Network, entries: Sequence[Entry]) -> tuple[list[Entry], dict[str, StoredEntry]]:
        stored = {entry.observation.header.hash: entry for entry in self.database.of(network)}
        new: dict[str, Entry] = {}
        decided: dict[str, StoredEntry] = {}
        for entry in entries:
            block_hash = entry.quote.header.hash
            there = stored.get(block_hash)
            if there is None:
                new.setdefault(block_hash, entry)
            elif there.claims["quote_id"] != entry.quote.quote_id:
                decided[block_hash] = there
        return list(new.values()), decided

    def _keep_gaps(self, network: Network, gaps: Sequence[Gap]) -> None:
        for gap in gaps:
            self.database.gaps.setdefault((network, gap.first, gap.last), gap)

    def _forget_older(self, before: UnixSeconds) -> None:
        database = self.database
        database.diverging = {
            key: entry for key, entry in database.diverging.items() if entry.quote.header.timestamp >= before
        }
        for reports in database.reports.values():
            reports[:-1] = [report for report in reports[:-1] if report.at >= before * MILLIS_PER_SECOND]


def _height_and_sequence(entry: StoredEntry) -> tuple[int, int]:
    return entry.observation.header.number, entry.sequence


def _stored(entry: Entry, sequence: int) -> StoredEntry:
    quote = entry.quote
    return StoredEntry(
        sequence=sequence,
        observation=Observation(quote.network, quote.header, quote.vault, quote.block_interval_seconds),
        parameters=quote.formula.parameters,
        previous=quote.previous,
        claims=claims_of(quote),
        computed_at=entry.computed_at,
        provider=entry.provider,
        base_fee_verified=entry.base_fee_verified,
        is_intact=True,
    )
