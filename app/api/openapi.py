"""What `/openapi.json` says of each route."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from app.api import examples, problems, schemas
from app.api.board import GREATEST_BLOCKS_ASKED
from app.api.bodies import JsonObject
from app.api.fee import GREATEST_MAX_AGE_SECONDS
from app.api.problems import PROBLEM_MEDIA_TYPE, Problem, ProblemType

TITLE: Final = "Taiko fee oracle"
DESCRIPTION: Final = (
    "Tells the sequencers of a Taiko L2 what fee to charge now, and why. Per-gas prices are JSON integers in wei,"
    " balances are decimal strings in wei, and every answer names its network. Errors are problem+json (RFC 9457)"
    " with a stable `type`. HEAD answers like GET, without the body."
)

_BEARER: Final = "bearer"
_BEARER_DESCRIPTION: Final = "`TAIKO_ADMIN_TOKEN`, or a token of `TAIKO_ADMIN_TOKENS_FILE`"
_EXAMPLE_NETWORK: Final = "mainnet"
_NETWORK_HEADER: Final = {
    "Taiko-Network": {"description": "the network of the answer", "schema": {"type": "string"}, "example": "mainnet"}
}
_UNCACHED_HEADERS: Final = _NETWORK_HEADER | {
    "Cache-Control": {"description": "no cache may keep it", "schema": {"type": "string"}, "example": "no-store"}
}
_QUOTE_HEADERS: Final = _NETWORK_HEADER | {
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
_UNAVAILABLE_HEADERS: Final = _UNCACHED_HEADERS | {
    "Retry-After": {
        "description": "seconds until it is worth asking again",
        "schema": {"type": "integer"},
        "example": 2,
    }
}
_CHALLENGE_HEADERS: Final = _UNCACHED_HEADERS | {
    "WWW-Authenticate": {
        "description": "RFC 6750",
        "schema": {"type": "string"},
        "example": 'Bearer realm="taiko-fee-oracle", error="invalid_token"',
    }
}
_HEADERS_OF_REFUSALS: Final[Mapping[int, dict[str, Any]]] = MappingProxyType(
    {401: _CHALLENGE_HEADERS, 503: _UNAVAILABLE_HEADERS}
)
_METRICS_HEADERS: Final = _UNCACHED_HEADERS | {
    "Vary": {"description": "the format follows Accept", "schema": {"type": "string"}, "example": "Accept"}
}

_EXAMPLES: Final[Mapping[type[schemas.Wire], dict[str, Any]]] = MappingProxyType(
    {
        schemas.FeeQuote: examples.FEE,
        schemas.WhatIfRequest: examples.WHAT_IF_REQUEST,
        schemas.WhatIfQuote: examples.WHAT_IF,
        schemas.Status: examples.STATUS,
        schemas.ParametersAnswer: examples.PARAMETERS,
        schemas.VaultAnswer: examples.VAULT,
        schemas.VaultReportRequest: examples.VAULT_REPORT_REQUEST,
        schemas.VaultReportAnswer: examples.VAULT_REPORT,
        schemas.Liveness: examples.LIVENESS,
        schemas.Readiness: examples.READINESS,
    }
)
_PROBLEMS: Final = (
    problems.INVALID_JSON,
    problems.REQUEST_TIMEOUT,
    problems.BODY_TOO_LARGE,
    problems.UNSUPPORTED_MEDIA_TYPE,
    problems.INVALID_VALUE,
    problems.NUMBER_OUT_OF_RANGE,
    problems.INTERNAL_ERROR,
    problems.QUOTE_UNAVAILABLE,
    problems.QUOTE_EXPIRED,
    problems.QUOTE_TOO_OLD,
    problems.NO_PULSE,
    problems.NOT_READY,
    problems.UNAUTHORIZED,
    problems.INVALID_TOKEN,
    problems.VAULT_NOT_PUSHED,
    problems.SEQUENCE_REFUSED,
    problems.PARAMETERS_CHANGED,
    problems.JOURNAL_DEGRADED,
    problems.CHAIN_UNKNOWN,
)


def components() -> dict[str, Any]:
    """The schemas and examples that the operations refer to.

    FastAPI drops every null from what it is given of a route, so the examples stand here.
    """
    answers = {shape.__name__: {"value": example} for shape, example in _EXAMPLES.items()}
    refusals = {kind.name: {"summary": kind.title, "value": _problem_example(kind)} for kind in _PROBLEMS}
    return {
        "schemas": schemas.components(),
        "examples": answers | refusals,
        "securitySchemes": {_BEARER: {"type": "http", "scheme": "bearer", "description": _BEARER_DESCRIPTION}},
    }


def _problem_example(kind: ProblemType) -> JsonObject:
    members = examples.PROBLEM_MEMBERS.get(kind.name, {})
    return Problem(kind, examples.PROBLEM_DETAILS[kind.name], members=members).document(_EXAMPLE_NETWORK)


def _schema_reference(name: str) -> dict[str, str]:
    return {"$ref": schemas.REFERENCE.format(model=name)}


def _example_reference(name: str) -> dict[str, dict[str, str]]:
    return {name: {"$ref": f"#/components/examples/{name}"}}


def _json(shape: type[schemas.Wire]) -> dict[str, Any]:
    name = shape.__name__
    return {"application/json": {"schema": _schema_reference(name), "examples": _example_reference(name)}}


def _answer(
    description: str, shape: type[schemas.Wire], headers: Mapping[str, object] = _UNCACHED_HEADERS
) -> dict[str, Any]:
    return {"description": description, "headers": headers, "content": _json(shape)}


def _refusal(*types: ProblemType) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    for kind in types:
        shown |= _example_reference(kind.name)
    return {
        "description": "; ".join(kind.title for kind in types),
        "headers": _HEADERS_OF_REFUSALS.get(types[0].code, _UNCACHED_HEADERS),
        "content": {
            PROBLEM_MEDIA_TYPE: {"schema": _schema_reference(schemas.ProblemDetails.__name__), "examples": shown}
        },
    }


def _query(name: str, description: str, schema: Mapping[str, object], *, example: object) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": description, "schema": schema, "example": example}


_INTERNAL: Final = {500: _refusal(problems.INTERNAL_ERROR)}
_INVALID_QUERY: Final = {422: _refusal(problems.INVALID_VALUE)}
_NOT_MODIFIED: Final = {"description": "the reader has this quote, in this status", "headers": _QUOTE_HEADERS}

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
                200: _answer("The quote, fresh or stale.", schemas.FeeQuote, _QUOTE_HEADERS),
                304: _NOT_MODIFIED,
                **_INVALID_QUERY,
                503: _refusal(
                    problems.QUOTE_EXPIRED,
                    problems.QUOTE_TOO_OLD,
                    problems.QUOTE_UNAVAILABLE,
                    problems.JOURNAL_DEGRADED,
                ),
                **_INTERNAL,
            },
            "openapi_extra": {
                "parameters": [
                    _query(
                        "blocks",
                        "adds `maxFeePerGas`: the greatest fee possible at the quote's head or in the k blocks after"
                        " it, with the vault unchanged",
                        {"type": "integer", "minimum": 1, "maximum": GREATEST_BLOCKS_ASKED},
                        example=5,
                    ),
                    _query(
                        "maxAgeSeconds",
                        "503 where the head is older; tightens freshness, never loosens it",
                        {"type": "integer", "minimum": 1, "maximum": GREATEST_MAX_AGE_SECONDS},
                        example=24,
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
                200: _answer("The quote's members.", schemas.WhatIfQuote),
                400: _refusal(problems.INVALID_JSON),
                408: _refusal(problems.REQUEST_TIMEOUT),
                413: _refusal(problems.BODY_TOO_LARGE),
                415: _refusal(problems.UNSUPPORTED_MEDIA_TYPE),
                422: _refusal(problems.INVALID_VALUE, problems.NUMBER_OUT_OF_RANGE),
                503: _refusal(problems.QUOTE_UNAVAILABLE, problems.QUOTE_EXPIRED, problems.JOURNAL_DEGRADED),
                **_INTERNAL,
            },
            "openapi_extra": {
                "requestBody": {
                    "required": True,
                    "content": _json(schemas.WhatIfRequest),
                }
            },
        },
        "get_status": {
            "tags": ["state"],
            "summary": "What the oracle is doing",
            "responses": {200: _answer("The status.", schemas.Status), **_INVALID_QUERY, **_INTERNAL},
        },
        "get_parameters": {
            "tags": ["state"],
            "summary": "The parameters in force, their sources, and what follows from them",
            "responses": {
                200: _answer("The parameters.", schemas.ParametersAnswer),
                **_INVALID_QUERY,
                **_INTERNAL,
            },
        },
        "get_vault": {
            "tags": ["state"],
            "summary": "The vault as the current quote takes it",
            "responses": {200: _answer("The vault.", schemas.VaultAnswer), **_INVALID_QUERY, **_INTERNAL},
        },
        "put_vault": {
            "tags": ["administration"],
            "summary": "Push the vault's balance",
            "description": (
                "Governs from the next L1 block on, once the journal has it. A sequence that was used before is"
                " refused, so that nothing can be replayed; an identical repeat is answered like the first."
            ),
            "responses": {
                200: _answer("The balance in force.", schemas.VaultReportAnswer),
                400: _refusal(problems.INVALID_JSON),
                401: _refusal(problems.UNAUTHORIZED, problems.INVALID_TOKEN),
                408: _refusal(problems.REQUEST_TIMEOUT),
                409: _refusal(problems.SEQUENCE_REFUSED, problems.VAULT_NOT_PUSHED),
                412: _refusal(problems.PARAMETERS_CHANGED),
                413: _refusal(problems.BODY_TOO_LARGE),
                415: _refusal(problems.UNSUPPORTED_MEDIA_TYPE),
                **_INVALID_QUERY,
                503: _refusal(problems.JOURNAL_DEGRADED, problems.CHAIN_UNKNOWN),
                **_INTERNAL,
            },
            "openapi_extra": {
                "security": [{_BEARER: []}],
                "requestBody": {"required": True, "content": _json(schemas.VaultReportRequest)},
                "parameters": [
                    {
                        "name": "If-Match",
                        "in": "header",
                        "description": "a `parametersId`: 412 where others are in force",
                        "schema": {"type": "string"},
                        "example": '"0a1b2c3d4e5f60718293a4b5c6d7e8f9"',
                    }
                ],
            },
        },
        "get_liveness": {
            "tags": ["operation"],
            "summary": "Whether the poll loop turns, whatever L1 does",
            "responses": {
                200: _answer("It turns.", schemas.Liveness),
                503: _refusal(problems.NO_PULSE),
                **_INTERNAL,
            },
        },
        "get_readiness": {
            "tags": ["operation"],
            "summary": "Whether there is a quote to answer with",
            "description": "A late L1 does not make the service unready, unless `?fresh=true` asks for a fresh quote.",
            "responses": {
                200: _answer("Ready.", schemas.Readiness),
                **_INVALID_QUERY,
                503: _refusal(problems.NOT_READY),
                **_INTERNAL,
            },
            "openapi_extra": {
                "parameters": [
                    _query(
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
                    "headers": _METRICS_HEADERS,
                    "content": {
                        "text/plain": {"schema": {"type": "string"}, "example": examples.METRICS},
                        "application/openmetrics-text": {
                            "schema": {"type": "string"},
                            "example": examples.METRICS + "# EOF\n",
                        },
                    },
                },
                **_INTERNAL,
            },
        },
    }
)
