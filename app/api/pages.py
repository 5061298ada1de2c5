"""The pages: a first look at `/`, and the API's documentation, which needs nothing from any other host."""

from functools import cache
from html import escape
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from app.api.answers import tagged
from app.api.context import ApiContext
from app.domain.units import gwei_text

_ASSETS: Final = MappingProxyType(
    {
        "swagger-ui-bundle.js": "text/javascript",
        "swagger-ui.css": "text/css",
        "favicon.png": "image/png",
    }
)
_ASSETS_FOLDER: Final = Path(str(files("fastapi_offline") / "static"))

_INDEX: Final = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Taiko fee oracle: {network}</title>
<link rel="icon" href="docs/favicon.png"></head>
<body>
<h1>Taiko fee oracle</h1>
<p>Network: <strong>{network}</strong></p>
<p>{fee}</p>
<ul>
<li><a href="v1/fee">v1/fee</a>: the L2 fee to charge now</li>
<li><a href="v1/status">v1/status</a>, <a href="v1/parameters">v1/parameters</a>, <a href="v1/vault">v1/vault</a></li>
<li><a href="docs">docs</a>: the whole API; <a href="metrics">metrics</a></li>
</ul>
</body>
</html>
"""
_DOCS: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"><title>Taiko fee oracle: API</title>
<link rel="stylesheet" href="docs/swagger-ui.css"><link rel="icon" href="docs/favicon.png">
</head>
<body>
<p>Network: <strong>{network}</strong></p>
<div id="api"></div>
<script src="docs/swagger-ui-bundle.js"></script><script src="docs/start.js"></script>
</body>
</html>
"""
_START_SCRIPT: Final = b"""SwaggerUIBundle({
  url: "openapi.json", dom_id: "#api", deepLinking: true, validatorUrl: null,
  presets: [SwaggerUIBundle.presets.apis], layout: "BaseLayout",
});
"""
_NOWHERE_ELSE: Final = "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_ISOLATED: Final = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
}
_INDEX_HEADERS: Final = {
    "Content-Security-Policy": f"default-src 'none'; img-src 'self'; {_NOWHERE_ELSE}",
    "Cache-Control": "no-store",
    **_ISOLATED,
}
_DOCS_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        + _NOWHERE_ELSE
    ),
    "Cache-Control": "no-cache",
    **_ISOLATED,
}
"""The documentation draws its icons from `data:` URLs of its own style sheet. No script or style is inline."""
_FILE_HEADERS: Final = {"Cache-Control": "max-age=3600", "Cross-Origin-Resource-Policy": "same-origin"}


async def get_index(context: ApiContext, _request: Request) -> Response:
    """The network and the current fee, with links."""
    page = _INDEX.format(network=_network(context), fee=escape(_fee_sentence(context)))
    return HTMLResponse(page, headers=_INDEX_HEADERS)


async def get_docs(context: ApiContext, request: Request) -> Response:
    """The API's documentation."""
    return tagged(request, _DOCS.format(network=_network(context)).encode(), "text/html", _DOCS_HEADERS)


async def get_docs_script(_context: ApiContext, request: Request) -> Response:
    """What starts the documentation page."""
    return tagged(request, _START_SCRIPT, "text/javascript", _FILE_HEADERS)


async def get_docs_asset(_context: ApiContext, request: Request) -> Response:
    """A file of the documentation page. Raises a 404 for any that the page does not use."""
    name = request.path_params["name"]
    media_type = _ASSETS.get(name)
    if media_type is None:
        raise HTTPException(404)
    return tagged(request, _asset(name), media_type, _FILE_HEADERS)


@cache
def _asset(name: str) -> bytes:
    return (_ASSETS_FOLDER / name).read_bytes()


def _network(context: ApiContext) -> str:
    return escape(context.network_name or "not yet known")


def _fee_sentence(context: ApiContext) -> str:
    published = context.board.published
    if published is None:
        return "There is no quote yet."
    freshness = context.board.freshness(published)
    quote = published.quote
    return (
        f"Fee per L2 gas at L1 block {quote.header.number}: {gwei_text(quote.price.fee)} gwei"
        f" ({freshness.status.value}, {freshness.age_millis // 1000} s old)"
    )
