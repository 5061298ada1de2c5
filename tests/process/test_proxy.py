"""The proxy that the fault tests stand on: each fault is seen as a client would see it, and so is its end."""

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator

import httpx
import pytest
from websockets.sync.client import connect
from websockets.sync.server import Server as WebSocketServer
from websockets.sync.server import ServerConnection, serve

from tests.proxy import (
    PASS,
    Blackhole,
    Delay,
    Drip,
    Fault,
    FaultProxy,
    Garble,
    HalfOpen,
    Oversize,
    Refuse,
    Reset,
    Rewrite,
    Truncate,
)

PATIENCE_SECONDS = 0.4


class Upstream:
    """An HTTP server that answers every request with the same body, and counts them."""

    def __init__(self, body: bytes = b'{"baseFeePerGas":"0x5"}') -> None:
        self.requests = 0
        self._answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def close(self) -> None:
        with contextlib.suppress(OSError):  # closed before
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        received = b""
        with connection, contextlib.suppress(OSError):
            while chunk := connection.recv(65536):
                received += chunk
                while b"\r\n\r\n" in received:
                    received = received.split(b"\r\n\r\n", 1)[1]
                    self.requests += 1
                    connection.sendall(self._answer)


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    server = Upstream()
    yield server
    server.close()


@pytest.fixture
def proxy(upstream: Upstream) -> Iterator[FaultProxy]:
    with FaultProxy(upstream.port) as proxy:
        yield proxy


@pytest.fixture
def client(proxy: FaultProxy) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=proxy.url, timeout=PATIENCE_SECONDS) as client:
        yield client


def assert_passes(client: httpx.Client) -> None:
    assert client.get("/").json() == {"baseFeePerGas": "0x5"}


def test_without_a_fault_everything_passes_and_connections_are_kept(proxy: FaultProxy, client: httpx.Client) -> None:
    for _ in range(3):
        assert_passes(client)
    assert proxy.accepted == 1


def test_a_delay_holds_answers_back(proxy: FaultProxy, client: httpx.Client) -> None:
    proxy.fault = Delay(0.2)
    started = time.monotonic()
    assert_passes(client)
    assert time.monotonic() - started >= 0.2


@pytest.mark.parametrize("fault", [Blackhole(), HalfOpen(), Delay(60), Drip(1)], ids=repr)
def test_what_does_not_come_in_time_is_a_timeout_on_open_connections_too(
    proxy: FaultProxy, client: httpx.Client, fault: Fault
) -> None:
    assert_passes(client)
    proxy.fault = fault
    with pytest.raises(httpx.ReadTimeout):
        client.get("/")
    proxy.fault = PASS
    assert_passes(client)


def test_a_blackhole_keeps_requests_from_the_target_and_a_half_open_connection_does_not(
    proxy: FaultProxy, client: httpx.Client, upstream: Upstream
) -> None:
    proxy.fault = Blackhole()
    with pytest.raises(httpx.ReadTimeout):
        client.get("/")
    assert upstream.requests == 0
    proxy.fault = HalfOpen()
    with pytest.raises(httpx.ReadTimeout):
        client.get("/")
    assert upstream.requests == 1


def test_refused_connections_are_refused_and_the_port_is_kept(proxy: FaultProxy, client: httpx.Client) -> None:
    assert_passes(client)
    port = proxy.port
    proxy.fault = Refuse()
    with pytest.raises(httpx.TransportError):
        client.get("/")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 1)
    proxy.fault = PASS
    assert proxy.port == port
    assert_passes(client)


def test_a_reset_is_a_reset(proxy: FaultProxy) -> None:
    proxy.fault = Reset()
    with pytest.raises(ConnectionResetError), socket.create_connection(("127.0.0.1", proxy.port), 1) as connection:
        connection.recv(1)


def test_a_cut_ends_open_connections_and_lets_new_ones_pass(proxy: FaultProxy, client: httpx.Client) -> None:
    with socket.create_connection(("127.0.0.1", proxy.port), 1) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 200")
        proxy.cut()
        with pytest.raises(ConnectionResetError):
            connection.recv(1)
    assert proxy.open_connections == 0
    assert_passes(client)


def test_garbled_answers_are_garbled_alike_every_time(proxy: FaultProxy) -> None:
    proxy.fault = Garble(seed=3, every=4)
    answers = []
    for _ in range(2):
        with socket.create_connection(("127.0.0.1", proxy.port), 1) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
            answers.append(connection.recv(1000))
    assert answers[0] == answers[1]
    assert answers[0] != b'HTTP/1.1 200 OK\r\nContent-Length: 23\r\n\r\n{"baseFeePerGas":"0x5"}'


def test_a_truncated_answer_ends_early(proxy: FaultProxy, client: httpx.Client) -> None:
    proxy.fault = Truncate(50)
    with pytest.raises(httpx.RemoteProtocolError):
        client.get("/")


def test_a_body_is_forged_under_the_right_length(proxy: FaultProxy, client: httpx.Client) -> None:
    proxy.fault = Rewrite(lambda body: json.dumps(json.loads(body) | {"baseFeePerGas": "0x123456789"}).encode())
    for _ in range(2):
        assert client.get("/").json() == {"baseFeePerGas": "0x123456789"}
    proxy.fault = PASS
    assert_passes(client)


def test_an_endless_body_goes_on_until_the_client_has_enough(proxy: FaultProxy, client: httpx.Client) -> None:
    proxy.fault = Oversize()
    received = 0
    with client.stream("GET", "/") as answer:
        for chunk in answer.iter_bytes():
            received += len(chunk)
            if received > 2**22:
                break
    proxy.fault = PASS
    assert_passes(client)


def test_another_target_is_reached_under_the_same_port(proxy: FaultProxy, client: httpx.Client) -> None:
    assert_passes(client)
    other = Upstream(b'{"other":true}')
    try:
        proxy.retarget(other.port)
        with contextlib.suppress(httpx.TransportError):
            client.get("/")  # the pooled connection was reset
        assert client.get("/").json() == {"other": True}
    finally:
        other.close()


def test_a_dead_target_looks_dead(upstream: Upstream) -> None:
    upstream.close()
    with FaultProxy(upstream.port) as proxy, pytest.raises(httpx.TransportError):
        httpx.get(proxy.url, timeout=PATIENCE_SECONDS)


def test_after_closing_the_port_is_free_and_nothing_of_the_proxy_lives_on(upstream: Upstream) -> None:
    proxy = FaultProxy(upstream.port)
    assert httpx.get(proxy.url).status_code == httpx.codes.OK
    proxy.close()
    with socket.socket() as again:
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        again.bind(("127.0.0.1", proxy.port))
    assert not [thread for thread in threading.enumerate() if thread.name == "fault-proxy"]
    proxy.close()


@contextlib.contextmanager
def echoing() -> Iterator[WebSocketServer]:
    def echo(connection: ServerConnection) -> None:
        for message in connection:
            connection.send(message)

    with serve(echo, "127.0.0.1", 0, compression=None) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join(5)


@pytest.mark.parametrize("length", [1, 100, 130, 70_000])
def test_web_socket_messages_are_forged_too(length: int) -> None:
    with echoing() as server, FaultProxy(server.socket.getsockname()[1]) as proxy:
        proxy.fault = Rewrite(lambda body: body + b"!" if body.startswith(b"x") else body)
        with connect(f"ws://127.0.0.1:{proxy.port}", compression=None) as client:
            for _ in range(2):
                client.send("x" * length)
                assert client.recv(5) == "x" * length + "!"
            proxy.fault = PASS
            client.send("plain")
            assert client.recv(5) == "plain"
