"""The stream on the real process: it follows, frees what leaves, cuts what does not read, and ends with the process."""

import asyncio
import json
import signal
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from itertools import pairwise
from typing import Any, Final, cast

import httpx
import pytest
import uvicorn

from app.api.bodies import timestamp_text
from app.api.connections import BoundedProtocol, Bounds, Door
from app.bootstrap.supervision import http_server, listen
from app.domain.units import UnixMillis
from tests.api.house import BORN, House, build_house, sample_quote
from tests.service import Service, wait_until

pytestmark = pytest.mark.process

PATH: Final = "/v1/fee/stream"
MANY: Final = 300
FAST: Final = {"TAIKO_POLL_INTERVAL_SECONDS": "0.1"}
GAUGE: Final = "taiko_fee_oracle_stream_clients"


class Stream:
    """One connection that reads the stream."""

    def __init__(self, service: Service) -> None:
        where = service.client.base_url
        self._socket = socket.create_connection((where.host, where.port or 80), timeout=20)
        self._socket.sendall(f"GET {PATH} HTTP/1.1\r\nHost: oracle.test\r\n\r\n".encode())
        self.received = b""
        self.read_until(b"\n\n\r\n")

    def read_until(self, mark: bytes, *, times: int = 1) -> None:
        """Read until `mark` came so often, or to the end of the connection; fails where neither comes in 20 s."""
        while self.received.count(mark) < times:
            piece = self._socket.recv(65536)
            if not piece:
                return
            self.received += piece

    def read_to_end(self) -> None:
        while piece := self._socket.recv(65536):
            self.received += piece

    def events(self, name: str) -> list[dict[str, Any]]:
        lines = self.received.decode().splitlines()
        return [json.loads(data.removeprefix("data: ")) for label, data in pairwise(lines) if label == f"event: {name}"]

    def close(self) -> None:
        self._socket.close()


def stream_clients(service: Service) -> int:
    line = next(line for line in service.get("/metrics").text.splitlines() if line.startswith(f"{GAUGE} "))
    return int(float(line.split()[1]))


@contextmanager
def quoting(block_seconds: str) -> Iterator[tuple[Service, str]]:
    """The service, and the URL of its devnet."""
    with Service("devnet", "--port", "0", "--block-time", block_seconds) as devnet:
        url = str(devnet.event("devnet_listening")["url"])
        with Service("serve", environment={"TAIKO_L1_RPC_URLS": url, **FAST}) as service:
            wait_until(service.quote, "a quote")
            yield service, url


def mine(url: str) -> None:
    request = {"jsonrpc": "2.0", "id": 1, "method": "devnet_mine", "params": ["0x1"]}
    assert "result" in httpx.post(url, json=request).json()


def test_every_block_is_told_to_every_reader_as_get_gives_it() -> None:
    with quoting("0") as (service, url), ExitStack() as stack:
        streams = [Stream(service) for _ in range(3)]
        for stream in streams:
            stack.callback(stream.close)
        for told in range(2, 7):
            mine(url)
            for stream in streams:
                stream.read_until(b"event: quote", times=told)
                stream.read_until(b"\n\n\r\n", times=told)
            quote = service.quote()
            assert [stream.events("quote")[-1] for stream in streams] == [quote] * 3
        numbers = [event["l1"]["blockNumber"] for event in streams[0].events("quote")]
        assert numbers == list(range(numbers[0], numbers[0] + 6))


def test_the_metric_follows_those_who_come_and_go() -> None:
    with quoting("0") as (service, _):
        assert stream_clients(service) == 0
        streams = [Stream(service) for _ in range(20)]
        assert stream_clients(service) == 20
        for stream in streams:
            stream.close()
        wait_until(lambda: stream_clients(service) == 0, "the readers' departure", seconds=2)
        counted = f'taiko_fee_oracle_http_requests_total{{code="200",route="{PATH}"}} 20.0'
        assert counted in service.get("/metrics").text.splitlines()


def test_head_options_and_a_query_are_answered_at_once() -> None:
    with quoting("0") as (service, _):
        head = service.client.head(PATH)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-type"] == "text/event-stream"
        assert head.headers["taiko-network"] == "devnet"
        refused = service.get(f"{PATH}?maxAgeSeconds=5")
        assert (refused.status_code, refused.headers["content-type"]) == (422, "application/problem+json")
        assert service.client.post(PATH).status_code == 405
        assert service.client.post(PATH).headers["allow"] == "GET, HEAD, OPTIONS"


def test_beyond_the_bound_there_is_a_problem_and_the_fee_all_the_same() -> None:
    with Service("serve", "--devnet", environment={"TAIKO_STREAM_CLIENTS_MAX": "2"}) as service:
        wait_until(service.quote, "a quote")
        streams = [Stream(service) for _ in range(2)]
        refused = service.get(PATH)
        assert refused.status_code == 503
        assert refused.json()["type"] == "urn:taiko-fee-oracle:problem:too-many-streams"
        assert (refused.headers["retry-after"], refused.headers["cache-control"]) == ("10", "no-store")
        assert service.get("/v1/fee").status_code == 200
        streams[0].close()
        wait_until(lambda: stream_clients(service) == 1, "a free place", seconds=2)
        Stream(service).close()


def test_sigterm_ends_every_stream_with_an_event_and_the_process_with_0() -> None:
    with quoting("0.2") as (service, _):
        streams = [Stream(service) for _ in range(MANY)]
        assert stream_clients(service) == MANY
        asked = time.monotonic()
        service.process.send_signal(signal.SIGTERM)
        for stream in streams:
            stream.read_to_end()
        told = time.monotonic() - asked
        assert service.process.wait(20) == 0
        ended = time.monotonic() - asked
    for stream in streams:
        assert stream.received.endswith(b'event: end\ndata: {"reason":"draining"}\n\n\r\n0\r\n\r\n')
        assert len(stream.events("quote")) >= 1
    assert told < 2, "readers are told before the door closes"
    assert ended < 7, "what an end without streams may take"
    assert [line for line in service.stderr.splitlines() if '"level": "error"' in line or "Traceback" in line] == []


@asynccontextmanager
async def serving(house: House, bounds: Bounds) -> AsyncIterator[tuple[uvicorn.Server, int]]:
    """The house behind the real HTTP server, and its port."""
    server = http_server(house.app, Door(bounds))
    with listen("127.0.0.1", 0) as listener:
        running = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield server, listener.getsockname()[1]
        finally:
            server.should_exit = True
            await running


async def test_a_reader_that_reads_nothing_costs_a_buffer_and_is_cut_and_others_miss_nothing() -> None:
    house = build_house(quote=sample_quote())
    request = f"GET {PATH} HTTP/1.1\r\nHost: oracle.test\r\n\r\n".encode()
    async with asyncio.timeout(60), serving(house, Bounds(write_seconds=0.5)) as (server, port):
        deaf = socket.socket()
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.setblocking(False)  # noqa: FBT003 - the standard library's
        await asyncio.get_running_loop().sock_connect(deaf, ("127.0.0.1", port))
        await asyncio.get_running_loop().sock_sendall(deaf, request)
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**24)
        writer.write(request)
        told, unread, published = 0, 0, 0
        while house.stream_clients[-1:] != [2]:  # noqa: ASYNC110 - the server tells nobody else
            await asyncio.sleep(0.01)
        while house.stream_clients[-1] == 2:
            published += 1
            house.board.publish(sample_quote(), UnixMillis(BORN + 1_512 + published), True)  # noqa: FBT003 - the port's
            await reader.readuntil(timestamp_text(UnixMillis(BORN + 1_512 + published)).encode())
            told += 1
            connections = cast("set[BoundedProtocol]", server.server_state.connections)
            unread = max(unread, *(connection.unread_bytes for connection in connections))
        deaf.close()
        writer.close()
        assert told == published > 100
        assert 64 * 1024 <= unread < 64 * 1024 + 4096, "the server's high-water mark and one event"
