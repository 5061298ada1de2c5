"""What the stream says of the fee at one moment, made once for all of its readers."""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final

from app.api.board import Published
from app.api.bodies import encoded
from app.api.context import ApiContext
from app.api.fee import served
from app.api.problems import Problem, ProblemError
from app.domain.freshness import Freshness, QuoteStatus
from app.domain.units import MILLIS_PER_SECOND

QUOTE_EVENT: Final = "quote"
UNAVAILABLE_EVENT: Final = "unavailable"
END_EVENT: Final = "end"

_OF_THE_MOMENT: Final = frozenset({"ageSeconds", "lastQuote"})
"""Members of a problem that change while its cause stays."""


@dataclass(frozen=True, slots=True)
class Bulletin:
    """A state of the fee, and the event that tells it."""

    subject: Hashable
    """What it says. Of two bulletins with the same subject a reader needs one."""
    event: bytes


def event(name: str, data: bytes, event_id: str | None = None) -> bytes:
    """One server-sent event (WHATWG HTML, section 9.2.6). `data` is one line, as JSON in ASCII is."""
    identity = b"" if event_id is None else b"id: %b\n" % event_id.encode("ascii")
    return b"%bevent: %b\ndata: %b\n\n" % (identity, name.encode("ascii"), data)


def bulletin(context: ApiContext) -> Bulletin:
    """What GET /v1/fee says now: the quote, or the problem in its place."""
    try:
        published, freshness = served(context)
    except ProblemError as refusal:
        return _of_refusal(context, refusal.problem)
    return _of_quote(published, freshness)


def seconds_until_change(context: ApiContext) -> float | None:
    """How long the bulletin stays as it is if nothing but time passes; None where time alone changes nothing.

    Never less than a millisecond. A wall clock that jumps makes it wrong: ask again after every poll.
    """
    board = context.board
    published = board.published
    if published is None:
        return None
    freshness, now = board.freshness(published), context.clock.now()
    waits = []
    if freshness.status is not QuoteStatus.EXPIRED:
        waits.append(freshness.expires_at + 1 - now)
    if freshness.status is QuoteStatus.FRESH:
        waits.append(freshness.stale_at + 1 - now)
    if freshness.status is QuoteStatus.STALE:
        slot = published.quote.block_interval_seconds * MILLIS_PER_SECOND
        waits.append(slot - freshness.age_millis % slot)
    if board.has_pulse:
        waits.append(round((board.pulse_limit_seconds - board.pulse_age_seconds) * MILLIS_PER_SECOND) + 1)
    return max(1, min(waits)) / MILLIS_PER_SECOND if waits else None


def _of_quote(published: Published, freshness: Freshness) -> Bulletin:
    """The quote's bulletin. Its moments are told apart by their distance: a clock that is set moves both."""
    is_fresh = freshness.status is QuoteStatus.FRESH
    subject = (
        *_identity(published),
        freshness.status,
        freshness.reason,
        None if is_fresh else published.ceiling(freshness),
        freshness.expires_at - freshness.stale_at,
    )
    tag = published.entity_tag(freshness).removeprefix("W/").strip('"')
    return Bulletin(subject, event(QUOTE_EVENT, published.body(freshness), tag))


def _of_refusal(context: ApiContext, problem: Problem) -> Bulletin:
    """The problem's bulletin: another one for another cause or another last quote, and not for each second of age."""
    published = context.journaled
    journal = context.board.journal_status.reason if context.board.published is None else None
    cause = tuple((name, value) for name, value in problem.members.items() if name not in _OF_THE_MOMENT)
    subject = (
        problem.type.name,
        cause,
        journal,
        () if published is None else _identity(published),
    )
    return Bulletin(subject, event(UNAVAILABLE_EVENT, encoded(problem.document(context.network_name))))


def _identity(published: Published) -> tuple[Hashable, ...]:
    return published.quote.quote_id, published.computed_at, published.base_fee_verified
