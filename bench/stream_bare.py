"""The least that sends events to many readers: the baseline of the stream's figures, on the same server."""

import asyncio
import sys
import time
from datetime import UTC, datetime
from typing import Any

import uvicorn

EVENT_BYTES = 1300
"""About as long as a quote's."""


class Bare:
    """An ASGI application that sends one event to all of its readers every `interval_seconds`."""

    def __init__(self, interval_seconds: float) -> None:
        self._interval_seconds = interval_seconds
        self._number = 0
        self._next: asyncio.Future[bytes] | None = None
        self._ticking: asyncio.Task[None] | None = None

    async def __call__(self, _scope: Any, _receive: Any, send: Any) -> None:  # noqa: ANN401 - as ASGI has them
        if self._next is None:
            self._next = asyncio.get_running_loop().create_future()
            self._ticking = asyncio.create_task(self._tick())
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": self._event(), "more_body": True})
        while True:
            await send({"type": "http.response.body", "body": await self._next, "more_body": True})

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(self._interval_seconds)
            assert self._next is not None
            due, self._next = self._next, asyncio.get_running_loop().create_future()
            self._number += 1
            due.set_result(self._event())

    def _event(self) -> bytes:
        at = datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        data = f'{{"blockNumber":{self._number},"computedAt":"{at}","padding":"'.encode()
        return b"event: quote\ndata: " + data.ljust(EVENT_BYTES, b"-") + b'"}\n\n'


if __name__ == "__main__":
    uvicorn.run(
        Bare(float(sys.argv[1])),
        port=int(sys.argv[2]),
        http="httptools",
        loop="uvloop",
        ws="none",
        lifespan="off",
        access_log=False,
        log_level="warning",
    )
