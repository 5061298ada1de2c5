"""Replicas that play what a real one cannot be brought to at will: reorgs, lags, lies, garbage, silence."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from threading import Lock, Thread
from typing import Any

from app.api.bodies import timestamp_text
from app.api.examples.quote import FEE
from app.domain.units import UnixMillis

Play = Callable[[BaseHTTPRequestHandler], None]
LONG_SECONDS = 12
"""Longer than any client waits for a request."""


@dataclass
class Replica:
    """A server that plays its answers one after the other, and the last one for ever; it keeps what it was asked."""

    plays: tuple[Play, ...]
    url: str = ""
    asked: list["Asked"] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)

    def next(self, asked: "Asked") -> Play:
        """What is played to the next request."""
        with self._lock:
            self.asked.append(asked)
            return self.plays[min(len(self.asked), len(self.plays)) - 1]

    @property
    def pauses(self) -> list[float]:
        """Seconds between one request and the next."""
        times = [asked.at for asked in self.asked]
        return [after - before for before, after in pairwise(times)]


@dataclass(frozen=True)
class Asked:
    """One request."""

    at: float
    path: str
    condition: str | None


@contextmanager
def playing(*plays: Play) -> Iterator[Replica]:
    """A replica on a port of its own."""
    replica = Replica(plays)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            asked = Asked(time.monotonic(), self.path, self.headers.get("If-None-Match"))
            with suppress(OSError):  # a client that has waited long enough leaves
                replica.next(asked)(self)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.block_on_close = False
    replica.url = f"http://127.0.0.1:{server.server_address[1]}"
    serving = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    serving.start()
    try:
        yield replica
    finally:
        server.shutdown()
        server.server_close()
        serving.join()


def answer(code: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Play:
    """Any answer. The connection ends with it."""

    def play(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        for name, value in {"Content-Length": str(len(body)), "Connection": "close", **(headers or {})}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    return play


def quote(
    block: int = 100,
    *,
    fee: int = 1000,
    greatest: int = 6000,
    age: float = 0,
    fresh_for: float = 48,
    max_age: int = 0,
    **members: object,
) -> Play:
    """A quote whose head is `age` seconds old when it is asked for, and that is fresh for `fresh_for` seconds more."""

    def play(handler: BaseHTTPRequestHandler) -> None:
        now = time.time()
        l1 = FEE["l1"] | {"blockNumber": block, "timestamp": int(now - age)}
        moments = {"staleAt": timestamp_text(UnixMillis(int((now + fresh_for) * 1000)))}
        body: dict[str, Any] = FEE | {"feePerGas": fee, "maxFeePerGas": greatest, "l1": l1} | moments | members
        headers = {"ETag": f'W/"{block}-{body["status"]}"', "Cache-Control": f"max-age={max_age}"}
        answer(200, json.dumps(body).encode(), {"Content-Type": "application/json", **headers})(handler)

    return play


def stale(block: int = 100, *, ceiling: int | None, age: float = 60, **keywords: Any) -> Play:  # noqa: ANN401 - the quote's
    """A stale quote."""
    return quote(
        block, age=age, fresh_for=48 - age, status="stale", staleReason="l1_late", ceilingFeePerGas=ceiling, **keywords
    )


def unavailable(retry_after: int = 1, kind: str = "quote-expired") -> Play:
    """503, as the oracle has it."""
    problem = {"type": f"urn:taiko-fee-oracle:problem:{kind}", "title": "", "status": 503, "detail": "played"}
    headers = {"Content-Type": "application/problem+json", "Retry-After": str(retry_after), "Cache-Control": "no-store"}
    return answer(503, json.dumps(problem).encode(), headers)


def unchanged(max_age: int = 0) -> Play:
    """304."""
    return answer(304, headers={"Cache-Control": f"max-age={max_age}"})


def gone(handler: BaseHTTPRequestHandler) -> None:
    """The connection ends without an answer."""
    handler.close_connection = True


def silent(_: BaseHTTPRequestHandler) -> None:
    """No answer for longer than anybody waits."""
    time.sleep(LONG_SECONDS)


def dripping(handler: BaseHTTPRequestHandler) -> None:
    """An answer that comes byte by byte: no wait between two of them is long."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    for _ in range(LONG_SECONDS * 5):
        handler.wfile.write(b" ")
        time.sleep(0.2)


def broken_off(handler: BaseHTTPRequestHandler) -> None:
    """The first half of an answer."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(json.dumps(FEE).encode()[:500])
    handler.close_connection = True
