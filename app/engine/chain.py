"""Following the L1 chain: from the head we hold to the one just seen, block by block, by parent hashes."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Final

from app.domain.advance import REORG_WINDOW_BLOCKS
from app.domain.errors import HeaderRejectedError
from app.domain.header import L1Header, check_link
from app.domain.units import MILLIS_PER_SECOND, BlockNumber
from app.engine.events import HeaderRejected, Observer
from app.engine.ports import Clock, HeaderSource, UpstreamError

REBUILD_BLOCKS: Final = 64
"""How far back the path is rebuilt from headers where there is no history."""
GREATEST_CATCH_UP_BLOCKS: Final = 7200
"""A day of slots: a longer absence is a gap, not a catch-up."""
STEP_BLOCKS: Final = 128
"""A longer way is gone in steps of this length, so that a failure on the way loses one step and readers never wait."""
CONTRADICTION_SECONDS: Final = 180.0
"""For so long our head stands against providers that give none of its chain; then theirs counts, and ours was a lie."""
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

    def __init__(
        self,
        source: HeaderSource,
        observe: Observer,
        beat: Callable[[], None],
        clock: Clock,
    ) -> None:
        """`beat` is called whenever a fetch made progress."""
        self._clock = clock
        self._contradicted_since: float | None = None
        self._source = source
        self._observe = observe
        self._beat = beat
        self._held: dict[str, L1Header] = {}
        self._fetched: dict[str, L1Header] = {}
        self._doubted: set[str] = set()
        self._head: L1Header | None = None

    @property
    def head(self) -> L1Header | None:
        """The newest header that was priced."""
        return self._head

    def is_behind(self, header: L1Header) -> bool:
        """Whether `header` is nothing new: our head, an ancestor of it, or from before all that we hold.

        A chain that was begun anew has low numbers too, but its time goes on; a laggard's does not. Our head's hash
        with other fields is news: one of the two is a lie, and ours may come from a provider that was left since.
        """
        if self._head is None:
            return False
        if header.hash == self._head.hash:
            self._contradicted_since = None
            return header == self._head
        branch = list(self._branch(self._head))
        if header.number < branch[-1].number:
            return header.timestamp < self._head.timestamp and not self._is_refuted_by(header)
        is_ours = any(ours.hash == header.hash for ours in branch)
        if is_ours:
            self._contradicted_since = None
        return is_ours

    def hold(self, path: Path) -> None:
        """Take `path` as priced."""
        if path.parent is None:
            self._held.clear()
        self.restore(path.headers)
        self._fetched.clear()
        self._doubted.clear()

    def restore(self, headers: Sequence[L1Header]) -> None:
        """Take `headers` as priced, by an earlier run or by this one; the last of them is the head."""
        for header in headers:
            self._held.pop(header.hash, None)
            self._held[header.hash] = header
        for block_hash in list(self._held)[:-REORG_WINDOW_BLOCKS]:
            del self._held[block_hash]
        self._head = headers[-1] if headers else self._head
        self._contradicted_since = None

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

    def check(self, path: Path, *, provider: str, public: bool) -> frozenset[str]:
        """Check every link of `path`, whose head `provider` gave; the hashes whose base fee its parent proves.

        Raises `UpstreamError` with reason `rejected_header` for a header that contradicts its parent. On a development
        chain an impossible base fee alone is only counted, since such nodes let people set it. On a public chain a
        head whose own parent nobody has is refused (`inconsistent_chain`), and so is a lower one that does not descend
        from ours: finality rules it out, until for `CONTRADICTION_SECONDS` nobody gave anything of our chain.
        """
        if public and path.parent is None:
            self._require_plausible(path, provider)
        known = path.headers if path.parent is None else (path.parent, *path.headers)
        proven = set()
        for parent, child in pairwise(known):
            try:
                check_link(parent, child)
            except HeaderRejectedError as rejection:
                enforced = public or rejection.reason != "impossible_base_fee"
                self._observe(HeaderRejected(rejection.reason, str(rejection), enforced=enforced))
                if enforced:
                    self._doubt(path)
                    raise UpstreamError(provider, "rejected_header", str(rejection)) from None
            else:
                proven.add(child.hash)
        return frozenset(proven)

    def _doubt(self, path: Path) -> None:
        """Ask anew for everything next time: what we fetched, and the block of ours, may be what is false."""
        self._fetched.clear()
        if path.parent is not None:
            self._doubted.add(path.parent.hash)

    def _require_plausible(self, path: Path, provider: str) -> None:
        head, held = path.head, self._head
        if len(path.headers) == 1 and head.number > 0:
            raise UpstreamError(provider, "inconsistent_chain", f"nobody has the parent of block {head.number}")
        if held is not None and head.number <= held.number and not self._is_refuted_by(head):
            detail = f"block {head.number} does not join block {held.number}, which we hold"
            self._fetched.clear()
            raise UpstreamError(provider, "inconsistent_chain", detail)

    def _is_refuted_by(self, header: L1Header) -> bool:
        """Note that a provider gives a living head that is not of our chain; whether that has lasted for too long.

        A head that is as old as our own may be by then is a laggard's, and refutes nothing.
        """
        if self._clock.now() // MILLIS_PER_SECOND - header.timestamp > CONTRADICTION_SECONDS:
            return False
        now = self._clock.monotonic()
        if self._contradicted_since is None:
            self._contradicted_since = now
        return now - self._contradicted_since > CONTRADICTION_SECONDS

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
        while not self._is_sure_of(path[-1].parent_hash) and path[-1].number > 0 and len(path) < longest:
            parent = self._fetched.get(path[-1].parent_hash) or await self._parent(path[-1])
            if parent is None or parent == self._held.get(parent.hash):
                break
            path.append(parent)
        path.reverse()
        return self._joined(tuple(path))

    def _is_sure_of(self, block_hash: str) -> bool:
        return block_hash in self._held and block_hash not in self._doubted

    def _joined(self, headers: tuple[L1Header, ...]) -> Path:
        parent = self._held.get(headers[0].parent_hash)
        held = self._head
        if parent is not None and held is not None:
            is_same_block = headers[0].hash == held.hash
            return Path(headers, parent, reorg_depth=0 if is_same_block else self._abandoned(held, parent))
        rebuilt = headers[-REBUILD_BLOCKS:]
        if held is None:
            return Path(rebuilt, None, rebuilt=RebuildReason.START)
        gap = rebuilt[0].number - held.number - 1
        if gap >= 0:
            return Path(rebuilt, None, gap_blocks=gap, rebuilt=RebuildReason.GAP)
        depth = min(held.number - rebuilt[0].number + 1, sum(1 for _ in self._branch(held)))
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
        self._fetched = {key: header for key, header in self._fetched.items() if header.number >= oldest}
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
