"""A store in PostgreSQL."""

import os
import re
import socket
from typing import Any, Final, cast

import psycopg
from psycopg.errors import ConnectionTimeout
from sqlalchemy import URL, Connection, Engine, create_engine, event, func, make_url, select
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.pool import ConnectionPoolEntry, NullPool

from app.adapters.store.database import Backend
from app.adapters.store.faults import first_line, os_error, postgres_fault
from app.adapters.store.place import PostgresPlace
from app.engine.ports import StoreError, StoreFault

_WRITERS_LOCK: Final = 0x7461696B
"""First half of the advisory lock's key; the second is the schema's name, hashed."""
_LEAST_CONNECT_SECONDS: Final = 2
"""The driver waits no shorter."""
_IDLE_SECONDS: Final = 5
"""After which the server ends the transaction of a process that went silent, so that it holds up no other."""
_SERVER_ADDRESS: Final = re.compile(r'connection to server (?:at|on socket) "[^"]*"(?: \([^)]*\))?(?:, port \d+)?')
_QUOTED: Final = re.compile(r"""["'][^"']*["']""")


class PostgresBackend(Backend):
    """A database whose writers take turns."""

    failures: tuple[type[Exception], ...] = (DBAPIError, psycopg.Error, ArgumentError, OSError)

    def __init__(self, place: PostgresPlace, *, timeout_seconds: float) -> None:
        self._place: Final = place
        self._timeout_seconds: Final = timeout_seconds
        self._socket: socket.socket | None = None

    def engine(self) -> Engine:
        """As `Backend.engine`."""
        engine = create_engine(
            self._url(),
            poolclass=NullPool,
            hide_parameters=True,
            isolation_level="READ COMMITTED",
            connect_args={
                "connect_timeout": max(_LEAST_CONNECT_SECONDS, round(self._timeout_seconds)),
                "application_name": "taiko-fee-oracle",
                "prepare_threshold": None,
            },
        )
        event.listen(engine, "connect", self._connected)
        return engine

    def prepare(self) -> None:
        """The database is made by whoever runs the server."""

    def require_same(self) -> None:
        """A server that went away closes its connections."""

    def begin(self, connection: Connection, *, writes: bool) -> None:
        """As `Backend.begin`. What a writer reads after it has its turn is what the last one committed."""
        if writes:
            place = func.hashtext(func.current_schema())
            connection.execute(select(func.pg_advisory_xact_lock(_WRITERS_LOCK, place)))

    def allow_long_migration(self, connection: Connection) -> None:
        """As `Backend.allow_long_migration`."""
        connection.execute(select(func.set_config("statement_timeout", "0", True)))  # noqa: FBT003 - SQL's is_local

    def explained(self, error: Exception) -> StoreError | None:
        """As `Backend.explained`. A driver's words about the way to the server name it, so those are left out."""
        original = error.orig if isinstance(error, DBAPIError) else error
        if isinstance(original, ConnectionTimeout):
            return StoreError(StoreFault.TIMEOUT, "the server does not answer")
        if isinstance(original, psycopg.Error):
            return self._explained(original)
        if isinstance(original, ArgumentError):
            return StoreError(StoreFault.UNAVAILABLE, "its URL cannot be used")
        return os_error(original) if isinstance(original, OSError) else None

    def interrupt(self) -> None:
        """Shut the connection down under the driver's hands: a frozen server would never answer a cancellation."""
        held = self._socket
        if held is not None:
            try:
                held.shutdown(socket.SHUT_RDWR)
            except OSError:
                return

    def forget(self) -> None:
        """As `Backend.forget`."""
        held, self._socket = self._socket, None
        if held is not None:
            held.close()

    def _explained(self, error: psycopg.Error) -> StoreError | None:
        if error.sqlstate is None and not isinstance(error, (psycopg.OperationalError, psycopg.ProgrammingError)):
            return None
        fault = StoreFault.UNAVAILABLE if error.sqlstate is None else postgres_fault(error.sqlstate)
        return StoreError(fault, first_line(str(error), self._redacted))

    def _redacted(self, text: str) -> str:
        unnamed = _QUOTED.sub("…", _SERVER_ADDRESS.sub("connection to the server", text))
        url = self._url()
        parts = (url.password, url.host, url.username, url.database)
        for part in (str(part) for part in parts if part):
            unnamed = re.sub(rf"(?<!\w){re.escape(part)}(?!\w)", "…", unnamed)
        return unnamed

    def _url(self) -> URL:
        return make_url(self._place.url)

    def _connected(self, raw: Any, _: ConnectionPoolEntry) -> None:  # noqa: ANN401 - SQLAlchemy's own protocol
        connection = cast("psycopg.Connection[Any]", raw)
        self._socket = socket.socket(fileno=os.dup(connection.fileno()))
        milliseconds = round(self._timeout_seconds * 1000)
        limits = {
            "statement_timeout": milliseconds * 9 // 10,
            "lock_timeout": milliseconds // 2,
            "idle_in_transaction_session_timeout": _IDLE_SECONDS * 1000,
        }
        for name, limit in limits.items():
            connection.execute("SELECT set_config(%s, %s, false)", (name, str(limit)))
        connection.commit()
