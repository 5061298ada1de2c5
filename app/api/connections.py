"""What one connection may cost: uvicorn's HTTP protocol with bounds, and a problem for whoever breaks one.

What is refused here never becomes a request: the parser, the clock or the count of connections refuses it before any
route is asked. docs/limits.md lists the bounds.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain
from typing import Any, Final, Protocol, cast

import httptools
import structlog
from uvicorn._types import HTTPScope
from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from app.api.problems import (
    ProblemError,
    body_too_large,
    head_too_large,
    http_version_unsupported,
    malformed_request,
    request_timeout,
    target_too_long,
    too_many_connections,
    too_many_pipelined,
    transfer_coding_unknown,
)

LOG_INTERVAL_SECONDS: Final = 60.0

_UNKNOWN_NETWORK: Final = "unknown"
_VERSIONS: Final = frozenset({"1.0", "1.1"})
_LEAST_TAKEN_BYTES: Final = HIGH_WATER_LIMIT
"""What a reader has to take of an answer within `Bounds.write_seconds`."""

_MOST_LINGERING: Final = 128
"""Of the connections that are one too many; further ones are closed under their answer."""
_ERRORS_ONLY: Final = logging.getLogger("uvicorn.error.connections")
"""uvicorn warns of every request that it refuses; here they are counted, and the log is told once in a while."""
_ERRORS_ONLY.setLevel(logging.ERROR)

log = structlog.stdlib.get_logger("app")


class Cut(StrEnum):
    """Why a connection was refused or cut, as the metric names it."""

    MALFORMED = "malformed"
    """The request is not HTTP/1.1, or in a version or transfer coding that is not known here."""
    TARGET = "target_too_long"
    HEAD = "head_too_large"
    BODY = "body_too_large"
    """With all that frames it; a body by itself is for the routes to refuse."""
    SLOW_HEAD = "slow_head"
    """The request's head did not come in time, or nothing at all came."""
    SLOW_READER = "slow_reader"
    """The client did not take what was answered."""
    UNREAD = "unread_answers"
    """The answers that nobody took were too much for the memory."""
    PIPELINE = "pipeline"
    CONNECTIONS = "too_many_connections"
    """It was the one too many, or it kept the service waiting while another one came."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What connections may cost."""

    connections: int = 4048
    head_bytes: int = 16 * 1024
    """Of the request line and all header fields of one request."""
    target_bytes: int = 8 * 1024
    header_fields: int = 100
    head_seconds: float = 10.0
    """From the first byte of a request to the last one of its head; of the first request, from the connection on."""
    framed_body_bytes: int = 256 * 1024
    """Of a body that comes in parts, with its chunk sizes and trailers; the routes have a bound for the body itself."""
    pipelined: int = 16
    """Requests of one connection that wait for the answers to those before them."""
    write_seconds: float = 20.0
    """How long an answer waits for a client that does not take 64 KiB of it."""
    unread_bytes: int = 64 * 1024 * 1024
    """Of all answers that wait for slow clients; beyond, the one that has waited longest is cut."""
    linger_seconds: float = 2.0
    """How long what still comes is read and thrown away after a refusal, so that the client gets to read it."""
    linger_bytes: int = 1024 * 1024
    """How much of it."""
    drain_seconds: float = 4.0
    """How long a connection may last once the server has begun to shut down."""


class _Guest(Protocol):
    """A connection, as the door sees it."""

    @property
    def keeps_waiting(self) -> bool: ...
    @property
    def unread_bytes(self) -> int: ...
    def show_out(self, why: ProblemError) -> None: ...
    def cut(self, why: Cut) -> None: ...


class Door:
    """What all connections share: how many there may be, what they hold together, and what is told of those refused."""

    def __init__(
        self,
        bounds: Bounds | None = None,
        *,
        network_name: Callable[[], str | None] = lambda: None,
        observe_cut: Callable[[str], None] = lambda _reason: None,
    ) -> None:
        self.bounds: Final = Bounds() if bounds is None else bounds
        self.newcomers: Final[dict[_Guest, None]] = {}
        """Those who have not asked for anything yet, the oldest first."""
        self.slow_readers: Final[dict[_Guest, None]] = {}
        """Those who do not take their answer, the one waiting longest first."""
        self._network_name: Final = network_name
        self._observe_cut: Final = observe_cut
        self._untold: Final = Counter[str]()
        self._told_at = -LOG_INTERVAL_SECONDS

    def has_room_among(self, connections: Collection[Any]) -> bool:
        """Whether the newest of `connections` may stay. For it, another one that keeps us waiting may have to go.

        Those who never asked for anything go first, so that however many of them come, whoever asks is answered.
        """
        if len(connections) <= self.bounds.connections:
            return True
        newest = next(reversed(self.newcomers))
        candidates: Iterator[_Guest] = chain(self.newcomers, connections)
        waiting = next((guest for guest in candidates if guest.keeps_waiting and guest is not newest), None)
        if waiting is not None:
            waiting.show_out(too_many_connections(self.bounds.connections))
        return waiting is not None

    def wait_for(self, reader: _Guest) -> None:
        """`reader` does not take its answer. Where all such answers are too many, the one waiting longest is cut."""
        self.slow_readers[reader] = None
        unread = sum(each.unread_bytes for each in self.slow_readers)
        for oldest in list(self.slow_readers):
            if unread <= self.bounds.unread_bytes:
                break
            unread -= oldest.unread_bytes
            oldest.cut(Cut.UNREAD)

    def forget(self, guest: _Guest) -> None:
        """`guest` has left."""
        self.newcomers.pop(guest, None)
        self.slow_readers.pop(guest, None)

    def tell(self, reason: Cut) -> None:
        """Count a connection that is refused or cut. The log is told once a minute at most, of all since then."""
        self._observe_cut(reason.value)
        self._untold[reason.value] += 1
        now = asyncio.get_running_loop().time()
        if now - self._told_at >= LOG_INTERVAL_SECONDS:
            log.warning("connections_cut", **self._untold)
            self._told_at = now
            self._untold.clear()

    def answer(self, refusal: ProblemError, default_headers: list[tuple[bytes, bytes]], *, with_body: bool) -> bytes:
        """The whole answer, which ends the connection."""
        network_name = self._network_name()
        response = refusal.problem.response(network_name)
        headers = {
            **dict(default_headers),
            **dict(response.raw_headers),
            b"taiko-network": (network_name or _UNKNOWN_NETWORK).encode("ascii"),
            b"connection": b"close",
        }
        lines = b"".join(b"%b: %b\r\n" % field for field in headers.items())
        body = bytes(response.body) if with_body else b""
        return STATUS_LINE[response.status_code] + lines + b"\r\n" + body


class _RefusedError(Exception):
    """Raised to the parser, for a request that may not be."""

    def __init__(self, cut: Cut, refusal: ProblemError) -> None:
        super().__init__(cut.value)
        self.cut = cut
        self.refusal = refusal


class BoundedProtocol(HttpToolsProtocol):
    """One connection.

    uvicorn keeps in `scope` the newest request whose head has begun, in `cycle` the newest one whose head is whole, and
    in `pipeline` those that wait for the one that is being answered.
    """

    scope: HTTPScope | None  # type: ignore[assignment]
    cycle: RequestResponseCycle | None  # type: ignore[assignment]

    def __init__(
        self,
        door: Door,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.logger = _ERRORS_ONLY
        self._door: Final = door
        self._bounds: Final = door.bounds
        self._most_fields: Final = door.bounds.header_fields
        self._piece_bytes: Final = min(door.bounds.target_bytes, door.bounds.head_bytes)
        self._wire: asyncio.Transport = None  # type: ignore[assignment]
        self._is_partial = True
        """Whether a request has come in part; so it is until the first one is whole."""
        self._head_bytes = 0
        self._open_cycle: RequestResponseCycle | None = None
        """Of a request whose body has come in part; answered now, it ends the connection."""
        self._followed: RequestResponseCycle | None = None
        """Of the request that `_body_bytes` are of."""
        self._body_bytes = 0
        self._head_timer: asyncio.TimerHandle | None = None
        self._reader_timer: asyncio.TimerHandle | None = None
        self._end_timer: asyncio.TimerHandle | None = None
        self._refusal: ProblemError | None = None
        self._has_peer_ended = False
        self._is_shown_out = False
        self.is_ending = False
        """Whether nothing more is written."""

    @property
    def keeps_waiting(self) -> bool:
        """Whether the next move is the client's: to ask, to finish what it asks, to read, or to leave."""
        cycle = self.cycle
        return not self._is_shown_out and (
            self.is_ending
            or cycle is None
            or cycle.response_complete
            or self.flow.write_paused
            or (cycle.more_body and not cycle.response_started)
        )

    @property
    def unread_bytes(self) -> int:
        """What was answered and not taken."""
        return self._wire.get_write_buffer_size()

    def show_out(self, why: ProblemError) -> None:
        """Make place for another connection at once, with an answer where something is being asked."""
        self._door.tell(Cut.CONNECTIONS)
        self._is_shown_out = True
        self._door.newcomers.pop(self, None)
        if self.is_ending or self.scope is None or not (self._is_partial and self._is_free):
            self._wire.abort()
            return
        self._write(why)
        self.is_ending = True
        self._wire.close()
        self._end_within(self._bounds.linger_seconds)

    def cut(self, why: Cut) -> None:
        """End the connection, and drop what was not taken."""
        self._door.tell(why)
        self.is_ending = self._is_shown_out = True
        self._wire.abort()

    def end(self) -> None:
        """Close once what was written is taken, as long as it is being taken.

        Where the client may still be sending, only our side is closed, and what comes is thrown away for a while: to
        close both would reset the connection under the answer (RFC 9112 section 9.6).
        """
        if self.is_ending or self._wire.is_closing():
            return
        self.is_ending = True
        may_be_sending = self._refusal is not None or (self.cycle is not None and self.cycle.more_body)
        if may_be_sending and not self._has_peer_ended:
            self._body_bytes = 0
            self.flow.resume_reading()
            self._wire.write_eof()
            self._end_within(self._bounds.linger_seconds)
        else:
            self._wire.close()
            if self._reader_timer is None:
                self._watch_reader()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, unless there are too many."""
        super().connection_made(transport)
        self._wire = transport
        self.transport = cast("asyncio.Transport", _Exit(self, transport))
        self._door.newcomers[self] = None
        if self._door.has_room_among(self.connections):
            self._head_timer = self.loop.call_later(self._bounds.head_seconds, self._head_is_late)
            return
        self._refuse(too_many_connections(self._bounds.connections), Cut.CONNECTIONS)
        if len(self.connections) > self._bounds.connections + _MOST_LINGERING:
            self._wire.close()

    def data_received(self, data: bytes) -> None:
        """Take bytes, in pieces of which none holds a head that is too large."""
        if self.is_ending or self._refusal is not None:
            self._discard(len(data))
            return
        if len(data) > self._piece_bytes:
            for start in range(0, len(data), self._piece_bytes):
                self.data_received(data[start : start + self._piece_bytes])
            return
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:  # nothing else is spoken here, and what follows may be something else
            if self.cycle is not None:
                self.cycle.keep_alive = False
        except httptools.HttpParserError as error:
            self._refuse_unparsed(error)
            return
        cycle = self.cycle
        if cycle is None or cycle.scope is not self.scope or cycle.more_body or self._is_partial:
            self._follow(len(data))

    def eof_received(self) -> bool:  # type: ignore[override]
        """Whether the connection stays open: who has asked in full may end its own side, and is still answered."""
        cycle = self.cycle
        if cycle is None or cycle.scope is not self.scope or cycle.more_body or cycle.response_started:
            return False
        self._has_peer_ended = not self.is_ending
        cycle.keep_alive = False
        return self._has_peer_ended

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave nothing behind."""
        self.is_ending = self._is_shown_out = True
        super().connection_lost(exc)
        self._unset_keepalive_if_required()
        for timer in (self._head_timer, self._reader_timer, self._end_timer):
            if timer is not None:
                timer.cancel()
        self._door.forget(self)

    def pause_writing(self) -> None:
        """The client does not take what is answered."""
        super().pause_writing()
        if self._reader_timer is None:
            self._watch_reader()
        self._door.wait_for(self)

    def resume_writing(self) -> None:
        """The client takes what is answered."""
        super().resume_writing()
        self._door.slow_readers.pop(self, None)
        if self._reader_timer is not None and not self.is_ending:
            self._reader_timer.cancel()
            self._reader_timer = None

    def on_headers_complete(self) -> None:
        """Judge the head before it becomes a request. What is raised here is the context of the parser's error."""
        if self._head_bytes or self.pipeline or len(self.headers) > self._most_fields:
            self._judge_size()
        hosts = 0
        for name, value in self.headers:
            if name == b"host":
                hosts += 1
            elif name == b"transfer-encoding":
                self._judge_transfer_coding(value)
        if hosts != 1:
            self._judge_host(hosts)
        if self._head_timer is not None:
            self._head_is_whole(self._head_timer)
        self._unset_keepalive_if_required()
        super().on_headers_complete()
        if b"%" in self.url:
            self._keep_slashes_encoded()
        self.headers = []  # a trailer field is no header field (RFC 9110 section 6.5.1)

    def shutdown(self) -> None:
        """End when what was asked is answered, or when the time for that is over."""
        super().shutdown()
        self._open_cycle = None
        self._end_within(self._bounds.drain_seconds)

    @property
    def _is_free(self) -> bool:
        """Whether no answer is owed or under way, except to a request that has come in part."""
        cycle = self.cycle
        return (
            cycle is None
            or cycle.response_complete
            or (cycle.scope is self.scope and cycle.more_body and not cycle.response_started and not self.pipeline)
        )

    def _judge_size(self) -> None:
        """Raise `_RefusedError` for a head that is too large, or one too many."""
        bounds = self._bounds
        if len(self.url) > bounds.target_bytes:
            raise _RefusedError(Cut.TARGET, target_too_long(bounds.target_bytes))
        size = len(self.url) + sum(len(name) + len(value) + len(b": \r\n") for name, value in self.headers)
        if size > bounds.head_bytes or len(self.headers) > bounds.header_fields:
            raise _RefusedError(Cut.HEAD, head_too_large(bounds.head_bytes, bounds.header_fields))
        if len(self.pipeline) >= bounds.pipelined:
            raise _RefusedError(Cut.PIPELINE, too_many_pipelined(bounds.pipelined))

    def _keep_slashes_encoded(self) -> None:
        """An encoded slash is none (RFC 3986 section 2.2): who lets paths through by their text sees none either."""
        if self.scope is not None and b"%2f" in self.scope["raw_path"].lower():
            self.scope["path"] = self.scope["raw_path"].decode("ascii")

    def _judge_host(self, hosts: int) -> None:
        """Raise `_RefusedError` for a request that is for no host, or for several (RFC 9112 sections 2.3 and 3.2)."""
        version = self.parser.get_http_version()
        if version not in _VERSIONS:
            raise _RefusedError(Cut.MALFORMED, http_version_unsupported(version))
        if hosts > 1 or version == "1.1":
            raise _RefusedError(Cut.MALFORMED, malformed_request(f"one Host field is expected, and {hosts} came"))

    def _judge_transfer_coding(self, value: bytes) -> None:
        """Raise `_RefusedError` for a body whose end others might see elsewhere (RFC 9112 section 6.1)."""
        if self.parser.get_http_version() == "1.0":
            raise _RefusedError(Cut.MALFORMED, malformed_request("HTTP/1.0 has no Transfer-Encoding"))
        if value.lower() != b"chunked":
            raise _RefusedError(Cut.MALFORMED, transfer_coding_unknown(value.decode("latin-1")))

    def _follow(self, size: int) -> None:
        """Watch a request that comes in parts; `size` bytes came now."""
        cycle = self.cycle
        if self._open_cycle is not None and not self._open_cycle.more_body:
            self._open_cycle.keep_alive = True
            self._open_cycle = None
        if cycle is None or cycle.scope is not self.scope:
            self._follow_head(size)
            return
        self._is_partial = cycle.more_body
        if cycle.more_body:
            self._follow_body(cycle, size)

    def _head_is_whole(self, timer: asyncio.TimerHandle) -> None:
        timer.cancel()
        self._head_timer = None
        self._head_bytes = 0
        self._door.newcomers.pop(self, None)

    def _follow_body(self, cycle: RequestResponseCycle, size: int) -> None:
        self._body_bytes = self._body_bytes + size if self._followed is cycle else size
        self._followed = cycle
        if cycle.keep_alive:
            cycle.keep_alive = False
            self._open_cycle = cycle
        if self._body_bytes > self._bounds.framed_body_bytes:
            self._refuse(body_too_large(self._bounds.framed_body_bytes), Cut.BODY)
        elif len(self.headers) > self._most_fields:
            self._refuse(head_too_large(self._bounds.head_bytes, self._bounds.header_fields), Cut.HEAD)

    def _follow_head(self, size: int) -> None:
        self._is_partial = True
        self._head_bytes += size  # and what came before it in its first piece
        if self.scope is not None:
            self._unset_keepalive_if_required()
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(self._bounds.head_seconds, self._head_is_late)
        if self._head_bytes > self._bounds.head_bytes + self._piece_bytes:
            self._refuse(head_too_large(self._bounds.head_bytes, self._bounds.header_fields), Cut.HEAD)

    def _head_is_late(self) -> None:
        self._head_timer = None
        if self.scope is None:
            self.cut(Cut.SLOW_HEAD)
        else:
            self._refuse(request_timeout(self._bounds.head_seconds, "the request's head"), Cut.SLOW_HEAD)

    def _refuse_unparsed(self, error: httptools.HttpParserError) -> None:
        cause = error.__context__
        if isinstance(cause, _RefusedError):
            self._refuse(cause.refusal, cause.cut)
        elif isinstance(error, httptools.HttpParserCallbackError):
            if not isinstance(cause, httptools.HttpParserInvalidURLError | UnicodeDecodeError):
                self.logger.error("A callback of the parser failed", exc_info=cause)
            self._refuse(malformed_request("the request target is neither a path nor an http URL"), Cut.MALFORMED)
        else:
            self._refuse(malformed_request(str(error)), Cut.MALFORMED)

    def _refuse(self, refusal: ProblemError, why: Cut) -> None:
        """Take nothing more. What was asked before is answered first."""
        self._door.tell(why)
        self._refusal = refusal
        cycle = self.cycle
        if self._is_free:
            if cycle is not None and not cycle.response_complete:
                cycle.disconnected = True
                cycle.message_event.set()
            self._give(refusal)
        elif cycle is not None:
            self._give_after(cycle, refusal)

    def _give_after(self, cycle: RequestResponseCycle, refusal: ProblemError) -> None:
        """Answer `refusal` in its turn: in the place of `cycle` where that is what is refused, else after it."""

        async def refuse(_scope: object, _receive: object, _send: object) -> None:
            cycle.disconnected = True
            self._give(refusal)

        def go_on() -> None:
            answered()
            self._give(refusal)

        if cycle.more_body and self.pipeline:
            self.pipeline[0] = cycle, refuse
        else:
            answered, cycle.on_response = cycle.on_response, go_on

    def _discard(self, size: int) -> None:
        self._body_bytes += size
        if self._body_bytes > self._bounds.linger_bytes:
            self._wire.abort()

    def _give(self, refusal: ProblemError) -> None:
        if not self.is_ending and not self._wire.is_closing():
            self._write(refusal)
            self.end()

    def _write(self, refusal: ProblemError) -> None:
        is_head = self.scope is not None and bool(self.url) and self.parser.get_method() == b"HEAD"
        self._wire.write(self._door.answer(refusal, self.server_state.default_headers, with_body=not is_head))

    def _watch_reader(self) -> None:
        self._reader_timer = self.loop.call_later(self._bounds.write_seconds, self._judge_reader, self.unread_bytes)

    def _judge_reader(self, unread_before: int) -> None:
        if self.unread_bytes > unread_before - _LEAST_TAKEN_BYTES:
            self.cut(Cut.SLOW_READER)
        else:
            self._watch_reader()

    def _end_within(self, seconds: float) -> None:
        if self._end_timer is not None:
            self._end_timer.cancel()
        self._end_timer = self.loop.call_later(seconds, self._wire.abort)


class _Exit:
    """The wire as uvicorn's cycles use it: to close it is to end the connection."""

    __slots__ = ("_protocol", "_write")

    def __init__(self, protocol: BoundedProtocol, wire: asyncio.Transport) -> None:
        self._protocol = protocol
        self._write = wire.write

    def write(self, data: bytes) -> None:
        try:
            self._write(data)
        except RuntimeError:  # it is closed already, and the protocol is about to be told
            self._protocol.is_ending = True

    def close(self) -> None:
        self._protocol.end()

    def is_closing(self) -> bool:
        return self._protocol.is_ending
