"""The devnet's real server, over real loopback sockets, with the clients that people use."""

import asyncio
import json
import logging
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets
from eth_typing import HexStr
from web3 import AsyncHTTPProvider, AsyncWeb3, WebSocketProvider
from web3.types import RPCEndpoint

from app.adapters.clock import SystemClock
from app.devnet.run import Devnet, DevnetBindError, DevnetOptions
from app.domain.header import L1Header, check_link
from app.domain.network import DEVNET_CHAIN_ID
from app.domain.units import BlockNumber, Gas, UnixSeconds, Wei, WeiPerGas

VAULT = "0x00000000000000000000000000000000000a11ce"
PATIENCE_SECONDS = 20
SERIES = Path(__file__).parents[1] / "devnet" / "data" / "steeper-than-an-eighth.csv"


@asynccontextmanager
async def running(**options: Any) -> AsyncIterator[Devnet]:  # noqa: ANN401 - any option
    """A devnet on a free port that mines on request only, unless told otherwise."""
    devnet = Devnet(DevnetOptions(**{"port": 0, "block_time_seconds": 0, **options}), SystemClock(), version="1.2.3")
    async with asyncio.timeout(PATIENCE_SECONDS), asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(devnet.run())
        await devnet.started()
        yield devnet
        serving.cancel()


@pytest.fixture(autouse=True)
def no_error_is_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Whatever clients do, the server logs no traceback."""
    yield
    assert [record for record in caplog.get_records("call") if record.levelno >= logging.ERROR] == []


@pytest.fixture
async def devnet() -> AsyncIterator[Devnet]:
    async with running(balances={VAULT: Wei(5)}) as devnet:
        yield devnet


@pytest.fixture
async def client(devnet: Devnet) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=devnet.url, trust_env=False) as client:
        yield client


@pytest.fixture
async def web3(devnet: Devnet) -> AsyncIterator[AsyncWeb3[AsyncHTTPProvider]]:
    provider = AsyncHTTPProvider(devnet.url, exception_retry_configuration=None)
    yield AsyncWeb3(provider)
    await provider.disconnect()


async def call(client: httpx.AsyncClient, method: str, *params: object) -> Any:  # noqa: ANN401 - whatever JSON comes
    answer = await client.post("/", json={"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
    assert answer.status_code == httpx.codes.OK
    return answer.json()["result"]


def header_of(block: Any) -> L1Header:  # noqa: ANN401 - web3's block
    return L1Header(
        BlockNumber(block["number"]),
        block["hash"].hex(),
        block["parentHash"].hex(),
        UnixSeconds(block["timestamp"]),
        WeiPerGas(block["baseFeePerGas"]),
        Gas(block["gasLimit"]),
        Gas(block["gasUsed"]),
    )


class TestHttp:
    async def test_answers_a_call_and_a_batch(self, client: httpx.AsyncClient) -> None:
        request = {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId"}

        answers = (await client.post("/", json=[request, request | {"id": 2}])).json()

        assert await call(client, "eth_chainId") == hex(DEVNET_CHAIN_ID)
        assert [answer["id"] for answer in answers] == [1, 2]

    async def test_answers_a_notification_with_nothing(self, client: httpx.AsyncClient) -> None:
        answer = await client.post("/", json={"jsonrpc": "2.0", "method": "devnet_mine"})

        assert (answer.status_code, answer.content) == (204, b"")
        assert await call(client, "eth_blockNumber") == "0x81"

    async def test_answers_garbage_with_a_parse_error(self, client: httpx.AsyncClient) -> None:
        assert (await client.post("/", content=b"\x00garbage")).json()["error"]["code"] == -32700

    async def test_refuses_a_body_that_is_too_large(self, client: httpx.AsyncClient) -> None:
        assert (await client.post("/", content=b" " * 1_048_577)).status_code == 413

    @pytest.mark.parametrize(("method", "path", "code"), [("GET", "/", 405), ("POST", "/rpc", 404)])
    async def test_takes_posts_to_its_root_only(
        self, client: httpx.AsyncClient, method: str, path: str, code: int
    ) -> None:
        assert (await client.request(method, path)).status_code == code

    async def test_outlives_a_client_that_hangs_up_within_its_request(
        self, devnet: Devnet, client: httpx.AsyncClient
    ) -> None:
        port = int(devnet.url.rpartition(":")[2])
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST / HTTP/1.1\r\nHost: devnet\r\nContent-Length: 100\r\n\r\n{")
        await writer.drain()
        writer.close()
        await writer.wait_closed()

        assert await call(client, "eth_syncing") is False


class TestWeb3:
    async def test_reads_blocks_that_follow_from_one_another(self, web3: AsyncWeb3[AsyncHTTPProvider]) -> None:
        head = await web3.eth.get_block("latest")
        headers = [header_of(await web3.eth.get_block(number)) for number in range(head["number"] + 1)]

        assert len(headers) == 129
        for parent, child in pairwise(headers):
            check_link(parent, child)
            assert child.timestamp - parent.timestamp == 12
        assert header_of(await web3.eth.get_block(head["hash"])) == headers[-1]

    async def test_sees_a_head_of_now(self, web3: AsyncWeb3[AsyncHTTPProvider]) -> None:
        head = await web3.eth.get_block("latest")

        assert 0 <= SystemClock().now() / 1000 - head["timestamp"] < PATIENCE_SECONDS

    async def test_reads_balances_at_blocks(self, web3: AsyncWeb3[AsyncHTTPProvider]) -> None:
        vault = web3.to_checksum_address(VAULT)
        await web3.provider.make_request(RPCEndpoint("devnet_setBalance"), [VAULT, hex(10**18)])
        await web3.provider.make_request(RPCEndpoint("devnet_mine"), [1])

        assert await web3.eth.get_balance(vault) == 10**18
        assert await web3.eth.get_balance(vault, 128) == 5

    async def test_reads_the_fee_history_and_the_chain_id(self, web3: AsyncWeb3[AsyncHTTPProvider]) -> None:
        history = await web3.eth.fee_history(4, "latest", [50])
        head = await web3.eth.get_block("latest")

        assert await web3.eth.chain_id == DEVNET_CHAIN_ID
        assert await web3.client_version == "taiko-devnet/1.2.3"
        assert len(history["baseFeePerGas"]) == 5
        assert history["baseFeePerGas"][-2] == head["baseFeePerGas"]
        assert history["oldestBlock"] == 125

    async def test_is_pushed_new_heads(self, devnet: Devnet) -> None:
        async with AsyncWeb3(WebSocketProvider(devnet.web_socket_url)) as web3:
            subscription = await web3.eth.subscribe("newHeads")
            await web3.provider.make_request(RPCEndpoint("devnet_mine"), [2])
            heads = []
            async for message in web3.socket.process_subscriptions():
                assert message["subscription"] == subscription
                heads.append(message["result"])
                if len(heads) == 2:
                    break

            assert [head["number"] for head in heads] == [129, 130]
            check_link(header_of(heads[0]), header_of(heads[1]))
            assert await web3.eth.unsubscribe(HexStr(subscription))


class TestWebSocket:
    async def test_answers_in_text_to_text_and_bytes(self, devnet: Devnet) -> None:
        request = json.dumps({"jsonrpc": "2.0", "id": 7, "method": "eth_blockNumber"})
        async with websockets.connect(devnet.web_socket_url, proxy=None) as connection:
            await connection.send(request)
            await connection.send(request.encode())

            assert [json.loads(await connection.recv())["result"] for _ in range(2)] == ["0x80", "0x80"]

    async def test_pushes_a_reorgs_siblings_and_forgets_who_unsubscribes(self, devnet: Devnet) -> None:
        async with websockets.connect(devnet.web_socket_url, proxy=None) as connection:

            async def ask(method: str, *params: object) -> None:
                await connection.send(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}))

            await ask("eth_subscribe", "newHeads")
            subscription = json.loads(await connection.recv())["result"]
            await ask("devnet_reorg", 2)
            siblings = [json.loads(await connection.recv())["params"]["result"] for _ in range(2)]
            head = json.loads(await connection.recv())["result"]
            await ask("eth_unsubscribe", subscription)
            await connection.recv()
            await ask("devnet_mine")

            assert [sibling["number"] for sibling in siblings] == ["0x7f", "0x80"]
            assert siblings[1]["hash"] == head
            assert json.loads(await connection.recv())["result"] == "0x81"

    async def test_cuts_off_a_subscriber_that_does_not_read(self, devnet: Devnet, client: httpx.AsyncClient) -> None:
        async with websockets.connect(devnet.web_socket_url, proxy=None, max_queue=1) as connection:
            for _ in range(64):
                request = {"jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": ["newHeads"]}
                await connection.send(json.dumps(request))
                await connection.recv()
            await call(client, "devnet_mine", 100)
            with pytest.raises(websockets.ConnectionClosedError) as closed:
                async for _ in connection:
                    pass

        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1013

    async def test_outlives_a_subscriber_that_vanishes(self, devnet: Devnet, client: httpx.AsyncClient) -> None:
        connection = await websockets.connect(devnet.web_socket_url, proxy=None)
        await connection.send(
            json.dumps({"jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": ["newHeads"]})
        )
        await connection.recv()
        connection.transport.abort()

        assert await call(client, "devnet_mine", 200) == "0x148"
        assert await call(client, "devnet_mine", 200) == "0x210"

    async def test_refuses_a_frame_that_is_too_large(self, devnet: Devnet) -> None:
        async with websockets.connect(devnet.web_socket_url, proxy=None) as connection:

            async def exchange() -> None:
                await connection.send(" " * 1_048_577)
                await connection.recv()

            with pytest.raises(websockets.ConnectionClosedError):
                await exchange()


class TestBlockTime:
    async def test_of_ten_milliseconds_makes_blocks_near_wall_time(self) -> None:
        headers: list[L1Header] = []
        async with (
            running(block_time_seconds=0.01, history_blocks=0) as devnet,
            AsyncWeb3(WebSocketProvider(devnet.web_socket_url)) as web3,
        ):
            await web3.eth.subscribe("newHeads")
            async for message in web3.socket.process_subscriptions():
                headers.append(header_of(message["result"]))
                if len(headers) == 100:
                    break

        for parent, child in pairwise(headers):
            check_link(parent, child)
        assert abs(SystemClock().now() / 1000 - headers[-1].timestamp) < PATIENCE_SECONDS

    async def test_can_be_changed_and_stopped(self, devnet: Devnet, client: httpx.AsyncClient) -> None:
        async with websockets.connect(devnet.web_socket_url, proxy=None) as connection:
            request = {"jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": ["newHeads"]}
            await connection.send(json.dumps(request))
            await connection.recv()

            assert await call(client, "devnet_setIntervalMining", 0.05) is True
            for _ in range(3):
                assert json.loads(await connection.recv())["method"] == "eth_subscription"
            assert await call(client, "devnet_setIntervalMining", 0) is True
            stopped_at = await call(client, "eth_blockNumber")
            with suppress(TimeoutError):
                async with asyncio.timeout(0.3):
                    while True:
                        await connection.recv()

        assert await call(client, "eth_blockNumber") == stopped_at


async def test_a_replay_plays_every_row_then_stands_and_says_so() -> None:
    said: list[str] = []
    over = asyncio.Event()

    def say(line: str) -> None:
        said.append(line)
        over.set()

    options = DevnetOptions(port=0, block_time_seconds=0.01, replay=SERIES)
    devnet = Devnet(options, SystemClock(), version="1", say=say)
    rows = [line.split(",") for line in SERIES.read_text().splitlines()[1:]]
    async with asyncio.timeout(PATIENCE_SECONDS), asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(devnet.run())
        await over.wait()
        async with httpx.AsyncClient(base_url=devnet.url, trust_env=False) as client:
            blocks = [await call(client, "eth_getBlockByNumber", hex(int(number))) for number, *_ in rows]
            head = await call(client, "eth_blockNumber")
        serving.cancel()

    assert [str(int(block["baseFeePerGas"], 16)) for block in blocks] == [base_fee for *_, base_fee in rows]
    assert head == hex(int(rows[-1][0]))
    assert said == [f"the replay is over: block {rows[-1][0]} was its last, and the head stands"]


class TestLife:
    async def test_ends_at_once_and_leaves_the_port_free(self, free_port: int) -> None:
        for _ in range(2):
            async with running(port=free_port) as devnet:
                assert devnet.url == f"http://127.0.0.1:{free_port}"

        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", free_port)

    async def test_ends_under_idle_and_subscribed_clients(self) -> None:
        begun = 0.0
        clock = SystemClock()
        async with running(block_time_seconds=0.01) as devnet:
            _, idle = await asyncio.open_connection("127.0.0.1", int(devnet.url.rpartition(":")[2]))
            subscriber = await websockets.connect(devnet.web_socket_url, proxy=None)
            request = {"jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": ["newHeads"]}
            await subscriber.send(json.dumps(request))
            await subscriber.recv()
            begun = clock.monotonic()
        took = clock.monotonic() - begun
        with pytest.raises(websockets.ConnectionClosed):
            async for _ in subscriber:
                pass
        idle.close()

        assert took < 2

    async def test_leaves_the_signals_to_its_host(self) -> None:
        before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
        async with running():
            assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before

    async def test_a_taken_port_is_named(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            devnet = Devnet(DevnetOptions(port=port), SystemClock(), version="1")

            with pytest.raises(
                DevnetBindError, match=f"cannot listen on 127.0.0.1 port {port}: Address already in use"
            ):
                await devnet.run()

    async def test_speaks_ipv6_on_request(self) -> None:
        async with running(host="::1") as devnet, httpx.AsyncClient(base_url=devnet.url, trust_env=False) as client:
            assert devnet.url.startswith("http://[::1]:")
            assert await call(client, "net_version") == str(DEVNET_CHAIN_ID)
