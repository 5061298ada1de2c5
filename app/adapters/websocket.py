"""One JSON-RPC node over a WebSocket: calls side by side, and heads as they are pushed. Bounded in time and size."""

import asyncio
import contextlib
import itertools
import json
import logging
from collections.abc import Callable, Mapping
from typing import Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidMessage, InvalidStatus, WebSocketException
from websockets.frames import CloseCode

from app.adapters.headers import decode_header
from app.adapters.jsonrpc import LONGEST_ANSWER_BYTES, UnusableAnswerError, answer_to, http_date, result_of
from app.adapters.nodes import Dated, HeadListener, NodeRefusedError
from app.adapters.redaction import WEB_SOCKET_SCHEMES, connection_failure
from app.adapters.remote_node import RemoteNode
from app.domain.errors import InvalidHeaderError
from app.domain.header import L1Header
from app.engine.events import Observer
from app.engine.ports import Endpoint, UpstreamError

PING_INTERVAL_SECONDS: Final = 1.5
PING_TIMEOUT_SECONDS: Final = 2.0
CLOSE_TIMEOUT_SECONDS: Final = 1.0
"""With the two above: a frozen socket is given up within 4.5 s."""
FIRST_PAUSE_SECONDS: Final = 0.5
LONGEST_PAUSE_SECONDS: Final = 5.0
REFUSED_SECONDS: Final = 60.0
"""After which a node that refused to push is asked again."""
LASTING_SECONDS: Final = 10.0
"""A subscription that ends sooner counts as another failed attempt."""

_PING_TIMEOUT: Final = "keepalive ping timeout"
_OUR_OBJECTIONS: Final = frozenset({CloseCode.MESSAGE_TOO_BIG, CloseCode.PROTOCOL_ERROR, CloseCode.INVALID_DATA})

_SILENT_LOGGER: Final = logging.Logger("websockets.silent", logging.CRITICAL + 1)  # noqa: LOG001 - out of the tree
"""The library's own messages hold URLs and headers with keys: none of them is made."""


class WebSocketNode(RemoteNode):
    """One node. It connects at the first call, or when it is run, and again whenever the connection is gone."""

    def __init__(
        self, endpoint: Endpoint, timeout_seconds: float, observe: Observer, monotonic: Callable[[], float]
    ) -> None:
        """Raises `InvalidValueError`, without the URL, where the endpoint's URL is not a ws(s) one."""
        super().__init__(endpoint, timeout_seconds, observe, monotonic, schemes=WEB_SOCKET_SCHEMES)
        self._url = endpoint.url
        self._listener: HeadListener | None = None
        self._line: _Line | None = None
        self._connecting = asyncio.Lock()
        self._connected = asyncio.Event()
        self._subscribed = False
        self._refused = False
        self._dated: Dated | None = None

    @property
    def dated(self) -> Dated | None:
        """What time the node said it is when it was connected; None where it did not say."""
        return self._dated

    async def run(self, listener: HeadListener) -> None:
        """Keep a subscription to new heads alive until cancelled, with growing pauses while that fails."""
        self._listener = listener
        pause = FIRST_PAUSE_SECONDS
        while True:
            started = self._monotonic()
            await self._subscription(listener)
            lasted = self._monotonic() - started >= LASTING_SECONDS
            pause = FIRST_PAUSE_SECONDS if lasted else pause
            await self._pause(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    def resubscribe(self) -> None:
        """Give up the present connection as silent; `run` makes another."""
        self._abandon("silent")

    async def close(self) -> None:
        """Close the connection."""
        line, self._line = self._line, None
        if line is not None:
            await line.close()

    async def _subscription(self, listener: HeadListener) -> None:
        """One subscription, from its beginning to its end; at once over where there is none to be had."""
        try:
            subscription = await self.call("eth_subscribe", ["newHeads"])
        except NodeRefusedError:
            subscription = None
        except UpstreamError:
            self._abandon("closed")
            if self._subscribed:
                self._end(listener, "closed")
            return
        line = self._line
        if line is None:
            return
        if not isinstance(subscription, str):
            if not self._refused:
                listener.unsubscribed("refused")
            self._refused = True
            await self._ended_within(line, REFUSED_SECONDS)
            return
        self._refused = False
        self._begin(listener)
        await line.ended.wait()
        self._end(listener, line.ending)

    async def _ended_within(self, line: "_Line", seconds: float) -> None:
        """A node that refused to push may do so later: it may have been busy."""
        try:
            async with asyncio.timeout(seconds):
                await line.ended.wait()
        except TimeoutError:
            pass

    def _begin(self, listener: HeadListener) -> None:
        """Tell of the subscription, once: a head may come before the answer to it has been looked at."""
        if not self._subscribed:
            self._subscribed = True
            listener.subscribed()

    def _abandon(self, ending: str) -> None:
        if self._line is not None:
            self._line.abandon(ending)

    def _end(self, listener: HeadListener, reason: str) -> None:
        self._subscribed = False
        listener.unsubscribed(reason)

    async def _pause(self, seconds: float) -> None:
        """Let `seconds` pass, or less where a call has connected in the meantime."""
        self._connected.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._connected.wait()
        except TimeoutError:
            pass

    async def _outcome(self, method: str, params: list[object]) -> object:
        try:
            async with asyncio.timeout(self._timeout_seconds):
                answer = await (await self._open_line()).ask(method, params)
        except TimeoutError:
            return self._failure(method, "timeout", f"no answer within {self._timeout_seconds:g} s")
        except (WebSocketException, OSError, UnusableAnswerError, _LineEndedError) as error:
            return self._failure(method, *_reason_and_detail(error))
        return result_of(answer, alias=self._alias, method=method, redacted=self.redacted)

    async def _open_line(self) -> "_Line":
        async with self._connecting:
            if self._line is None or self._line.ended.is_set():
                sent = self._monotonic()
                connection = await _Connect(
                    self._url,
                    compression=None,
                    proxy=None,
                    open_timeout=None,
                    ping_interval=PING_INTERVAL_SECONDS,
                    ping_timeout=PING_TIMEOUT_SECONDS,
                    close_timeout=CLOSE_TIMEOUT_SECONDS,
                    max_size=LONGEST_ANSWER_BYTES,
                    logger=_SILENT_LOGGER,
                )
                self._note_date(connection, sent)
                self._line = _Line(connection, self._pushed, self._push_failed)
                self._connected.set()
            return self._line

    def _note_date(self, connection: ClientConnection, sent: float) -> None:
        date = None if connection.response is None else http_date(connection.response.headers.get("Date"))
        if date is not None:
            self._dated = Dated(date, sent, self._monotonic())

    def _pushed(self, pushed: object) -> None:
        if self._listener is None:
            return
        self._begin(self._listener)
        header = self._decoded(pushed)
        if isinstance(header, L1Header):
            self._listener.pushed(header)
        else:
            self._listener.push_failed(header)

    def _decoded(self, pushed: object) -> L1Header | UpstreamError:
        try:
            return decode_header(pushed)
        except InvalidHeaderError as error:
            detail = self.redacted(str(error))
        return self._failure("newHeads", "invalid_header", detail)

    def _push_failed(self, detail: str) -> None:
        if self._listener is not None:
            self._listener.push_failed(self._failure("newHeads", "invalid_header", detail))


class _Connect(connect):
    """The library's, but redirects are not followed: where they lead, nobody has configured."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


class _LineEndedError(Exception):
    """The connection is gone; the message quotes nothing of the peer's."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class _Line:
    """One connection: sends questions, and hands each answer to who asked."""

    def __init__(
        self, connection: ClientConnection, on_push: Callable[[object], None], on_garbage: Callable[[str], None]
    ) -> None:
        self.ended = asyncio.Event()
        self.ending = "closed"
        """Why it ended: `closed`, `frozen` or `silent`."""
        self._connection = connection
        self._on_push = on_push
        self._on_garbage = on_garbage
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[object]] = {}
        self._reading = asyncio.create_task(self._read())

    async def ask(self, method: str, params: list[object]) -> Mapping[str, object]:
        """The checked answer to one question. Raises `UnusableAnswerError` and `_LineEndedError`."""
        request_id = next(self._ids)
        answer: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        self._waiting[request_id] = answer
        try:
            if not self.ended.is_set():
                await self._send({"jsonrpc": "2.0", "id": request_id, "method": method, "params": params})
            else:
                answer.set_exception(_LineEndedError("unreachable", "the connection is gone"))
            return answer_to(request_id, await answer)
        finally:
            del self._waiting[request_id]

    def abandon(self, ending: str) -> None:
        """Drop the connection, for this reason."""
        self.ending = ending
        self._connection.transport.abort()

    async def close(self) -> None:
        """Close the connection in good form, within a second, and end with it."""
        await self._connection.close()
        await self._reading

    async def _send(self, request: Mapping[str, object]) -> None:
        with contextlib.suppress(ConnectionClosed):  # the reader sees the same, and tells whoever waits why
            await self._connection.send(json.dumps(request))

    async def _read(self) -> None:
        failure = _LineEndedError("unreachable", "the reader of the connection ended")
        try:
            while True:
                self._take(await self._connection.recv())
        except ConnectionClosed as closed:
            failure = self._closed(closed)
        finally:
            self.ended.set()
            self._fail_all(failure)

    def _closed(self, closed: ConnectionClosed) -> _LineEndedError:
        sent = closed.sent
        if sent is not None and sent.code in _OUR_OBJECTIONS:
            detail = f"a message that is over {LONGEST_ANSWER_BYTES} bytes, or is none (close code {int(sent.code)})"
            self._on_garbage(detail)
            return _LineEndedError("invalid_answer", detail)
        if sent is not None and sent.reason == _PING_TIMEOUT:
            self.ending = "frozen"
            return _LineEndedError("timeout", "the connection is frozen")
        return _LineEndedError("unreachable", f"the connection is gone ({self.ending})")

    def _take(self, text: str | bytes) -> None:
        try:
            message: object = json.loads(text)
        except (ValueError, RecursionError):
            message = None
        if not isinstance(message, dict):
            self._on_garbage("a message that is no JSON object")
            self._fail_all(UnusableAnswerError("not a JSON object"))
        elif message.get("method") == "eth_subscription":
            params = message.get("params")
            self._on_push(params.get("result") if isinstance(params, dict) else params)
        else:
            self._answer(message)

    def _answer(self, message: Mapping[str, object]) -> None:
        """Give an answer to who waits for it. Nobody waits for one that comes twice, or too late."""
        answer_id = message.get("id")
        if answer_id is None:
            waiting = list(self._waiting.values())
        else:
            asked = self._waiting.get(answer_id) if type(answer_id) is int else None
            waiting = [] if asked is None else [asked]
        for future in waiting:
            if not future.done():
                future.set_result(message)

    def _fail_all(self, failure: Exception) -> None:
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(failure)


def _reason_and_detail(error: Exception) -> tuple[str, str]:
    match error:
        case _LineEndedError():
            return error.reason, error.detail
        case UnusableAnswerError():
            return "invalid_answer", str(error)
        case InvalidStatus():
            return "http_status", f"HTTP status {error.response.status_code}"
        case InvalidMessage() if isinstance(error.__cause__, EOFError):
            return "unreachable", "no connection (hung up)"
        case WebSocketException():
            return "invalid_answer", f"broken WebSocket ({type(error).__name__})"
    return "unreachable", connection_failure(error)
