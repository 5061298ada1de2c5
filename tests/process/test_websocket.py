"""The WebSocket client against the embedded devnet and against servers on loopback that freeze, garble and refuse."""

import asyncio
import contextlib
import json
import logging
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from app.adapters.clock import SystemClock
from app.adapters.jsonrpc import LONGEST_ANSWER_BYTES
from app.adapters.l1 import L1HeaderSource
from app.adapters.node_client import node_client
from app.adapters.nodes import HeadListener, NodeGroup, NodeRefusedError
from app.adapters.rpc import RpcClient
from app.adapters.websocket import PING_INTERVAL_SECONDS, PING_TIMEOUT_SECONDS, WebSocketNode
from app.devnet.run import Devnet, DevnetOptions
from app.domain.errors import InvalidValueError
from app.domain.header import L1Header
from app.domain.network import DEVNET_CHAIN_ID
from app.engine.events import Event, RpcFinished, SubscriptionBegan, SubscriptionEnded
from app.engine.ports import Endpoint, UpstreamError
from tests.adapters.fake_nodes import block, header

TIMEOUT_SECONDS = 0.5
PATIENCE_SECONDS = 15
SECRETS = ("s3cr3tuser", "s3cr3tpass", "s3cr3tpath", "s3cr3tquery", "127.0.0.1")
KEYED_URL = "ws://s3cr3tuser:s3cr3tpass@127.0.0.1:{port}/v3/s3cr3tpath?apikey=s3cr3tquery"

Behaviour = Callable[[ServerConnection], Awaitable[None]]
TcpBehaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Listener(HeadListener):
    """Remembers what it is told."""

    told: asyncio.Queue[object] = field(default_factory=asyncio.Queue)

    def subscribed(self) -> None:
        self.told.put_nowait("subscribed")

    def pushed(self, header: L1Header) -> None:
        self.told.put_nowait(header)

    def push_failed(self, failure: UpstreamError) -> None:
        self.told.put_nowait(failure)

    def unsubscribed(self, reason: str) -> None:
        self.told.put_nowait(reason)

    async def next(self) -> object:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self.told.get()

    async def next_failure(self) -> UpstreamError:
        failure = await self.next()
        assert isinstance(failure, UpstreamError), failure
        return failure


@contextlib.asynccontextmanager
async def serving(behaviour: Behaviour) -> AsyncIterator[int]:
    """A WebSocket server of this behaviour; its port."""

    async def handle(connection: ServerConnection) -> None:
        behaving = asyncio.ensure_future(behaviour(connection))
        gone = asyncio.ensure_future(connection.wait_closed())
        await asyncio.wait((behaving, gone), return_when=asyncio.FIRST_COMPLETED)
        behaving.cancel()
        with contextlib.suppress(ConnectionClosed, asyncio.CancelledError):
            await behaving

    async with serve(handle, "127.0.0.1", 0, max_size=None, close_timeout=0.2) as server:
        yield next(iter(server.sockets)).getsockname()[1]


@contextlib.asynccontextmanager
async def serving_tcp(behaviour: TcpBehaviour) -> AsyncIterator[int]:
    """A TCP server of this behaviour; its port."""
    server = await asyncio.start_server(behaviour, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@contextlib.asynccontextmanager
async def node_at(port: int, url: str = KEYED_URL) -> AsyncIterator[tuple[WebSocketNode, list[Event]]]:
    events: list[Event] = []
    node = WebSocketNode(Endpoint("p1", url.format(port=port)), TIMEOUT_SECONDS, events.append, time.monotonic)
    try:
        yield node, events
    finally:
        await node.close()


@contextlib.asynccontextmanager
async def listening(node: WebSocketNode) -> AsyncIterator[Listener]:
    """A listener to the node's heads."""
    listener = Listener()
    running = asyncio.create_task(node.run(listener))
    try:
        yield listener
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@contextlib.asynccontextmanager
async def running_devnet(port: int = 0) -> AsyncIterator[Devnet]:
    devnet = Devnet(DevnetOptions(port=port, block_time_seconds=0), SystemClock(), version="1.2.3")
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(devnet.run())
        await devnet.started()
        yield devnet
        task.cancel()


async def requests(connection: ServerConnection) -> AsyncIterator[dict[str, object]]:
    async for message in connection:
        yield json.loads(message)


async def answer(connection: ServerConnection, request: dict[str, object], **parts: object) -> None:
    await connection.send(json.dumps({"jsonrpc": "2.0", "id": request["id"]} | parts))


async def push(connection: ServerConnection, result: object) -> None:
    message = {"jsonrpc": "2.0", "method": "eth_subscription", "params": {"subscription": "0x1", "result": result}}
    await connection.send(json.dumps(message))


def answering(**parts: object) -> Behaviour:
    async def behave(connection: ServerConnection) -> None:
        async for request in requests(connection):
            await answer(connection, request, **parts)

    return behave


def saying(*messages: str | bytes) -> Behaviour:
    """To whatever is asked, these messages."""

    async def behave(connection: ServerConnection) -> None:
        async for _ in connection:
            for message in messages:
                await connection.send(message)

    return behave


def pushing(*results: object, then: Callable[[ServerConnection], Awaitable[None]] | None = None) -> Behaviour:
    """Takes a subscription, and pushes these results."""

    async def behave(connection: ServerConnection) -> None:
        async for request in requests(connection):
            await answer(connection, request, result="0x1")
            for result in results:
                await push(connection, result)
            if then is not None:
                await then(connection)

    return behave


async def hang(_connection: ServerConnection) -> None:
    await asyncio.Event().wait()


async def hang_up(connection: ServerConnection) -> None:
    await connection.recv()
    connection.transport.abort()


def assert_no_secret(error: BaseException, *others: object) -> None:
    printed = "".join(traceback.format_exception(error)) + repr(error) + str(error) + repr(others)
    assert not [secret for secret in SECRETS if secret in printed.lower()]
    assert error.__cause__ is None
    assert error.__context__ is None


async def failure_at(port: int, url: str = KEYED_URL) -> UpstreamError:
    """The error of one call, checked for secrets, for its event and for the time it took."""
    async with node_at(port, url) as (node, events):
        started = time.monotonic()
        with pytest.raises(UpstreamError) as caught:
            await node.call("eth_chainId", [])
        assert time.monotonic() - started < TIMEOUT_SECONDS + 2
        results = [(each.provider, each.method, each.result) for each in events if isinstance(each, RpcFinished)]
        assert results == [("p1", "eth_chainId", caught.value.reason)]
        assert_no_secret(caught.value, node, events)
    return caught.value


async def failure_against(behaviour: Behaviour) -> UpstreamError:
    async with serving(behaviour) as port:
        return await failure_at(port)


class TestCalls:
    async def test_a_result_comes_back_as_it_was_sent(self) -> None:
        sent = {"number": "0x1", "list": [1, None, "2"]}
        async with serving(answering(result=sent)) as port, node_at(port) as (node, events):
            assert await node.call("eth_getBlockByNumber", ["latest", False]) == sent
        assert [each.result for each in events if isinstance(each, RpcFinished)] == ["ok"]

    async def test_calls_go_side_by_side_and_each_gets_its_own_answer(self) -> None:
        connections = 0

        async def backwards(connection: ServerConnection) -> None:
            nonlocal connections
            connections += 1
            asked = [json.loads(await connection.recv()) for _ in range(20)]
            for request in reversed(asked):
                await answer(connection, request, result=request["params"])

        async with serving(backwards) as port, node_at(port) as (node, _):
            results = await asyncio.gather(*(node.call("echo", [place]) for place in range(20)))
        assert results == [[place] for place in range(20)]
        assert connections == 1

    async def test_an_answer_that_comes_twice_or_to_nobody_disturbs_nothing(self) -> None:
        async def twice(connection: ServerConnection) -> None:
            async for request in requests(connection):
                await answer(connection, {"id": 10_000}, result="to nobody")
                await answer(connection, request, result=request["params"])
                await answer(connection, request, result="again")

        async with serving(twice) as port, node_at(port) as (node, _):
            assert [await node.call("echo", [place]) for place in range(5)] == [[place] for place in range(5)]

    async def test_a_late_answer_is_nobodys(self) -> None:
        async def late(connection: ServerConnection) -> None:
            asked = [json.loads(await connection.recv()) for _ in range(2)]
            for request in asked:
                await answer(connection, request, result=request["params"])
            await hang(connection)

        async with serving(late) as port, node_at(port) as (node, _):
            with pytest.raises(UpstreamError, match="timeout"):
                await node.call("echo", [1])
            assert await node.call("echo", [2]) == [2]

    async def test_a_server_that_does_not_answer_is_a_timeout(self) -> None:
        failure = await failure_against(hang)
        assert failure.detail == "eth_chainId: no answer within 0.5 s"

    async def test_a_server_that_hangs_up_is_unreachable_and_the_next_call_connects_anew(self) -> None:
        hanging_up = True

        async def behave(connection: ServerConnection) -> None:
            await (hang_up if hanging_up else answering(result="0x1"))(connection)

        async with serving(behave) as port, node_at(port) as (node, _):
            with pytest.raises(UpstreamError, match="unreachable"):
                await node.call("eth_chainId", [])
            hanging_up = False
            assert await node.call("eth_chainId", []) == "0x1"

    async def test_an_rpc_error_carries_code_and_message_without_secrets(self) -> None:
        failure = await failure_against(answering(error={"code": -32005, "message": "no s3cr3tquery"}))
        assert isinstance(failure, NodeRefusedError)
        assert failure.detail == "eth_chainId: error -32005: no [hidden]"

    async def test_an_error_without_an_id_is_an_answer_to_what_was_asked(self) -> None:
        refused = '{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"parse error"}}'
        assert (await failure_against(saying(refused))).reason == "rpc_error"

    @pytest.mark.parametrize(
        "message",
        ["", "s3cr3tpath", "[]", "7", b"\xff\xfe", "[" * 100_000, '{"id":1}', '{"id":1,"error":"s3cr3tpath"}', "{"],
        ids=lambda message: repr(message[:20]),
    )
    async def test_what_is_no_answer_is_named_and_not_quoted(self, message: str | bytes) -> None:
        assert (await failure_against(saying(message))).reason == "invalid_answer"

    async def test_an_oversized_answer_is_refused_and_the_next_call_connects_anew(self) -> None:
        failure = await failure_against(saying("x" * (LONGEST_ANSWER_BYTES + 1)))
        assert failure.reason == "invalid_answer"
        assert str(LONGEST_ANSWER_BYTES) in failure.detail


class TestHandshakes:
    async def test_a_dead_port_is_unreachable(self, free_port: int) -> None:
        failure = await failure_at(free_port)
        assert failure.reason == "unreachable"
        assert "ECONNREFUSED" in failure.detail

    @pytest.mark.parametrize("status", ["401 s3cr3tpath", "404 Not Found", "429 Slow", "503 No"])
    async def test_an_http_error_is_named_by_its_status(self, status: str) -> None:
        async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(f"HTTP/1.1 {status}\r\nX-Key: s3cr3tpath\r\nContent-Length: 10\r\n\r\ns3cr3tpath".encode())
            await writer.drain()
            writer.close()

        async with serving_tcp(refuse) as port:
            failure = await failure_at(port)
        assert (failure.reason, failure.detail) == ("http_status", f"eth_chainId: HTTP status {status[:3]}")

    async def test_a_redirect_is_not_followed(self) -> None:
        async def redirect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(
                b"HTTP/1.1 307 Elsewhere\r\nLocation: ws://127.0.0.1:1/s3cr3tpath\r\nContent-Length: 0\r\n\r\n"
            )
            await writer.drain()
            writer.close()

        async with serving_tcp(redirect) as port:
            assert (await failure_at(port)).detail == "eth_chainId: HTTP status 307"

    @pytest.mark.parametrize(
        "said", [b"SSH-2.0-OpenSSH_9.2\r\n\r\n", b"HTTP/1.1 101 Yes\r\nUpgrade: s3cr3tpath\r\n\r\n"]
    )
    async def test_what_is_no_handshake_is_named(self, said: bytes) -> None:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(said)
            await writer.drain()
            writer.close()

        async with serving_tcp(talk) as port:
            assert (await failure_at(port)).reason == "invalid_answer"

    async def test_who_hangs_up_at_once_is_unreachable(self) -> None:
        async def leave(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.transport.abort()

        async with serving_tcp(leave) as port:
            assert (await failure_at(port)).reason == "unreachable"

    async def test_who_says_nothing_is_a_timeout(self) -> None:
        async def wait(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
            await reader.read()

        async with serving_tcp(wait) as port:
            assert (await failure_at(port)).reason == "timeout"

    async def test_a_server_without_tls_behind_a_wss_url_is_unreachable(self) -> None:
        async def talk(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 400 No\r\n\r\n")
            await writer.drain()

        async with serving_tcp(talk) as port:
            assert (await failure_at(port, KEYED_URL.replace("ws:", "wss:"))).reason == "unreachable"

    async def test_the_library_logs_nothing_of_a_handshake(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)

        async def leave(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.transport.abort()

        async with serving_tcp(leave) as port:
            await failure_at(port)
        async with running_devnet() as devnet, node_at(0, devnet.web_socket_url + "?key=s3cr3tquery") as (node, _):
            await node.call("eth_chainId", [])
        ours = [record for record in caplog.records if not record.name.startswith("uvicorn")]
        assert not [record for record in ours if "s3cr3t" in record.getMessage()]
        assert not [record for record in ours if record.name.startswith("websockets")]


class TestPushes:
    async def test_heads_of_the_devnet_come_as_headers(self) -> None:
        async with running_devnet() as devnet, node_at(0, devnet.web_socket_url) as (node, _), listening(node) as heads:
            assert await heads.next() == "subscribed"
            await node.call("devnet_mine", [2])
            pushed = [await heads.next() for _ in range(2)]
            assert [each.number for each in pushed if isinstance(each, L1Header)] == [129, 130]

    async def test_a_node_that_was_restarted_is_subscribed_to_again_within_seconds(self) -> None:
        async with running_devnet() as devnet:
            url = devnet.web_socket_url
            port = int(url.rpartition(":")[2].partition("/")[0])
            async with node_at(0, url) as (node, _), listening(node) as heads:
                assert await heads.next() == "subscribed"
                assert node._line is not None
        async with node_at(0, url) as (node, _), listening(node) as heads:
            await asyncio.sleep(0.1)
            async with running_devnet(port):
                assert await heads.next() == "subscribed"
            assert await heads.next() == "closed"
            async with running_devnet(port):
                started = time.monotonic()
                assert await heads.next() == "subscribed"
                assert time.monotonic() - started < 6
                await node.call("devnet_mine", [1])
                assert isinstance(await heads.next(), L1Header)

    async def test_a_frozen_socket_is_noticed_within_seconds(self) -> None:
        async def freeze(connection: ServerConnection) -> None:
            connection.transport.pause_reading()
            await asyncio.Event().wait()

        async with serving(pushing(then=freeze)) as port, node_at(port) as (node, _), listening(node) as heads:
            assert await heads.next() == "subscribed"
            started = time.monotonic()
            assert await heads.next() == "frozen"
            assert time.monotonic() - started < PING_INTERVAL_SECONDS + PING_TIMEOUT_SECONDS + 2
            assert await heads.next() == "subscribed"

    async def test_a_silent_subscription_is_made_anew(self) -> None:
        async with serving(pushing()) as port, node_at(port) as (node, _), listening(node) as heads:
            assert await heads.next() == "subscribed"
            node.resubscribe()
            assert [await heads.next() for _ in range(2)] == ["silent", "subscribed"]

    async def test_a_node_that_cannot_push_goes_on_being_asked(self) -> None:
        async def without_pushes(connection: ServerConnection) -> None:
            async for request in requests(connection):
                if request["method"] == "eth_subscribe":
                    await answer(connection, request, error={"code": -32601, "message": "no such method"})
                else:
                    await answer(connection, request, result="0x1")

        async with serving(without_pushes) as port, node_at(port) as (node, _), listening(node) as heads:
            assert await heads.next() == "refused"
            assert await node.call("eth_chainId", []) == "0x1"
            assert heads.told.empty()

    @pytest.mark.parametrize(
        "pushed", [None, {}, "s3cr3tpath", [], 7, block(header()) | {"baseFeePerGas": "0x0"}], ids=repr
    )
    async def test_a_malformed_push_is_a_failure_and_the_next_good_one_is_a_head(self, pushed: object) -> None:
        behaviour = pushing(pushed, block(header()))
        async with serving(behaviour) as port, node_at(port) as (node, events), listening(node) as heads:
            assert await heads.next() == "subscribed"
            failure = await heads.next_failure()
            assert failure.reason == "invalid_header"
            assert_no_secret(failure, events)
            assert await heads.next() == header()

    async def test_an_oversized_push_is_a_failure_and_the_connection_is_made_anew(self) -> None:
        behaviour = pushing("x" * (LONGEST_ANSWER_BYTES + 1))
        async with serving(behaviour) as port, node_at(port) as (node, _), listening(node) as heads:
            assert await heads.next() == "subscribed"
            failure = await heads.next_failure()
            assert failure.reason == "invalid_header"
            assert str(LONGEST_ANSWER_BYTES) in failure.detail
            assert [await heads.next() for _ in range(2)] == ["closed", "subscribed"]

    async def test_a_server_that_takes_subscriptions_and_drops_them_is_not_stormed(self) -> None:
        connections = 0

        async def drop(connection: ServerConnection) -> None:
            nonlocal connections
            connections += 1
            request = json.loads(await connection.recv())
            await answer(connection, request, result="0x1")
            await connection.close()

        async with serving(drop) as port, node_at(port) as (node, _), listening(node):
            await asyncio.sleep(3)
        assert 2 <= connections <= 4

    async def test_cancelling_ends_the_subscription_and_closing_ends_the_connection(self) -> None:
        left = asyncio.Event()

        async def stay(connection: ServerConnection) -> None:
            await pushing()(connection)
            left.set()

        async with serving(stay) as port, node_at(port) as (node, _):
            async with listening(node) as heads:
                assert await heads.next() == "subscribed"
            await node.close()
            async with asyncio.timeout(PATIENCE_SECONDS):
                await left.wait()


async def test_a_pushed_head_reaches_the_source_at_once_and_is_used_without_asking() -> None:
    events: list[Event] = []
    subscribed = asyncio.Event()

    def observe(event: Event) -> None:
        events.append(event)
        if event == SubscriptionBegan("p1"):
            subscribed.set()

    async with running_devnet() as devnet:
        clock = SystemClock()
        node = node_client(Endpoint("p1", devnet.web_socket_url), TIMEOUT_SECONDS, observe, clock.monotonic)
        source = L1HeaderSource(NodeGroup([node], DEVNET_CHAIN_ID), observe, clock=clock)
        async with asyncio.timeout(PATIENCE_SECONDS), asyncio.TaskGroup() as tasks:
            running = tasks.create_task(source.run())
            before = (await source.latest()).header
            await subscribed.wait()
            await node.call("devnet_mine", [1])
            started = time.monotonic()
            await source.news()
            asked_before = len(events)
            assert (await source.latest()).header.number == before.number + 1
            assert time.monotonic() - started < 0.5
            assert [each for each in events[asked_before:] if isinstance(each, RpcFinished)] == []
            running.cancel()
        await source.close()
        await node.close()
    assert [each for each in events if isinstance(each, SubscriptionEnded)] == []


def test_the_scheme_chooses_the_client() -> None:
    def client(url: str) -> RpcClient | WebSocketNode:
        return node_client(Endpoint("p1", url), 1, lambda _: None, time.monotonic)

    assert isinstance(client("wss://node.example/key"), WebSocketNode)
    assert isinstance(client("https://node.example/key"), RpcClient)
    with pytest.raises(InvalidValueError, match=r"RPC URL of p1: got 'another text \(hidden\)'"):
        client("ftp://s3cr3tpath")


@pytest.mark.parametrize("url", ["ws://", "ws://:80/s3cr3tpath", "http://node.example", "s3cr3tpath"])
def test_a_url_that_is_none_of_a_web_socket_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(InvalidValueError) as caught:
        WebSocketNode(Endpoint("p1", url), 1, lambda _: None, time.monotonic)
    assert "s3cr3tpath" not in str(caught.value)
