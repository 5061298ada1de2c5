"""Where the journal is kept. Of a database's URL nothing is ever said but its scheme: it may hold a password."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from app.domain.errors import InvalidValueError
from app.settings.kinds import Kind

_SQLITE: Final = "sqlite:///"
_POSTGRESQL: Final = ("postgresql", "postgres")
_OPTIONS: Final = frozenset(
    {
        "channel_binding",
        "connect_timeout",
        "gssencmode",
        "host",
        "hostaddr",
        "keepalives",
        "keepalives_count",
        "keepalives_idle",
        "keepalives_interval",
        "options",
        "passfile",
        "require_auth",
        "service",
        "sslcert",
        "sslcrl",
        "sslkey",
        "ssl_min_protocol_version",
        "sslmode",
        "sslnegotiation",
        "sslpassword",
        "sslrootcert",
        "sslsni",
        "target_session_attrs",
        "tcp_user_timeout",
    }
)
"""Those of libpq that say where and how to connect. A slip in one would stop every connection."""
_ALLOWED: Final = "sqlite:///path/to/file.db or postgresql://user:password@host:port/database"


class StoreKind(StrEnum):
    """What keeps the journal."""

    SQLITE = "sqlite"
    POSTGRESQL = "postgresql"


@dataclass(frozen=True, slots=True)
class StateUrl:
    """The journal's place. The URL is never shown, not even in a repr."""

    url: str = field(repr=False)
    kind: StoreKind

    @property
    def shown(self) -> str:
        """What people may see: the path of a file, and of a database nothing but that it is one."""
        return self.url if self.kind is StoreKind.SQLITE else f"{self.kind}://***"

    @property
    def path(self) -> str | None:
        """The file, where it is one; relative to the working directory unless it begins with `/`."""
        return self.url.removeprefix(_SQLITE) if self.kind is StoreKind.SQLITE else None


def _read_state_url(name: str, text: str) -> StateUrl:
    scheme, separator, _ = text.partition("://")
    scheme = scheme.lower()
    if separator and scheme == StoreKind.SQLITE:
        return _file(name, f"{scheme}{text[len(scheme) :]}")
    if separator and scheme in _POSTGRESQL:
        return _database(name, text)
    raise InvalidValueError(name, "***", _ALLOWED)


def _file(name: str, url: str) -> StateUrl:
    """In memory, the journal would not outlive the process; options in the URL would change what it promises."""
    path = url.removeprefix(_SQLITE)
    is_file = url.startswith(_SQLITE) and path.isprintable() and path.strip("/") and not path.endswith("/")
    if not is_file or path == ":memory:" or "?" in path or "://" in path:
        raise InvalidValueError(name, f"{StoreKind.SQLITE}://***", "sqlite:/// and the path of a file, without options")
    return StateUrl(url, StoreKind.SQLITE)


def _database(name: str, url: str) -> StateUrl:
    allowed = "postgresql://user:password@host:port/database, with % codes for the special characters in a password"
    if not url.isprintable() or " " in url or not _has_place_and_database(url):
        raise InvalidValueError(name, f"{StoreKind.POSTGRESQL}://***", allowed)
    unknown = [key for key, _ in parse_qsl(urlsplit(url).query, keep_blank_values=True) if key not in _OPTIONS]
    if unknown:
        options = f"no other options than {', '.join(sorted(_OPTIONS))}"
        raise InvalidValueError(name, f"{StoreKind.POSTGRESQL}://*** with another option", options)
    return StateUrl(url, StoreKind.POSTGRESQL)


def _has_place_and_database(url: str) -> bool:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    return port != 0 and len(parts.path) > 1 and "/" not in parts.path[1:] and not parts.fragment


def _write_state_url(state_url: StateUrl) -> str:
    return state_url.shown


STATE_URL: Final = Kind(_read_state_url, _write_state_url, "URL")
