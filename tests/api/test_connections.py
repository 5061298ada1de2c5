"""Real connections to the real HTTP server: what may be sent, how slowly, how much of it, and how it is refused."""

import asyncio
import functools
import json
import logging
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import uvloop
from starlette.types import Receive, Scope, Send
from structlog.testing import capture_logs

from app.adapters.metrics.table import CUT
from app.api.connections import BoundedProtocol, Bounds, Cut, Door
from app.bootstrap import supervision
from app.bootstrap.supervision import doors_of, http_server, listen
from tests.api.house import build_house, sample_quote

pytestmark = pytest.mark.process
HOST = b"Host: oracle.test\r\n"
JSON_POST = b"POST /v1/quote HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n"
HALF_A_REQUEST = JSON_POST + b"Content-Length: 100\r\n\r\n{"
RESET = struct.pack("ii", 1, 0)
BIG = 8 * 1024 * 1024
"""More than the kernel takes for a client that takes nothing."""


def on_uvloop(scenario: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run on the event loop that the service runs on, for ten seconds at most."""

    @functools.wraps(scenario)
    def test(*instance: object, **arguments: object) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(asyncio.wait_for(scenario(*instance, **arguments), 10))

    return test


@dataclass
class Rig:
    """A server behind a door; its application answers by the path."""

    port: int
    door: Door
    cuts: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    """The paths whose answers have begun to be made."""
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    """What `/slow` waits for."""
    left: list[str] = field(default_factory=list)
    """The paths whose clients left before their answers."""
    fields: dict[str, list[tuple[bytes, bytes]]] = field(default_factory=dict)
    """The header fields of the last request for each path."""
    server: Any = None
    clients: list["Client"] = field(default_factory=list)

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        self.asked.append(path)
        self.fields[path] = scope["headers"]
        body = path.encode()
        match path:
            case "/slow":
                await self.go_on.wait()
            case "/big":
                body = b"x" * BIG
            case "/echo":
                body = b""
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        self.left.append(path)
                        return
                    body += message["body"]
                    if not message["more_body"]:
                        break
        headers = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 401 if path == "/early" else 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    async def connect(self, sent: bytes = b"") -> "Client":
        client = Client(*await asyncio.open_connection("127.0.0.1", self.port))
        client.writer.write(sent)
        self.clients.append(client)
        return client

    async def ask(self, sent: bytes) -> "Answer":
        """What comes in answer to `sent`, and whether the connection then ended."""
        client = await self.connect(sent)
        return await client.answer()

    async def until(self, holds: Callable[[], object]) -> None:
        while not holds():  # noqa: ASYNC110 - the server tells nobody else
            await asyncio.sleep(0.005)


@dataclass
class Answer:
    """One answer as it came."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def problem(self) -> str:
        """The name of the problem's type; every part of a refusal by the server is looked at."""
        document = json.loads(self.body)
        assert self.headers["content-type"] == "application/problem+json"
        assert self.headers["cache-control"] == "no-store"
        assert self.headers["connection"] == "close"
        assert self.headers["taiko-network"] == "mainnet" == document["network"]
        assert document["status"] == self.status
        assert {"type", "title", "detail"} <= document.keys()
        return str(document["type"]).removeprefix("urn:taiko-fee-oracle:problem:")


@dataclass
class Client:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def answer(self, *, has_body: bool = True) -> Answer:
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in head[1:] if line)}
        body = await self.reader.readexactly(int(headers["content-length"])) if has_body else b""
        return Answer(int(head[0].split()[1]), headers, body)

    async def ended(self) -> bool:
        """Whether the server has closed its side, in order."""
        return await self.reader.read() == b""

    async def was_cut(self) -> bool:
        """Whether the connection broke before everything was there."""
        try:
            return len(await self.reader.read()) < BIG
        except ConnectionError:
            return True


@asynccontextmanager
async def rig(**bounds: Any) -> AsyncIterator[Rig]:  # noqa: ANN401 - as Bounds takes them
    cuts: list[str] = []
    door = Door(Bounds(**bounds), network_name=lambda: "mainnet", observe_cut=cuts.append)
    with listen("127.0.0.1", 0) as listener:
        made = Rig(listener.getsockname()[1], door, cuts)
        made.server = http_server(made.app, door)
        running = asyncio.create_task(made.server.serve(sockets=[listener]))
        try:
            yield made
        finally:
            made.go_on.set()
            for client in made.clients:
                client.writer.transport.abort()
            made.server.should_exit = True
            await running
    assert not door.newcomers
    assert not door.slow_readers


def get(path: str, *fields: str, version: str = "1.1") -> bytes:
    lines = (f"GET {path} HTTP/{version}", "Host: oracle.test", *fields, "", "")
    return "\r\n".join(lines).encode()


def post(path: str, *fields: str) -> bytes:
    return get(path, *fields).replace(b"GET", b"POST", 1)


CHUNKED = "Transfer-Encoding: chunked"
MALFORMED = {
    "TLS": b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03",
    "an unknown method": b"MAKE /ok HTTP/1.1\r\n" + HOST + b"\r\n",
    "a method in lower case": b"get /ok HTTP/1.1\r\n" + HOST + b"\r\n",
    "CONNECT": b"CONNECT oracle.test:443 HTTP/1.1\r\n" + HOST + b"\r\n",
    "no path": b"GET ok HTTP/1.1\r\n" + HOST + b"\r\n",
    "no target": b"GET  HTTP/1.1\r\n" + HOST + b"\r\n",
    "NUL in the target": b"GET /o\0k HTTP/1.1\r\n" + HOST + b"\r\n",
    "raw bytes in the target": b"GET /\xff\xfe HTTP/1.1\r\n" + HOST + b"\r\n",
    "HTTP/0.9": b"GET /ok\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/3.7": get("/ok", version="3.7"),
    "bare LF": b"GET /ok HTTP/1.1\nHost: oracle.test\n\n",
    "bare CR": get("/ok", "A: b\rc"),
    "NUL in a field": get("/ok", "A: b\0c"),
    "a folded line": get("/ok", "A: b", " c"),
    "space before the colon": get("/ok", "A : b"),
    "no colon": get("/ok", "no colon"),
    "no Host": b"GET /ok HTTP/1.1\r\n\r\n",
    "two Hosts": get("/ok", "Host: other.test"),
    "length and chunks": post("/echo", "Content-Length: 3", CHUNKED) + b"0\r\n\r\n",
    "chunks and length": post("/echo", CHUNKED, "Content-Length: 3") + b"0\r\n\r\n",
    "chunks twice": post("/echo", CHUNKED, CHUNKED) + b"0\r\n\r\n",
    "chunks with a space": post("/echo", "Transfer-Encoding : chunked"),
    "an unknown coding": post("/echo", "Transfer-Encoding: xchunked"),
    "compressed on the way": post("/echo", "Transfer-Encoding: gzip, chunked") + b"0\r\n\r\n",
    "chunks in HTTP/1.0": b"POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": post("/echo", "Content-Length: 3", "Content-Length: 3"),
    "a list of lengths": post("/echo", "Content-Length: 3, 3"),
    "a negative length": post("/echo", "Content-Length: -3"),
    "a length above 2^64": post("/echo", "Content-Length: " + "9" * 30),
    "no chunk size": post("/echo", CHUNKED) + b"no number\r\n",
    "a chunk above 2^64": post("/echo", CHUNKED) + b"f" * 17 + b"\r\n",
    "chunks with bare LF": post("/echo", CHUNKED) + b"1\nx\n",
}
REFUSED_OTHERWISE = {
    "HTTP/0.9": (505, "http-version-not-supported"),
    "an unknown coding": (501, "transfer-coding-not-implemented"),
    "compressed on the way": (501, "transfer-coding-not-implemented"),
}


class TestMalformed:
    @pytest.mark.parametrize("what", MALFORMED)
    @on_uvloop
    async def test_it_is_refused_by_a_problem_and_the_connection_ends(self, what: str) -> None:
        async with rig() as made:
            client = await made.connect(MALFORMED[what])
            answer = await client.answer()
            assert (answer.status, answer.problem) == REFUSED_OTHERWISE.get(what, (400, "malformed-request"))
            assert await client.ended()
            assert made.cuts == [Cut.MALFORMED]

    @on_uvloop
    async def test_a_body_that_turns_out_malformed_takes_its_request_back(self) -> None:
        async with rig() as made:
            client = await made.connect(post("/echo", CHUNKED) + b"1\r\nx\r\n")
            await made.until(lambda: made.asked)
            client.writer.write(b"not a size\r\n")
            assert (await client.answer()).problem == "malformed-request"
            assert await client.ended()
            assert made.left == ["/echo"]

    @on_uvloop
    async def test_what_was_asked_before_is_answered_first(self) -> None:
        async with rig() as made:
            client = await made.connect(get("/slow") + get("/two") + b"garbage\r\n\r\n")
            await made.until(lambda: made.cuts)
            made.go_on.set()
            assert [(await client.answer()).body for _ in range(2)] == [b"/slow", b"/two"]
            assert (await client.answer()).problem == "malformed-request"
            assert await client.ended()

    @on_uvloop
    async def test_a_malformed_body_behind_another_request_is_refused_in_its_turn(self) -> None:
        async with rig() as made:
            client = await made.connect(get("/slow") + post("/echo", CHUNKED) + b"no size\r\n")
            await made.until(lambda: made.cuts)
            made.go_on.set()
            assert (await client.answer()).body == b"/slow"
            assert (await client.answer()).problem == "malformed-request"
            assert await client.ended()
            assert made.asked == ["/slow"]

    @on_uvloop
    async def test_a_refusal_of_head_has_no_body(self) -> None:
        async with rig() as made:
            client = await made.connect(get("/ok", "Host: other.test").replace(b"GET", b"HEAD", 1))
            answer = await client.answer(has_body=False)
            assert answer.status == 400
            assert int(answer.headers["content-length"]) > 0
            assert await client.ended()

    @on_uvloop
    async def test_a_failure_of_our_own_is_not_blamed_on_the_client_alone(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        def fail(_self: BoundedProtocol, _name: bytes, _value: bytes) -> None:
            raise ZeroDivisionError

        monkeypatch.setattr(BoundedProtocol, "on_header", fail)
        async with rig() as made:
            await made.ask(get("/ok"))
        assert any(record.exc_info and record.exc_info[0] is ZeroDivisionError for record in caplog.records)


class TestWhatIsFine:
    @pytest.mark.parametrize(
        ("sent", "path"),
        [
            pytest.param(get("/ok"), "/ok", id="HTTP/1.1"),
            pytest.param(b"GET /ok HTTP/1.0\r\n\r\n", "/ok", id="HTTP/1.0 without Host"),
            pytest.param(b"\r\n\r\n" + get("/ok"), "/ok", id="empty lines before"),
            pytest.param(get("http://oracle.test/ok?a=b"), "/ok", id="an absolute target"),
            pytest.param(get("//ok//"), "//ok//", id="empty segments"),
            pytest.param(get("/%2e%2e/%00/%6fk"), "/../\0/ok", id="encoded characters"),
            pytest.param(get("/a%2Fb%2fc/%6fk"), "/a%2Fb%2fc/%6fk", id="encoded slashes"),
            pytest.param(b"GET /ok HTTP/1.1\r\n" + HOST + b"A: \xff\xfe\r\n\r\n", "/ok", id="bytes in a field"),
        ],
    )
    @on_uvloop
    async def test_it_is_answered(self, sent: bytes, path: str) -> None:
        async with rig() as made:
            assert (await made.ask(sent)).body.decode() == path
            assert made.cuts == []

    @on_uvloop
    async def test_one_connection_serves_one_request_after_the_other(self) -> None:
        async with rig() as made:
            client = await made.connect()
            for number in range(50):
                client.writer.write(get(f"/{number}"))
                assert (await client.answer()).body == f"/{number}".encode()

    @on_uvloop
    async def test_a_head_may_come_byte_by_byte(self) -> None:
        async with rig() as made:
            client = await made.connect()
            for byte in get("/ok") + get("/two"):
                client.writer.write(bytes([byte]))
                await asyncio.sleep(0)
            assert (await client.answer()).body == b"/ok"
            assert (await client.answer()).body == b"/two"

    @on_uvloop
    async def test_who_asks_and_ends_its_side_is_answered(self) -> None:
        async with rig() as made:
            client = await made.connect(get("/slow"))
            client.writer.write_eof()
            await made.until(lambda: made.asked)
            await asyncio.sleep(0.02)
            made.go_on.set()
            assert (await client.answer()).body == b"/slow"
            assert await client.ended()

    @on_uvloop
    async def test_an_upgrade_is_not_followed_and_ends_the_connection(self, caplog: pytest.LogCaptureFixture) -> None:
        async with rig() as made:
            client = await made.connect(get("/ok", "Connection: Upgrade", "Upgrade: h2c") + b"PRI * HTTP/2.0\r\n")
            answer = await client.answer()
            assert (answer.body, answer.headers["connection"]) == (b"/ok", "close")
            assert await client.ended()
        assert caplog.records == []

    @on_uvloop
    async def test_a_body_in_parts_keeps_the_connection_once_it_is_whole(self) -> None:
        async with rig() as made:
            client = await made.connect(post("/echo", "Content-Length: 6", "Expect: 100-continue"))
            assert await client.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            for part in (b"one", b"two"):
                client.writer.write(part)
                await asyncio.sleep(0.01)
            answer = await client.answer()
            assert answer.body == b"onetwo"
            assert "connection" not in answer.headers
            client.writer.write(get("/ok"))
            assert (await client.answer()).body == b"/ok"


class TestLargeHeads:
    @on_uvloop
    async def test_a_target_has_a_greatest_length(self) -> None:
        async with rig() as made:
            path = "/" + "a" * 8191
            assert (await made.ask(get(path))).status == 200
            answer = await made.ask(get(path + "a"))
            assert (answer.status, answer.problem) == (414, "target-too-long")
            assert made.cuts == [Cut.TARGET]

    @on_uvloop
    async def test_line_and_fields_have_a_greatest_size_together(self) -> None:
        async with rig() as made:
            fixed = len("/ok") + len("Host: oracle.test\r\n") + len("A: \r\n")
            assert (await made.ask(get("/ok", "A: " + "b" * (16384 - fixed)))).status == 200
            answer = await made.ask(get("/ok", "A: " + "b" * (16385 - fixed)))
            assert (answer.status, answer.problem) == (431, "request-header-fields-too-large")
            assert made.cuts == [Cut.HEAD]

    @on_uvloop
    async def test_fields_have_a_greatest_number(self) -> None:
        async with rig() as made:
            assert (await made.ask(get("/ok", *["A:"] * 99))).status == 200
            assert (await made.ask(get("/ok", *["A:"] * 100))).problem == "request-header-fields-too-large"

    @pytest.mark.parametrize("line", [b"GET /", b"GET / HTTP/1.1\r\nA: ", b"GET / HTTP/1.1\r\n"])
    @pytest.mark.parametrize("part", [b"b" * 500, b"b" * 200_000])
    @on_uvloop
    async def test_one_without_end_is_refused_while_it_comes(self, line: bytes, part: bytes) -> None:
        async with rig() as made:
            client = await made.connect(line)
            for _ in range(200_000 // len(part)):
                client.writer.write(part)
                await asyncio.sleep(0)
            assert (await client.answer()).problem == "request-header-fields-too-large"
            assert await client.ended()
            assert made.asked == []

    @on_uvloop
    async def test_the_end_of_a_large_body_is_no_part_of_the_next_head(self) -> None:
        async with rig() as made:
            head = get("/two", "A: " + "b" * 12_000)
            body = b"x" * (40_000)
            client = await made.connect(post("/echo", f"Content-Length: {len(body)}") + body + head[:9_000])
            assert len((await client.answer()).body) == len(body)
            client.writer.write(head[9_000:])
            assert (await client.answer()).body == b"/two"


class TestFraming:
    @on_uvloop
    async def test_what_frames_a_body_has_a_greatest_size_too(self) -> None:
        async with rig() as made:
            client = await made.connect(post("/echo", CHUNKED))
            for _ in range(60):
                client.writer.write(b"1;" + b"e" * 20_000 + b"\r\nx\r\n")
                await asyncio.sleep(0)
            answer = await client.answer()
            assert (answer.status, answer.problem) == (413, "body-too-large")
            assert await client.ended()
            assert made.left == ["/echo"]
            assert made.cuts == [Cut.BODY]

    @on_uvloop
    async def test_tiny_chunks_are_a_body_like_any_other(self) -> None:
        async with rig() as made:
            client = await made.connect(post("/echo", CHUNKED) + b"1\r\nx\r\n" * 40_000 + b"0\r\n\r\n")
            assert (await client.answer()).body == b"x" * 40_000
            client.writer.write(get("/ok"))
            assert (await client.answer()).body == b"/ok"

    @pytest.mark.parametrize("trailers", [b"A: b\r\n" * 100_000, b"A: " + b"b" * 3_000_000])
    @on_uvloop
    async def test_trailers_without_end_are_refused_while_they_come(self, trailers: bytes) -> None:
        async with rig() as made:
            client = await made.connect(post("/echo", CHUNKED) + b"0\r\n" + trailers)
            assert (await client.answer()).problem in {"request-header-fields-too-large", "body-too-large"}
            assert await client.ended()
            assert made.left == ["/echo"]

    @on_uvloop
    async def test_a_trailer_is_no_header_field(self) -> None:
        async with rig() as made:
            client = await made.connect(post("/echo", CHUNKED) + b"0\r\nAuthorization: Bearer x\r\n\r\n" + get("/ok"))
            assert [(await client.answer()).body for _ in range(2)] == [b"", b"/ok"]
            assert b"authorization" not in dict(made.fields["/echo"])
            assert b"host" in dict(made.fields["/echo"])


class TestSlowHeads:
    @on_uvloop
    async def test_half_a_head_is_refused_when_its_time_is_over(self) -> None:
        async with rig(head_seconds=0.1) as made:
            client = await made.connect(b"GET /ok HTTP/1.1\r\nA: b")
            answer = await client.answer()
            assert (answer.status, answer.problem) == (408, "request-timeout")
            assert await client.ended()
            assert made.cuts == [Cut.SLOW_HEAD]

    @on_uvloop
    async def test_bytes_that_trickle_win_no_time(self) -> None:
        async with rig(head_seconds=0.2) as made:
            client = await made.connect(b"GET /ok HTTP/1.1\r\nA: b")

            async def trickle() -> None:
                while True:
                    client.writer.write(b"b")
                    await asyncio.sleep(0.01)

            trickling = asyncio.create_task(trickle())
            assert (await client.answer()).problem == "request-timeout"
            trickling.cancel()

    @on_uvloop
    async def test_each_head_has_its_own_time_where_one_ends_as_the_next_begins(self) -> None:
        async with rig(head_seconds=0.3) as made:
            client = await made.connect(get("/1")[:-2])
            for number in range(2, 7):
                await asyncio.sleep(0.1)
                client.writer.write(b"\r\n" + get(f"/{number}")[:-2])
                assert (await client.answer()).body == f"/{number - 1}".encode()

    @pytest.mark.parametrize("sent", [b"", b"\r\n\r\n"])
    @on_uvloop
    async def test_who_asks_for_nothing_is_left_without_a_word(self, sent: bytes) -> None:
        async with rig(head_seconds=0.1) as made:
            client = await made.connect(sent)
            assert await client.ended()
            assert made.cuts == [Cut.SLOW_HEAD]

    @on_uvloop
    async def test_a_later_head_has_its_time_too(self) -> None:
        async with rig(head_seconds=0.2) as made:
            client = await made.connect(get("/ok"))
            assert (await client.answer()).status == 200
            await asyncio.sleep(0.3)
            client.writer.write(b"GET /two HTTP/1.1\r\n")
            await asyncio.sleep(0.02)
            client.writer.write(HOST + b"\r\n")
            assert (await client.answer()).body == b"/two"
            client.writer.write(b"GET /three")
            assert (await client.answer()).problem == "request-timeout"

    @on_uvloop
    async def test_empty_lines_keep_no_connection_open(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(supervision, "_KEEP_ALIVE_SECONDS", 0.2)
        async with rig() as made:
            client = await made.connect(get("/ok"))
            await client.answer()
            client.writer.write(b"\r\n")
            assert await client.ended()


class TestBodies:
    @on_uvloop
    async def test_an_answer_that_does_not_wait_for_the_body_ends_the_connection_and_says_so(self) -> None:
        async with rig() as made:
            client = await made.connect(post("/early", "Content-Length: 10000000") + b"x" * 1_000_000)
            answer = await client.answer()
            assert (answer.status, answer.headers["connection"]) == (401, "close")
            assert await client.ended()

    @on_uvloop
    async def test_who_goes_on_sending_after_its_answer_is_cut(self) -> None:
        async with rig(linger_seconds=0.1) as made:
            client = await made.connect(post("/early", CHUNKED))
            await client.answer()

            async def go_on() -> None:
                while True:
                    client.writer.write(b"1\r\nx\r\n")
                    await client.writer.drain()
                    await asyncio.sleep(0.005)

            with pytest.raises(ConnectionError):
                await go_on()

    @on_uvloop
    async def test_who_sends_much_after_its_answer_is_cut_at_once(self) -> None:
        async with rig(linger_seconds=60.0) as made:
            client = await made.connect(post("/early", CHUNKED))
            await client.answer()
            client.writer.write(b"x" * 4_000_000)
            await made.until(lambda: not made.server.server_state.connections)

    async def test_a_slow_body_is_answered_with_408_and_the_connection_ends(self) -> None:
        house = build_house(quote=sample_quote(), body_timeout_seconds=0.05)
        async with asyncio.timeout(20), serving(house.app) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(HALF_A_REQUEST)
            answer = await reader.read()
            writer.close()
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"urn:taiko-fee-oracle:problem:request-timeout" in answer

    @pytest.mark.parametrize("aborts", [False, True])
    async def test_a_client_that_leaves_in_the_middle_of_its_body_is_no_error_of_ours(
        self,
        aborts: bool,  # noqa: FBT001 - a case of the test
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        house = build_house(quote=sample_quote())
        async with asyncio.timeout(20), serving(house.app) as port:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(HALF_A_REQUEST)
            await writer.drain()
            if aborts:
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            writer.close()
            while not house.observed:  # noqa: ASYNC110 - the server tells nobody else
                await asyncio.sleep(0.01)
        assert house.observed[0][:2] == ("/v1/quote", 400)
        assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


@asynccontextmanager
async def serving(app: Callable[..., Awaitable[None]]) -> AsyncIterator[int]:
    """An application behind a real HTTP server; its port."""
    server = http_server(app)
    with listen("127.0.0.1", 0) as listener:
        running = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            await running


async def narrow(made: Rig, sent: bytes, window: int = 4096) -> socket.socket:
    """A client that asks and takes nothing of the answer by itself."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
    client.setblocking(False)  # noqa: FBT003 - socket's own signature
    await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", made.port))
    await asyncio.get_running_loop().sock_sendall(client, sent)
    return client


class TestSlowReaders:
    @pytest.mark.parametrize("fields", [(), ("Connection: close",)])
    @on_uvloop
    async def test_who_takes_nothing_is_cut(self, fields: tuple[str, ...]) -> None:
        async with rig(write_seconds=0.2) as made:
            client = await narrow(made, get("/big", *fields))
            await made.until(lambda: made.cuts)
            assert made.cuts == [Cut.SLOW_READER]
            await made.until(lambda: not made.server.server_state.connections)
            client.close()

    @on_uvloop
    async def test_who_is_slow_but_reads_gets_everything(self) -> None:
        async with rig(write_seconds=0.3) as made:
            client = await narrow(made, get("/big", "Connection: close"), window=65536)
            taken, loop, started = 0, asyncio.get_running_loop(), asyncio.get_running_loop().time()
            while part := await loop.sock_recv(client, 131072):
                taken += len(part)
                await asyncio.sleep(0.01)
            assert taken > BIG
            assert loop.time() - started > 0.6
            assert made.cuts == []
            client.close()

    @on_uvloop
    async def test_an_answer_that_fits_no_buffer_is_waited_for_no_longer_at_the_end(self) -> None:
        """Below its high-water mark a transport does not say that a client takes nothing."""
        async with rig(write_seconds=0.2) as made:
            client = await narrow(made, get("/big"))
            await made.until(lambda: made.server.server_state.connections)
            (connection,) = made.server.server_state.connections
            connection._wire.set_write_buffer_limits(BIG * 2)
            await made.until(lambda: made.asked)
            connection.transport.close()
            await made.until(lambda: not made.server.server_state.connections)
            client.close()

    @on_uvloop
    async def test_of_answers_that_are_too_much_for_the_memory_the_one_that_waited_longest_goes(self) -> None:
        async with rig(unread_bytes=BIG) as made:
            readers = [await narrow(made, get("/big"))]
            await made.until(lambda: len(made.door.slow_readers) == 1)
            (oldest,) = made.door.slow_readers
            while not made.cuts:
                readers.append(await narrow(made, get("/big")))
                await made.until(lambda: made.asked.count("/big") == len(readers))
                await asyncio.sleep(0.05)
            assert 1 < len(readers) < 6
            assert made.cuts == [Cut.UNREAD]
            assert oldest not in made.door.slow_readers
            assert (await made.ask(get("/ok"))).status == 200
            for reader in readers:
                reader.close()


class TestPipelines:
    @on_uvloop
    async def test_so_many_wait_for_their_answers_and_the_next_one_is_refused_in_its_turn(self) -> None:
        async with rig() as made:
            client = await made.connect(get("/slow") + b"".join(get(f"/{number}") for number in range(500)))
            await made.until(lambda: made.cuts)
            made.go_on.set()
            assert (await client.answer()).body == b"/slow"
            for number in range(16):
                assert (await client.answer()).body == f"/{number}".encode()
            answer = await client.answer()
            assert (answer.status, answer.problem, answer.headers["retry-after"]) == (
                429, "too-many-pipelined-requests", "1",
            )  # fmt: skip
            assert await client.ended()
            assert made.cuts == [Cut.PIPELINE]

    @on_uvloop
    async def test_as_many_as_may_wait_are_all_answered(self) -> None:
        async with rig() as made:
            client = await made.connect(b"".join(get(f"/{number}") for number in range(17)))
            for number in range(17):
                assert (await client.answer()).body == f"/{number}".encode()
            client.writer.write(get("/ok"))
            assert (await client.answer()).body == b"/ok"


class TestTooManyConnections:
    @on_uvloop
    async def test_who_never_asked_makes_place_for_who_asks_the_oldest_first(self) -> None:
        async with rig(connections=3) as made:
            regular = await made.connect(get("/ok"))
            await regular.answer()
            idle = [await made.connect() for _ in range(2)]
            await made.until(lambda: len(made.door.newcomers) == 2)
            for number in range(20):
                newcomer = await made.connect(get(f"/{number}"))
                assert (await newcomer.answer()).body == f"/{number}".encode()
                newcomer.writer.close()
                idle.append(await made.connect())
                assert await idle.pop(0).ended()
            regular.writer.write(get("/still/here"))
            assert (await regular.answer()).body == b"/still/here"
            assert set(made.cuts) == {Cut.CONNECTIONS}

    @pytest.mark.parametrize("sent", [b"GET /ok HT", post("/echo", "Content-Length: 9") + b"x"])
    @on_uvloop
    async def test_who_has_asked_in_part_is_told_why_it_has_to_go(self, sent: bytes) -> None:
        async with rig(connections=1) as made:
            slow = await made.connect(sent)
            await made.until(lambda: any(each.scope for each in made.server.server_state.connections))
            assert (await made.ask(get("/ok"))).status == 200
            answer = await slow.answer()
            assert (answer.status, answer.problem, answer.headers["retry-after"]) == (503, "too-many-connections", "2")
            assert await slow.ended()

    @on_uvloop
    async def test_then_those_go_who_ask_for_nothing_now_or_take_nothing(self) -> None:
        async with rig(connections=2) as made:
            idle = await made.connect(get("/ok"))
            await idle.answer()
            reader = await narrow(made, get("/big"))
            await made.until(lambda: made.door.slow_readers)
            for path in ("/one", "/two"):
                busy = await made.connect(get(path))
                assert (await busy.answer()).status == 200
                busy.writer.write(get("/slow"))
                await made.until(lambda: len(made.server.server_state.connections) <= 2)
            await made.until(lambda: made.asked.count("/slow") == 2)
            assert await idle.ended()
            assert made.cuts == [Cut.CONNECTIONS] * 2
            reader.close()

    @on_uvloop
    async def test_who_is_being_answered_stays_and_the_newcomer_is_refused(self) -> None:
        async with rig(connections=2) as made:
            busy = [await made.connect(get("/slow")) for _ in range(2)]
            await made.until(lambda: len(made.asked) == 2)
            answer = await made.ask(get("/ok"))
            assert (answer.status, answer.problem) == (503, "too-many-connections")
            made.go_on.set()
            assert [(await client.answer()).body for client in busy] == [b"/slow"] * 2

    @on_uvloop
    async def test_who_was_refused_and_does_not_leave_keeps_no_place(self) -> None:
        async with rig(connections=2, linger_seconds=60.0) as made:
            for _ in range(10):
                assert (await made.ask(b"garbage\r\n\r\n")).status == 400
            assert (await made.ask(get("/ok"))).body == b"/ok"

    @on_uvloop
    async def test_a_place_is_free_again_when_its_holder_has_left(self) -> None:
        async with rig(connections=1) as made:
            for _ in range(20):
                client = await made.connect(get("/ok"))
                assert (await client.answer()).body == b"/ok"
                client.writer.close()
                await made.until(lambda: not made.server.server_state.connections)
            assert made.cuts == []


@on_uvloop
async def test_many_of_a_crowd_are_let_in_at_a_turn_of_the_event_loop() -> None:
    loop, here, turns = asyncio.get_running_loop(), set(), 0

    class Guest(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            here.add(transport)

    crowd = [socket.socket() for _ in range(160)]
    with listen("127.0.0.1", 0) as listener:
        for client in crowd:
            client.setblocking(False)  # noqa: FBT003 - socket's own signature
            client.connect_ex(listener.getsockname())
        servers = [await loop.create_server(Guest, sock=door) for door in doors_of(listener)]
        while len(here) < len(crowd):
            turns += 1
            await asyncio.sleep(0)
        assert turns < len(crowd) // 4
        for server in servers:
            server.close()
        for transport in here:
            transport.close()
    for client in crowd:
        client.close()


class TestTelling:
    @on_uvloop
    async def test_the_log_is_told_once_in_a_while_however_many_are_refused(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        with capture_logs() as logs:
            async with rig() as made:
                for _ in range(30):
                    await made.ask(b"garbage\r\n\r\n")
                assert made.cuts == [Cut.MALFORMED] * 30
                made.door._told_at -= 60
                await made.ask(get("/ok", *["A:"] * 100))
        assert [entry for entry in logs if entry["event"] == "connections_cut"] == [
            {"event": "connections_cut", "log_level": "warning", "malformed": 1},
            {"event": "connections_cut", "log_level": "warning", "malformed": 29, "head_too_large": 1},
        ]
        assert caplog.records == []

    def test_the_metric_knows_every_reason(self) -> None:
        assert CUT.values == tuple(Cut)

    @on_uvloop
    async def test_nothing_that_came_is_shown_in_a_refusal(self) -> None:
        async with rig() as made:
            for sent in (
                b"SECRET / HTTP/1.1\r\n\r\n",
                get("/ok", "A: SECRET\0"),
                post("/echo", CHUNKED) + b"SECRET\r\n",
            ):
                assert b"SECRET" not in (await made.ask(sent)).body


class TestTheEnd:
    @on_uvloop
    async def test_slow_clients_do_not_hold_up_the_end(self, caplog: pytest.LogCaptureFixture) -> None:
        loop = asyncio.get_running_loop()
        async with rig(drain_seconds=0.3) as made:
            reader = await narrow(made, get("/big"))
            await made.until(lambda: made.door.slow_readers)
            clients = [
                await made.connect(sent)
                for sent in (b"", b"GET /ok", post("/echo", CHUNKED) + b"1\r\n", get("/ok"))
                for _ in range(20)
            ]
            await made.until(lambda: made.asked.count("/echo") == 20)
            answered = await made.connect(get("/slow"))
            await made.until(lambda: "/slow" in made.asked)
            made.server.should_exit = True
            began = loop.time()
            await asyncio.sleep(0.2)
            made.go_on.set()
            assert (await answered.answer()).body == b"/slow"
        assert 0.3 <= loop.time() - began < 1.5
        assert made.left == ["/echo"] * 20
        assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
        assert clients
        reader.close()
