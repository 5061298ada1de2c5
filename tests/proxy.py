"""A TCP proxy on loopback that delays, cuts, swallows, garbles and forges what passes, switched while it runs.

    with FaultProxy(anvil.port) as proxy:
        proxy.fault = Delay(0.5)
        proxy.cut()
        proxy.fault = PASS

A fault rules every connection, open or new, from its setting on. The proxy lives in a thread of its own, so that tests
of any colour can use it.
"""

import asyncio
import concurrent.futures
import contextlib
import random
import re
import socket
import struct
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Self, TypeVar

Result = TypeVar("Result")
Rewriter = Callable[[bytes], bytes]
"""Takes the body of an answer (of an HTTP response, or of a WebSocket text message) and gives the one to send."""

_CHUNK_BYTES: Final = 2**16
_ENDLESS_HEAD: Final = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
_PATIENCE_SECONDS: Final = 10
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)
_CONTENT_LENGTH: Final = re.compile(rb"(?im)^content-length:[ \t]*([0-9]+)[ \t]*\r$")
_SWITCHED: Final = re.compile(rb"HTTP/1\.[01] 101 ")
_LONGEST_SHORT_FRAME: Final = 125
_FRAME_OF_16_BITS: Final = 126
_TEXT_FRAME: Final = 0x81
"""A WebSocket message in one frame: the last one (0x80) of a text (0x01)."""


class NotRewritableError(Exception):
    """An answer whose length cannot be told, so that its body cannot be replaced."""


@dataclass(eq=False)
class Connection:
    """One client's connection, with the one to the target behind it."""

    client_reader: asyncio.StreamReader
    client: asyncio.StreamWriter
    target: asyncio.StreamWriter | None = None
    pending: bytearray = field(default_factory=bytearray)
    """Bytes of an answer that is not complete yet."""
    upgraded: bool = False
    """Whether it speaks WebSocket by now."""
    passed: int = 0
    """Bytes of answers that `Truncate` let through."""

    async def send(self, data: bytes) -> None:
        """To the client."""
        self.client.write(data)
        await self.client.drain()

    def end(self) -> None:
        """Close both sides, as programs do that end well."""
        for writer in self._writers():
            writer.close()

    def reset(self) -> None:
        """Close both sides with a reset: what is under way is lost."""
        for writer in self._writers():
            side = writer.get_extra_info("socket")
            if side.fileno() >= 0:
                side.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            writer.transport.abort()

    def _writers(self) -> list[asyncio.StreamWriter]:
        return [writer for writer in (self.client, self.target) if writer is not None]


@dataclass(frozen=True)
class Fault:
    """What becomes of what passes. This one lets everything through as it is."""

    async def request(self, chunk: bytes, connection: Connection) -> bytes:  # noqa: ARG002
        """What the target gets of `chunk`."""
        return chunk

    async def answer(self, chunk: bytes, connection: Connection) -> None:
        """Give the client what it gets of `chunk`. What an earlier fault held back comes first."""
        held, connection.pending = bytes(connection.pending), bytearray()
        await connection.send(held + chunk)


PASS: Final = Fault()


@dataclass(frozen=True)
class Delay(Fault):
    """Each chunk of an answer comes later by `seconds`."""

    seconds: float

    async def answer(self, chunk: bytes, connection: Connection) -> None:
        await asyncio.sleep(self.seconds)
        await super().answer(chunk, connection)


@dataclass(frozen=True)
class Refuse(Fault):
    """Nobody listens: open connections are reset, and new ones are refused by the system."""


@dataclass(frozen=True)
class Reset(Fault):
    """Every connection is taken and reset at once."""


@dataclass(frozen=True)
class Blackhole(Fault):
    """Connections are taken, requests vanish, and nothing is ever answered."""

    async def request(self, chunk: bytes, connection: Connection) -> bytes:  # noqa: ARG002
        return b""

    async def answer(self, chunk: bytes, connection: Connection) -> None:
        """Swallow it."""


@dataclass(frozen=True)
class HalfOpen(Fault):
    """The target gets every request; its answers are lost."""

    async def answer(self, chunk: bytes, connection: Connection) -> None:
        """Lose it."""


@dataclass(frozen=True)
class Garble(Fault):
    """One byte in `every` of the answers is another one. The same seed garbles the same bytes alike."""

    seed: int = 0
    every: int = 8

    async def answer(self, chunk: bytes, connection: Connection) -> None:
        dice = random.Random(self.seed)  # noqa: S311 - faults are to be repeatable
        garbled = bytes(dice.randrange(256) if dice.randrange(self.every) == 0 else byte for byte in chunk)
        await super().answer(garbled, connection)


@dataclass(frozen=True)
class Truncate(Fault):
    """After `after_bytes` bytes of answers a connection ends."""

    after_bytes: int

    async def answer(self, chunk: bytes, connection: Connection) -> None:
        rest = max(0, self.after_bytes - connection.passed)
        connection.passed += len(chunk)
        await super().answer(chunk[:rest], connection)
        if rest < len(chunk):
            connection.end()


@dataclass(frozen=True)
class Rewrite(Fault):
    """Bodies of HTTP answers and WebSocket text messages are what `rewriter` makes of them; lengths are put right."""

    rewriter: Rewriter

    async def answer(self, chunk: bytes, connection: Connection) -> None:
        connection.pending += chunk
        while (message := _taken_message(connection, self.rewriter)) is not None:
            await connection.send(message)


@dataclass(frozen=True)
class Oversize(Fault):
    """The first answer has a body without end."""

    async def answer(self, chunk: bytes, connection: Connection) -> None:  # noqa: ARG002
        await connection.send(_ENDLESS_HEAD)
        while True:
            await connection.send(b"%x\r\n%s\r\n" % (_CHUNK_BYTES, b" " * _CHUNK_BYTES))


@dataclass(frozen=True)
class Drip(Fault):
    """Answers come byte by byte, `seconds` apart."""

    seconds: float

    async def answer(self, chunk: bytes, connection: Connection) -> None:
        for byte in chunk:
            await super().answer(bytes([byte]), connection)
            await asyncio.sleep(self.seconds)


class FaultProxy:
    """A port of loopback behind which `target_port` lies, with a fault between."""

    def __init__(self, target_port: int, fault: Fault = PASS) -> None:
        self._target_port = target_port
        self._fault = PASS
        self._connections: set[Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._placeholder: socket.socket | None = None
        self._accepted = 0
        self._port = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault-proxy", daemon=True)
        self._thread.start()
        self._call(self._listen())
        self.fault = fault

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def port(self) -> int:
        """The proxy's own port; the same for its whole life."""
        return self._port

    @property
    def url(self) -> str:
        """The proxy as an HTTP server."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def accepted(self) -> int:
        """Connections taken so far."""
        return self._accepted

    @property
    def open_connections(self) -> int:
        """Connections open now."""
        return len(self._connections)

    @property
    def fault(self) -> Fault:
        """What becomes of what passes."""
        return self._fault

    @fault.setter
    def fault(self, fault: Fault) -> None:
        self._call(self._switch(fault))

    def cut(self) -> None:
        """Reset the connections that are open now; new ones are as the fault has it."""
        self._call(self._cut())

    def retarget(self, port: int) -> None:
        """Send new connections to another port, and end the open ones."""
        self._target_port = port
        self.cut()

    def close(self) -> None:
        """Reset what is open, and give the port back."""
        if not self._loop.is_closed():
            self._call(self._stop())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(_PATIENCE_SECONDS)
            self._loop.close()

    def _call(self, work: Coroutine[Any, Any, Result]) -> Result:
        future: concurrent.futures.Future[Result] = asyncio.run_coroutine_threadsafe(work, self._loop)
        return future.result(_PATIENCE_SECONDS)

    async def _switch(self, fault: Fault) -> None:
        endless = isinstance(self._fault, Delay | Drip | Oversize)
        self._fault = fault
        if isinstance(fault, Refuse):
            self._unlisten()
        elif self._server is None:
            await self._listen()
        if endless or isinstance(fault, Refuse | Reset):
            await self._cut()

    async def _listen(self) -> None:
        if self._placeholder is not None:
            self._placeholder.close()
            self._placeholder = None
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    def _unlisten(self) -> None:
        """Stop listening, but keep the port: nobody else gets it meanwhile."""
        if self._server is not None:
            self._server.close()
            self._server = None
            self._placeholder = socket.socket()
            self._placeholder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._placeholder.bind(("127.0.0.1", self._port))

    async def _cut(self) -> None:
        for connection in tuple(self._connections):
            connection.reset()
        ended = tuple(self._tasks)
        for task in ended:
            task.cancel()
        await asyncio.gather(*ended, return_exceptions=True)

    async def _stop(self) -> None:
        self._unlisten()
        if self._placeholder is not None:
            self._placeholder.close()
        await self._cut()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._accepted += 1
        connection = Connection(reader, writer)
        if isinstance(self._fault, Reset):
            connection.reset()
            return
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(connection)
        self._tasks.add(task)
        try:
            await self._relay(connection)
        except (OSError, NotRewritableError):
            connection.reset()
        except asyncio.CancelledError:
            connection.reset()  # a task of our own that was cut; asyncio.streams would log the cancellation
        finally:
            connection.end()
            self._connections.discard(connection)
            self._tasks.discard(task)

    async def _relay(self, connection: Connection) -> None:
        """Pass on until both sides are done, or one breaks. The target is connected to when it gets its first byte."""
        answers: asyncio.Task[None] | None = None
        try:
            while chunk := await connection.client_reader.read(_CHUNK_BYTES):
                request = await self._fault.request(chunk, connection)
                if request and connection.target is None:
                    target_reader, connection.target = await asyncio.open_connection("127.0.0.1", self._target_port)
                    answers = asyncio.create_task(self._pass_answers(target_reader, connection))
                if request and connection.target is not None:
                    connection.target.write(request)
                    await connection.target.drain()
            if connection.target is not None and answers is not None:
                if connection.target.can_write_eof():
                    connection.target.write_eof()
                await answers
        finally:
            if answers is not None:
                answers.cancel()
                await asyncio.gather(answers, return_exceptions=True)

    async def _pass_answers(self, reader: asyncio.StreamReader, connection: Connection) -> None:
        try:
            while chunk := await reader.read(_CHUNK_BYTES):
                await self._fault.answer(chunk, connection)
        except (OSError, NotRewritableError):
            connection.reset()
            raise
        with contextlib.suppress(OSError):
            connection.client.close()


def _taken_message(connection: Connection, rewriter: Rewriter) -> bytes | None:
    """The next whole message of what is pending, rewritten; None while it is not complete."""
    return _taken_frame(connection, rewriter) if connection.upgraded else _taken_response(connection, rewriter)


def _taken_response(connection: Connection, rewriter: Rewriter) -> bytes | None:
    pending = connection.pending
    head_end = pending.find(b"\r\n\r\n")
    if head_end < 0:
        return None
    head = bytes(pending[: head_end + 4])
    if _SWITCHED.match(head):
        del pending[: len(head)]
        connection.upgraded = True
        return head
    length = _CONTENT_LENGTH.search(head)
    if length is None:
        raise NotRewritableError(f"an answer without a content length: {head[:200]!r}")
    whole = len(head) + int(length[1])
    if len(pending) < whole:
        return None
    body = rewriter(bytes(pending[len(head) : whole]))
    del pending[:whole]
    return head[: length.start(1)] + str(len(body)).encode() + head[length.end(1) :] + body


def _taken_frame(connection: Connection, rewriter: Rewriter) -> bytes | None:
    pending = connection.pending
    if len(pending) < 2:
        return None
    short = pending[1] & 0x7F
    extra = 0 if short <= _LONGEST_SHORT_FRAME else 2 if short == _FRAME_OF_16_BITS else 8
    start = 2 + extra
    if len(pending) < start:
        return None
    length = int.from_bytes(pending[2:start]) if extra else short
    if len(pending) < start + length:
        return None
    frame = bytes(pending[: start + length])
    del pending[: start + length]
    return _text_frame(rewriter(frame[start:])) if frame[0] == _TEXT_FRAME else frame


def _text_frame(text: bytes) -> bytes:
    if len(text) <= _LONGEST_SHORT_FRAME:
        return bytes([_TEXT_FRAME, len(text)]) + text
    if len(text) < 2**16:
        return bytes([_TEXT_FRAME, _FRAME_OF_16_BITS]) + len(text).to_bytes(2) + text
    return bytes([_TEXT_FRAME, _FRAME_OF_16_BITS + 1]) + len(text).to_bytes(8) + text
