"""Stand-ins for the world behind the engine's ports; they subclass the ports, so mypy holds them to the contract."""

import asyncio
import hashlib
from dataclasses import dataclass, field, replace
from typing import TypeVar

from app.domain.governance import Governance
from app.domain.header import L1Header, next_base_fee
from app.domain.quote import Quote
from app.domain.units import BlockNumber, Gas, UnixMillis, UnixSeconds, Wei, WeiPerGas
from app.domain.vault import NO_VAULT, VaultSource, VaultState
from app.engine.events import Event
from app.engine.ports import (
    Clock,
    FeedStatus,
    FeedView,
    HeaderSource,
    HeadSighting,
    JournalStatus,
    Publisher,
    UpstreamError,
    VaultReader,
)

GAS_LIMIT = Gas(30_000_000)
AnyEvent = TypeVar("AnyEvent")


def block_hash(number: int, branch: str) -> str:
    """A hash that is unique for a height and a branch."""
    return "0x" + hashlib.sha256(f"{number}/{branch}".encode()).hexdigest()


def child_of(parent: L1Header, *, branch: str = "a", gas_used: int = 15_000_000, seconds: int = 12) -> L1Header:
    """A block that EIP-1559 allows after `parent`."""
    number = BlockNumber(parent.number + 1)
    return L1Header(
        number=number,
        hash=block_hash(number, branch),
        parent_hash=parent.hash,
        timestamp=UnixSeconds(parent.timestamp + seconds),
        base_fee_per_gas=next_base_fee(parent),
        gas_limit=GAS_LIMIT,
        gas_used=Gas(gas_used),
    )


def genesis(*, number: int = 1000, base_fee: int = 25 * 10**9, timestamp: int = 1_700_000_000) -> L1Header:
    """The oldest block of a fake chain."""
    return L1Header(
        number=BlockNumber(number),
        hash=block_hash(number, "a"),
        parent_hash=block_hash(number - 1, "a"),
        timestamp=UnixSeconds(timestamp),
        base_fee_per_gas=WeiPerGas(base_fee),
        gas_limit=GAS_LIMIT,
        gas_used=Gas(15_000_000),
    )


class FakeChain(HeaderSource):
    """A node with a chain that grows, reorganises and fails as told.

    It pushes heads only when told (`push`). `rejected` holds what was distrusted; `others` says whether there is
    another provider to ask then.
    """

    def __init__(self, *, chain_id: int = 1, oldest: L1Header | None = None) -> None:
        self.headers = [oldest or genesis()]
        self.by_hashes = {self.headers[0].hash: self.headers[0]}
        self.failure: UpstreamError | None = None
        self.calls: list[str] = []
        self.agreeing = 1
        self.shown = FeedView(1)
        self.rejected: list[tuple[HeadSighting, str]] = []
        self.others = False
        self._pushed = asyncio.Event()
        self._chain_id = chain_id

    @property
    def view(self) -> FeedView:
        return self.shown

    async def news(self) -> None:
        await self._pushed.wait()
        self._pushed.clear()

    def push(self) -> None:
        """Let `news` return once."""
        self._pushed.set()

    def reject(self, sighting: HeadSighting, reason: str) -> bool:
        self.rejected.append((sighting, reason))
        return self.others

    @property
    def head(self) -> L1Header:
        return self.headers[-1]

    def grow(self, blocks: int = 1, *, gas_used: int = 15_000_000, branch: str = "a", seconds: int = 12) -> L1Header:
        for _ in range(blocks):
            self.put(child_of(self.head, branch=branch, gas_used=gas_used, seconds=seconds))
        return self.head

    def put(self, header: L1Header) -> None:
        self.headers.append(header)
        self.by_hashes[header.hash] = header

    def reorganise(self, depth: int, *, branch: str, gas_used: int = 15_000_000, blocks: int | None = None) -> L1Header:
        """Replace the last `depth` blocks by `blocks` others (as many, unless told otherwise)."""
        del self.headers[-depth:]
        return self.grow(depth if blocks is None else blocks, branch=branch, gas_used=gas_used)

    async def chain_id(self) -> int:
        return self._chain_id

    async def latest(self) -> HeadSighting:
        self._called("latest")
        return HeadSighting(self.head, "fake", self.agreeing)

    async def by_hash(self, block_hash: str) -> L1Header:
        self._called("by_hash")
        return self._found(self.by_hashes.get(block_hash))

    async def by_number(self, number: BlockNumber) -> L1Header:
        self._called("by_number")
        return self._found(next((header for header in self.headers if header.number == number), None))

    def _called(self, method: str) -> None:
        self.calls.append(method)
        if self.failure is not None:
            raise self.failure

    def _found(self, header: L1Header | None) -> L1Header:
        if header is None:
            raise UpstreamError("fake", "missing_block", "no such block")
        return header


@dataclass
class FakeVault(VaultReader):
    """A vault whose balance is a function of the block, and which fails as told."""

    state: VaultState = NO_VAULT
    balances: dict[int, int] = field(default_factory=dict)
    failure: UpstreamError | None = None
    unreadable_below: int = 0

    async def at(self, header: L1Header) -> VaultState:
        if self.failure is not None:
            raise self.failure
        if header.number < self.unreadable_below:
            raise UpstreamError("fake", "missing_state", "pruned")
        if self.state.source is VaultSource.NONE:
            return self.state
        balance = self.balances.get(header.number, self.state.balance)
        return replace(self.state, balance=None if balance is None else Wei(balance), observed_at=header.timestamp)


class ManualClock(Clock):
    """A clock that moves when told, or by exactly what is slept."""

    def __init__(self, now_seconds: float = 1_700_000_000) -> None:
        self.seconds = now_seconds
        self.slept: list[float] = []

    def now(self) -> UnixMillis:
        return UnixMillis(round(self.seconds * 1000))

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds


class RecordingPublisher(Publisher):
    """Remembers what was published."""

    def __init__(self) -> None:
        self.quotes: list[Quote] = []
        self.verified: list[bool] = []
        self.statuses: list[FeedStatus] = []
        self.journals: list[JournalStatus] = []
        self.governances: list[Governance] = []
        self.published = asyncio.Event()
        """Set by the first quote."""

    def publish(self, quote: Quote, computed_at: UnixMillis, base_fee_verified: bool) -> None:  # noqa: ARG002, FBT001
        self.quotes.append(quote)
        self.verified.append(base_fee_verified)
        self.published.set()

    def feed(self, status: FeedStatus) -> None:
        self.statuses.append(status)

    def journal(self, status: JournalStatus) -> None:
        self.journals.append(status)

    def govern(self, governance: Governance) -> None:
        self.governances.append(governance)

    @property
    def fees(self) -> list[int]:
        return [quote.price.fee for quote in self.quotes]


class EventLog:
    """Remembers events, by type."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def __call__(self, event: Event) -> None:
        self.events.append(event)

    def of(self, kind: type[AnyEvent]) -> list[AnyEvent]:
        return [event for event in self.events if isinstance(event, kind)]
