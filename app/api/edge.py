"""What holds for every answer: it names its network, it is counted and timed, and HEAD is GET without a body."""

from http import HTTPStatus
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.context import ApiContext

UNMATCHED_ROUTE: Final = "unmatched"
"""The label of every path that is no route, so that strangers cannot grow the label set."""
_UNKNOWN_NETWORK: Final = "unknown"


class Edge:
    """The outermost ASGI application."""

    def __init__(self, app: ASGIApp, context: ApiContext) -> None:
        self._app = app
        self._context = context

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _Answer(self._context.network_name or _UNKNOWN_NETWORK, send, is_head=scope["method"] == "HEAD")
        inner: Scope = {**scope, "method": "GET"} if answer.is_head else dict(scope)
        started = self._context.clock.monotonic()
        try:
            await self._app(inner, receive, answer.send)
        finally:
            elapsed = self._context.clock.monotonic() - started
            self._context.observe_request(_route_template(inner), answer.code, elapsed)


class _Answer:
    """One answer on its way out."""

    def __init__(self, network_name: str, send: Send, *, is_head: bool) -> None:
        self.is_head = is_head
        self.code: int = HTTPStatus.INTERNAL_SERVER_ERROR
        self._network_name = network_name
        self._send = send

    async def send(self, message: Message) -> None:
        """Pass `message` on, labelled."""
        if message["type"] == "http.response.start":
            self.code = message["status"]
            label = (b"taiko-network", self._network_name.encode("ascii"))
            message = {**message, "headers": [*message.get("headers", ()), label]}
        elif self.is_head and message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await self._send(message)


def _route_template(scope: Scope) -> str:
    path = getattr(scope.get("route"), "path", None)
    return path if isinstance(path, str) else UNMATCHED_ROUTE
