"""Following the L1 chain: from the head we hold to the one just seen, block by block, by parent hashes."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
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
STEP_BLOCKS: Final = 128
"""A longer way is gone in steps of this length, so that a failure on the way loses one step and readers never wait."""
_CONCURRENT_FETCHES: Final = 8


class RebuildReason(StrEnum):
    """Why a path continues from none of our blocks."""

    START = "start"
    """There are none yet."""
    GAP = "gap"
    """The blocks between are too many, or the nodes do not have them."""
    REPLACED = "replaced"
    """The chain branches off before everything that we hold: a reorg beyond the window, or a chain begun anew."""


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
    rebuilt: RebuildReason | None = None
    """Why there is no parent of ours; None where there is one."""

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
        self._fetched: dict[str, L1Header] = {}
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
        self._fetched.clear()

    async def path_to(self, head: L1Header) -> Path:
        """The way to `head`, which is not behind ours, or the first step of a long one: its last header tells.

        Where it cannot be joined to our blocks (at start, beyond the reorg window, after too long an absence, where no
        node has what lies between), the path is the last `REBUILD_BLOCKS` blocks, or fewer if the node has fewer.
        Raises `UpstreamError`.
        """
        if (step := await self._step_towards(head)) is not None:
            path = await self._walk(step)
            if path.parent is not None:
                return path
        return await self._walk(head)

    def check(self, path: Path, *, provider: str, public: bool) -> None:
        """Check every link of `path`, whose head `provider` gave.

        Raises `UpstreamError` with reason `rejected_header` for a header that contradicts its parent. On a development
        chain an impossible base fee alone is only counted, since such nodes let people set it. On a public chain a
        lower head that does not descend from ours is refused (`inconsistent_chain`): finality rules it out.
        """
        held = self._head
        if public and held is not None and path.parent is None and path.head.number <= held.number:
            detail = f"block {path.head.number} does not join block {held.number}, which we hold"
            raise UpstreamError(provider, "inconsistent_chain", detail)
        known = path.headers if path.parent is None else (path.parent, *path.headers)
        for parent, child in pairwise(known):
            try:
                check_link(parent, child)
            except HeaderRejectedError as rejection:
                enforced = public or rejection.reason != "impossible_base_fee"
                self._observe(HeaderRejected(rejection.reason, str(rejection), enforced=enforced))
                if enforced:
                    raise UpstreamError(provider, "rejected_header", str(rejection)) from None

    async def _step_towards(self, head: L1Header) -> L1Header | None:
        """A header on the way to a head that is far off but can be caught up with."""
        absence = 0 if self._head is None else head.number - self._head.number
        if self._head is None or not STEP_BLOCKS < absence <= GREATEST_CATCH_UP_BLOCKS:
            return None
        return await self._if_there(BlockNumber(self._head.number + STEP_BLOCKS))

    async def _walk(self, head: L1Header) -> Path:
        """Back from `head` by parent hashes until one of ours, the window's end, or the end of what the nodes have."""
        held = self._head
        absence = 0 if held is None else max(0, head.number - held.number)
        joinable = held is not None and absence <= STEP_BLOCKS
        longest = absence + REORG_WINDOW_BLOCKS if joinable else REBUILD_BLOCKS
        await self._prefetch(head, absence if joinable else REBUILD_BLOCKS)
        path = [head]
        while path[-1].parent_hash not in self._held and path[-1].number > 0 and len(path) < longest:
            parent = self._fetched.get(path[-1].parent_hash) or await self._parent(path[-1])
            if parent is None:
                break
            path.append(parent)
        path.reverse()
        return self._joined(tuple(path))

    def _joined(self, headers: tuple[L1Header, ...]) -> Path:
        parent = self._held.get(headers[0].parent_hash)
        held = self._head
        if parent is not None and held is not None:
            return Path(headers, parent, reorg_depth=self._abandoned(held, parent))
        rebuilt = headers[-REBUILD_BLOCKS:]
        if held is None:
            return Path(rebuilt, None, rebuilt=RebuildReason.START)
        gap = rebuilt[0].number - held.number - 1
        if gap >= 0:
            return Path(rebuilt, None, gap_blocks=gap, rebuilt=RebuildReason.GAP)
        depth = held.number - rebuilt[0].number + 1
        return Path(rebuilt, None, reorg_depth=depth, rebuilt=RebuildReason.REPLACED)

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

    async def _prefetch(self, head: L1Header, blocks: int) -> None:
        """Fetch the canonical headers below `head` that the nodes have and that no earlier attempt left behind."""
        oldest = max(0, head.number - blocks + 1)
        present = {header.number for header in self._fetched.values()}
        missing = [BlockNumber(number) for number in range(oldest, head.number) if number not in present]
        for start in range(0, len(missing), _CONCURRENT_FETCHES):
            numbers = missing[start : start + _CONCURRENT_FETCHES]
            for header in await asyncio.gather(*map(self._if_there, numbers)):
                if header is not None:
                    self._fetched[header.hash] = header
            self._beat()

    async def _if_there(self, number: BlockNumber) -> L1Header | None:
        try:
            return await self._source.by_number(number)
        except UpstreamError as error:
            if error.reason == "missing_block":
                return None
            raise

    async def _parent(self, child: L1Header) -> L1Header | None:
        try:
            parent = await self._source.by_hash(child.parent_hash)
        except UpstreamError as error:
            if error.reason == "missing_block":
                return None
            raise
        self._fetched[parent.hash] = parent
        self._beat()
        return parent
