"""`/livez`, `/healthz`, `/readyz` and `/metrics`: what an operator's machinery asks. None of them asks L1."""

from starlette.requests import Request
from starlette.responses import Response

from app.api.answers import uncached_json
from app.api.context import ApiContext
from app.api.problems import no_pulse, not_ready
from app.api.requests import flag, query_of
from app.domain.freshness import QuoteStatus


async def get_liveness(context: ApiContext, _request: Request) -> Response:
    """200 while the poll loop turns, whatever L1 does."""
    board = context.board
    if not board.has_pulse:
        raise no_pulse(board.pulse_age_seconds, board.pulse_limit_seconds, context.poll_interval_seconds)
    body = {
        "status": "ok",
        "network": context.network_name,
        "lastPulseAgeSeconds": round(board.pulse_age_seconds, 3),
    }
    return uncached_json(body)


async def get_readiness(context: ApiContext, request: Request) -> Response:
    """200 once there is a quote to answer with; with `?fresh=true`, while that quote is fresh."""
    asked_fresh = flag(query_of(request, frozenset({"fresh"})), "fresh")
    reasons = _missing(context, asked_fresh=asked_fresh)
    if reasons:
        raise not_ready(reasons, context.board.journal_status, context.poll_interval_seconds)
    body = {
        "status": "ready",
        "network": context.network_name,
        "journal": context.board.journal_status.state.value,
    }
    return uncached_json(body)


async def get_metrics(context: ApiContext, request: Request) -> Response:
    """Every metric, for Prometheus, in the format that it accepts. Raises a `ProblemError` where many ask at once."""
    await context.scrapes.turn()
    body, content_type = context.metrics(", ".join(request.headers.getlist("accept")) or None)
    headers = {"Content-Type": content_type, "Vary": "Accept", "Cache-Control": "no-store"}
    return Response(body, headers=headers)


def _missing(context: ApiContext, *, asked_fresh: bool) -> list[str]:
    board = context.board
    published = board.published
    reasons = []
    if not context.is_chain_verified:
        reasons.append("chain_not_verified")
    if published is None:
        reasons.append("no_quote_yet")
    elif asked_fresh and board.freshness(published).status is not QuoteStatus.FRESH:
        reasons.append("quote_not_fresh")
    if context.is_journal_missing:
        reasons.append(f"journal_{board.journal_status.state.value}")
    if board.draining:
        reasons.append("draining")
    return reasons
