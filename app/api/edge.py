"""What holds for every answer: it names its network, it is counted and timed, and HEAD is GET without a body."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.context import ApiContext
from app.api.cors import Header
from app.api.problems import Problem, ProblemError, internal_error

UNMATCHED_ROUTE: Final = "unmatched"
"""The label of every path that is no route, so that strangers cannot grow the label set."""
_READS: Final = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True)
class ReadyAnswer:
    """A whole answer, made before it was asked for, with every header that it has."""

    code: int
    start: Message
    body: Message


ReadyAnswers = Callable[[Scope, float], ReadyAnswer | None]
"""What is ready for a GET or HEAD that came at a time in monotonic seconds; None where the routes have to answer."""


class Edge:
    """The outermost ASGI application. GET and HEAD of some paths do not take the way through `app`.

    `ready` knows answers that are only sent. `direct` are applications that answer for themselves, each as it likes;
    a `ProblemError` out of one is its answer.
    """

    def __init__(
        self, app: ASGIApp, ready: Mapping[str, ReadyAnswers], direct: Mapping[str, ASGIApp], context: ApiContext
    ) -> None:
        self._app = app
        self._ready = ready
        self._direct = direct
        self._context = context
        self._cors = context.cors
        self._observe = context.observe_request
        self._monotonic = context.clock.monotonic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"] if scope["method"] in _READS else ""
        if path in self._ready:
            began = self._monotonic()
            try:
                ready = self._ready[path](scope, began)
            except Exception:
                await self._refuse(internal_error(), _Answer(self._context, scope, send, observed_as=path), receive)
                raise
            if ready is not None:
                await send(ready.start if self._cors is None else _headed(ready.start, self._cors.headers(scope)))
                await send(ready.body)
                self._observe(path, ready.code, self._monotonic() - began)
                return
        if path in self._direct:
            await self._directly(self._direct[path], scope, receive, send)
        else:
            await self._by_route(scope, receive, send)

    async def _by_route(self, scope: Scope, receive: Receive, send: Send) -> None:
        """What is timed is the whole answer."""
        answer = _Answer(self._context, scope, send)
        inner: Scope = {**scope, "method": "GET"} if scope["method"] == "HEAD" else dict(scope)
        try:
            await self._app(inner, receive, answer.send)
        finally:
            answer.observe(_route_template(inner))

    async def _directly(self, direct: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """What is timed is how long the answer takes to start: a stream goes on for as long as its reader likes."""
        answer = _Answer(self._context, scope, send, observed_as=scope["path"])
        try:
            await direct(scope, receive, answer.send)
        except ProblemError as refusal:
            await self._refuse(refusal.problem, answer, receive)
        except Exception:
            if not answer.is_started:
                await self._refuse(internal_error(), answer, receive)
            raise

    async def _refuse(self, problem: Problem, answer: "_Answer", receive: Receive) -> None:
        await problem.response(self._context.network_name)(answer.scope, receive, answer.send)


class _Answer:
    """One answer on its way out."""

    def __init__(self, context: ApiContext, scope: Scope, send: Send, *, observed_as: str | None = None) -> None:
        """Observed when it starts as the route `observed_as`; when it is told to be, where that is None."""
        self.is_started = False
        self._context = context
        self.scope = scope
        self._send = send
        self._observed_as = observed_as
        self._code: int = HTTPStatus.INTERNAL_SERVER_ERROR
        self._began = context.clock.monotonic()

    async def send(self, message: Message) -> None:
        """Pass `message` on, with what every answer says."""
        if message["type"] == "http.response.start":
            self.is_started = True
            self._code = message["status"]
            message = _headed(message, self._labels())
            if self._observed_as is not None:
                self.observe(self._observed_as)
        elif self.scope["method"] == "HEAD" and message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await self._send(message)

    def _labels(self) -> tuple[Header, ...]:
        network, cors = self._context.network_label, self._context.cors
        return (network,) if cors is None else (network, *cors.headers(self.scope))

    def observe(self, route: str) -> None:
        """Count the answer, and the time since the request came."""
        self._context.observe_request(route, self._code, self._context.clock.monotonic() - self._began)


def _headed(start: Message, headers: tuple[Header, ...]) -> Message:
    return {**start, "headers": [*start.get("headers", ()), *headers]}


def _route_template(scope: Scope) -> str:
    path = getattr(scope.get("route"), "path", None)
    return path if isinstance(path, str) else UNMATCHED_ROUTE
