"""RFC 9110 and RFC 9112 on the wire: what a client that reads bytes gets from the real server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from app.api.connections import Door
from app.api.tokens import AdminTokens
from app.bootstrap.supervision import http_server, listen
from tests.api.house import TOKEN, House, build_house, sample_quote

SECONDS = 20
HOST = "Host: oracle.test"
PATHS = ["/v1/fee", "/v1/fee?blocks=7", "/v1/fee?blocks=65", "/v1/history", "/v1/parameters", "/v1/status", "/readyz",
         "/metrics", "/", "/docs", "/docs/swagger-ui.css", "/openapi.json", "/nowhere", "/v1/audit"]  # fmt: skip
PUT_PLAIN = (HOST, "Content-Type: text/plain", "Content-Length: 2")


@dataclass(frozen=True)
class Answer:
    """One answer as it came."""

    status: int
    fields: list[tuple[str, str]]
    body: bytes = b""

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.fields]

    def __getitem__(self, name: str) -> str:
        (value,) = [value for found, value in self.fields if found == name]
        return value


class Wire:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, method: str, target: str, *fields: str, version: str = "1.1", body: bytes = b"") -> None:
        head = "\r\n".join((f"{method} {target} HTTP/{version}", *(fields or (HOST,)), "", ""))
        self.writer.write(head.encode() + body)

    async def answer(self, *, has_body: bool = True) -> Answer:
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        fields = [(name.lower(), value) for name, value in (line.split(": ", 1) for line in head[1:] if line)]
        length = int(dict(fields).get("content-length", "0")) if has_body else 0
        return Answer(int(head[0].split()[1]), fields, await self.reader.readexactly(length))

    async def ask(self, method: str, target: str, *fields: str, body: bytes = b"") -> Answer:
        self.send(method, target, *fields, body=body)
        return await self.answer(has_body=method != "HEAD")


@asynccontextmanager
async def wire(house: House | None = None) -> AsyncIterator[Wire]:
    """A connection to the real server over `house`; a whole one with administration where that is None."""
    house = build_house(quote=sample_quote(), tokens=AdminTokens(TOKEN, None)) if house is None else house
    server = http_server(house.app, Door(network_name=lambda: house.context.network_name))
    with listen("127.0.0.1", 0) as listener:
        running = asyncio.create_task(server.serve(sockets=[listener]))
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.getsockname()[1])
        try:
            async with asyncio.timeout(SECONDS):
                yield Wire(reader, writer)
        finally:
            writer.close()
            server.should_exit = True
            await running


async def test_every_answer_tells_browsers_not_to_guess_and_when_it_was_made() -> None:
    """RFC 9110 section 6.6.1, and the nosniff of WHATWG Fetch."""
    async with wire() as line:
        answers = [await line.ask("GET", path) for path in PATHS]
        tag = answers[0]["etag"]
        answers.append(await line.ask("GET", "/v1/fee", HOST, f"If-None-Match: {tag}"))
        answers.append(await line.ask("OPTIONS", "/v1/fee"))
        answers.append(await line.ask("DELETE", "/v1/fee"))
        answers.append(await line.ask("GET", "//v1/fee"))
        answers.append(await line.ask("BREW", "/v1/fee"))
    assert {answer.status for answer in answers} == {200, 204, 304, 400, 401, 404, 405, 422}
    for answer in answers:
        assert answer["x-content-type-options"] == "nosniff"
        assert answer["taiko-network"] == "mainnet"
        assert answer["date"].endswith(" GMT")
        assert "server" not in answer.names


@pytest.mark.parametrize("path", PATHS)
async def test_head_has_the_fields_of_get_in_their_order_and_nothing_after_them(path: str) -> None:
    """RFC 9110 section 9.3.2; a body would be taken for the next answer."""
    async with wire() as line:
        whole = await line.ask("GET", path)
        head = await line.ask("HEAD", path)
        following = await line.ask("GET", "/livez")
    moving = {"date"}
    assert head.status == whole.status
    assert [field for field in head.fields if field[0] not in moving] == [
        field for field in whole.fields if field[0] not in moving
    ]
    assert int(head["content-length"]) == len(whole.body) > 0
    assert following.status == 200


async def test_what_has_no_body_frames_none() -> None:
    """RFC 9110 section 8.6 and RFC 9112 section 6.3: neither a length nor chunks, and the connection goes on."""
    async with wire() as line:
        tag = (await line.ask("GET", "/v1/fee"))["etag"]
        empty = [
            await line.ask("GET", "/v1/fee", HOST, f"If-None-Match: {tag}"),
            await line.ask("GET", "/v1/fee?explain=true", HOST, f"If-None-Match: {tag}"),
            await line.ask("OPTIONS", "/v1/fee"),
            await line.ask("OPTIONS", "*"),
        ]
        assert (await line.ask("GET", "/livez")).status == 200
    assert [answer.status for answer in empty] == [304, 304, 204, 204]
    for answer in empty:
        assert not {"content-length", "transfer-encoding", "content-type"} & set(answer.names)


@pytest.mark.parametrize(
    "target",
    ["//v1/fee", "/v1//fee", "/v1/fee/", "/v1/./fee", "/v1/fee/.", "/x/../v1/fee", "/v1%2ffee", "/v1%2Ffee", "/V1/fee",
     "/v1/fee%00", "/docs/..%2f..%2f..%2fetc%2fpasswd", "/docs/../../etc/passwd", "/docs/%2e%2e/%2e%2e/etc/passwd",
     "/v1/fee%3Fblocks=7", "/%2fv1/fee"],
)  # fmt: skip
async def test_a_path_written_otherwise_is_none(target: str) -> None:
    """RFC 3986 section 6.2.2: a proxy that lets paths through by their text has to see what the server sees."""
    async with wire() as line:
        answer = await line.ask("GET", target)
        assert answer.status == 404
        assert answer["content-type"] == "application/problem+json"
        assert "location" not in answer.names
        assert (await line.ask("GET", "/livez")).status == 200


@pytest.mark.parametrize("target", ["/v1/fee", "/v1/f%65e", "http://oracle.test/v1/fee", "/v1/fee?"])
async def test_the_fee_is_found_by_every_name_of_its_own(target: str) -> None:
    """RFC 9112 section 3.2.2: an absolute target is taken too."""
    async with wire() as line:
        assert (await line.ask("GET", target)).status == 200


@pytest.mark.parametrize("method", ["TRACE", "PROPFIND", "LOCK", "M-SEARCH", "SOURCE", "QUERY"])
async def test_a_method_of_another_protocol_is_not_allowed_and_the_connection_goes_on(method: str) -> None:
    """RFC 9110 sections 9.1 and 15.5.6; TRACE would send a token back to a script."""
    async with wire() as line:
        answer = await line.ask(method, "/v1/fee", HOST, f"Authorization: Bearer {TOKEN}")
        assert (answer.status, answer["allow"]) == (405, "GET, HEAD, OPTIONS")
        assert TOKEN.encode() not in answer.body
        assert (await line.ask("GET", "/livez")).status == 200


async def test_who_waits_for_leave_to_send_a_body_gets_it() -> None:
    """RFC 9110 section 10.1.1."""
    async with wire() as line:
        line.send(
            "POST", "/v1/quote", HOST, "Content-Type: application/json", "Content-Length: 2", "Expect: 100-continue"
        )
        assert (await line.answer()).status == 100
        line.writer.write(b"{}")
        assert (await line.answer()).status == 200


async def test_who_waits_for_leave_to_send_what_is_refused_anyway_is_refused_at_once() -> None:
    async with wire() as line:
        line.send("POST", "/v1/quote", *PUT_PLAIN, "Expect: 100-continue")
        answer = await line.answer()
        assert (answer.status, answer["accept"]) == (415, "application/json")


async def test_a_client_of_http_1_0_gets_a_length_and_the_end() -> None:
    """RFC 9112 section 9.3: without keep-alive the connection ends."""
    async with wire() as line:
        line.send("GET", "/v1/fee", "Accept: */*", version="1.0")
        answer = await line.answer()
        assert answer.status == 200
        assert len(answer.body) == int(answer["content-length"])
        assert await line.reader.read() == b""


async def test_a_client_that_says_close_is_told_so_too() -> None:
    """RFC 9112 section 9.6."""
    async with wire() as line:
        answer = await line.ask("GET", "/v1/fee", HOST, "Connection: close")
        assert answer["connection"] == "close"
        assert await line.reader.read() == b""


async def test_no_field_comes_twice() -> None:
    """RFC 9110 section 5.3: only lists may, and readers differ in what they make of others."""
    async with wire() as line:
        for path in PATHS:
            names = (await line.ask("GET", path)).names
            assert len(set(names)) == len(names), path
