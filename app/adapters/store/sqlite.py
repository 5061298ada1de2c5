"""A store in a SQLite file. Several processes may share the file."""

import sqlite3
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import ConnectionPoolEntry, NullPool

from app.adapters.store.database import Backend
from app.adapters.store.faults import os_error, sqlite_error
from app.adapters.store.place import SqlitePlace
from app.engine.ports import StoreError, StoreFault

BUSY_SECONDS: Final = 1.0
"""How long to wait for another writer."""
_WAL_BYTES_KEPT: Final = 16 * 1024 * 1024
_PRAGMAS: Final = ("synchronous=FULL", "foreign_keys=ON", f"journal_size_limit={_WAL_BYTES_KEPT}")


class SqliteBackend(Backend):
    """A database file in WAL mode, every commit of which is on the disk before it returns."""

    failures: tuple[type[Exception], ...] = (DBAPIError, sqlite3.Error, OSError)

    def __init__(self, place: SqlitePlace, *, must_exist: bool) -> None:
        self._path: Final = place.path
        self._must_exist: Final = must_exist
        self._raw: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None

    def engine(self) -> Engine:
        """As `Backend.engine`."""
        if self._must_exist and not Path(self._path).exists():
            raise StoreError(StoreFault.UNAVAILABLE, "there is no database file in its place")
        engine = create_engine(
            URL.create("sqlite", database=self._path),
            poolclass=NullPool,
            hide_parameters=True,
            connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False},
        )
        event.listen(engine, "connect", self._connected)
        return engine

    def prepare(self) -> None:
        """Make the directory, for nobody but this user."""
        Path(self._path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)

    def require_same(self) -> None:
        """As `Backend.require_same`: a file that was removed or replaced would take writes that nobody finds again."""
        if self._identity != self._identity_now():
            raise StoreError(StoreFault.UNAVAILABLE, "the database file was removed or replaced")

    def begin(self, connection: Connection, *, writes: bool) -> None:
        """As `Backend.begin`. The driver begins nothing by itself."""
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    def allow_long_migration(self, connection: Connection) -> None:
        """SQLite has no limit to lift."""

    def explained(self, error: Exception) -> StoreError | None:
        """As `Backend.explained`."""
        original = error.orig if isinstance(error, DBAPIError) else error
        if isinstance(original, sqlite3.Error):
            return sqlite_error(original)
        return os_error(original) if isinstance(original, OSError) else None

    def interrupt(self) -> None:
        """As `Backend.interrupt`."""
        raw = self._raw
        if raw is not None:
            with suppress(sqlite3.ProgrammingError):  # it is being closed, and blocks nobody much longer
                raw.interrupt()

    def forget(self) -> None:
        """As `Backend.forget`."""
        self._raw = self._identity = None

    def _connected(self, raw: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
        self._raw = raw
        self._identity = self._identity_now()
        raw.isolation_level = None
        raw.text_factory = _lenient_text
        if not self._must_exist:
            _use_write_ahead_log(raw)
        for pragma in _PRAGMAS:
            raw.execute(f"PRAGMA {pragma}")

    def _identity_now(self) -> tuple[int, int] | None:
        try:
            status = Path(self._path).stat()
        except FileNotFoundError:
            return None
        return status.st_dev, status.st_ino


def _lenient_text(stored: bytes) -> str:
    """A text that is no UTF-8 is a row that was tampered with, which is to be named, and not to hide the others."""
    return stored.decode(errors="replace")


def _use_write_ahead_log(raw: sqlite3.Connection) -> None:
    """The first to open a file changes its mode, for which SQLite waits for nobody."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            raw.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return
