"""What happens, as plain facts. Metrics and logs are observers of these; the engine knows neither."""

from collections.abc import Callable
from dataclasses import dataclass

from app.domain.governance import ParameterChange, VaultReport
from app.domain.quote import Quote
from app.domain.units import UnixMillis


@dataclass(frozen=True, slots=True)
class QuoteMade:
    """A block advanced the state."""

    quote: Quote
    at: UnixMillis
    previous: Quote | None
    """The quote before it; None for the first."""


@dataclass(frozen=True, slots=True)
class PollSucceeded:
    """A poll got a head, new or not."""

    provider: str
    head_number: int
    at: UnixMillis
    failures_before: int
    """Failed polls in a row that this success ends."""


@dataclass(frozen=True, slots=True)
class PollFailed:
    """A poll got no usable head."""

    provider: str
    """The one that `reason` is about: the first that was asked."""
    reason: str
    """A stable label, such as `timeout`."""
    detail: str
    consecutive: int


@dataclass(frozen=True, slots=True)
class HeaderRejected:
    """A header contradicted its parent. `enforced` is false where it was used all the same."""

    reason: str
    detail: str
    enforced: bool


@dataclass(frozen=True, slots=True)
class HeadSeen:
    """A provider gave a head, polled or pushed, whatever is made of it."""

    provider: str
    block_number: int


@dataclass(frozen=True, slots=True)
class HeadWentBack:
    """A provider gave a head below the one we hold; ours stays."""

    provider: str
    held_number: int
    got_number: int


@dataclass(frozen=True, slots=True)
class ReorgFollowed:
    """The new head is on another branch."""

    depth: int
    """Blocks of ours that are no longer on the chain."""
    head_number: int
    """The new head."""


@dataclass(frozen=True, slots=True)
class PathRebuilt:
    """The path that the fee depends on was made anew from headers."""

    reason: str
    """`start`, `gap` or `replaced`: the chain branches off before everything that was held."""
    blocks: int
    head_number: int
    gap_blocks: int
    """Blocks between the last one we priced and the rebuilt path; 0 at start."""


@dataclass(frozen=True, slots=True)
class VaultUnreadable:
    """The vault's balance could not be read; the last known state is held."""

    reason: str
    detail: str
    consecutive: int


@dataclass(frozen=True, slots=True)
class VaultReadable:
    """The vault's balance can be read again."""

    failures_before: int


@dataclass(frozen=True, slots=True)
class RpcFinished:
    """One call to a provider. `result` is `ok` or a failure's stable label."""

    provider: str
    method: str
    result: str
    seconds: float


@dataclass(frozen=True, slots=True)
class ProviderChanged:
    """Another provider answers for the head now."""

    provider: str
    instead_of: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class ProviderOpened:
    """A provider failed so often that it is left alone for a while."""

    provider: str
    reason: str
    seconds: float
    """How long it is left alone."""


@dataclass(frozen=True, slots=True)
class ProviderClosed:
    """A provider that was left alone answers again."""

    provider: str


@dataclass(frozen=True, slots=True)
class DissentBegan:
    """A provider gives another header for a height that others agree on, or the first one that differs from a peer's.

    `fields` names what differs: `hash`, or with the true hash any other field of the header.
    """

    provider: str
    block_number: int
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DissentEnded:
    """A provider that dissented gives the same header as the others again."""

    provider: str


@dataclass(frozen=True, slots=True)
class SubscriptionBegan:
    """A provider pushes its heads from now on."""

    provider: str


@dataclass(frozen=True, slots=True)
class SubscriptionEnded:
    """A provider's heads are no longer pushed: `reason` is `closed`, `frozen`, `silent` or `refused`."""

    provider: str
    reason: str


@dataclass(frozen=True, slots=True)
class ClockMeasured:
    """The host clock's offset was estimated: positive where it is ahead of providers and heads."""

    offset_millis: int


@dataclass(frozen=True, slots=True)
class ClockSkewed:
    """The host clock is off by more than is tolerated, or is right again."""

    offset_millis: int
    is_skewed: bool


@dataclass(frozen=True, slots=True)
class HeadInFuture:
    """A head's timestamp is later than this host's clock by more than is tolerated."""

    provider: str
    block_number: int
    seconds_ahead: int


@dataclass(frozen=True, slots=True)
class HeadStood:
    """Polls succeed, and the head has become stale."""

    block_number: int
    age_seconds: int


@dataclass(frozen=True, slots=True)
class HeadMoved:
    """A head that stood has been followed by another."""

    block_number: int
    stood_seconds: int


@dataclass(frozen=True, slots=True)
class JournalRestored:
    """The state of an earlier run was taken over from the store."""

    entries: int
    head_number: int | None
    discarded: int
    """Entries that do not hold: their digest or their own arithmetic contradicts them."""
    quote: Quote | None = None
    """The one that is served again; None where there is none."""
    computed_at: UnixMillis | None = None
    """When that was made, by the earlier run."""


@dataclass(frozen=True, slots=True)
class JournalSpooled:
    """Another number of entries wait for the store now; none after `JournalRecovered`."""

    entries: int


@dataclass(frozen=True, slots=True)
class JournalDegraded:
    """The store fails: quotes go on without it. Said once, and again where the fault changes."""

    fault: str
    detail: str


@dataclass(frozen=True, slots=True)
class JournalRecovered:
    """The store is back, and what was spooled is in it."""

    merged: int
    divergences: int
    lost: int


@dataclass(frozen=True, slots=True)
class EntriesLost:
    """The spool is full: entries that were served are in no store and never will be."""

    entries: int


@dataclass(frozen=True, slots=True)
class QuoteDecided:
    """Another instance on the same store had priced this block first, with another result: its quote is served."""

    block_number: int
    quote_id: str


@dataclass(frozen=True, slots=True)
class QuoteContested:
    """Another's entry was there first for this block, and does not hold: our quote is served, and ours diverges."""

    block_number: int
    quote_id: str


@dataclass(frozen=True, slots=True)
class QuoteReplaced:
    """The quote that was served lost against another instance's for the same block, which is served in its place."""

    quote: Quote
    computed_at: UnixMillis


@dataclass(frozen=True, slots=True)
class ParametersChanged:
    """Other parameters govern from the next block on."""

    change: ParameterChange
    is_new: bool
    """False where they were found at a start, or after the store was away: no change of now."""


@dataclass(frozen=True, slots=True)
class VaultReported:
    """A vault balance was pushed and is in the store."""

    report: VaultReport
    is_new: bool
    """As of `ParametersChanged`."""


Event = (
    QuoteMade
    | PollSucceeded
    | PollFailed
    | HeaderRejected
    | HeadSeen
    | HeadWentBack
    | ReorgFollowed
    | PathRebuilt
    | VaultUnreadable
    | VaultReadable
    | RpcFinished
    | ProviderChanged
    | ProviderOpened
    | ProviderClosed
    | DissentBegan
    | DissentEnded
    | SubscriptionBegan
    | SubscriptionEnded
    | ClockMeasured
    | ClockSkewed
    | HeadInFuture
    | HeadStood
    | HeadMoved
    | JournalRestored
    | JournalSpooled
    | JournalDegraded
    | JournalRecovered
    | EntriesLost
    | QuoteDecided
    | QuoteReplaced
    | QuoteContested
    | ParametersChanged
    | VaultReported
)
Observer = Callable[[Event], None]
"""Takes an event; must not raise and must not block."""
