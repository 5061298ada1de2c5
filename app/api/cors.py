"""What pages of other origins may read and send: the CORS protocol (WHATWG Fetch, section 3.3)."""

from collections.abc import Iterable, Sequence
from typing import Final

from starlette.types import Scope

ANY_ORIGIN: Final = "*"
PREFLIGHT_SECONDS: Final = 600
EXPOSED: Final = ("Allow", "ETag", "Link", "Retry-After", "Taiko-Journal", "Taiko-Network", "WWW-Authenticate")
"""Headers of answers that a page may read, beside those that it always may."""

_READERS_SEND: Final = ("Accept", "Content-Type", "If-None-Match", "Last-Event-ID")
_ADMINISTRATORS_SEND: Final = ("Authorization", "If-Match")
_VARY: Final = (b"vary", b"Origin")
_EXPOSE: Final = (b"access-control-expose-headers", ", ".join(EXPOSED).encode("ascii"))

Header = tuple[bytes, bytes]


class Cors:
    """The origins whose pages are let in. Credentials of the browser are never asked for."""

    def __init__(self, origins: Iterable[str], *, has_administration: bool) -> None:
        """`origins` as browsers write them, or `*` alone, which lets every page in."""
        self._origins = frozenset(origin.encode("ascii") for origin in origins)
        self._is_open = ANY_ORIGIN.encode("ascii") in self._origins
        self._sent = (*_READERS_SEND, *(_ADMINISTRATORS_SEND if has_administration else ()))

    def headers(self, scope: Scope) -> tuple[Header, ...]:
        """What every answer says of who may read it; where that is not everybody, also that the origin decides."""
        if self._is_open:
            return (b"access-control-allow-origin", b"*"), _EXPOSE
        origins = [value for name, value in scope["headers"] if name == b"origin"]
        if len(origins) == 1 and origins[0] in self._origins:
            return (b"access-control-allow-origin", origins[0]), _EXPOSE, _VARY
        return (_VARY,)

    def preflight_headers(self, methods: Sequence[str]) -> dict[str, str]:
        """What a page may send to a path that takes `methods`."""
        return {
            "Access-Control-Allow-Methods": ", ".join(methods),
            "Access-Control-Allow-Headers": ", ".join(self._sent),
            "Access-Control-Max-Age": str(PREFLIGHT_SECONDS),
        }
