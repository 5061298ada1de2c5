"""The HTTP application: which route is answered by what, and what becomes of errors."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import Any, Final

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import ASGIApp

from app.api import (
    administration,
    alerts,
    audit,
    fee,
    health,
    history,
    json_rpc,
    pages,
    parameters,
    simulate,
    state,
    what_if,
)
from app.api.answers import tagged
from app.api.bodies import encoded
from app.api.context import ApiContext
from app.api.edge import UNMATCHED_ROUTE, Edge, ReadyAnswers
from app.api.openapi import DESCRIPTION, OPERATIONS, TITLE, components
from app.api.problems import Problem, ProblemError, internal_error, of_http_status
from app.api.stream import FeeStream

Endpoint = Callable[[ApiContext, Request], Awaitable[Response]]

_ROUTES: Final[tuple[tuple[str, str, Endpoint], ...]] = (
    ("GET", "/v1/fee", fee.get_fee),
    ("POST", "/v1/quote", what_if.post_quote),
    ("POST", "/v1/simulate", simulate.post_simulation),
    ("POST", "/rpc", json_rpc.post_rpc),
    ("GET", history.PATH, history.get_history),
    ("GET", "/v1/status", state.get_status),
    ("GET", "/v1/parameters", parameters.get_parameters),
    ("GET", "/v1/vault", state.get_vault),
    ("GET", alerts.PATH, alerts.get_alerts),
    ("GET", "/livez", health.get_liveness),
    ("GET", "/healthz", health.get_liveness),
    ("GET", "/readyz", health.get_readiness),
    ("GET", "/metrics", health.get_metrics),
)
_ADMINISTRATION: Final[tuple[tuple[str, str, Endpoint], ...]] = (
    ("PUT", "/v1/vault", administration.put_vault),
    ("PATCH", "/v1/parameters", parameters.patch_parameters),
    ("DELETE", "/v1/parameters", parameters.delete_parameters),
    ("GET", audit.PATH, audit.get_audit),
)
"""What a bearer token opens; without one configured, there are no such routes."""
_READY: Final[Mapping[str, Callable[[ApiContext], ReadyAnswers]]] = MappingProxyType({"/v1/fee": fee.PreparedFee})
"""Paths with answers that are only sent. Their routes answer what is not ready, and all that is not a GET."""
_DIRECT: Final[Mapping[str, tuple[str, Callable[[ApiContext], ASGIApp]]]] = MappingProxyType(
    {"/v1/fee/stream": ("get_fee_stream", FeeStream)}
)
"""Paths, and the names of their operations, whose GET takes no way through FastAPI: it would keep what it streams."""
_THE_SERVER: Final = "*"
"""What OPTIONS may name in a path's place (RFC 9112 section 3.2.4)."""
_PAGES: Final[tuple[tuple[str, Endpoint], ...]] = (
    ("/", pages.get_index),
    ("/docs", pages.get_docs),
    ("/docs/start.js", pages.get_docs_script),
    ("/docs/{name}", pages.get_docs_asset),
)


def create_app(context: ApiContext) -> ASGIApp:
    """The application over `context`. It holds no state of its own and starts nothing."""
    app = _OracleApi(
        title=TITLE,
        description=DESCRIPTION,
        version=context.version,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    routes = _ROUTES if context.tokens is None else (*_ROUTES, *_ADMINISTRATION)
    for method, path, endpoint in routes:
        app.add_api_route(
            path,
            _bound(endpoint, context),
            methods=[method],
            response_class=Response,
            operation_id=_operation_id(endpoint.__name__, path),
            **OPERATIONS[endpoint.__name__],
        )
    for path, (operation, _) in _DIRECT.items():
        app.add_api_route(
            path,
            _never_called,
            response_class=Response,
            operation_id=_operation_id(operation, path),
            **OPERATIONS[operation],
        )
    for path, endpoint in (*_PAGES, ("/openapi.json", _openapi_endpoint(app))):
        app.add_api_route(path, _bound(endpoint, context), response_class=Response, include_in_schema=False)
    _add_error_handlers(app, context)
    ready = {path: make(context) for path, make in _READY.items()}
    direct = {path: make(context) for path, (_, make) in _DIRECT.items()}
    return Edge(app, ready, direct, context)


def documented_codes() -> Mapping[str, tuple[int, ...]]:
    """The status codes that each route is known to answer with, by the template that requests are counted by."""
    codes: dict[str, tuple[int, ...]] = {}
    routes = [(path, endpoint.__name__) for _, path, endpoint in (*_ROUTES, *_ADMINISTRATION)]
    for path, operation in (*routes, *((path, operation) for path, (operation, _) in _DIRECT.items())):
        known = codes.get(path, ())
        codes[path] = tuple(sorted({*known, *map(int, OPERATIONS[operation]["responses"])}))
    return {**codes, **{path: (200,) for path, _ in _PAGES}, "/openapi.json": (200,), UNMATCHED_ROUTE: (404,)}


class _OracleApi(FastAPI):
    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document, made at the first call."""
        if self.openapi_schema is None:
            super().openapi()["components"] = components()
        return super().openapi()


def _openapi_endpoint(app: FastAPI) -> Endpoint:
    @cache
    def document() -> bytes:
        return encoded(app.openapi())

    async def get_openapi(_context: ApiContext, request: Request) -> Response:
        return tagged(request, document(), "application/json", {"Cache-Control": "no-cache"})

    return get_openapi


def _operation_id(operation: str, path: str) -> str:
    return f"{operation}_{path.strip('/').replace('/', '_')}"


async def _never_called() -> Response:
    """Where a direct path's GET would go if the edge let it through. It stands for it in the OpenAPI document."""
    raise NotImplementedError


def _bound(endpoint: Endpoint, context: ApiContext) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        return await endpoint(context, request)

    return answer


def _add_error_handlers(app: FastAPI, context: ApiContext) -> None:
    def of_problem_error(_request: Request, error: ProblemError) -> Problem:
        return error.problem

    def of_bug(_request: Request, _error: Exception) -> Problem:
        return internal_error()

    for kind, problem_of in (
        (ProblemError, of_problem_error),
        (Exception, of_bug),
    ):
        app.add_exception_handler(kind, _handler(problem_of, context))
    app.add_exception_handler(HTTPException, _router_handler(app, context))


def _handler(
    problem_of: Callable[[Request, Any], Problem], context: ApiContext
) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def handle(request: Request, error: Exception) -> Response:
        return problem_of(request, error).response(context.network_name)

    return handle


def _router_handler(app: FastAPI, context: ApiContext) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def handle(request: Request, error: Any) -> Response:  # noqa: ANN401 - an HTTPException, as it is registered
        allowed = _allowed_methods(app, request)
        if request.method == "OPTIONS" and allowed:
            return _options(request, allowed, context)
        problem = of_http_status(error.status_code, request.method, request.url.path, allowed)
        return problem.response(context.network_name)

    return handle


def _options(request: Request, allowed: Sequence[str], context: ApiContext) -> Response:
    """What may be done with the path (RFC 9110 section 9.3.7), and by whom, where a page of another origin asks."""
    headers = {"Allow": ", ".join(allowed)}
    if context.cors is not None and "access-control-request-method" in request.headers:
        headers |= context.cors.preflight_headers(allowed)
    return Response(status_code=204, headers=headers)


def _allowed_methods(app: FastAPI, request: Request) -> list[str]:
    """Every method that may be used at this path, or on the server where it is `*`; none where there is nothing."""
    allowed: set[str] = set()
    for route in app.router.routes:
        match, _ = route.matches(dict(request.scope))
        if match is not Match.NONE or request.scope["path"] == _THE_SERVER:
            allowed |= getattr(route, "methods", None) or set()
    if "GET" in allowed:
        allowed.add("HEAD")
    if allowed:
        allowed.add("OPTIONS")
    return sorted(allowed)
