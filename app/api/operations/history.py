"""Past quotes."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from app.api import problems
from app.api.examples.history import HISTORY, HISTORY_CSV
from app.api.operations.parts import (
    INTERNAL,
    INVALID_QUERY,
    LIMIT,
    UNCACHED_HEADERS,
    answer,
    link_header,
    query_parameter,
    refusal,
)
from app.api.shapes.history import HistoryAnswer
from app.api.shapes.wire import Wire

_HEADERS: Final = (
    UNCACHED_HEADERS
    | link_header("/v1/history?limit=1&before=23882697.4711", "/v1/history?limit=1")
    | {
        "Vary": {"description": "the format follows Accept", "schema": {"type": "string"}, "example": "Accept"},
        "Taiko-Journal": {
            "description": "while it is not ok, quotes may have been served that are not in here yet",
            "schema": {"type": "string", "enum": ["opening", "ok", "degraded"]},
            "example": "ok",
        },
    }
)
_PAGE: Final = answer("A page.", HistoryAnswer, _HEADERS)

EXAMPLES: Final[Mapping[type[Wire], dict[str, Any]]] = MappingProxyType({HistoryAnswer: HISTORY})

OPERATIONS: Final[Mapping[str, dict[str, Any]]] = MappingProxyType(
    {
        "get_history": {
            "tags": ["fee"],
            "summary": "Past quotes, newest first",
            "description": (
                "As they were served, by block, and within a block the one that was journaled last first: after a"
                " reorg a height has several, told apart by their hashes. Following `next` shows every quote that was"
                " there when the walk began exactly once, in order, whatever is journaled meanwhile; only what grows"
                " older than the history is kept may go. An entry that does not hold any more is marked. JSON, or CSV"
                " (RFC 4180) where Accept prefers it."
            ),
            "responses": {
                200: _PAGE
                | {
                    "content": _PAGE["content"] | {"text/csv": {"schema": {"type": "string"}, "example": HISTORY_CSV}},
                },
                406: refusal(problems.NOT_ACCEPTABLE),
                **INVALID_QUERY,
                503: refusal(problems.JOURNAL_DEGRADED, problems.ARCHIVE_BUSY, problems.CHAIN_UNKNOWN),
                **INTERNAL,
            },
            "openapi_extra": {
                "parameters": [
                    LIMIT,
                    query_parameter(
                        "before",
                        "only blocks below this one; what `next` says besides is for the service alone",
                        {"type": "string", "pattern": r"^([0-9]{1,15}(\.[0-9]{1,18})?|unknown\.[0-9]{1,18})$"},
                        example="23882697",
                    ),
                ],
            },
        },
    }
)
