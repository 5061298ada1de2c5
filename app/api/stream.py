"""`GET /v1/fee/stream`: server-sent events, each made once and sent to every reader.

One timer and the board's notices decide when there is something new. A reader holds nothing but what it was told last,
so one that is slow gets the newest state when it is ready for it, and none in between.
"""

import asyncio
from itertools import count
from typing import Final

from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from app.api.bulletin import END_EVENT, Bulletin, bulletin, event, seconds_until_change
from app.api.context import ApiContext
from app.api.problems import too_many_streams
from app.api.requests import query_of

HEARTBEAT_SECONDS: Final = 15.0
"""After so long a silence a comment is sent: proxies and readers learn that the connection lives."""
PATIENCE_SECONDS: Final = 20.0
"""How long one event may wait for a reader that takes nothing; then the stream is cut."""
LEAST_RETRY_MILLIS: Final = 1000
GREATEST_RETRY_MILLIS: Final = 3000

_RETRY_STEP_MILLIS: Final = 617
_HEARTBEAT: Final[Message] = {"type": "http.response.body", "body": b":\n\n", "more_body": True}
_END: Final = event(END_EVENT, b'{"reason":"draining"}')
_HEADERS: Final = (
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
    (b"connection", b"close"),
)
"""The connection ends with the stream, so that who comes back is balanced anew."""


class FeeStream:
    """The stream and its readers: an ASGI application for one route."""

    def __init__(self, context: ApiContext) -> None:
        self._context = context
        self._readers: set[_Reader] = set()
        self._bulletin: Bulletin | None = None
        self._message: Message = _body(b"")
        self._edition = 0
        self._beats = 0
        self._silent_since = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._is_notified = False
        self._turns = count()
        context.board.watch(self._notice)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer until the reader leaves, takes nothing for too long, or the process drains.

        Raises a `ProblemError` for a query, and where there are too many readers. `Last-Event-ID` changes nothing:
        there is one state, and whoever comes gets it.
        """
        query_of(Request(scope))
        if len(self._readers) >= self._context.stream_clients_max:
            raise too_many_streams(self._context.stream_clients_max)
        if scope["method"] == "HEAD":
            await send(_start())
            await send(_body(b"", more=False))
            return
        reader = _Reader()
        self._join(reader)
        departure = asyncio.create_task(_watch_for_departure(receive, reader))
        try:
            await self._tell(reader, send)
        except TimeoutError:
            pass  # an answer that is left without an end makes the server close the connection
        finally:
            departure.cancel()
            self._leave(reader)

    async def _tell(self, reader: "_Reader", send: Send) -> None:
        """Send everything that there is to be told. Raises `TimeoutError` where the reader takes nothing."""
        await _within_patience(send, _start())
        await _within_patience(send, _body(b"retry: %d\n\n" % _retry_millis(next(self._turns))))
        told, beats = 0, self._beats
        while reader.is_served:
            if self._edition != told:
                told, beats = self._edition, self._beats
                await _within_patience(send, self._message)
            elif self._context.board.draining:
                await _within_patience(send, _body(_END))
                break
            elif self._beats != beats:
                beats = self._beats
                await _within_patience(send, _HEARTBEAT)
            else:
                await reader.woken()
        if not reader.has_left:
            await _within_patience(send, _body(b"", more=False))

    def _join(self, reader: "_Reader") -> None:
        self._refresh()
        self._readers.add(reader)
        self._context.observe_stream_clients(len(self._readers))

    def _leave(self, reader: "_Reader") -> None:
        self._readers.discard(reader)
        self._context.observe_stream_clients(len(self._readers))
        if not self._readers:
            self._disarm()

    def _notice(self) -> None:
        """Something has changed. It is looked at in a turn of its own, so that whoever changed it is not kept."""
        if self._readers and not self._is_notified:
            self._is_notified = True
            asyncio.get_running_loop().call_soon(self._look)

    def _look(self) -> None:
        """Tell the readers what there is to tell. A failure ends every stream: none may hold its last event as true."""
        self._is_notified = False
        if not self._readers:
            return
        try:
            self._refresh()
        except Exception:
            for reader in self._readers:
                reader.dismiss()
            raise

    def _refresh(self) -> None:
        """Make the message that of now, and wake the readers where there is something to send."""
        now = asyncio.get_running_loop().time()
        current = bulletin(self._context)
        is_news = self._bulletin is None or current.subject != self._bulletin.subject
        is_silent = not is_news and now >= self._silent_since + HEARTBEAT_SECONDS
        self._bulletin, self._message = current, _body(current.event)
        self._edition += is_news
        self._beats += is_silent
        if is_news or is_silent:
            self._silent_since = now
        if is_news or is_silent or self._context.board.draining:
            for reader in self._readers:
                reader.wake()
        self._arm(now)

    def _arm(self, now: float) -> None:
        """Look again when a heartbeat is due, or earlier where time alone changes what is said."""
        self._disarm()
        wait = self._silent_since + HEARTBEAT_SECONDS - now
        until_change = seconds_until_change(self._context)
        if until_change is not None:
            wait = min(wait, until_change)
        self._timer = asyncio.get_running_loop().call_later(wait, self._look)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class _Reader:
    """One reader: whether it is still there, and whether it waits."""

    __slots__ = ("_waiting", "has_left", "is_served")

    def __init__(self) -> None:
        self.is_served = True
        self.has_left = False
        self._waiting: asyncio.Future[None] | None = None

    async def woken(self) -> None:
        """Wait until there may be something to tell."""
        self._waiting = asyncio.get_running_loop().create_future()
        await self._waiting

    def wake(self) -> None:
        """Let the reader look."""
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def dismiss(self) -> None:
        """End the reader's stream."""
        self.is_served = False
        self.wake()

    def leave(self) -> None:
        """The reader's connection is gone."""
        self.has_left = True
        self.dismiss()


async def _watch_for_departure(receive: Receive, reader: _Reader) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    reader.leave()


def _retry_millis(turn: int) -> int:
    """How long a reader waits before it comes back: another time for each turn, so that they don't all come at once."""
    return LEAST_RETRY_MILLIS + turn * _RETRY_STEP_MILLIS % (GREATEST_RETRY_MILLIS - LEAST_RETRY_MILLIS)


async def _within_patience(send: Send, message: Message) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        await send(message)


def _start() -> Message:
    return {"type": "http.response.start", "status": 200, "headers": list(_HEADERS)}


def _body(content: bytes, *, more: bool = True) -> Message:
    return {"type": "http.response.body", "body": content, "more_body": more}
