"""Lists of nodes. Whatever is said of one holds its alias, scheme or place, and never its URL: that may hold a key."""

import re
from typing import Final
from urllib.parse import SplitResult, urlsplit

from app.domain.errors import InvalidValueError
from app.engine.ports import Endpoint
from app.settings.kinds import Kind, entries
from app.settings.urls import is_node_url

_ALLOWED: Final = "alias=url or a bare URL, each beginning with http://, https://, ws:// or wss:// and with a host"
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
    if not is_node_url(url):
        raise InvalidValueError(name, shown, _ALLOWED)
    for other in others:
        if other.alias == alias:
            raise InvalidValueError(name, shown, f"an alias of its own: {alias} is taken by an earlier entry")
        if _is_same_node(urlsplit(other.url), urlsplit(url)):
            raise InvalidValueError(name, shown, f"another node than that of {other.alias}: each node once")
    return Endpoint(alias, url)


def share_a_place(first: Endpoint, second: Endpoint) -> bool:
    """Whether two nodes are at the same host and port, and so may be one provider."""
    return _place(urlsplit(first.url)) == _place(urlsplit(second.url))


def _is_same_node(first: SplitResult, second: SplitResult) -> bool:
    """Whether both lead to one node: the same URL but for credentials, or HTTP and WebSocket of one place."""
    if _place(first) != _place(second):
        return False
    if _is_web_socket(first) != _is_web_socket(second):
        return True
    return (first.path.rstrip("/"), first.query) == (second.path.rstrip("/"), second.query)


def _place(parts: SplitResult) -> tuple[str, int]:
    is_encrypted = parts.scheme in ("https", "wss")
    return (parts.hostname or "").removesuffix("."), parts.port or (443 if is_encrypted else 80)


def _is_web_socket(parts: SplitResult) -> bool:
    return parts.scheme in ("ws", "wss")


def _write_endpoints(endpoints: tuple[Endpoint, ...]) -> str:
    return ",".join(f"{endpoint.alias}={urlsplit(endpoint.url).scheme}://***" for endpoint in endpoints)
