"""How answers go out that are true only now, and those that stay the same for a long time."""

from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from types import MappingProxyType
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from app.api.bodies import encoded
from app.api.requests import none_match

_TAG_DIGITS: Final = 32


def uncached_json(document: Mapping[str, object], headers: Mapping[str, str] = MappingProxyType({})) -> Response:
    """`document` as JSON that no cache may keep."""
    return Response(encoded(document), media_type="application/json", headers={"Cache-Control": "no-store", **headers})


def tagged(request: Request, content: bytes, media_type: str, headers: Mapping[str, str]) -> Response:
    """`content` under a strong tag (RFC 9110 section 8.8.3), or 304 to whoever has it. There are few such contents."""
    entity_tag = _entity_tag(content)
    if not none_match(request, entity_tag):
        return Response(status_code=304, headers={**headers, "ETag": entity_tag})
    return Response(content, media_type=media_type, headers={**headers, "ETag": entity_tag})


@cache
def _entity_tag(content: bytes) -> str:
    return f'"{sha256(content).hexdigest()[:_TAG_DIGITS]}"'
