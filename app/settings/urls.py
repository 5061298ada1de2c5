"""Texts that are URLs, or may hold one."""

import re
from typing import Final
from urllib.parse import urlsplit

_URL_IN_TEXT: Final = re.compile(r"[^\s'\"]*://[^\s'\"]*")
_HOST: Final = re.compile(r"[\w-]+(?:\.[\w-]+)*\.?|[0-9a-f.]*:[0-9a-f:.%\w]*")


def redacted_urls(text: str) -> str:
    """`text` with every URL in it made unreadable."""
    return _URL_IN_TEXT.sub("***", text)


def is_web_url(text: str) -> bool:
    """Whether `text` is an http or https URL with a host, with a port other than 0 if any, and without blanks."""
    return _is_url(text, ("http", "https"))


def is_node_url(text: str) -> bool:
    """Whether `text` is such a URL, or one of a WebSocket."""
    return _is_url(text, ("http", "https", "ws", "wss"))


def _is_url(text: str, schemes: tuple[str, ...]) -> bool:
    if not text.isprintable() or " " in text:
        return False
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return False
    return parts.scheme in schemes and port != 0 and _HOST.fullmatch(parts.hostname or "") is not None
