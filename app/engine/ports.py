"""What the engine asks of the world. Adapters implement these; so do the fakes in the tests."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Protocol

from app.domain.amendment import Amended, Amendment
from app.domain.errors import OracleError
from app.domain.freshness import Witnesses
from app.domain.governance import Governance, ParameterChange, Revision, VaultReport
from app.domain.header import L1Header
from app.domain.network import Network
from app.domain.quote import Quote
from app.domain.units import BlockNumber, UnixMillis, UnixSeconds, Wei
from app.domain.vault import VaultState
from app.engine.entries import Entry, Gap, Place, StoredEntry, UndecodableEntry


class UpstreamError(OracleError):
    """A node could not be asked, or its answer could not be used. Never carries a URL.

    `reason` is a stable label: `timeout`, `unreachable`, `http_status`, `rpc_error`, `invalid_answer`,
    `invalid_header`, `wrong_chain`, `missing_block`, `missing_state`, `inconsistent_chain`, `rejected_header`,
    `no_quorum`, `timestamp_in_future`; `not_pushed` for a vault that nobody has pushed.
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
    """How many distinct providers gave this very header; at least 1."""


class ProviderState(StrEnum):
    """Whether a provider is asked."""

    CLOSED = "closed"
    """It is asked at every poll."""
    OPEN = "open"
    """It failed lately and is left alone for a while."""
    HALF_OPEN = "half_open"
    """It is being asked once, to see whether it is back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderStatus:
    """One provider as the feed sees it."""

    alias: str
    transport: str
    """`http` or `websocket`."""
    state: ProviderState = ProviderState.CLOSED
    head_number: BlockNumber | None = None
    failure_reason: str | None = None
    """Why its last call failed; None after a good one."""
    dissenting: bool = False
    """Whether its last header at the head's height is another one than the agreed."""
    subscribed: bool | None = None
    """Whether its heads are pushed now; None where it cannot push."""


@dataclass(frozen=True, slots=True)
class FeedView:
    """The providers together."""

    quorum: int
    """How many distinct providers have to agree on a head."""
    providers: tuple[ProviderStatus, ...] = ()
    clock_offset_millis: int | None = None
    """How far this host's clock is ahead of what providers and heads say; None while they say nothing."""


class HeaderSource(Protocol):
    """The L1 chain. Every call is bounded in time. Headers come decoded and range-checked.

    Every method raises `UpstreamError`, and nothing else that is expected.
    """

    @property
    def view(self) -> FeedView:
        """The providers as they are now."""
        ...

    async def news(self) -> None:
        """Return as soon as a provider has pushed a head that no poll has seen; may never return."""
        ...

    def reject(self, sighting: HeadSighting, reason: str) -> bool:
        """Distrust the provider of a head that contradicts its parents.

        True where `latest` may now give another provider's head; false where there is none to ask.
        """
        ...

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


@dataclass(frozen=True, slots=True)
class PastBlock:
    """A block of the past, and its blob base fee, in wei per blob gas; None where the node does not tell it."""

    header: L1Header
    blob_base_fee: int | None


class PastBlockSource(Protocol):
    """The L1's past. Every method raises `UpstreamError`, and nothing else that is expected."""

    async def chain_id(self) -> int:
        """The verified chain id."""
        ...

    async def head(self) -> L1Header:
        """The newest header."""
        ...

    async def blocks(self, first: BlockNumber, last: BlockNumber) -> Sequence[PastBlock]:
        """The blocks `first` to `last` of the canonical chain, as one node tells them; a bounded number at a call."""
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
    view: FeedView = field(default_factory=lambda: FeedView(1))
    """The providers at that poll."""
    base_fee_verified: bool | None = None
    """Whether the head's base fee was derived anew from its parent; None before the first head."""


class StoreFault(StrEnum):
    """What is wrong with a store."""

    UNAVAILABLE = "unavailable"
    """No connection, or it broke."""
    TIMEOUT = "timeout"
    LOCKED = "locked"
    FULL = "full"
    READ_ONLY = "read_only"
    CORRUPT = "corrupt"
    INCOMPATIBLE = "incompatible"
    """The schema was made by a newer version of the program."""


class StoreError(OracleError):
    """The store could not do what it was asked. Never carries a URL."""

    def __init__(self, fault: StoreFault, detail: str) -> None:
        super().__init__(f"store {fault.value}: {detail}")
        self.fault = fault
        self.detail = detail


@dataclass(frozen=True, slots=True)
class History:
    """What the store holds of one network, as a start needs it."""

    entries: tuple[StoredEntry, ...]
    """The newest ones by append order, oldest first."""
    governance: Governance


@dataclass(frozen=True, slots=True)
class Appended:
    """What became of entries that were to be appended: all of them are in the store, or none was written."""

    decided: Mapping[str, StoredEntry] = field(default_factory=lambda: MappingProxyType({}))
    """By block hash: entries of others for blocks of ours, with other quotes. They win."""
    governance: Governance | None = None
    """The decisions in force, where they are newer than those that the entries were made with."""

    @property
    def is_complete(self) -> bool:
        """Whether every entry is in the store now, ours or an equal one."""
        return not self.decided and self.governance is None


@dataclass(frozen=True, slots=True)
class Merged:
    """What became of spooled entries: each is in the store now, as an entry or as a divergence."""

    decided: Mapping[str, StoredEntry]
    """By block hash: the entries that were there before and differ from ours, which are kept as divergences."""


class Store(Protocol):
    """The journal's keeper. Several processes may share one. Every call is bounded in time.

    What a call wrote survives the death of the process from its return on; a call that raises may still have written
    what it was asked to, so all of them can be repeated. Every method raises `StoreError`, and nothing else that is
    expected, unless it says so.
    """

    async def load(self, network: Network, most: int) -> History:
        """The newest `most` entries and the decisions in force. Brings the schema up to date first."""
        ...

    async def append(self, entries: Sequence[Entry], seen: Revision, gap: Gap | None = None) -> Appended:
        """Append entries of one network, oldest first, and the gap before them, all or none.

        Nothing is written where another's entry for one of the blocks has another quote, or where there are
        decisions that are newer than `seen`. An equal entry that is there already counts as appended.
        """
        ...

    async def merge(self, entries: Sequence[Entry], gaps: Sequence[Gap] = ()) -> Merged:
        """Append what was spooled while the store was away; where a block has an entry already, that one wins.

        `gaps` are those between the entries; all are of one network.
        """
        ...

    async def change_parameters(self, network: Network, change: ParameterChange, seen: int) -> ParameterChange:
        """Put `change` in force, with the next number and the block after the newest entry's.

        Raises `ChangeConflictError` where the newest change's number is not `seen`.
        """
        ...

    async def report_vault(self, network: Network, report: VaultReport) -> VaultReport:
        """Put `report` in force, with the block after the newest entry's; the report in force after it.

        Raises `ReportRefusedError` for a sequence that was used before (see `judged_report`).
        """
        ...

    def entries(
        self, network: Network | None, first: int, last: int | None
    ) -> AsyncIterator[StoredEntry | UndecodableEntry]:
        """The entries with block numbers `first` to `last`, or of every network, in append order.

        Where the newest one of the store is gone, that comes last, whatever the range.
        """
        ...

    async def gaps(self, network: Network | None) -> Sequence[Gap]:
        """The named gaps, oldest first."""
        ...

    async def divergences(self, network: Network | None) -> int:
        """How many entries lost against another's for the same block."""
        ...

    async def prune(self, before: UnixSeconds) -> int:
        """Forget entries of blocks older than `before`, a bounded number at a call; how many.

        The newest ones stay, however old: the next start carries them over.
        """
        ...

    async def close(self) -> None:
        """Let go of what is open. Raises nothing."""
        ...


@dataclass(frozen=True, slots=True)
class UndecodableDecision:
    """A decision in the store that cannot be read as one any more."""

    number: int
    """Of a change, or the sequence of a report."""
    why: str


class Archive(Protocol):
    """The store as those read it who look back. No reading holds up the writer. Every call is bounded in time.

    What is given comes newest first, at most `most` at a call. Every method raises `StoreError`, and nothing else that
    is expected.
    """

    async def entries_below(
        self, network: Network, place: Place | None, most: int
    ) -> Sequence[StoredEntry | UndecodableEntry]:
        """The entries that stand below `place`, or all of them, from the greatest height down.

        Of several at a height, the one that was appended last comes first.
        """
        ...

    async def gaps_between(self, network: Network, first: int, last: int | None, most: int) -> Sequence[Gap]:
        """The named gaps that hold a block from `first` to `last`, both included, from the greatest height down."""
        ...

    async def changes_below(
        self, network: Network, number: int | None, most: int
    ) -> Sequence[ParameterChange | UndecodableDecision]:
        """The parameter changes with a smaller number than `number`, or all of them."""
        ...

    async def reports_below(
        self, network: Network, sequence: int | None, most: int
    ) -> Sequence[VaultReport | UndecodableDecision]:
        """The vault reports with a smaller sequence than `sequence`, or all of them."""
        ...

    async def close(self) -> None:
        """Let go of what is open. Raises nothing."""
        ...


class ChangeConflictError(OracleError):
    """Somebody else changed the parameters since they were read."""

    def __init__(self, newest: ParameterChange | None) -> None:
        super().__init__("the parameters were changed by somebody else in the meantime")
        self.newest = newest


class JournalState(StrEnum):
    """Whether what is served is in the store."""

    OPENING = "opening"
    """The store has not been opened yet: nothing is served so far."""
    OK = "ok"
    DEGRADED = "degraded"
    """The store fails; quotes go on, spooled."""


@dataclass(frozen=True, slots=True)
class JournalStatus:
    """How the journal is."""

    state: JournalState = JournalState.OPENING
    reason: StoreFault | None = None
    """What is wrong with the store; None unless degraded."""
    detail: str | None = None
    since: UnixMillis | None = None
    """When it began to be degraded."""
    spooled: int = 0
    """Entries that wait for the store."""
    lost: int = 0
    """Entries that did not fit the spool and are in no store: since the start."""
    divergences: int = 0
    """Entries of ours that lost against another's for the same block: since the start."""
    last_entry_at: UnixMillis | None = None
    """When an entry last reached the store."""


class NoNetworkError(OracleError):
    """What was asked belongs to a network, and the chain is not known yet."""

    def __init__(self) -> None:
        super().__init__("the L1 chain is not known yet: no provider has answered")


class DecisionDesk(Protocol):
    """Where people hand in what they decide: a vault's balance, other parameters."""

    async def report_vault(self, balance: Wei, sequence: int, actor: str) -> VaultReport:
        """Put a balance in force from the next block on, once the store has it; the report in force after it.

        An identical repeat gives the report that it repeats. Raises `ReportRefusedError` for a sequence that was used
        before, `StoreError` where the store does not take it, and `NoNetworkError` or `UpstreamError` while the chain
        is not known.
        """
        ...

    async def change_parameters(self, amendment: Amendment, *, dry_run: bool = False) -> Amended:
        """Put what `amendment` makes of the parameters in force from the next block on, once the store has it.

        A dry run tells what would become of it and changes nothing; neither does an amendment to what is in force
        already. Raises `OtherParametersError` where it is meant for others than are in force, `AmendmentRefusedError`
        for values that are not allowed, and `StoreError`, `NoNetworkError` and `UpstreamError` as `report_vault`.
        """
        ...


class Publisher(Protocol):
    """Where quotes go. One call makes a quote the one that is served."""

    def publish(self, quote: Quote, computed_at: UnixMillis, base_fee_verified: bool) -> None:  # noqa: FBT001 - a fact of it
        """Serve `quote` from now on; `base_fee_verified` as of an `Entry`."""
        ...

    def feed(self, status: FeedStatus) -> None:
        """Serve this status of the feed from now on."""
        ...

    def journal(self, status: JournalStatus) -> None:
        """Serve this status of the journal from now on."""
        ...

    def govern(self, governance: Governance) -> None:
        """Serve these decisions from now on."""
        ...
