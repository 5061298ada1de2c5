"""One connection to the store: opened when it is wanted, dropped when it fails."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final, Protocol

from sqlalchemy import Connection, Engine

from app.adapters.store.schema import bring_up_to_date, is_up_to_date
from app.engine.ports import StoreError, StoreFault


class Backend(Protocol):
    """What SQLite and PostgreSQL do each in their own way."""

    failures: tuple[type[Exception], ...]
    """What this kind of database raises."""

    def engine(self) -> Engine:
        """Something that connects."""
        ...

    def prepare(self) -> None:
        """Make the place where the database is to be."""
        ...

    def require_same(self) -> None:
        """Raise `StoreError` where the open database is no longer the one in its place."""
        ...

    def begin(self, connection: Connection, *, writes: bool) -> None:
        """Begin the transaction; for one that writes, wait until nobody else does."""
        ...

    def allow_long_migration(self, connection: Connection) -> None:
        """Lift the limits on how long a statement of this transaction may take."""
        ...

    def explained(self, error: Exception) -> StoreError | None:
        """What one of `failures` says of the store; None where it shows a mistake in the program."""
        ...

    def interrupt(self) -> None:
        """Make whatever waits for the database fail; from any thread, without blocking."""
        ...

    def forget(self) -> None:
        """The connection is gone."""
        ...


class Database:
    """Transactions over one connection. One thread uses it; any may break it off."""

    def __init__(self, backend: Backend, *, must_exist: bool) -> None:
        self._backend: Final = backend
        self._must_exist: Final = must_exist
        self._connection: Connection | None = None
        self._is_broken_off = False

    @contextmanager
    def transaction(self, *, writes: bool) -> Iterator[Connection]:
        """One transaction, committed at the end. Raises `StoreError`; any fault drops the connection."""
        try:
            connection = self._opened()
            with connection.begin():
                self._backend.begin(connection, writes=writes)
                yield connection
                self._require_wanted()
        except StoreError:
            self.close()
            raise
        except self._backend.failures as error:
            explained = self._backend.explained(error)
            self.close()
            if explained is None:
                raise
            raise explained from None

    def break_off(self) -> None:
        """Make the transaction that is under way fail, and any further one."""
        self._is_broken_off = True
        self._backend.interrupt()

    def close(self) -> None:
        """Drop the connection. Raises nothing."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(*self._backend.failures):
                connection.invalidate()
                connection.close()
        self._backend.forget()

    def _opened(self) -> Connection:
        if self._connection is not None:
            self._backend.require_same()
            return self._connection
        if not self._must_exist:
            self._backend.prepare()
        connection = self._backend.engine().connect()
        self._connection = connection
        self._require_wanted()
        self._require_schema(connection)
        return connection

    def _require_schema(self, connection: Connection) -> None:
        with connection.begin():
            self._backend.begin(connection, writes=False)
            if is_up_to_date(connection):
                return
        if self._must_exist:
            raise StoreError(StoreFault.INCOMPATIBLE, "it holds no journal of this version of the program")
        with connection.begin():
            self._backend.begin(connection, writes=True)
            self._backend.allow_long_migration(connection)
            if not is_up_to_date(connection):
                bring_up_to_date(connection)

    def _require_wanted(self) -> None:
        if self._is_broken_off:
            raise StoreError(StoreFault.TIMEOUT, "given up")
