"""Lists of nodes. Whatever is said of one holds its alias, scheme or place, and never its URL: that may hold a key."""

import re
from typing import Final
from urllib.parse import SplitResult, urlsplit

from app.domain.errors import InvalidValueError
from app.engine.ports import Endpoint
from app.settings.kinds import Kind, entries
from app.settings.urls import is_web_url

_ALLOWED: Final = "alias=url or a bare URL, each beginning with http:// or https:// and with a host"
_ALIAS: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_KNOWN_SCHEMES: Final = ("http", "https", "ws", "wss")


def endpoints_kind(bare_alias: str) -> Kind:
    """Nodes; one without an alias is `bare_alias` and its place in the list."""

    def read(name: str, text: str) -> tuple[Endpoint, ...]:
        found: list[Endpoint] = []
        for place, entry in enumerate(entries(text), start=1):
            found.append(_endpoint(name, entry, f"{bare_alias}{place}", place, found))
        if not found:
            raise InvalidValueError(name, "no URL", "alias=url or bare URLs, separated by commas")
        return tuple(found)

    return Kind(read, _write_endpoints, "alias=url,…")


def _endpoint(name: str, entry: str, bare_alias: str, place: int, others: list[Endpoint]) -> Endpoint:
    """Errors name the entry by its place and scheme: whatever else it holds may be a key."""
    before_url = entry.partition("://")[0]
    alias, has_alias, _ = before_url.partition("=")
    url = entry.removeprefix(f"{alias}=") if has_alias else entry
    alias = alias if has_alias else bare_alias
    scheme = url.partition("://")[0].lower() if "://" in url else ""
    shown = f"entry {place} ({scheme}://***)" if scheme in _KNOWN_SCHEMES else f"entry {place} (***)"
    if not _ALIAS.fullmatch(alias):
        raise InvalidValueError(name, shown, "an alias of letters, digits, _ and - (at most 64)")
    if scheme in ("ws", "wss"):
        raise InvalidValueError(name, shown, "an http or https URL: WebSocket is not available in this version")
    if not is_web_url(url):
        raise InvalidValueError(name, shown, _ALLOWED)
    for other in others:
        if other.alias == alias:
            raise InvalidValueError(name, shown, f"an alias of its own: {alias} is taken by an earlier entry")
        if _identity(other.url) == _identity(url):
            raise InvalidValueError(name, shown, f"another URL than that of {other.alias}: each node once")
    return Endpoint(alias, url)


def _identity(url: str) -> SplitResult:
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.lower(), path=parts.path.rstrip("/"), fragment="")


def _write_endpoints(endpoints: tuple[Endpoint, ...]) -> str:
    return ",".join(f"{endpoint.alias}={urlsplit(endpoint.url).scheme}://***" for endpoint in endpoints)
