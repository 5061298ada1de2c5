"""The trail of what people decided."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from app.api import problems
from app.api.audit import GREATEST_BEFORE, KINDS, PARAMETERS
from app.api.examples.audit import AUDIT
from app.api.operations.parts import (
    BEARER,
    INTERNAL,
    INVALID_QUERY,
    LIMIT,
    UNCACHED_HEADERS,
    answer,
    link_header,
    query_parameter,
    refusal,
)
from app.api.shapes.audit import AuditAnswer
from app.api.shapes.wire import Wire

_HEADERS: Final = UNCACHED_HEADERS | link_header(
    "/v1/audit?kind=parameters&limit=1&before=2", "/v1/audit?kind=parameters&limit=1"
)

EXAMPLES: Final[Mapping[type[Wire], dict[str, Any]]] = MappingProxyType({AuditAnswer: AUDIT})

OPERATIONS: Final[Mapping[str, dict[str, Any]]] = MappingProxyType(
    {
        "get_audit": {
            "tags": ["administration"],
            "summary": "Who decided what, and when",
            "description": (
                "Parameter changes, with every old and new value and who set each: by people, and by the environment"
                " where a start's settings override what was in force. They are kept for ever; pushed balances, which"
                " `kind=vault` lists, as long as the history."
            ),
            "responses": {
                200: answer("A page of the trail.", AuditAnswer, _HEADERS),
                401: refusal(problems.UNAUTHORIZED, problems.INVALID_TOKEN),
                **INVALID_QUERY,
                503: refusal(problems.JOURNAL_DEGRADED, problems.ARCHIVE_BUSY, problems.CHAIN_UNKNOWN),
                **INTERNAL,
            },
            "openapi_extra": {
                "security": [{BEARER: []}],
                "parameters": [
                    query_parameter(
                        "kind",
                        "parameter changes, or balances that were pushed",
                        {"type": "string", "enum": list(KINDS), "default": PARAMETERS},
                        example=PARAMETERS,
                    ),
                    LIMIT,
                    query_parameter(
                        "before",
                        "only changes with a smaller number, or balances with a smaller sequence",
                        {"type": "integer", "minimum": 0, "maximum": GREATEST_BEFORE},
                        example=3,
                    ),
                ],
            },
        },
    }
)
