"""Recomputing the journal: every stored quote from its stored inputs, to the wei."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from app.domain.errors import HeaderRejectedError
from app.domain.formula import PathPoint
from app.domain.header import L1Header, check_link
from app.domain.network import Network
from app.domain.units import BlockNumber
from app.engine.entries import Gap, StoredEntry, UndecodableEntry, claims_of
from app.engine.ports import Store

_REMEMBERED: Final = 1024
"""Blocks back to which a parent is looked for: more than any reorg window, and bounded."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something in the journal that does not hold."""

    sequence: int
    block_number: BlockNumber | None
    """None where the entry itself is missing or cannot be read."""
    kind: str
    """`missing`, `undecodable`, `digest`, `recomputation`, `base_fee` or `link`."""
    detail: str


@dataclass(frozen=True, slots=True)
class PathBreak:
    """An entry whose previous fee is not its parent's: its path was rebuilt, or its parent lost a merge.

    Not an error: the quote follows from its inputs all the same.
    """

    sequence: int
    block_number: BlockNumber


@dataclass(slots=True)
class Verification:
    """What was checked, and what came of it."""

    entries: int = 0
    first_block: BlockNumber | None = None
    last_block: BlockNumber | None = None
    breaks: list[PathBreak] = field(default_factory=list)
    gaps: tuple[Gap, ...] = ()
    divergences: int = 0


class Verifier:
    """Reads a range of the journal once, in append order."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.result = Verification()
        self._parents: dict[tuple[Network, str], tuple[L1Header, PathPoint]] = {}
        self._last_sequence: int | None = None

    async def findings(
        self, network: Network | None, first: int, last: int | None, on_progress: Callable[[int], None]
    ) -> AsyncIterator[Finding]:
        """Whatever does not hold in blocks `first` to `last`, in append order. Raises `StoreError`.

        `on_progress` is told the number of entries so far.
        """
        every_entry = first == 0 and last is None and network is None
        async for entry in self._store.entries(network, first, last):
            if every_entry and (hole := self._hole_before(entry)) is not None:
                yield hole
            self._last_sequence = entry.sequence
            if isinstance(entry, UndecodableEntry):
                yield Finding(entry.sequence, entry.block_number, "undecodable", entry.why)
                continue
            for finding in self._judged(entry):
                yield finding
            on_progress(self.result.entries)
        self.result.gaps = tuple(await self._store.gaps(network))
        self.result.divergences = await self._store.divergences(network)

    def _hole_before(self, entry: StoredEntry | UndecodableEntry) -> Finding | None:
        """Entries that are gone before this one. Where its digest still holds they were pruned while we read."""
        last = self._last_sequence
        is_intact = isinstance(entry, StoredEntry) and entry.is_intact
        if last is None or entry.sequence == last + 1 or is_intact:
            return None
        detail = f"expected sequence {last + 1}, found {entry.sequence}: what was between is gone"
        return Finding(last + 1, None, "missing", detail)

    def _judged(self, entry: StoredEntry) -> list[Finding]:
        self._count(entry)
        header = entry.observation.header
        quote = entry.recomputed()
        found = []
        if not entry.is_intact:
            found.append(("digest", "the entry, or one that it builds on, was changed after it was written"))
        found += [
            ("recomputation", f"{name}: stored {entry.claims.get(name)}, computed {computed}")
            for name, computed in claims_of(quote).items()
            if entry.claims.get(name) != computed
        ]
        network = entry.observation.network
        known = self._parents.get((network, header.parent_hash))
        if known is not None:
            parent, point = known
            found += _link_problems(parent, entry)
            if entry.previous != quote.formula.used_path(point):
                self.result.breaks.append(PathBreak(entry.sequence, header.number))
        self._remember(network, header, quote.price.point)
        return [Finding(entry.sequence, header.number, kind, detail) for kind, detail in found]

    def _count(self, entry: StoredEntry) -> None:
        result, number = self.result, entry.observation.header.number
        result.entries += 1
        result.first_block = number if result.first_block is None else min(result.first_block, number)
        result.last_block = number if result.last_block is None else max(result.last_block, number)

    def _remember(self, network: Network, header: L1Header, point: PathPoint) -> None:
        self._parents[network, header.hash] = header, point
        for oldest in list(islice(self._parents, max(0, len(self._parents) - _REMEMBERED))):
            del self._parents[oldest]


def _link_problems(parent: L1Header, entry: StoredEntry) -> list[tuple[str, str]]:
    try:
        check_link(parent, entry.observation.header)
    except HeaderRejectedError as rejection:
        if rejection.reason != "impossible_base_fee":
            return [("link", str(rejection))]
        if entry.base_fee_verified:
            return [("base_fee", str(rejection))]
    return []
