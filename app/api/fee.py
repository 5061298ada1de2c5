"""`GET /v1/fee`: the prepared body for now's freshness."""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from app.api.board import GREATEST_BLOCKS_ASKED, Published
from app.api.context import ApiContext
from app.api.problems import journal_degraded, quote_expired, quote_too_old, quote_unavailable
from app.api.requests import none_match, query_of, whole_number
from app.domain.freshness import Freshness, QuoteStatus

GREATEST_MAX_AGE_SECONDS: Final = 86_400

_QUERY: Final = frozenset({"blocks", "maxAgeSeconds"})


def served(context: ApiContext, max_age_seconds: int | None = None) -> tuple[Published, Freshness]:
    """The quote that may be served now, and how fresh it is.

    Raises a `ProblemError` where there is none yet, it has expired for everyone or for this reader, or the journal has
    to hold it and fails.
    """
    board = context.board
    published = board.published
    if published is None:
        raise quote_unavailable(board.feed_status, board.journal_status, context.poll_interval_seconds)
    freshness = board.freshness(published)
    if freshness.status is QuoteStatus.EXPIRED:
        last = None if context.is_journal_missing else published
        raise quote_expired(last, freshness, context.poll_interval_seconds)
    if context.is_journal_missing:
        raise journal_degraded(board.journal_status, context.poll_interval_seconds)
    if max_age_seconds is None:
        return published, freshness
    for_reader = board.freshness(published, max_age_seconds)
    if for_reader.status is QuoteStatus.EXPIRED:
        raise quote_too_old(published, for_reader, context.poll_interval_seconds)
    return published, for_reader


async def get_fee(context: ApiContext, request: Request) -> Response:
    """The current quote, 304 where the reader has it, or 503."""
    query = query_of(request, _QUERY)
    blocks = whole_number(query, "blocks", least=1, greatest=GREATEST_BLOCKS_ASKED)
    max_age_seconds = whole_number(query, "maxAgeSeconds", least=1, greatest=GREATEST_MAX_AGE_SECONDS)
    published, freshness = served(context, max_age_seconds)
    entity_tag = published.entity_tag(freshness)
    headers = {
        "ETag": entity_tag,
        "Cache-Control": f"max-age={context.board.cacheable_seconds(published, freshness)}",
    }
    if not none_match(request, entity_tag):
        return Response(status_code=304, headers=headers)
    return Response(published.body(freshness, blocks), media_type="application/json", headers=headers)
