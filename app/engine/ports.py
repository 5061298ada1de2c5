"""What the engine asks of the world. Adapters implement these; so do the fakes in the tests."""

from dataclasses import dataclass, field
from typing import Protocol

from app.domain.errors import OracleError
from app.domain.freshness import Witnesses
from app.domain.header import L1Header
from app.domain.network import Network
from app.domain.quote import Quote
from app.domain.units import BlockNumber, UnixMillis
from app.domain.vault import VaultState


class UpstreamError(OracleError):
    """A node could not be asked, or its answer could not be used. Never carries a URL.

    `reason` is a stable label: `timeout`, `unreachable`, `http_status`, `rpc_error`, `invalid_answer`,
    `invalid_header`, `wrong_chain`, `missing_block`, `missing_state`, `inconsistent_chain`, `rejected_header`.
    """

    def __init__(self, provider: str, reason: str, detail: str) -> None:
        super().__init__(f"{provider}: {reason}: {detail}")
        self.provider = provider
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A node by its alias. The URL may hold a key: it is never shown, not even in a repr."""

    alias: str
    url: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class HeadSighting:
    """The newest header, and who says so."""

    header: L1Header
    provider: str
    agreeing: int
    """How many distinct providers gave this very header in this poll; at least 1."""


class HeaderSource(Protocol):
    """The L1 chain. Every call is bounded in time. Headers come decoded and range-checked.

    Every method raises `UpstreamError`, and nothing else that is expected.
    """

    async def chain_id(self) -> int:
        """The verified chain id; on which chain every other answer is."""
        ...

    async def latest(self) -> HeadSighting:
        """The newest header."""
        ...

    async def by_hash(self, block_hash: str) -> L1Header:
        """The header with this hash, on whatever branch."""
        ...

    async def by_number(self, number: BlockNumber) -> L1Header:
        """The header at this height of the canonical chain."""
        ...


class VaultReader(Protocol):
    """The fee vault."""

    async def at(self, header: L1Header) -> VaultState:
        """The vault's state at `header`: L1 balances at its block, L2 ones at the newest L2 block not after it.

        Raises `UpstreamError` where a balance cannot be read; the caller holds the last known state.
        """
        ...


class Clock(Protocol):
    """Time. Durations use the monotonic clock."""

    def now(self) -> UnixMillis:
        """Wall-clock time, in Unix milliseconds."""
        ...

    def monotonic(self) -> float:
        """Seconds of a clock that never goes back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Let `seconds` pass."""
        ...


@dataclass(frozen=True, slots=True)
class FeedStatus:
    """What the poll loop is doing; replaced as a whole at every poll."""

    witnesses: Witnesses = field(default_factory=Witnesses)
    provider: str | None = None
    """Alias of the provider that gave the last head."""
    polls: int = 0
    last_poll_at: UnixMillis | None = None
    last_success_at: UnixMillis | None = None
    consecutive_failures: int = 0
    failure_reason: str | None = None
    """Label of the current failure; None while polls succeed."""
    failure_detail: str | None = None
    vault_failure_reason: str | None = None
    """Label of the current failure to read the vault; None while it can be read."""
    network: Network | None = None
    """The network of the last successful poll, its chain id verified; None before the first."""


class Publisher(Protocol):
    """Where quotes go. One call makes a quote the one that is served."""

    def publish(self, quote: Quote, computed_at: UnixMillis) -> None:
        """Serve `quote` from now on."""
        ...

    def feed(self, status: FeedStatus) -> None:
        """Serve this status of the feed from now on."""
        ...
