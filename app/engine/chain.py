"""Following the L1 chain: from the head we hold to the one just seen, block by block, by parent hashes."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from app.domain.advance import REORG_WINDOW_BLOCKS
from app.domain.errors import HeaderRejectedError
from app.domain.header import L1Header, check_link
from app.domain.units import BlockNumber
from app.engine.events import HeaderRejected, Observer
from app.engine.ports import HeaderSource, UpstreamError

REBUILD_BLOCKS: Final = 64
"""How far back the path is rebuilt from headers where there is no history."""
GREATEST_CATCH_UP_BLOCKS: Final = 7200
"""A day of slots: a longer absence is a gap, not a catch-up."""
_CONCURRENT_FETCHES: Final = 8


@dataclass(frozen=True, slots=True)
class Path:
    """The blocks from the one we hold (exclusive) to the new head (inclusive), oldest first."""

    headers: tuple[L1Header, ...]
    parent: L1Header | None
    """The block of ours that the path continues from; None where it continues from none: a rebuilt path."""
    reorg_depth: int = 0
    """Blocks of ours that are no longer on the chain."""
    gap_blocks: int = 0
    """Blocks that are neither ours nor in the path."""

    @property
    def head(self) -> L1Header:
        """The new head."""
        return self.headers[-1]


class ChainFollower:
    """Holds the last headers that were priced and finds the way from them to a new head."""

    def __init__(self, source: HeaderSource, observe: Observer, beat: Callable[[], None]) -> None:
        """`beat` is called whenever a fetch made progress."""
        self._source = source
        self._observe = observe
        self._beat = beat
        self._held: dict[str, L1Header] = {}
        self._head: L1Header | None = None

    @property
    def head(self) -> L1Header | None:
        """The newest header that was priced."""
        return self._head

    def is_behind(self, header: L1Header) -> bool:
        """Whether `header` is nothing new: our head, an ancestor of it, or from before all that we hold.

        A chain that was begun anew has low numbers too, but its time goes on; a laggard's does not.
        """
        if self._head is None:
            return False
        branch = list(self._branch(self._head))
        if header.number < branch[-1].number:
            return header.timestamp < self._head.timestamp
        return any(ours.hash == header.hash for ours in branch)

    def hold(self, path: Path) -> None:
        """Take `path` as priced."""
        if path.parent is None:
            self._held.clear()
        for header in path.headers:
            self._held.pop(header.hash, None)
            self._held[header.hash] = header
        for block_hash in list(self._held)[:-REORG_WINDOW_BLOCKS]:
            del self._held[block_hash]
        self._head = path.head

    async def path_to(self, head: L1Header) -> Path:
        """The way to `head`, which is not behind ours.

        Where it cannot be joined to our blocks (at start, beyond the reorg window, after too long an absence), the
        path is the last `REBUILD_BLOCKS` blocks, or fewer if the node has fewer. Raises `UpstreamError`.
        """
        held = self._head
        absence = 0 if held is None else max(0, head.number - held.number)
        joinable = held is not None and absence <= GREATEST_CATCH_UP_BLOCKS
        longest = absence + REORG_WINDOW_BLOCKS if joinable else REBUILD_BLOCKS
        prefetched = await self._prefetch(head, absence if joinable else REBUILD_BLOCKS)
        path = [head]
        while path[-1].parent_hash not in self._held and path[-1].number > 0 and len(path) < longest:
            parent = prefetched.get(path[-1].parent_hash) or await self._parent(path[-1], needed=joinable)
            if parent is None:
                break
            path.append(parent)
        path.reverse()
        return self._joined(tuple(path))

    def check(self, path: Path, *, enforce_base_fee: bool) -> None:
        """Check every link of `path`.

        Raises `UpstreamError` with reason `rejected_header` for a header that contradicts its parent; an impossible
        base fee alone is only counted where it is not to be enforced (development nodes let people set it).
        """
        known = path.headers if path.parent is None else (path.parent, *path.headers)
        for parent, child in pairwise(known):
            try:
                check_link(parent, child)
            except HeaderRejectedError as rejection:
                enforced = enforce_base_fee or rejection.reason != "impossible_base_fee"
                self._observe(HeaderRejected(rejection.reason, str(rejection), enforced=enforced))
                if enforced:
                    raise UpstreamError("l1", "rejected_header", str(rejection)) from None

    def _joined(self, headers: tuple[L1Header, ...]) -> Path:
        parent = self._held.get(headers[0].parent_hash)
        held = self._head
        if parent is not None and held is not None:
            return Path(headers, parent, reorg_depth=self._abandoned(held, parent))
        rebuilt = headers[-REBUILD_BLOCKS:]
        gap = 0 if held is None else max(0, rebuilt[0].number - held.number - 1)
        return Path(rebuilt, None, gap_blocks=gap)

    def _abandoned(self, held: L1Header, parent: L1Header) -> int:
        """How many blocks of the branch that ends in `held` are not on the branch that ends in `parent`."""
        ours = {header.hash for header in self._branch(held)}
        shared = next((header.number for header in self._branch(parent) if header.hash in ours), None)
        return len(ours) if shared is None else held.number - shared

    def _branch(self, tip: L1Header) -> Iterator[L1Header]:
        """`tip` and its ancestors, as far back as we hold them."""
        header: L1Header | None = tip
        while header is not None:
            yield header
            header = self._held.get(header.parent_hash)

    async def _prefetch(self, head: L1Header, blocks: int) -> dict[str, L1Header]:
        """The canonical headers below `head`, by hash; those that the node does not have are left out."""
        oldest = max(0, head.number - blocks + 1)
        fetched: dict[str, L1Header] = {}
        for start in range(oldest, head.number, _CONCURRENT_FETCHES):
            numbers = range(start, min(start + _CONCURRENT_FETCHES, head.number))
            for header in await asyncio.gather(*(self._if_there(BlockNumber(number)) for number in numbers)):
                if header is not None:
                    fetched[header.hash] = header
            self._beat()
        return fetched

    async def _if_there(self, number: BlockNumber) -> L1Header | None:
        try:
            return await self._source.by_number(number)
        except UpstreamError as error:
            if error.reason == "missing_block":
                return None
            raise

    async def _parent(self, child: L1Header, *, needed: bool) -> L1Header | None:
        try:
            parent = await self._source.by_hash(child.parent_hash)
        except UpstreamError as error:
            if error.reason == "missing_block" and not needed:
                return None
            raise
        self._beat()
        return parent
