"""What a database's errors mean, in words that name no place and no secret."""

import errno
import sqlite3
from collections.abc import Callable
from types import MappingProxyType
from typing import Final

from app.engine.ports import StoreError, StoreFault

_PRIMARY_CODE: Final = 0xFF
"""SQLite's extended codes carry the primary one in their low byte."""
_SQLITE_FAULTS: Final = MappingProxyType(
    {
        sqlite3.SQLITE_BUSY: StoreFault.LOCKED,
        sqlite3.SQLITE_LOCKED: StoreFault.LOCKED,
        sqlite3.SQLITE_FULL: StoreFault.FULL,
        sqlite3.SQLITE_READONLY: StoreFault.READ_ONLY,
        sqlite3.SQLITE_CANTOPEN: StoreFault.READ_ONLY,
        sqlite3.SQLITE_PERM: StoreFault.READ_ONLY,
        sqlite3.SQLITE_AUTH: StoreFault.READ_ONLY,
        sqlite3.SQLITE_CORRUPT: StoreFault.CORRUPT,
        sqlite3.SQLITE_NOTADB: StoreFault.CORRUPT,
        sqlite3.SQLITE_CONSTRAINT: StoreFault.CORRUPT,
        sqlite3.SQLITE_ERROR: StoreFault.CORRUPT,
        sqlite3.SQLITE_SCHEMA: StoreFault.CORRUPT,
        sqlite3.SQLITE_INTERRUPT: StoreFault.TIMEOUT,
        sqlite3.SQLITE_IOERR: StoreFault.UNAVAILABLE,
        sqlite3.SQLITE_NOMEM: StoreFault.UNAVAILABLE,
        sqlite3.SQLITE_PROTOCOL: StoreFault.LOCKED,
    }
)
_NO_SPACE_FOR_SHARED_MEMORY: Final = sqlite3.SQLITE_IOERR_SHMSIZE
_OS_FAULTS: Final = MappingProxyType(
    {
        errno.ENOSPC: StoreFault.FULL,
        errno.EDQUOT: StoreFault.FULL,
        errno.EROFS: StoreFault.READ_ONLY,
        errno.EACCES: StoreFault.READ_ONLY,
        errno.EPERM: StoreFault.READ_ONLY,
    }
)
_POSTGRES_FAULTS: Final = (
    ("55P03", StoreFault.LOCKED),
    ("40", StoreFault.LOCKED),
    ("57014", StoreFault.TIMEOUT),
    ("25P03", StoreFault.TIMEOUT),
    ("25P04", StoreFault.TIMEOUT),
    ("53100", StoreFault.FULL),
    ("25006", StoreFault.READ_ONLY),
    ("42501", StoreFault.READ_ONLY),
    ("42P01", StoreFault.CORRUPT),
    ("42703", StoreFault.CORRUPT),
    ("23", StoreFault.CORRUPT),
    ("XX", StoreFault.CORRUPT),
    ("08", StoreFault.UNAVAILABLE),
    ("28", StoreFault.UNAVAILABLE),
    ("3D", StoreFault.UNAVAILABLE),
    ("53", StoreFault.UNAVAILABLE),
    ("57", StoreFault.UNAVAILABLE),
    ("58", StoreFault.UNAVAILABLE),
)
"""By SQLSTATE or the beginning of one; the first that fits."""


def sqlite_error(error: sqlite3.Error) -> StoreError | None:
    """What SQLite's error says of the store; None for one that only a mistake in the program makes."""
    code = getattr(error, "sqlite_errorcode", None)
    if code == _NO_SPACE_FOR_SHARED_MEMORY:
        return StoreError(StoreFault.FULL, "no space is left for its shared memory")
    if code is None:
        return None
    fault = _SQLITE_FAULTS.get(code & _PRIMARY_CODE)
    return None if fault is None else StoreError(fault, first_line(str(error)))


def os_error(error: OSError) -> StoreError:
    """What the operating system's refusal says of the store. Its words name no path."""
    fault = _OS_FAULTS.get(error.errno or 0, StoreFault.UNAVAILABLE)
    return StoreError(fault, error.strerror or "the operating system refused")


def postgres_fault(sqlstate: str) -> StoreFault:
    """What a server's error code says of the store. One that is not listed keeps the store from being used too."""
    listed = (fault for beginning, fault in _POSTGRES_FAULTS if sqlstate.startswith(beginning))
    return next(listed, StoreFault.UNAVAILABLE)


def first_line(text: str, redacted: Callable[[str], str] = str) -> str:
    """The first line of a driver's message."""
    lines = text.strip().splitlines()
    return redacted(lines[0]) if lines else "no reason given"
