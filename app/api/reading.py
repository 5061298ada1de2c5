"""Who may look back into the archive: a few at once, each for a bounded time, and with few pages on their way."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from app.api.problems import archive_busy, archive_unreadable
from app.engine.ports import Archive, StoreError, StoreFault

READERS_AT_ONCE: Final = 2
WAIT_SECONDS: Final = 1.0
READING_SECONDS: Final = 10.0
PAGES_ON_THEIR_WAY: Final = 8
"""A page has up to a megabyte, which waits here for a client that is slow to take it."""
SENDING_SECONDS: Final = 30.0
_PIECE_BYTES: Final = 64 * 1024


class ReadingRoom:
    """The archive, behind a door that lets few in: readers share the processor with the read path of the fee."""

    def __init__(self, archive: Archive) -> None:
        self._archive: Final = archive
        self._seats: Final = asyncio.Semaphore(READERS_AT_ONCE)
        self._pages_on_their_way = 0

    @asynccontextmanager
    async def seat(self) -> AsyncIterator[Archive]:
        """A place to read from, once one is free.

        Raises a `ProblemError` (503) where none becomes free in time, too many pages wait for slow clients, the reading
        takes too long, or the store fails.
        """
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await self._seats.acquire()
        except TimeoutError:
            raise archive_busy() from None
        try:
            if self._pages_on_their_way >= PAGES_ON_THEIR_WAY:
                raise archive_busy()
            async with asyncio.timeout(READING_SECONDS):
                yield self._archive
        except TimeoutError:
            raise archive_unreadable(StoreFault.TIMEOUT) from None
        except StoreError as error:
            raise archive_unreadable(error.fault) from None
        finally:
            self._seats.release()

    async def send(self, page: Response, send: Send) -> None:
        """Send `page` piece by piece, each once the client has taken most of those before it.

        A client that takes too long loses the connection: an answer without an end makes the server close it.
        """
        self._pages_on_their_way += 1
        try:
            async with asyncio.timeout(SENDING_SECONDS):
                await send({"type": "http.response.start", "status": page.status_code, "headers": page.raw_headers})
                for begin in range(0, len(page.body), _PIECE_BYTES):
                    await send(_piece(page.body[begin : begin + _PIECE_BYTES], more=True))
                await send(_piece(b"", more=False))
        except TimeoutError:
            return
        finally:
            self._pages_on_their_way -= 1


class Page(Response):
    """A page of the archive, which no cache may keep."""

    def __init__(self, room: ReadingRoom, content: bytes, media_type: str, headers: Mapping[str, str]) -> None:
        super().__init__(content, media_type=media_type, headers={"Cache-Control": "no-store", **headers})
        self._room: Final = room

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - as ASGI has it
        """Send it."""
        await self._room.send(self, send)


def _piece(body: bytes | memoryview, *, more: bool) -> Message:
    return {"type": "http.response.body", "body": body, "more_body": more}
