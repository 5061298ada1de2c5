"""What the descriptions of the routes are made of."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from app.api import problems
from app.api.paging import DEFAULT_LIMIT, GREATEST_LIMIT
from app.api.problems import PROBLEM_MEDIA_TYPE, ProblemType
from app.api.shapes.problem import ProblemDetails
from app.api.shapes.wire import REFERENCE, Wire

BEARER: Final = "bearer"
NETWORK_HEADER: Final = {
    "Taiko-Network": {"description": "the network of the answer", "schema": {"type": "string"}, "example": "mainnet"}
}
UNCACHED_HEADERS: Final = NETWORK_HEADER | {
    "Cache-Control": {"description": "no cache may keep it", "schema": {"type": "string"}, "example": "no-store"}
}
_UNAVAILABLE_HEADERS: Final = UNCACHED_HEADERS | {
    "Retry-After": {
        "description": "seconds until it is worth asking again",
        "schema": {"type": "integer"},
        "example": 2,
    }
}
_CHALLENGE_HEADERS: Final = UNCACHED_HEADERS | {
    "WWW-Authenticate": {
        "description": "RFC 6750",
        "schema": {"type": "string"},
        "example": 'Bearer realm="taiko-fee-oracle", error="invalid_token"',
    }
}
_HEADERS_OF_REFUSALS: Final[Mapping[int, dict[str, Any]]] = MappingProxyType(
    {401: _CHALLENGE_HEADERS, 503: _UNAVAILABLE_HEADERS}
)


def schema_reference(name: str) -> dict[str, str]:
    return {"$ref": REFERENCE.format(model=name)}


def example_reference(name: str) -> dict[str, dict[str, str]]:
    return {name: {"$ref": f"#/components/examples/{name}"}}


def json_content(shape: type[Wire]) -> dict[str, Any]:
    name = shape.__name__
    return {"application/json": {"schema": schema_reference(name), "examples": example_reference(name)}}


def answer(description: str, shape: type[Wire], headers: Mapping[str, object] = UNCACHED_HEADERS) -> dict[str, Any]:
    return {"description": description, "headers": headers, "content": json_content(shape)}


def refusal(*types: ProblemType) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    for kind in types:
        shown |= example_reference(kind.name)
    return {
        "description": "; ".join(kind.title for kind in types),
        "headers": _HEADERS_OF_REFUSALS.get(types[0].code, UNCACHED_HEADERS),
        "content": {PROBLEM_MEDIA_TYPE: {"schema": schema_reference(ProblemDetails.__name__), "examples": shown}},
    }


def query_parameter(name: str, description: str, schema: Mapping[str, object], *, example: object) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": description, "schema": schema, "example": example}


def link_header(following: str, first: str) -> dict[str, Any]:
    return {
        "Link": {
            "description": "RFC 8288: the next page, where there is one, and the first",
            "schema": {"type": "string"},
            "example": f'<{following}>; rel="next", <{first}>; rel="first"',
        }
    }


LIMIT: Final = query_parameter(
    "limit",
    "items on a page",
    {"type": "integer", "minimum": 1, "maximum": GREATEST_LIMIT, "default": DEFAULT_LIMIT},
    example=1,
)
INTERNAL: Final = {500: refusal(problems.INTERNAL_ERROR)}
INVALID_QUERY: Final = {422: refusal(problems.INVALID_VALUE)}
