"""What an operator's machinery asks."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from app.api import problems
from app.api.examples.operation import LIVENESS, METRICS, READINESS
from app.api.operations.parts import INTERNAL, INVALID_QUERY, UNCACHED_HEADERS, answer, query_parameter, refusal
from app.api.shapes.operation import Liveness, Readiness
from app.api.shapes.wire import Wire

METRICS_HEADERS: Final = UNCACHED_HEADERS | {
    "Vary": {"description": "the format follows Accept", "schema": {"type": "string"}, "example": "Accept"}
}

EXAMPLES: Final[Mapping[type[Wire], dict[str, Any]]] = MappingProxyType({Liveness: LIVENESS, Readiness: READINESS})

OPERATIONS: Final[Mapping[str, dict[str, Any]]] = MappingProxyType(
    {
        "get_liveness": {
            "tags": ["operation"],
            "summary": "Whether the poll loop turns, whatever L1 does",
            "responses": {
                200: answer("It turns.", Liveness),
                503: refusal(problems.NO_PULSE),
                **INTERNAL,
            },
        },
        "get_readiness": {
            "tags": ["operation"],
            "summary": "Whether there is a quote to answer with",
            "description": "A late L1 does not make the service unready, unless `?fresh=true` asks for a fresh quote.",
            "responses": {
                200: answer("Ready.", Readiness),
                **INVALID_QUERY,
                503: refusal(problems.NOT_READY),
                **INTERNAL,
            },
            "openapi_extra": {
                "parameters": [
                    query_parameter(
                        "fresh",
                        "`true` asks for a fresh quote too",
                        {"type": "boolean", "default": False},
                        example=True,
                    )
                ]
            },
        },
        "get_metrics": {
            "tags": ["operation"],
            "summary": "Every metric, for Prometheus",
            "description": "Prometheus's text format, or OpenMetrics 1.0.0 where Accept names it.",
            "responses": {
                200: {
                    "description": "The exposition.",
                    "headers": METRICS_HEADERS,
                    "content": {
                        "text/plain": {"schema": {"type": "string"}, "example": METRICS},
                        "application/openmetrics-text": {
                            "schema": {"type": "string"},
                            "example": METRICS + "# EOF\n",
                        },
                    },
                },
                503: refusal(problems.OVERLOADED),
                **INTERNAL,
            },
        },
    }
)
