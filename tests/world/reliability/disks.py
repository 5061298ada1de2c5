"""What can be wrong with the place where a journal's file is."""

import contextlib
import os
import resource
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

CAN_MOUNT: Final = os.geteuid() == 0
_SMALL_DISK_BYTES: Final = 1024 * 1024
_PAGE_BYTES: Final = 4096
_GARBAGE: Final = b"\xa5"


def files_of(journal: Path) -> list[Path]:
    """The database file and those that SQLite keeps beside it."""
    return [path for suffix in ("", "-wal", "-shm") if (path := journal.with_name(journal.name + suffix)).exists()]


@contextlib.contextmanager
def small_disk(directory: Path) -> Iterator[Path]:
    """A disk of one megabyte; the directory to use. Only for whoever `CAN_MOUNT`."""
    directory.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={_SMALL_DISK_BYTES}", "tmpfs", directory], check=True)
    try:
        yield directory
    finally:
        subprocess.run(["umount", "--lazy", directory], check=True)


def fill(directory: Path) -> Path:
    """Leave no space on the disk; the file that takes it."""
    filler = directory / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(_GARBAGE * _PAGE_BYTES)
    return filler


@contextlib.contextmanager
def no_file_beyond(size_bytes: int, *, process: int) -> Iterator[None]:
    """The process can write no file past this size, as under a quota."""
    _, hard = resource.prlimit(process, resource.RLIMIT_FSIZE)
    resource.prlimit(process, resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.prlimit(process, resource.RLIMIT_FSIZE, (hard, hard))


@contextlib.contextmanager
def read_only(directory: Path) -> Iterator[None]:
    """Nothing in the directory can be opened for writing. Root is not bound by modes, so for root it is a mount."""
    if CAN_MOUNT:
        subprocess.run(["mount", "--bind", directory, directory], check=True)
        subprocess.run(["mount", "-o", "remount,ro,bind", directory], check=True)
        try:
            yield
        finally:
            subprocess.run(["umount", "--lazy", directory], check=True)
        return
    modes = [(path, path.stat().st_mode) for path in (*directory.iterdir(), directory)]
    for path, mode in modes:
        path.chmod(mode & 0o555)
    try:
        yield
    finally:
        for path, mode in reversed(modes):
            path.chmod(mode)


@contextlib.contextmanager
def locked(journal: Path) -> Iterator[None]:
    """Another process holds the database, and writes nothing."""
    with closing(sqlite3.connect(journal, isolation_level=None, timeout=5)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")


def spoil(journal: Path) -> None:
    """Overwrite everything but the first page, where it lies. What was on its way into the file comes first."""
    with closing(sqlite3.connect(journal, isolation_level=None, timeout=5)) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    size = journal.stat().st_size
    with journal.open("r+b") as file:
        file.seek(_PAGE_BYTES)
        file.write(_GARBAGE * (size - _PAGE_BYTES))


def set_aside(journal: Path) -> None:
    """Move the journal's files away, as an operator does with a spoiled one."""
    for path in files_of(journal):
        path.rename(path.with_name(f"spoiled-{path.name}"))
