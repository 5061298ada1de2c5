"""The HTTP application: which route is answered by what, and what becomes of errors."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import ASGIApp

from app.api import administration, fee, health, pages, state, what_if
from app.api.bodies import encoded
from app.api.context import ApiContext
from app.api.edge import UNMATCHED_ROUTE, Edge
from app.api.openapi import DESCRIPTION, OPERATIONS, TITLE, components
from app.api.problems import Problem, ProblemError, internal_error, of_http_status

Endpoint = Callable[[ApiContext, Request], Awaitable[Response]]

_ROUTES: Final[tuple[tuple[str, str, Endpoint], ...]] = (
    ("GET", "/v1/fee", fee.get_fee),
    ("POST", "/v1/quote", what_if.post_quote),
    ("GET", "/v1/status", state.get_status),
    ("GET", "/v1/parameters", state.get_parameters),
    ("GET", "/v1/vault", state.get_vault),
    ("GET", "/livez", health.get_liveness),
    ("GET", "/healthz", health.get_liveness),
    ("GET", "/readyz", health.get_readiness),
    ("GET", "/metrics", health.get_metrics),
)
_ADMINISTRATION: Final[tuple[tuple[str, str, Endpoint], ...]] = (("PUT", "/v1/vault", administration.put_vault),)
"""What a bearer token opens; without one configured, there are no such routes."""
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
        operation_id = f"{endpoint.__name__}_{path.strip('/').replace('/', '_')}"
        app.add_api_route(
            path,
            _bound(endpoint, context),
            methods=[method],
            response_class=Response,
            operation_id=operation_id,
            **OPERATIONS[endpoint.__name__],
        )
    for path, endpoint in (*_PAGES, ("/openapi.json", _openapi_endpoint(app))):
        app.add_api_route(path, _bound(endpoint, context), response_class=Response, include_in_schema=False)
    _add_error_handlers(app, context)
    return Edge(app, context)


def documented_codes() -> Mapping[str, tuple[int, ...]]:
    """The status codes that each route is known to answer with, by the template that requests are counted by."""
    codes: dict[str, tuple[int, ...]] = {}
    for _, path, endpoint in (*_ROUTES, *_ADMINISTRATION):
        known = codes.get(path, ())
        codes[path] = tuple(sorted({*known, *map(int, OPERATIONS[endpoint.__name__]["responses"])}))
    return {**codes, **{path: (200,) for path, _ in _PAGES}, "/openapi.json": (200,), UNMATCHED_ROUTE: (404,)}


class _OracleApi(FastAPI):
    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document, made at the first call."""
        if self.openapi_schema is None:
            super().openapi()["components"] = components()
        return super().openapi()


def _openapi_endpoint(app: FastAPI) -> Endpoint:
    async def get_openapi(_context: ApiContext, _request: Request) -> Response:
        return Response(encoded(app.openapi()), media_type="application/json")

    return get_openapi


def _bound(endpoint: Endpoint, context: ApiContext) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        return await endpoint(context, request)

    return answer


def _add_error_handlers(app: FastAPI, context: ApiContext) -> None:
    def of_problem_error(_request: Request, error: ProblemError) -> Problem:
        return error.problem

    def of_router_error(request: Request, error: HTTPException) -> Problem:
        return of_http_status(error.status_code, request.method, request.url.path, _allowed_methods(app, request))

    def of_bug(_request: Request, _error: Exception) -> Problem:
        return internal_error()

    for kind, problem_of in (
        (ProblemError, of_problem_error),
        (HTTPException, of_router_error),
        (Exception, of_bug),
    ):
        app.add_exception_handler(kind, _handler(problem_of, context))


def _handler(
    problem_of: Callable[[Request, Any], Problem], context: ApiContext
) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def handle(request: Request, error: Exception) -> Response:
        return problem_of(request, error).response(context.network_name)

    return handle


def _allowed_methods(app: FastAPI, request: Request) -> list[str]:
    """Every method that some route takes at this path, for Allow."""
    allowed: set[str] = set()
    for route in app.router.routes:
        match, _ = route.matches(dict(request.scope))
        if match is not Match.NONE:
            allowed |= getattr(route, "methods", None) or set()
    if "GET" in allowed:
        allowed.add("HEAD")
    return sorted(allowed)
