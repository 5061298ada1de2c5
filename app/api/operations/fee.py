"""Quotes."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from app.api import problems
from app.api.board import GREATEST_BLOCKS_ASKED
from app.api.examples.quote import FEE, WHAT_IF, WHAT_IF_REQUEST
from app.api.fee import GREATEST_MAX_AGE_SECONDS
from app.api.operations.parts import (
    INTERNAL,
    INVALID_QUERY,
    NETWORK_HEADER,
    answer,
    json_content,
    query_parameter,
    refusal,
)
from app.api.shapes.quote import FeeQuote, WhatIfQuote, WhatIfRequest
from app.api.shapes.wire import Wire

QUOTE_HEADERS: Final = NETWORK_HEADER | {
    "Cache-Control": {
        "description": "until the next expected block or change of status",
        "schema": {"type": "string"},
        "example": "max-age=10",
    },
    "ETag": {
        "description": "weak: the quote's id and its status",
        "schema": {"type": "string"},
        "example": 'W/"6d1f0c52a9b34e7780c1d2e3f4a5b6c7-fresh"',
    },
}
NOT_MODIFIED: Final = {"description": "the reader has this quote, in this status", "headers": QUOTE_HEADERS}

EXAMPLES: Final[Mapping[type[Wire], dict[str, Any]]] = MappingProxyType(
    {FeeQuote: FEE, WhatIfRequest: WHAT_IF_REQUEST, WhatIfQuote: WHAT_IF}
)

OPERATIONS: Final[Mapping[str, dict[str, Any]]] = MappingProxyType(
    {
        "get_fee": {
            "tags": ["fee"],
            "summary": "The L2 fee to charge now",
            "description": (
                "`feePerGas` is the whole price of one L2 gas (L2 base fee plus tip) sold now; who posts in the next L1"
                " block reads `next`. A quote that is not fresh says so, says why, and gives the greatest fee possible"
                " by now. An expired one is not served: 503, with the last quote inside. Where the journal is required"
                " and fails, none is."
            ),
            "responses": {
                200: answer("The quote, fresh or stale.", FeeQuote, QUOTE_HEADERS),
                304: NOT_MODIFIED,
                **INVALID_QUERY,
                503: refusal(
                    problems.QUOTE_EXPIRED,
                    problems.QUOTE_TOO_OLD,
                    problems.QUOTE_UNAVAILABLE,
                    problems.JOURNAL_DEGRADED,
                ),
                **INTERNAL,
            },
            "openapi_extra": {
                "parameters": [
                    query_parameter(
                        "blocks",
                        "adds `maxFeePerGas`: the greatest fee possible at the quote's head or in the k blocks after"
                        " it, with the vault unchanged",
                        {"type": "integer", "minimum": 1, "maximum": GREATEST_BLOCKS_ASKED},
                        example=5,
                    ),
                    query_parameter(
                        "maxAgeSeconds",
                        "503 where the head is older; tightens freshness, never loosens it",
                        {"type": "integer", "minimum": 1, "maximum": GREATEST_MAX_AGE_SECONDS},
                        example=24,
                    ),
                    query_parameter(
                        "explain",
                        "`true` adds `explanation`: how the fee came about, in plain words, from the same numbers",
                        {"type": "boolean", "default": False},
                        example=True,
                    ),
                    {
                        "name": "If-None-Match",
                        "in": "header",
                        "schema": {"type": "string"},
                        "example": 'W/"6d1f0c52a9b34e7780c1d2e3f4a5b6c7-fresh"',
                    },
                ]
            },
        },
        "post_quote": {
            "tags": ["fee"],
            "summary": "The fee under other inputs",
            "description": "A stateless what-if: the same formula, with the request's inputs over the current ones.",
            "responses": {
                200: answer("The quote's members.", WhatIfQuote),
                400: refusal(problems.INVALID_JSON),
                408: refusal(problems.REQUEST_TIMEOUT),
                413: refusal(problems.BODY_TOO_LARGE),
                415: refusal(problems.UNSUPPORTED_MEDIA_TYPE, problems.UNSUPPORTED_CONTENT_CODING),
                422: refusal(problems.INVALID_VALUE, problems.NUMBER_OUT_OF_RANGE),
                503: refusal(
                    problems.QUOTE_UNAVAILABLE,
                    problems.QUOTE_EXPIRED,
                    problems.JOURNAL_DEGRADED,
                    problems.OVERLOADED,
                ),
                **INTERNAL,
            },
            "openapi_extra": {
                "requestBody": {
                    "required": True,
                    "content": json_content(WhatIfRequest),
                }
            },
        },
    }
)
