"""Readers of a stream over raw sockets, in a process of their own: all they do is look at the clock."""

import asyncio
import json
import re
import sys
import time
from datetime import datetime
from functools import partial
from typing import cast

import uvloop

_EVENT = re.compile(rb'"blockNumber":(\d+).*?"computedAt":"([^"]+)"')
_CONNECTING_AT_ONCE = 50


class Arrivals:
    """When one block's event was made, and when it came to each reader, in Unix seconds."""

    def __init__(self, computed_at: bytes) -> None:
        self.computed_at = datetime.fromisoformat(computed_at.decode()).timestamp()
        self.at: list[float] = []


class Reader(asyncio.Protocol):
    """One connection."""

    def __init__(self, request: bytes, arrivals: dict[bytes, Arrivals], first: asyncio.Future[None]) -> None:
        self._request = request
        self._arrivals = arrivals
        self._first = first

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.WriteTransport", transport).write(self._request)

    def data_received(self, data: bytes) -> None:
        at = time.time()
        event = _EVENT.search(data)
        if event is None:
            return
        number, computed_at = event.groups()
        known = self._arrivals.get(number)
        if known is None:
            known = self._arrivals[number] = Arrivals(computed_at)
        known.at.append(at)
        if not self._first.done():
            self._first.set_result(None)


async def read(host: str, port: int, path: str, readers: int) -> None:
    """Connect, say so on stdout, and at the end of stdin print how long each block's event took to the last reader.

    In seconds since it was made; without the blocks that did not come to all of them.
    """
    loop = asyncio.get_running_loop()
    arrivals: dict[bytes, Arrivals] = {}
    request = f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode()
    for _ in range(0, readers, _CONNECTING_AT_ONCE):
        firsts = [loop.create_future() for _ in range(min(_CONNECTING_AT_ONCE, readers))]
        for first in firsts:
            await loop.create_connection(partial(Reader, request, arrivals, first), host, port)
        await asyncio.gather(*firsts)
    arrivals.clear()
    print("connected", flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    complete = (block for block in arrivals.values() if len(block.at) == readers)
    print(json.dumps([max(block.at) - block.computed_at for block in complete]), flush=True)


if __name__ == "__main__":
    uvloop.run(read(sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])))
