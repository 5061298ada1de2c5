"""What is served: the published quote with its prepared body, the feed's status, and the poll loop's pulse."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import inf
from types import MappingProxyType
from typing import Final

from app.api.bodies import encoded, evidence_object, fee_object, freshness_object, timestamp_text
from app.domain.formula import FeeFormula
from app.domain.freshness import (
    STANDING_HEAD_PATIENCE,
    STANDING_HEAD_WITNESSES,
    Freshness,
    FreshnessPolicy,
    QuoteStatus,
    Witnesses,
    birth_of,
    judge,
)
from app.domain.governance import Governance
from app.domain.quote import Quote, fee_ceilings
from app.domain.units import MILLIS_PER_SECOND, UnixMillis, WeiPerGas
from app.engine.ports import Clock, FeedStatus, JournalStatus

GREATEST_BLOCKS_ASKED: Final = 64
"""The greatest `?blocks=`."""
_ROUNDING_SECONDS: Final = 0.001
"""By so much a window closes before the pulse may end: sums of floats are not exact."""
_GREATEST_CEILINGS: Final = 1024
"""Ceilings prepared at most; a chain with very short blocks has none beyond."""


@dataclass(frozen=True, slots=True)
class Published:
    """A quote as it is served: never changed, replaced as a whole."""

    quote: Quote
    computed_at: UnixMillis
    born: UnixMillis
    """From when on it ages."""
    held_since: float
    """Monotonic seconds at which it was published."""
    base_fee_verified: bool
    """Whether the head's base fee was derived anew from its parent's header."""
    opening: bytes
    """The JSON before the members that the moment decides."""
    evidence: bytes
    """The JSON after them, up to `staleAt` and `expiresAt`."""
    fresh: Mapping[tuple[UnixMillis, UnixMillis], bytes]
    """Whole bodies of the fresh quote, by the moments at which it goes stale and expires."""
    ceilings: tuple[WeiPerGas, ...]
    """Entry k: the greatest fee possible up to k blocks after the head."""

    def body(self, freshness: Freshness, blocks: int | None = None) -> bytes:
        """The answer for this moment, with the greatest fee over `blocks` blocks where it is asked for."""
        if freshness.status is QuoteStatus.FRESH and blocks is None:
            ready = self.fresh.get((freshness.stale_at, freshness.expires_at))
            if ready is not None:
                return ready
        return self._assembled(freshness, blocks)

    def entity_tag(self, freshness: Freshness, blocks: int | None = None) -> str:
        """The weak ETag: same quote, same status, same bounds where any are said: an old one may be too low."""
        bounds = [] if freshness.status is QuoteStatus.FRESH else [self.ceiling(freshness)]
        if blocks is not None:
            bounds.append(self.ceilings[blocks])
        parts = (self.quote.quote_id, freshness.status.value, *map(str, bounds))
        return f'W/"{"-".join(parts)}"'

    def ceiling(self, freshness: Freshness) -> WeiPerGas | None:
        """The greatest fee possible by now if blocks were missed; None beyond what was prepared."""
        missed = freshness.possible_blocks(self.quote.block_interval_seconds)
        return self.ceilings[missed] if missed < len(self.ceilings) else None

    def _assembled(self, freshness: Freshness, blocks: int | None = None) -> bytes:
        moment = freshness_object(freshness, self.ceiling(freshness))
        if blocks is not None:
            moment["maxFeePerGas"] = self.ceilings[blocks]
        limits = {
            "staleAt": timestamp_text(freshness.stale_at),
            "expiresAt": timestamp_text(freshness.expires_at),
        }
        return b"".join((self.opening, encoded(moment)[1:-1], self.evidence, encoded(limits)[1:]))


def prepared(
    quote: Quote, computed_at: UnixMillis, policy: FreshnessPolicy, clock: Clock, *, base_fee_verified: bool
) -> Published:
    """`quote` made ready to be served from now on."""
    evidence = evidence_object(quote, computed_at, base_fee_verified=base_fee_verified)
    born = birth_of(quote.header.timestamp, min(computed_at, clock.now()))
    unserved = Published(
        quote=quote,
        computed_at=computed_at,
        born=born,
        held_since=clock.monotonic(),
        base_fee_verified=base_fee_verified,
        opening=encoded(fee_object(quote))[:-1] + b",",
        evidence=b"," + encoded(evidence)[1:-1] + b",",
        fresh=MappingProxyType({}),
        ceilings=fee_ceilings(quote, _blocks_to_prepare(quote, policy)),
    )
    at_birth = (judge(born, born, policy, Witnesses(agreeing)) for agreeing in (1, STANDING_HEAD_WITNESSES))
    bodies = {(moment.stale_at, moment.expires_at): unserved.body(moment) for moment in at_birth}
    return replace(unserved, fresh=MappingProxyType(bodies))


def _foreseeing(published: Published, governance: Governance) -> Published:
    """`published` with ceilings that also hold under the parameters that `governance` put in force since."""
    change = governance.change
    if change is None or change.parameter_set.parameters == published.quote.formula.parameters:
        return published
    coming = FeeFormula.of(change.parameter_set.parameters)
    ceilings = fee_ceilings(published.quote, len(published.ceilings) - 1, coming)
    return replace(published, ceilings=tuple(map(max, published.ceilings, ceilings)))


@dataclass(frozen=True, slots=True)
class Moment:
    """What a judgement of freshness takes beside the quote: both clocks, and who gave the head."""

    now: UnixMillis
    monotonic: float
    witnesses: Witnesses


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of time over which an answer stays the same, by both clocks. One that is set leaves it."""

    born: UnixMillis
    """The quote's."""
    held_since: float
    """Monotonic seconds at which it was published."""
    aged_since: UnixMillis
    """From when on its age counts here."""
    first: UnixMillis
    last: UnixMillis
    opened: float
    closes: float
    """Monotonic seconds, as `opened`."""

    def holds(self, now: UnixMillis, monotonic: float) -> bool:
        """Whether both clocks are in it, and apart by no more than leaves the quote's age as it is."""
        if not (self.first <= now <= self.last and self.opened <= monotonic <= self.closes):
            return False
        first_held = now - int((monotonic - self.held_since) * MILLIS_PER_SECOND)
        return min(self.born, first_held) == self.aged_since


class Board:
    """The `Publisher` that the routes read. Every change is one assignment; reading changes nothing."""

    def __init__(self, *, clock: Clock, freshness_policy: FreshnessPolicy, pulse_limit_seconds: float) -> None:
        self.freshness_policy = freshness_policy
        self.pulse_limit_seconds = pulse_limit_seconds
        self._clock = clock
        self._published: Published | None = None
        self._feed_status = FeedStatus()
        self._journal_status = JournalStatus()
        self._governance = Governance()
        self._draining = False
        self._watchers: list[Callable[[], None]] = []
        self._built_at = clock.monotonic()
        self._pulse_at = self._built_at

    def watch(self, notice: Callable[[], None]) -> None:
        """Call `notice` after every change that may change what is said of the fee. It is short, and raises nothing."""
        self._watchers.append(notice)

    def publish(self, quote: Quote, computed_at: UnixMillis, base_fee_verified: bool) -> None:  # noqa: FBT001 - the port's
        """Serve `quote` from now on."""
        published = prepared(
            quote, computed_at, self.freshness_policy, self._clock, base_fee_verified=base_fee_verified
        )
        self._published = _foreseeing(published, self._governance)
        self._notify()

    def feed(self, status: FeedStatus) -> None:
        """Serve this status of the feed from now on; the poll loop lives."""
        self._feed_status = status
        self._pulse_at = self._clock.monotonic()
        self._notify()

    def journal(self, status: JournalStatus) -> None:
        """Serve this status of the journal from now on."""
        self._journal_status = status
        self._notify()

    def govern(self, governance: Governance) -> None:
        """Serve these decisions from now on. The blocks after the quote's may cost more under them."""
        self._governance = governance
        if self._published is not None:
            self._published = _foreseeing(self._published, governance)
        self._notify()

    def drain(self) -> None:
        """Be unready from now on: the process is about to end. Quotes are served until it does."""
        self._draining = True
        self._notify()

    @property
    def published(self) -> Published | None:
        """The quote that is served; None before the first."""
        return self._published

    @property
    def feed_status(self) -> FeedStatus:
        """What the poll loop last said of itself."""
        return self._feed_status

    @property
    def journal_status(self) -> JournalStatus:
        """How the journal is."""
        return self._journal_status

    @property
    def governance(self) -> Governance:
        """What people decided last."""
        return self._governance

    @property
    def draining(self) -> bool:
        """Whether the process is about to end."""
        return self._draining

    @property
    def pulse_age_seconds(self) -> float:
        """Since the poll loop's last iteration, good or bad; since this board was built before the first."""
        return self._clock.monotonic() - self._pulse_at

    @property
    def has_pulse(self) -> bool:
        """Whether the poll loop lives."""
        return self._has_pulse_at(self._clock.monotonic())

    @property
    def uptime_seconds(self) -> float:
        """Since this board was built."""
        return self._clock.monotonic() - self._built_at

    def moment(self) -> Moment:
        """Now, as quotes are judged. Witnesses count for as long as the poll loop lives."""
        now, monotonic = self._clock.now(), self._clock.monotonic()
        return Moment(now, monotonic, self._feed_status.witnesses if self._has_pulse_at(monotonic) else Witnesses())

    def freshness(
        self, published: Published, max_age_seconds: int | None = None, moment: Moment | None = None
    ) -> Freshness:
        """The judgement of `published` at `moment`, which is now unless given."""
        at = self.moment() if moment is None else moment
        return judge(
            published.born,
            at.now,
            self.freshness_policy,
            at.witnesses,
            max_age_seconds=max_age_seconds,
            held_millis=int((at.monotonic - published.held_since) * MILLIS_PER_SECOND),
        )

    def cacheable_seconds(self, published: Published, freshness: Freshness, now: UnixMillis) -> int:
        """Whole seconds until the next expected block or the next change of status, whichever is first."""
        deadline = min(_last_of_status(freshness), _end_of_slot(published, freshness, now))
        return max(0, deadline - now) // MILLIS_PER_SECOND

    def window(self, published: Published, freshness: Freshness, moment: Moment) -> "Window":
        """The moments from `moment` on at which `published` is judged and cached as at it, unless something is told."""
        now, end_of_slot = moment.now, _end_of_slot(published, freshness, moment.now)
        deadline = min(_last_of_status(freshness), end_of_slot)
        last = deadline - self.cacheable_seconds(published, freshness, now) * MILLIS_PER_SECOND
        pulse_ends = self._pulse_at + self.pulse_limit_seconds - _ROUNDING_SECONDS
        return Window(
            born=published.born,
            held_since=published.held_since,
            aged_since=UnixMillis(now - freshness.age_millis),
            first=now,
            last=UnixMillis(min(last, end_of_slot - 1)),
            opened=moment.monotonic,
            closes=pulse_ends if self._has_pulse_at(moment.monotonic) else inf,
        )

    def _has_pulse_at(self, monotonic: float) -> bool:
        return monotonic - self._pulse_at <= self.pulse_limit_seconds

    def _notify(self) -> None:
        for notice in self._watchers:
            notice()


def _last_of_status(freshness: Freshness) -> UnixMillis:
    if freshness.status is QuoteStatus.FRESH:
        return min(freshness.stale_at, freshness.expires_at)
    return freshness.expires_at


def _end_of_slot(published: Published, freshness: Freshness, now: UnixMillis) -> UnixMillis:
    """When the next block is expected."""
    slot = published.quote.block_interval_seconds * MILLIS_PER_SECOND
    return UnixMillis(now - freshness.age_millis % slot + slot)


def _blocks_to_prepare(quote: Quote, policy: FreshnessPolicy) -> int:
    """Enough for the longest life that a quote can have, and for every `?blocks=`."""
    longest_life_seconds = policy.expires_after_seconds * STANDING_HEAD_PATIENCE
    blocks = longest_life_seconds // quote.block_interval_seconds
    return min(max(blocks, GREATEST_BLOCKS_ASKED), _GREATEST_CEILINGS - 1)
