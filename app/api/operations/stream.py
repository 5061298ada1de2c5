"""The stream of quotes."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from app.api import problems
from app.api.bodies import encoded
from app.api.bulletin import END_EVENT, QUOTE_EVENT, UNAVAILABLE_EVENT, event
from app.api.examples.quote import FEE
from app.api.operations.parts import INTERNAL, INVALID_QUERY, UNCACHED_HEADERS, refusal
from app.api.shapes.wire import Wire
from app.api.stream import GREATEST_RETRY_MILLIS, HEARTBEAT_SECONDS, LEAST_RETRY_MILLIS, PATIENCE_SECONDS

_EXAMPLE: Final = b"retry: 1617\n\n" + event(QUOTE_EVENT, encoded(FEE), f"{FEE['quoteId']}-{FEE['status']}")

EXAMPLES: Final[Mapping[type[Wire], dict[str, Any]]] = MappingProxyType({})

OPERATIONS: Final[Mapping[str, dict[str, Any]]] = MappingProxyType(
    {
        "get_fee_stream": {
            "tags": ["fee"],
            "summary": "The L2 fee to charge, told whenever it changes",
            "description": (
                "Server-sent events. The state of now comes at once, to a reader that comes back too, whatever its"
                " `Last-Event-ID`: there is one state, and nothing to catch up with."
                f" `{QUOTE_EVENT}`: its data is the body that `GET /v1/fee` gives at that moment, on one line, and its"
                " id the quote's id and status. It comes with each new quote, and whenever the body of the present one"
                " becomes another: fresh to stale, another reason or expiry, a higher ceiling."
                f" `{UNAVAILABLE_EVENT}`: its data is the problem that `GET /v1/fee` gives: no quote may be used until"
                " the next one comes. It comes once for each cause."
                f" `{END_EVENT}`: the process ends; come back after the time that `retry` says"
                f" ({LEAST_RETRY_MILLIS} to {GREATEST_RETRY_MILLIS} ms, not the same for all), and to another replica."
                f" After {HEARTBEAT_SECONDS:.0f} s without an event there is a comment: a reader that gets nothing for"
                " twice as long has lost the connection, and must not take what it holds for current."
                " A slow reader gets the newest state when it is ready for it, and none of those between; one that"
                f" takes nothing for {PATIENCE_SECONDS:.0f} s is cut."
            ),
            "responses": {
                200: {
                    "description": "The stream, which ends with the process.",
                    "headers": UNCACHED_HEADERS,
                    "content": {"text/event-stream": {"schema": {"type": "string"}, "example": _EXAMPLE.decode()}},
                },
                **INVALID_QUERY,
                503: refusal(problems.TOO_MANY_STREAMS),
                **INTERNAL,
            },
            "openapi_extra": {
                "parameters": [
                    {
                        "name": "Last-Event-ID",
                        "in": "header",
                        "description": "what readers send when they come back; it changes nothing",
                        "schema": {"type": "string"},
                        "example": f"{FEE['quoteId']}-{FEE['status']}",
                    }
                ]
            },
        },
    }
)
