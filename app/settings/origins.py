"""Lists of web origins."""

import re
from typing import Final

from app.domain.errors import InvalidValueError
from app.settings.kinds import GREATEST_PORT, Kind, entries

_ALLOWED: Final = "* alone, or origins by commas: http or https, a host, a port where there is one, and no path"
_ORIGIN: Final = re.compile(
    r"(?P<place>(?P<scheme>https?)://(?:\[[0-9a-f:.]{2,45}\]|[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*))(?::(?P<port>[0-9]{1,5}))?"
)
_DEFAULT_PORTS: Final = ("http:80", "https:443")


def _read(name: str, text: str) -> tuple[str, ...]:
    """As browsers write them (RFC 6454 section 6.1): in small letters, and without the port that the scheme implies."""
    found = entries(text)
    if found == ["*"]:
        return ("*",)
    if not found:
        raise InvalidValueError(name, text, _ALLOWED)
    return tuple(dict.fromkeys(_origin(name, entry, place) for place, entry in enumerate(found, start=1)))


def _origin(name: str, entry: str, place: int) -> str:
    shown = f"entry {place} ({entry})"
    matched = _ORIGIN.fullmatch(entry.lower() if entry.isascii() else "")
    if matched is None:
        raise InvalidValueError(name, shown, _ALLOWED)
    port = matched["port"]
    if port is None or f"{matched['scheme']}:{int(port)}" in _DEFAULT_PORTS:
        return matched["place"]
    if not 1 <= int(port) <= GREATEST_PORT:
        raise InvalidValueError(name, shown, f"a port from 1 to {GREATEST_PORT}")
    return f"{matched['place']}:{int(port)}"


ORIGINS: Final = Kind(_read, ",".join, "ORIGIN,…")
