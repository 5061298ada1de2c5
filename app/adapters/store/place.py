"""Where a store is, from its URL."""

from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from app.domain.errors import InvalidValueError

ALLOWED: Final = "sqlite:///relative/path, sqlite:////absolute/path or postgresql://user@host/database"
_SQLITE: Final = "sqlite"
_POSTGRES: Final = ("postgresql", "postgres")


@dataclass(frozen=True, slots=True)
class SqlitePlace:
    """A database file."""

    path: str


@dataclass(frozen=True, slots=True)
class PostgresPlace:
    """A PostgreSQL database. The URL may hold a password: it is never shown."""

    url: str = field(repr=False)
    """`postgresql+psycopg://…`"""


Place = SqlitePlace | PostgresPlace


def place_of(url: str) -> Place:
    """Where `url` points. Raises `InvalidValueError`, which does not show the URL."""
    if not url.isprintable():
        raise _refused()
    scheme, _, rest = url.partition("://")
    if scheme.lower() == _SQLITE and rest.startswith("/"):
        return SqlitePlace(_file_path(rest.removeprefix("/")))
    if scheme.lower() not in _POSTGRES or not _is_postgres(url):
        raise _refused()
    return PostgresPlace(f"postgresql+psycopg://{rest}")


def _file_path(text: str) -> str:
    if not text or text == ":memory:" or text.endswith("/") or "?" in text:
        raise _refused()
    return text


def _is_postgres(url: str) -> bool:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    return port != 0 and " " not in url and parts.path.count("/") <= 1


def _refused() -> InvalidValueError:
    return InvalidValueError("store URL", "***", ALLOWED)
