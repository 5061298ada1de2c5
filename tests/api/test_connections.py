"""Bodies over real connections: slow ones, and clients that leave in the middle."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from app.bootstrap.supervision import http_server, listen
from tests.api.house import House, build_house, sample_quote

pytestmark = pytest.mark.process
HALF_A_REQUEST = (
    b"POST /v1/quote HTTP/1.1\r\nHost: oracle.test\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
)
ABORT = b"\1\0\0\0\0\0\0\0"


@asynccontextmanager
async def serving(house: House) -> AsyncIterator[int]:
    """The house behind a real HTTP server; its port."""
    server = http_server(house.app)
    with listen("127.0.0.1", 0) as listener:
        running = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            await running


async def test_a_slow_body_is_answered_with_408_and_the_connection_ends() -> None:
    house = build_house(quote=sample_quote(), body_timeout_seconds=0.05)
    async with asyncio.timeout(20), serving(house) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(HALF_A_REQUEST)
        answer = await reader.read()
        writer.close()
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"urn:taiko-fee-oracle:problem:request-timeout" in answer


@pytest.mark.parametrize("aborts", [False, True])
async def test_a_client_that_leaves_in_the_middle_of_its_body_is_no_error_of_ours(
    aborts: bool,  # noqa: FBT001 - a case of the test
    caplog: pytest.LogCaptureFixture,
) -> None:
    house = build_house(quote=sample_quote())
    async with asyncio.timeout(20), serving(house) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(HALF_A_REQUEST)
        await writer.drain()
        if aborts:
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
        writer.close()
        while not house.observed:  # noqa: ASYNC110 - the server tells nobody else
            await asyncio.sleep(0.01)
    assert house.observed[0][:2] == ("/v1/quote", 400)
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
