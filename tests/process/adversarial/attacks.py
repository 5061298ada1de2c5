"""Clients that wish the service ill, in a process of their own: `python -m`, the name of one, an address and seconds.

Each prints what it was answered, as JSON: how often each status and problem type, and what else it saw.
"""

import asyncio
import json
import resource
import socket
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import uvloop

CUT = "cut"
"""In place of a status: the connection broke, or ended without an answer."""
HOST = "Host: oracle.test"
JSON = "Content-Type: application/json"
CHUNKED = "Transfer-Encoding: chunked"
DEEP = b"[" * 60_000
DEAREST_WHAT_IF = json.dumps(
    {
        "l1BaseFeePerGas": 10**15,
        "deficitWei": "9" * 29,
        "previousFeePerGas": 10**15,
        "parameters": {
            "alphaData": "0." + "1" * 30,
            "deficitWeight": "0." + "3" * 30,
            "maxFeeIncrease": "0." + "7" * 30,
        },
    }
).encode()
DEAREST_REFUSAL = b'{"a":[' + b"[{}]," * 1_300 + b"1]}" + b" " * 50_000
DEAREST_BATCH = json.dumps(
    [{"jsonrpc": "2.0", "id": number, "method": "taiko_feeQuote", "params": [64]} for number in range(100)]
).encode()

DEAREST_SIMULATION = json.dumps(
    {
        "series": {
            "l1BaseFeesPerGas": [10**11 + 10**9 * (index % 50) for index in range(7_200)],
            "timestamps": [12 * index for index in range(7_200)],
        },
        "vault": {"balanceWei": "0", "targetWei": "9" * 29},
        "parameters": {"alphaData": "0." + "1" * 30, "maxFeeIncrease": "0.125"},
        "costAlphaData": "0." + "3" * 30,
    }
).encode()


def request(line: str, *fields: str, body: bytes = b"") -> bytes:
    """A request in bytes; `fields` decide how its body is framed."""
    return "\r\n".join((f"{line} HTTP/1.1", HOST, *fields, "", "")).encode() + body


def post(path: str, body: bytes, *fields: str, method: str = "POST") -> bytes:
    return request(f"{method} {path}", JSON, f"Content-Length: {len(body)}", *fields, body=body)


@dataclass
class Target:
    """Where the service is, and what it answered so far."""

    host: str
    port: int
    seen: Counter[str]

    async def connect(self, *, window: int | None = None) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        client = socket.socket()
        if window is not None:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        client.setblocking(False)  # noqa: FBT003 - socket's own signature
        await asyncio.get_running_loop().sock_connect(client, (self.host, self.port))
        return await asyncio.open_connection(sock=client)

    async def take(self, reader: asyncio.StreamReader) -> str:
        """Read one answer and count it: by its status, and by its problem where it is one."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
            body = await reader.readexactly(int(fields.get("content-length", 0)))
        except (OSError, EOFError, asyncio.IncompleteReadError):
            self.seen[CUT] += 1
            return CUT
        kind = head.split(" ", 2)[1]
        if fields.get("content-type") == "application/problem+json":
            kind += " " + json.loads(body)["type"].rpartition(":")[2]
        self.seen[kind] += 1
        return kind

    async def ask(self, sent: bytes, *, half_closes: bool = False) -> str:
        """One connection, one question."""
        try:
            reader, writer = await self.connect()
            writer.write(sent)
            if half_closes:
                writer.write_eof()
            answer = await self.take(reader)
        except OSError:
            self.seen[CUT] += 1
            return CUT
        writer.close()
        return answer


Attack = Callable[[Target, float], Coroutine[Any, Any, None]]


def flood(*questions: bytes, clients: int) -> Attack:
    """Each client asks one question after the other as fast as it is answered."""

    async def attack(target: Target, seconds: float) -> None:
        async def client(number: int) -> None:
            reader, writer = await target.connect()
            turn = number
            while True:
                turn += 1
                writer.write(questions[turn % len(questions)])
                answer = await target.take(reader)
                if answer == CUT or int(answer.split()[0]) in ENDING:
                    writer.close()
                    reader, writer = await target.connect()

        await _for_a_while([client(number) for number in range(clients)], seconds)

    return attack


ENDING = {400, 401, 408, 413, 414, 415, 429, 431, 501, 503, 505}
"""Answers that may end the connection, so that a new one is made after them."""


async def slow_clients(target: Target, seconds: float) -> None:
    """All ways of being slow, side by side: no head, half a head, half a body, an answer that is not read."""

    async def idle() -> None:
        reader, writer = await target.connect()
        target.seen["idle: left" if await reader.read() == b"" else "idle: told"] += 1
        writer.close()

    async def trickle(start: bytes, part: bytes) -> None:
        reader, writer = await target.connect()
        writer.write(start)
        answer = asyncio.create_task(target.take(reader))
        while not answer.done():
            writer.write(part)
            await asyncio.wait([answer], timeout=1)
        writer.close()

    slow_head = (request("GET /v1/fee")[:-2] + b"A: b", b"b")
    slow_body = (post("/v1/quote", b"{" + b" " * 1000)[:-1000], b" ")
    slow_chunks = (request("POST /rpc", JSON, CHUNKED), b"1\r\n \r\n")
    await _for_a_while(
        [
            *(idle() for _ in range(1500)),
            *(trickle(*slow_head) for _ in range(1000)),
            *(trickle(*slow_body) for _ in range(250)),
            *(trickle(*slow_chunks) for _ in range(250)),
        ],
        seconds,
    )


async def silent_readers(target: Target, seconds: float) -> None:
    """Ask for the largest answers again and again, and take nothing."""

    async def client(question: bytes) -> None:
        with suppress(OSError):
            _, writer = await target.connect(window=4096)
            for _ in range(16):
                writer.write(question)
            await writer.drain()
            await asyncio.sleep(seconds)
            target.seen["silent"] += 1

    questions = [
        request(f"GET {path}") for path in ("/openapi.json", "/metrics", "/v1/history?limit=1000", "/v1/fee/stream")
    ]
    await _for_a_while([client(question) for question in questions for _ in range(50)], seconds)


async def idle_crowd(target: Target, seconds: float) -> None:
    """More connections than there may be, made anew as they are ended; none says a word."""

    async def client() -> None:
        while True:
            reader, _ = await target.connect()
            with suppress(OSError):
                await reader.read()
            target.seen["made place"] += 1
            await asyncio.sleep(1)

    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 100
    await _for_a_while([client() for _ in range(min(6000, most))], seconds)


async def churn(target: Target, seconds: float) -> None:
    """Connect and leave: in order, by a reset, in the middle of a request, by half."""

    async def client(number: int) -> None:
        while True:
            reader, writer = await target.connect()
            if number % 4 == 0:
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            if number % 4 == 1:
                writer.write(post("/v1/quote", b"{}")[:-1])
            if number % 4 == 2:
                writer.write_eof()
                await reader.read()
            writer.close()
            target.seen["left"] += 1
            await asyncio.sleep(0)

    await _for_a_while([client(number) for number in range(64)], seconds)


async def pipelines(target: Target, seconds: float) -> None:
    """Thousands of requests in one write."""
    many = request("GET /v1/status") * 5000

    async def client() -> None:
        while True:
            reader, writer = await target.connect()
            with suppress(OSError):
                writer.write(many)
                while await target.take(reader) == "200":
                    pass
            writer.close()

    await _for_a_while([client() for _ in range(32)], seconds)


async def bodies_without_end(target: Target, seconds: float) -> None:
    """Send more than there may be, in every way, until the answer comes."""

    async def client(start: bytes, part: bytes) -> None:
        while True:
            reader, writer = await target.connect()
            writer.write(start)
            answer = asyncio.create_task(target.take(reader))
            while not answer.done():
                with suppress(OSError):
                    writer.write(part)
                    await writer.drain()
                await asyncio.sleep(0)
            writer.close()

    ways = (
        (post("/v1/quote", b"")[:-2].replace(b"Length: 0", b"Length: 99999999999") + b"\r\n", b" " * 65536),
        (request("POST /v1/quote", JSON, CHUNKED), b"10000\r\n" + b" " * 65536 + b"\r\n"),
        (request("POST /rpc", JSON, CHUNKED), b"1\r\n \r\n" * 1000),
        (request("POST /rpc", JSON, CHUNKED), b"1;" + b"e" * 5000 + b"\r\n \r\n"),
        (request("POST /rpc", JSON, CHUNKED, body=b"0\r\n"), b"A: b\r\n" * 1000),
        (request("POST /nowhere", JSON, CHUNKED), b"10000\r\n" + b" " * 65536 + b"\r\n"),
        (b"GET /", b"a" * 65536),
        (b"GET / HTTP/1.1\r\nA: ", b"a" * 65536),
        (b"GET / HTTP/1.1\r\n", b"A: b\r\n" * 1000),
    )
    await _for_a_while([client(*way) for way in ways for _ in range(8)], seconds)


ATTACKS: dict[str, Attack] = {
    "slow clients": slow_clients,
    "silent readers": silent_readers,
    "idle crowd": idle_crowd,
    "churn": churn,
    "pipelines": pipelines,
    "bodies without end": bodies_without_end,
    "work": flood(
        post("/v1/quote", DEAREST_WHAT_IF),
        post("/v1/quote", DEAREST_REFUSAL),
        post("/rpc", DEAREST_BATCH),
        post("/v1/simulate", DEAREST_SIMULATION),
        clients=256,
    ),
    "wrong tokens": flood(
        *(
            post(path, b"{}", f"Authorization: Bearer {number:040}", method=method)
            for method, path in (("PUT", "/v1/vault"), ("PATCH", "/v1/parameters"), ("DELETE", "/v1/parameters"))
            for number in range(50)
        ),
        clients=128,
    ),
    "bodies": flood(
        post("/v1/quote", DEEP),
        post("/v1/quote", b'{"l1BaseFeePerGas":' + b"9" * 60_000 + b"}"),
        post("/v1/quote", ("{" + ",".join(f'"{key}":0' for key in range(5000)) + "}").encode()),
        post("/v1/quote", b'{"a":"\xff\xfe"}'),
        post("/v1/quote", b" " * 65_537),
        post("/v1/quote", b"\x1f\x8b" + b"\0" * 60_000, "Content-Encoding: gzip"),
        request("POST /v1/quote", "Content-Type: text/plain", "Content-Length: 2", body=b"{}"),
        clients=64,
    ),
    "large answers": flood(
        *(
            request(f"GET {path}", "Accept-Encoding: gzip")
            for path in ("/metrics", "/openapi.json", "/v1/history?limit=1000", "/v1/status", "/docs/swagger-ui.css")
        ),
        clients=128,
    ),
    "heads": flood(
        request("GET /v1/fee", *["A: b"] * 500),
        request("GET /v1/fee", "A: " + "b" * 20_000),
        request("GET /" + "a" * 9_000),
        request("GET /v1/fee", "Host: two.test"),
        request("GET /v1/fee", "A: b\0"),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)),
        clients=64,
    ),
    "paths": flood(
        *(
            request(f"GET {path}")
            for path in (
                "/%2e%2e/%2e%2e/etc/passwd", "//v1/fee", "/v1//fee", "/v1/fee/", "/v1/fee%00", "/v1%2ffee", "/V1/FEE",
                "/docs/%2e%2e%2fapp.py", "/docs/..%2f..%2fapp.py", "/docs/%252e%252e", "/docs/%00", "/v1/fee;a=b",
                "/" + "a/" * 4000, "/" + "%41" * 2000, "/v1/fee?" + "&".join(f"a{number}=1" for number in range(900)),
                "/v1/history?before=" + "9" * 4000,
            )
        ),
        clients=64,
    ),
}  # fmt: skip


async def _for_a_while(clients: Sequence[Awaitable[None]], seconds: float) -> None:
    """Let all of them run for `seconds`; none waits for another."""
    tasks = [asyncio.ensure_future(client) for client in clients]
    await asyncio.wait(tasks, timeout=seconds)
    for task in tasks:
        task.cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, Exception) and not isinstance(outcome, OSError):
            raise outcome


def main(name: str, address: str, seconds: str) -> None:
    """Run one attack for so many seconds."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    host, _, port = address.rpartition(":")
    target = Target(host, int(port), Counter())
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(ATTACKS[name](target, float(seconds)))
    sys.stdout.write(json.dumps(target.seen))


if __name__ == "__main__":
    main(*sys.argv[1:])
