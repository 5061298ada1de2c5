"""`GET /v1/fee`: the prepared body for now's freshness, and whole answers for as long as they stay the same."""

import re
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from app.api.board import GREATEST_BLOCKS_ASKED, Moment, Published, Window
from app.api.context import ApiContext
from app.api.edge import ReadyAnswer
from app.api.explanation import explained
from app.api.problems import ProblemError, journal_degraded, quote_expired, quote_too_old, quote_unavailable
from app.api.requests import flag, none_match, query_of, whole_number
from app.domain.freshness import Freshness, QuoteStatus

GREATEST_MAX_AGE_SECONDS: Final = 86_400

_ONE_TAG: Final = re.compile(rb'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"')
_QUERY: Final = frozenset({"blocks", "explain", "maxAgeSeconds"})


def served(
    context: ApiContext, max_age_seconds: int | None = None, moment: Moment | None = None
) -> tuple[Published, Freshness]:
    """The quote that may be served at `moment`, which is now unless given, and how fresh it is.

    Raises a `ProblemError` where there is none yet, it has expired for everyone or for this reader, or the journal has
    to hold it and fails.
    """
    board = context.board
    published = board.published
    if published is None:
        raise quote_unavailable(board.feed_status, board.journal_status, context.poll_interval_seconds)
    at = board.moment() if moment is None else moment
    freshness = board.freshness(published, moment=at)
    if freshness.status is QuoteStatus.EXPIRED:
        last = None if context.is_journal_missing else published
        raise quote_expired(last, freshness, context.poll_interval_seconds)
    if context.is_journal_missing:
        raise journal_degraded(board.journal_status, context.poll_interval_seconds)
    if max_age_seconds is None:
        return published, freshness
    for_reader = board.freshness(published, max_age_seconds, at)
    if for_reader.status is QuoteStatus.EXPIRED:
        raise quote_too_old(published, for_reader, context.poll_interval_seconds)
    return published, for_reader


async def get_fee(context: ApiContext, request: Request) -> Response:
    """The current quote, 304 where the reader has it, or 503."""
    query = query_of(request, _QUERY)
    blocks = whole_number(query, "blocks", least=1, greatest=GREATEST_BLOCKS_ASKED)
    max_age_seconds = whole_number(query, "maxAgeSeconds", least=1, greatest=GREATEST_MAX_AGE_SECONDS)
    explain = flag(query, "explain")
    moment = context.board.moment()
    published, freshness = served(context, max_age_seconds, moment)
    headers = _headers(context, published, freshness, moment, blocks)
    if not none_match(request, headers["ETag"]):
        return _not_modified(headers)
    body = published.body(freshness, blocks)
    if explain:
        body = explained(body, published, freshness, blocks)
    return _whole(body, headers)


@dataclass(frozen=True, slots=True)
class _Prepared:
    """What is answered to a request without a query while the window holds."""

    window: Window
    entity_tags: frozenset[bytes]
    """If-None-Match with which the reader has the quote."""
    whole: ReadyAnswer
    head: ReadyAnswer
    not_modified: ReadyAnswer

    def answer(self, scope: Scope) -> ReadyAnswer | None:
        """What a request gets whose If-None-Match has one tag at most; None for any other."""
        known: bytes | None = None
        for name, value in scope["headers"]:
            if name == b"if-none-match":
                if known is not None:
                    return None
                known = value
        if known in self.entity_tags:
            return self.not_modified
        if known is not None and not _ONE_TAG.fullmatch(known):
            return None
        return self.whole if scope["method"] == "GET" else self.head


class PreparedFee:
    """The answers that are only sent: made once for each stretch of time over which they are the same."""

    def __init__(self, context: ApiContext) -> None:
        self._context = context
        self._now = context.clock.now
        self._prepared: _Prepared | None = None
        context.board.watch(self._forget)

    def __call__(self, scope: Scope, monotonic: float) -> ReadyAnswer | None:
        """The answer of this moment; None for a query, a problem, and If-None-Match with more than one tag."""
        if scope["query_string"]:
            return None
        prepared = self._prepared
        if prepared is None or not prepared.window.holds(self._now(), monotonic):
            prepared = self._prepared = self._prepare()
        return None if prepared is None else prepared.answer(scope)

    def _forget(self) -> None:
        self._prepared = None

    def _prepare(self) -> _Prepared | None:
        moment = self._context.board.moment()
        try:
            published, freshness = served(self._context, moment=moment)
        except ProblemError:
            return None
        headers = _headers(self._context, published, freshness, moment)
        entity_tag = headers["ETag"].encode("ascii")
        whole = _whole(published.body(freshness), headers)
        return _Prepared(
            window=self._context.board.window(published, freshness, moment),
            entity_tags=frozenset({entity_tag, entity_tag.removeprefix(b"W/"), b"*"}),
            whole=self._ready(whole, whole.body),
            head=self._ready(whole, b""),
            not_modified=self._ready(_not_modified(headers), b""),
        )

    def _ready(self, response: Response, body: bytes | memoryview) -> ReadyAnswer:
        headers = [*response.raw_headers, self._context.network_label]
        return ReadyAnswer(
            response.status_code,
            start={"type": "http.response.start", "status": response.status_code, "headers": headers},
            body={"type": "http.response.body", "body": body},
        )


def _headers(
    context: ApiContext, published: Published, freshness: Freshness, moment: Moment, blocks: int | None = None
) -> dict[str, str]:
    cacheable_seconds = context.board.cacheable_seconds(published, freshness, moment.now)
    return {"ETag": published.entity_tag(freshness, blocks), "Cache-Control": f"max-age={cacheable_seconds}"}


def _whole(body: bytes, headers: dict[str, str]) -> Response:
    return Response(body, media_type="application/json", headers=headers)


def _not_modified(headers: dict[str, str]) -> Response:
    return Response(status_code=304, headers=headers)
