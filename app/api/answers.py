"""How answers go out that are true only now, and those that stay the same for a long time."""

from collections.abc import AsyncIterator, Mapping
from functools import cache
from hashlib import sha256
from types import MappingProxyType
from typing import Final

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from app.api.bodies import encoded
from app.api.requests import none_match

_TAG_DIGITS: Final = 32
_PIECE_BYTES: Final = 64 * 1024


def uncached_json(document: Mapping[str, object], headers: Mapping[str, str] = MappingProxyType({})) -> Response:
    """`document` as JSON that no cache may keep."""
    return Response(encoded(document), media_type="application/json", headers={"Cache-Control": "no-store", **headers})


def tagged(request: Request, content: bytes, media_type: str, headers: Mapping[str, str]) -> Response:
    """`content` under a strong tag (RFC 9110 section 8.8.3), or 304 to whoever has it. There are few such contents.

    It goes out in pieces, so that a client that is slow to take it has little of it waiting.
    """
    labels = {**headers, "ETag": _entity_tag(content)}
    if not none_match(request, labels["ETag"]):
        return Response(status_code=304, headers=labels)
    return StreamingResponse(
        _pieces(content), media_type=media_type, headers={**labels, "Content-Length": str(len(content))}
    )


async def _pieces(content: bytes) -> AsyncIterator[bytes]:
    for begin in range(0, len(content), _PIECE_BYTES):
        yield content[begin : begin + _PIECE_BYTES]


@cache
def _entity_tag(content: bytes) -> str:
    return f'"{sha256(content).hexdigest()[:_TAG_DIGITS]}"'
