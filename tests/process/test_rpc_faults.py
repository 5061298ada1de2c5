"""The RPC client against servers on loopback that hang, garble and refuse; and what its errors show."""

import asyncio
import contextlib
import json
import logging
import subprocess
import sys
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from app.adapters.clock import SystemClock
from app.adapters.jsonrpc import LONGEST_ANSWER_BYTES
from app.adapters.l1 import L1HeaderSource
from app.adapters.nodes import NodeGroup, NodeRefusedError
from app.adapters.redaction import LONGEST_DETAIL
from app.adapters.rpc import PYTHONS_RECURSION_LIMIT, RpcClient
from app.domain.errors import InvalidValueError
from app.engine.events import Event, ProviderChanged, RpcFinished
from app.engine.ports import Endpoint, UpstreamError
from tests.adapters.fake_nodes import block, header

TIMEOUT_SECONDS = 0.3
SLACK_SECONDS = 2.0
SECRETS = ("s3cr3tuser", "s3cr3tpass", "s3cr3tpath", "s3cr3tquery", "127.0.0.1")
KEYED_URL = "http://s3cr3tuser:s3cr3tpass@127.0.0.1:{port}/v3/s3cr3tpath?apikey=s3cr3tquery"

Reply = Callable[[dict[str, object], asyncio.StreamWriter], Awaitable[None]]


class LoopbackServer:
    """An HTTP server whose every answer is what `reply` writes; it counts its connections and keeps its requests."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply
        self.connections = 0
        self.requests: list[dict[str, object]] = []
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                sizes = [
                    line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
                ]
                request = json.loads(await reader.readexactly(int(sizes[0])))
                self.requests.append(request)
                await self._reply(request, writer)
        writer.close()


@contextlib.asynccontextmanager
async def serving(reply: Reply) -> AsyncIterator[LoopbackServer]:
    server = LoopbackServer(reply)
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()


@contextlib.asynccontextmanager
async def client_of(port: int, url: str = KEYED_URL) -> AsyncIterator[tuple[RpcClient, list[Event]]]:
    events: list[Event] = []
    client = RpcClient(Endpoint("p1", url.format(port=port)), TIMEOUT_SECONDS, events.append, time.monotonic)
    try:
        yield client, events
    finally:
        await client.close()


async def http(writer: asyncio.StreamWriter, body: bytes, status: str = "200 OK", headers: str = "") -> None:
    writer.write(f"HTTP/1.1 {status}\r\n{headers}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    await writer.drain()


def saying(body: bytes, status: str = "200 OK", headers: str = "") -> Reply:
    async def reply(_request: dict[str, object], writer: asyncio.StreamWriter) -> None:
        await http(writer, body, status, headers)

    return reply


def answering(**parts: object) -> Reply:
    async def reply(request: dict[str, object], writer: asyncio.StreamWriter) -> None:
        await http(writer, json.dumps({"jsonrpc": "2.0", "id": request["id"]} | parts).encode())

    return reply


async def hang(_request: dict[str, object], _writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def hang_in_the_body(_request: dict[str, object], writer: asyncio.StreamWriter) -> None:
    writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"jsonrpc"')
    await writer.drain()
    await asyncio.Event().wait()


async def drip(_request: dict[str, object], writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(TIMEOUT_SECONDS / 10)


async def cut(_request: dict[str, object], writer: asyncio.StreamWriter) -> None:
    writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"jsonrpc"')
    await writer.drain()
    writer.close()


async def hang_up(_request: dict[str, object], writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def not_http(_request: dict[str, object], writer: asyncio.StreamWriter) -> None:
    writer.write(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")
    await writer.drain()


async def flood(_request: dict[str, object], writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    while True:
        writer.write(chunk)
        await writer.drain()


async def failure_against(reply: Reply) -> UpstreamError:
    """The error of one call, checked for secrets, for its event and for the time it took."""
    async with serving(reply) as server, client_of(server.port) as (client, events):
        started = time.monotonic()
        with pytest.raises(UpstreamError) as caught:
            await client.call("eth_chainId", [])
        assert time.monotonic() - started < TIMEOUT_SECONDS + SLACK_SECONDS
        assert [(event.provider, event.method, event.result) for event in events if isinstance(event, RpcFinished)] == [
            ("p1", "eth_chainId", caught.value.reason)
        ]
        assert_no_secret(caught.value, client, events)
    return caught.value


def assert_no_secret(error: BaseException, *others: object) -> None:
    printed = "".join(traceback.format_exception(error)) + repr(error) + str(error) + repr(others)
    assert not [secret for secret in SECRETS if secret in printed.lower()]
    assert error.__cause__ is None
    assert error.__context__ is None


async def test_a_result_comes_back_as_it_was_sent() -> None:
    sent = {"number": "0x1", "list": [1, None, "2"]}
    async with serving(answering(result=sent)) as server, client_of(server.port) as (client, events):
        assert await client.call("eth_getBlockByNumber", ["latest", False]) == sent
    request = server.requests[0]
    assert (request["method"], request["params"]) == ("eth_getBlockByNumber", ["latest", False])
    (event,) = events
    assert isinstance(event, RpcFinished)
    assert (event.provider, event.method, event.result) == ("p1", "eth_getBlockByNumber", "ok")
    assert 0 <= event.seconds < SLACK_SECONDS


async def test_a_null_result_is_a_result() -> None:
    async with serving(answering(result=None)) as server, client_of(server.port) as (client, _):
        assert await client.call("eth_getBlockByHash", []) is None


async def test_calls_share_a_connection() -> None:
    async with serving(answering(result="0x1")) as server, client_of(server.port) as (client, _):
        for _ in range(5):
            await client.call("eth_chainId", [])
    assert server.connections == 1
    assert len({str(request["id"]) for request in server.requests}) == 5


@pytest.mark.parametrize("reply", [hang, hang_in_the_body, drip])
async def test_a_server_that_does_not_finish_is_a_timeout(reply: Reply) -> None:
    failure = await failure_against(reply)
    assert failure.reason == "timeout"
    assert failure.detail == "eth_chainId: no answer within 0.3 s"


async def test_a_client_works_again_after_timeouts_and_cancelled_calls() -> None:
    hanging = True

    async def reply(request: dict[str, object], writer: asyncio.StreamWriter) -> None:
        await (hang if hanging else answering(result="0x1"))(request, writer)

    async with serving(reply) as server, client_of(server.port) as (client, _):
        calls = [asyncio.create_task(client.call("eth_chainId", [])) for _ in range(20)]
        await asyncio.sleep(0)
        for call in calls[:10]:
            call.cancel()
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {asyncio.CancelledError, UpstreamError}
        hanging = False
        assert await client.call("eth_chainId", []) == "0x1"


async def test_a_dead_port_is_unreachable() -> None:
    async with serving(hang) as server:
        port = server.port
    async with client_of(port) as (client, events):
        with pytest.raises(
            UpstreamError, match=r"p1: unreachable: eth_chainId: no connection .*ECONNREFUSED"
        ) as caught:
            await client.call("eth_chainId", [])
        assert_no_secret(caught.value, client, events)


async def test_a_name_that_does_not_resolve_is_unreachable() -> None:
    async with client_of(0, "http://s3cr3tpath.invalid/s3cr3tquery") as (client, events):
        with pytest.raises(UpstreamError) as caught:
            await client.call("eth_chainId", [])
        assert caught.value.reason in {"unreachable", "timeout"}
        assert_no_secret(caught.value, client, events)


async def test_a_server_that_hangs_up_is_unreachable() -> None:
    assert (await failure_against(hang_up)).reason == "unreachable"


async def test_a_server_without_tls_behind_an_https_url_is_unreachable() -> None:
    async with serving(hang) as server:
        url = KEYED_URL.replace("http:", "https:")
        async with client_of(server.port, url) as (client, events):
            with pytest.raises(UpstreamError) as caught:
                await client.call("eth_chainId", [])
            assert caught.value.reason in {"unreachable", "timeout"}
            assert_no_secret(caught.value, client, events)


@pytest.mark.parametrize(
    "status", ["400 Bad Request", "401 s3cr3tpath", "404 Not Found", "429 Slow", "500 Oops", "503 No"]
)
async def test_an_http_error_is_named_by_its_status(status: str) -> None:
    failure = await failure_against(saying(b"s3cr3tpath", status))
    assert failure.reason == "http_status"
    assert failure.detail == f"eth_chainId: HTTP status {status[:3]}"


async def test_a_redirect_is_not_followed() -> None:
    failure = await failure_against(
        saying(b"", "307 Temporary Redirect", "Location: http://127.0.0.1:1/s3cr3tpath\r\n")
    )
    assert failure.detail == "eth_chainId: HTTP status 307"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"s3cr3tpath is no JSON",
        b"\xff\xfe",
        b"[]",
        b"null",
        b"7",
        b"{}",
        b'{"jsonrpc":"2.0","id":0}',
        b'{"jsonrpc":"2.0","id":"0","result":"0x1"}',
        b'{"jsonrpc":"2.0","id":99,"result":"0x1"}',
        b'{"jsonrpc":"2.0","id":false,"result":"0x1"}',
        b'{"jsonrpc":"2.0","id":null,"result":"0x1"}',
        b'{"jsonrpc":"2.0","result":"0x1"}',
        b'{"jsonrpc":"2.0","id":0,"error":"s3cr3tpath"}',
        b'{"jsonrpc":"2.0","id":0,"error":{"code":"1"}}',
        b'{"jsonrpc":"2.0","id":0,"result":' + b"9" * 5000 + b"}",
        b"[" * 100_000,
        b'{"jsonrpc":"2.0","id":0,"result":',
    ],
    ids=lambda body: repr(body[:40]),
)
async def test_what_is_no_answer_is_named_and_not_quoted(body: bytes) -> None:
    failure = await failure_against(saying(body))
    assert failure.reason == "invalid_answer"


@pytest.mark.parametrize("reply", [cut, not_http])
async def test_broken_http_is_an_invalid_answer(reply: Reply) -> None:
    assert (await failure_against(reply)).reason == "invalid_answer"


async def test_an_answer_without_end_is_cut_off() -> None:
    failure = await failure_against(flood)
    assert failure.reason == "invalid_answer"
    assert str(LONGEST_ANSWER_BYTES) in failure.detail


async def test_what_time_the_server_says_it_is_is_taken_with_the_times_around_it() -> None:
    async def reply(request: dict[str, object], writer: asyncio.StreamWriter) -> None:
        body = json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": "0x1"}).encode()
        await http(writer, body, headers="Date: Tue, 14 Nov 2023 22:13:20 GMT\r\n")

    async with serving(reply) as server, client_of(server.port) as (client, _):
        before = time.monotonic()
        await client.call("eth_chainId", [])
        assert client.dated is not None
        assert client.dated.date == 1_700_000_000
        assert before <= client.dated.sent <= client.dated.received <= time.monotonic()


@pytest.mark.parametrize("date", ["", "yesterday", "s3cr3tpath", "Tue, 99 Nov 2023 22:13:20 GMT", "x" * 5000])
async def test_a_date_that_is_none_is_no_date(date: str) -> None:
    async def reply(request: dict[str, object], writer: asyncio.StreamWriter) -> None:
        body = json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": "0x1"}).encode()
        await http(writer, body, headers=f"Date: {date}\r\n")

    async with serving(reply) as server, client_of(server.port) as (client, _):
        assert await client.call("eth_chainId", []) == "0x1"
        assert client.dated is None


async def test_an_rpc_error_carries_code_and_message() -> None:
    failure = await failure_against(answering(error={"code": -32005, "message": "limit exceeded"}))
    assert isinstance(failure, NodeRefusedError)
    assert (failure.reason, failure.code) == ("rpc_error", -32005)
    assert failure.detail == "eth_chainId: error -32005: limit exceeded"


async def test_an_rpc_error_to_an_unread_request_is_an_rpc_error() -> None:
    failure = await failure_against(
        saying(b'{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"parse error"}}')
    )
    assert failure.reason == "rpc_error"


@pytest.mark.parametrize(
    "message",
    [
        "bad key S3CR3TPATH for s3cr3tquery",
        "see http://elsewhere/s3cr3tpath",
        "user s3cr3tuser:s3cr3tpass at 127.0.0.1",
        "x" * (LONGEST_DETAIL - 4) + "s3cr3tpath",
        {"nested": ["s3cr3tpath"]},
    ],
    ids=str,
)
async def test_an_rpc_errors_message_loses_what_belongs_to_the_url(message: object) -> None:
    failure = await failure_against(answering(error={"code": -32000, "message": message}))
    assert "[hidden]" in failure.detail or failure.detail.endswith("…")


def test_a_key_in_the_hosts_name_is_not_shown() -> None:
    endpoint = Endpoint("p1", "https://s3cr3tpath.provider.example/v3/%73%33cr3tquery")
    client = RpcClient(endpoint, 1, lambda _: None, time.monotonic)
    said = client.redacted("project s3cr3tpath of provider.example: s3cr3tquery, %73%33cr3tquery are over v3's quota")
    assert said == "project [hidden] of [hidden].example: [hidden], [hidden] are over v3's quota"


async def test_an_rpc_errors_message_is_one_short_line() -> None:
    failure = await failure_against(
        answering(error={"code": -32000, "message": "two\nlines \x1b[31m " + "x " * 10_000})
    )
    assert "two lines" in failure.detail
    assert failure.detail.isprintable()
    assert len(failure.detail) < LONGEST_DETAIL + 50


async def test_a_huge_rpc_error_does_not_hold_the_loop() -> None:
    started = time.monotonic()
    failure = await failure_against(answering(error={"code": -32000, "message": "x" * 3_000_000}))
    assert failure.reason == "rpc_error"
    assert time.monotonic() - started < SLACK_SECONDS


async def test_a_header_that_quotes_the_url_does_not_show_it() -> None:
    async def reply(request: dict[str, object], writer: asyncio.StreamWriter) -> None:
        result = "0x1" if request["method"] == "eth_chainId" else "unknown key s3cr3tpath"
        await answering(result=result)(request, writer)

    async with serving(reply) as server, client_of(server.port) as (client, events):
        with pytest.raises(UpstreamError, match="invalid_header: L1 header field block") as caught:
            await L1HeaderSource(NodeGroup([client], 1), events.append, clock=SystemClock()).latest()
        assert_no_secret(caught.value, client, events)


async def test_a_hanging_node_is_left_for_the_next() -> None:
    async def reply(request: dict[str, object], writer: asyncio.StreamWriter) -> None:
        await answering(result="0x1" if request["method"] == "eth_chainId" else block(header()))(request, writer)

    events: list[Event] = []
    async with serving(hang) as dead, serving(reply) as alive:
        clients = [
            RpcClient(
                Endpoint(alias, f"http://127.0.0.1:{server.port}"), TIMEOUT_SECONDS, events.append, time.monotonic
            )
            for alias, server in (("p1", dead), ("p2", alive))
        ]
        sighting = await L1HeaderSource(NodeGroup(clients, None), events.append, clock=SystemClock()).latest()
        for client in clients:
            await client.close()
    assert (sighting.provider, sighting.header) == ("p2", header())
    assert ProviderChanged("p2", "p1", "timeout") in events


async def test_nothing_of_the_url_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with serving(answering(result="0x1")) as server, client_of(server.port) as (client, _):
        await client.call("eth_chainId", [])
    assert not [secret for secret in SECRETS if secret in caplog.text]


def test_importing_the_client_leaves_the_recursion_limit_where_nested_json_is_harmless() -> None:
    program = "import sys; import app.adapters.rpc; print(sys.getrecursionlimit())"
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True).stdout
    assert int(printed) == PYTHONS_RECURSION_LIMIT


@pytest.mark.parametrize("module", ["headers", "clock", "nodes", "l1", "vault"])
def test_only_the_client_itself_takes_the_time_to_import_web3(module: str) -> None:
    program = (
        f"import sys; import app.adapters.{module}; print(any(name in sys.modules for name in ('web3', 'aiohttp')))"
    )
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True).stdout
    assert printed.strip() == "False"


@pytest.mark.parametrize(
    "url",
    [
        "ws://s3cr3tpath/",
        "wss://s3cr3tpath/",
        "s3cr3tpath",
        "",
        "http://",
        "ftp://s3cr3tpath/",
        "http://[s3cr3tpath",
        "http://s3cr3tpath:x/",
        "http://s3cr3tpath..x/",
        "http://" + "s3cr3tpath" * 7,
    ],
)
def test_a_url_that_is_not_http_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(InvalidValueError, match=r"RPC URL of p1: got .* expected http://") as caught:
        RpcClient(Endpoint("p1", url), 1, lambda _: None, time.monotonic)
    assert_no_secret(caught.value)
