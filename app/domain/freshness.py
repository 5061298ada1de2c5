"""How old a quote may be, and what is said of one that is old."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from app.domain.errors import InvalidValueError
from app.domain.units import MILLIS_PER_SECOND, UnixMillis, UnixSeconds

STANDING_HEAD_PATIENCE: Final = 5
"""Factor on the expiry while several providers agree that the head stands."""
STANDING_HEAD_WITNESSES: Final = 2


class QuoteStatus(StrEnum):
    """Whether a quote may be used."""

    FRESH = "fresh"
    STALE = "stale"
    EXPIRED = "expired"


class StaleReason(StrEnum):
    """Why there is no newer quote."""

    L1_LATE = "l1_late"
    """Providers answer, and the head stands."""
    L1_UNREACHABLE = "l1_unreachable"


@dataclass(frozen=True, slots=True)
class FreshnessPolicy:
    """The ages, in seconds from the head's timestamp, up to which a quote is fresh, and stale.

    Raises `InvalidValueError` where a quote would expire while it is fresh.
    """

    stale_after_seconds: int = 48
    expires_after_seconds: int = 180

    def __post_init__(self) -> None:
        if not 1 <= self.stale_after_seconds <= self.expires_after_seconds:
            raise InvalidValueError(
                "TAIKO_QUOTE_STALE_AFTER_SECONDS",
                self.stale_after_seconds,
                f"1 to TAIKO_QUOTE_EXPIRES_AFTER_SECONDS ({self.expires_after_seconds})",
            )

    def expiry_seconds(self, witnesses: "Witnesses") -> int:
        """The age past which a quote is not served: longer while several providers agree that the head stands."""
        patience = STANDING_HEAD_PATIENCE if witnesses.agreeing >= STANDING_HEAD_WITNESSES else 1
        return self.expires_after_seconds * patience


@dataclass(frozen=True, slots=True)
class Witnesses:
    """What the last poll said of the feed: how many distinct providers gave the head we hold."""

    agreeing: int = 0

    @property
    def reason(self) -> StaleReason:
        """Why the head is old, if it is."""
        return StaleReason.L1_LATE if self.agreeing else StaleReason.L1_UNREACHABLE


@dataclass(frozen=True, slots=True)
class Freshness:
    """The judgement of a quote at one moment."""

    status: QuoteStatus
    reason: StaleReason | None
    age_millis: int
    """Since the head's timestamp; never negative."""
    stale_at: UnixMillis
    """The last moment at which the quote is fresh."""
    expires_at: UnixMillis
    """The last moment at which the quote is served."""

    def possible_blocks(self, block_interval_seconds: int) -> int:
        """How many blocks may have come after the head by now."""
        return self.age_millis // (block_interval_seconds * MILLIS_PER_SECOND)


def birth_of(head_timestamp: UnixSeconds, first_held: UnixMillis) -> UnixMillis:
    """From when on a quote ages: its head's timestamp, but no later than the moment at which the head was first held.

    So neither a head that claims the future nor a slow host clock keeps a quote fresh for longer than its time.
    """
    return UnixMillis(min(head_timestamp * MILLIS_PER_SECOND, first_held))


def judge(
    born: UnixMillis,
    now: UnixMillis,
    policy: FreshnessPolicy,
    witnesses: Witnesses,
    *,
    max_age_seconds: int | None = None,
    held_millis: int = 0,
) -> Freshness:
    """The freshness at `now` of a quote that was `born` then and has been held for `held_millis`.

    The age is never less than the time for which the head has been held, so a host clock that is set back makes no old
    number new. A reader's own `max_age_seconds` makes the quote expire earlier, never later.
    """
    born = UnixMillis(min(born, now - held_millis))
    expiry = policy.expiry_seconds(witnesses)
    if max_age_seconds is not None:
        expiry = min(expiry, max_age_seconds)
    stale_at = UnixMillis(born + policy.stale_after_seconds * MILLIS_PER_SECOND)
    expires_at = UnixMillis(born + expiry * MILLIS_PER_SECOND)
    if now > expires_at:
        status = QuoteStatus.EXPIRED
    elif now > stale_at:
        status = QuoteStatus.STALE
    else:
        status = QuoteStatus.FRESH
    reason = None if status is QuoteStatus.FRESH else witnesses.reason
    return Freshness(status, reason, max(0, now - born), stale_at, expires_at)
