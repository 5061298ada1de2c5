"""What may be shown of what a node says: nothing that belongs to its URL."""

import base64
import errno
import re
import socket
from collections.abc import Sequence
from typing import Final
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from app.domain.errors import InvalidValueError
from app.engine.ports import Endpoint

LONGEST_DETAIL: Final = 200
LONGEST_QUOTE: Final = 2_000
"""Characters of a node's message that are looked at."""
SHORTEST_SECRET: Final = 3
"""Parts of a path or query below this length are taken for words, such as `v2`."""
SHORTEST_SECRET_LABEL: Final = 8
"""Likewise of a host's name, some of which begin with a key."""
HTTP_SCHEMES: Final = ("http", "https")
WEB_SOCKET_SCHEMES: Final = ("ws", "wss")

_ANY_URL: Final = re.compile(r"[a-z][a-z0-9+.-]{0,15}://\S+", re.IGNORECASE)
_HIDDEN: Final = "[hidden]"


class Redaction:
    """Hides the parts of one node's URL."""

    def __init__(self, endpoint: Endpoint, schemes: Sequence[str]) -> None:
        """Raises `InvalidValueError`, without the URL, where the endpoint's URL is of none of `schemes`."""
        self._secrets = _secrets_of(_url_parts(endpoint, schemes))

    def __call__(self, text: str) -> str:
        """`text` on one short line, without URLs and without any part of the node's URL."""
        line = self._secrets.sub(_HIDDEN, _ANY_URL.sub(_HIDDEN, _whole_words(text)))
        printable = "".join(character if character.isprintable() else "�" for character in line)
        return printable if len(printable) <= LONGEST_DETAIL else f"{printable[:LONGEST_DETAIL]}…"


def connection_failure(error: Exception, cause: Exception | None = None) -> str:
    """Why there is no connection, by the names of the error and of the system's, which quote nothing."""
    cause = cause or error
    if isinstance(cause, socket.gaierror):
        return "the host's name cannot be resolved"
    code = cause.errno if isinstance(cause, OSError) else None
    names = (type(error).__name__, errno.errorcode.get(code) if code else None)
    return f"no connection ({', '.join(name for name in names if name)})"


def _whole_words(text: str) -> str:
    """The words of `text` on one line; of a long text its beginning, without the word that the cut went through."""
    line = " ".join(text[:LONGEST_QUOTE].split())
    return line if len(text) <= LONGEST_QUOTE else f"{line.rpartition(' ')[0]} …"


def _url_parts(endpoint: Endpoint, schemes: Sequence[str]) -> SplitResult:
    try:
        parts = urlsplit(endpoint.url)
        usable = parts.scheme in schemes and bool((parts.hostname or "").encode("idna")) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        given = endpoint.url.partition(":")[0].lower()
        shown = f"a {given} URL" if given in (*HTTP_SCHEMES, *WEB_SOCKET_SCHEMES) else "another text (hidden)"
        allowed = " or ".join(f"{scheme}://…" for scheme in schemes)
        raise InvalidValueError(f"RPC URL of {endpoint.alias}", shown, f"{allowed} with a host")
    return parts


def _secrets_of(parts: SplitResult) -> re.Pattern[str]:
    """Matches whatever of a URL must not be shown: user, password, host, path and query, plain or encoded."""
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    queries = parse_qsl(parts.query, keep_blank_values=True)
    pieces = {
        *parts.path.split("/"),
        *re.split("[&=]", parts.query),
        *(text for pair in queries for text in pair),
        parts.fragment,
        parts.username or "",
        parts.password or "",
        base64.b64encode(f"{user}:{password}".encode()).decode(),
    }
    labels = {label for label in (parts.hostname or "").split(".") if len(label) >= SHORTEST_SECRET_LABEL}
    texts = {unquote(piece) for piece in pieces} | pieces
    secrets = {text for text in texts if len(text) >= SHORTEST_SECRET} | labels | {parts.netloc, parts.hostname or ""}
    longest_first = sorted(filter(None, secrets), key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first)), re.IGNORECASE)
