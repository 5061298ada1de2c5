"""What happens, as plain facts. Metrics and logs are observers of these; the engine knows neither."""

from collections.abc import Callable
from dataclasses import dataclass

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


Event = (
    QuoteMade
    | PollSucceeded
    | PollFailed
    | HeaderRejected
    | HeadWentBack
    | ReorgFollowed
    | PathRebuilt
    | VaultUnreadable
    | VaultReadable
    | RpcFinished
    | ProviderChanged
)
Observer = Callable[[Event], None]
"""Takes an event; must not raise and must not block."""
