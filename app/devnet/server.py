"""The devnet's socket: JSON-RPC over HTTP POST and WebSocket at `/` of one port."""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator

import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from app.devnet.node import Node
from app.devnet.rpc import Rpc, Subscriptions
from app.domain.errors import OracleError

MOST_BODY_BYTES = 1_048_576
MOST_UNSENT_MESSAGES = 4_096
"""A subscriber that lags further behind is cut off."""
_TRY_AGAIN_LATER = 1013


class SlowSubscriberError(OracleError):
    """A subscriber does not read what is pushed to it."""


class Outbox:
    """What one connection still has to be sent, in order."""

    def __init__(self, most: int = MOST_UNSENT_MESSAGES) -> None:
        self._messages: asyncio.Queue[str] = asyncio.Queue(most)
        self._overflowed = asyncio.Event()

    def put(self, message: str) -> None:
        """Send `message` after those before it; never waits."""
        try:
            self._messages.put_nowait(message)
        except asyncio.QueueFull:
            self._overflowed.set()

    async def next(self) -> str:
        """The oldest unsent message, as soon as there is one."""
        return await self._messages.get()

    async def overflow(self) -> None:
        """Raise `SlowSubscriberError` once a message did not fit."""
        await self._overflowed.wait()
        raise SlowSubscriberError(f"over {self._messages.maxsize} unsent messages")


class Endpoint:
    """The two transports of one `Rpc`."""

    def __init__(self, rpc: Rpc, node: Node) -> None:
        self._rpc = rpc
        self._node = node

    async def http(self, request: Request) -> Response:
        """One message in the body, its answer in the body; 204 where there is nothing to answer."""
        body = bytearray()
        try:
            async for chunk in request.stream():
                body += chunk
                if len(body) > MOST_BODY_BYTES:
                    return Response(f"the body may hold {MOST_BODY_BYTES} bytes\n", status_code=413)
        except ClientDisconnect:
            return Response(status_code=400)
        answer = self._rpc.answer(bytes(body))
        if answer is None:
            return Response(status_code=204)
        return Response(answer, media_type="application/json")

    async def web_socket(self, connection: WebSocket) -> None:
        """A message a frame, answers in order, and heads as they come."""
        await connection.accept()
        outbox = Outbox()
        subscriptions = Subscriptions(outbox.put)
        forget = self._node.listen(subscriptions.announce)
        try:
            async with asyncio.TaskGroup() as tasks:
                others = (
                    tasks.create_task(_write(connection, outbox)),
                    tasks.create_task(outbox.overflow()),
                )
                await self._read(connection, outbox, subscriptions)
                for task in others:
                    task.cancel()
        except* WebSocketDisconnect:
            pass
        except* SlowSubscriberError as slow:
            if connection.application_state is WebSocketState.CONNECTED:
                await connection.close(_TRY_AGAIN_LATER, str(slow.exceptions[0]))
        finally:
            forget()

    async def _read(self, connection: WebSocket, outbox: Outbox, subscriptions: Subscriptions) -> None:
        while (frame := await connection.receive())["type"] != "websocket.disconnect":
            answer = self._rpc.answer(frame.get("text") or frame.get("bytes") or "", subscriptions)
            if answer is not None:
                outbox.put(answer)


async def _write(connection: WebSocket, outbox: Outbox) -> None:
    while True:
        await connection.send_text(await outbox.next())


def make_app(rpc: Rpc, node: Node) -> Starlette:
    """The ASGI application."""
    endpoint = Endpoint(rpc, node)
    return Starlette(
        routes=[Route("/", endpoint.http, methods=["POST"]), WebSocketRoute("/", endpoint.web_socket)],
    )


class EmbeddedServer(uvicorn.Server):
    """uvicorn inside somebody else's event loop: it takes no signals, and cancelling `serve` closes every socket."""

    def __init__(self, app: Starlette, on_started: Callable[[], None]) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                lifespan="off",
                ws="websockets-sansio",
                ws_max_size=MOST_BODY_BYTES,
                ws_per_message_deflate=False,
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=1,
            )
        )
        self._on_started = on_started

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the process that embeds the server."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept connections, and say so."""
        await super().startup(sockets)
        self._on_started()

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until cancelled."""
        try:
            await super().serve(sockets)
        finally:
            if self.started and not self.should_exit:
                self.should_exit = True
                await self.shutdown(sockets)
