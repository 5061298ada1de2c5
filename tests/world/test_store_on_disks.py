"""SQLite on disks that are really full, and really read-only. Mounting one takes root."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from app.adapters.store import SqlStore
from app.engine.ports import StoreError, StoreFault
from tests.adapters.store_contract import NOTHING_SEEN, all_entries, an_entry, heights, some_entries

DISK_BYTES = 2 * 1024 * 1024


def mount(*arguments: str | Path) -> None:
    assert os.geteuid() == 0, "mounting a disk for this test takes root"
    subprocess.run(["mount", *arguments], check=True, capture_output=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk, empty."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount("-t", "tmpfs", "-o", f"size={DISK_BYTES}", "none", disk)
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)


def fill(disk: Path) -> Path:
    """A file that leaves no room on the disk."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"\0" * 4096)
    return filler


async def error_of(store: SqlStore, first: int, last: int) -> StoreError:
    with pytest.raises(StoreError) as caught:
        await store.append(some_entries(first, last), NOTHING_SEEN)
    return caught.value


async def test_a_full_disk_loses_nothing_and_is_left_when_there_is_room(disk: Path) -> None:
    store = SqlStore(f"sqlite:///{disk}/journal.db")
    await store.append(some_entries(1, 10), NOTHING_SEEN)
    filler = fill(disk)
    assert (await error_of(store, 11, 400)).fault is StoreFault.FULL
    assert heights(await all_entries(store)) == list(range(1, 11))
    filler.unlink()
    assert (await store.append(some_entries(11, 400), NOTHING_SEEN)).is_complete
    entries = await all_entries(store)
    assert heights(entries) == list(range(1, 401))
    assert all(entry.is_intact for entry in entries)
    await store.close()


async def test_a_disk_that_is_full_from_the_start(disk: Path) -> None:
    filler = fill(disk)
    store = SqlStore(f"sqlite:///{disk}/journal.db")
    assert (await error_of(store, 1, 1)).fault is StoreFault.FULL
    filler.unlink()
    assert (await store.append([an_entry(1)], NOTHING_SEEN)).is_complete
    await store.close()


async def test_a_disk_that_becomes_read_only_and_writable_again(disk: Path) -> None:
    store = SqlStore(f"sqlite:///{disk}/journal.db")
    await store.append([an_entry(1)], NOTHING_SEEN)
    await store.close()
    mount("-o", "remount,ro", disk)
    assert (await error_of(store, 2, 2)).fault is StoreFault.READ_ONLY
    mount("-o", "remount,rw", disk)
    assert (await store.append([an_entry(2)], NOTHING_SEEN)).is_complete
    assert heights(await all_entries(store)) == [1, 2]
    await store.close()


async def test_a_directory_that_takes_no_files(disk: Path) -> None:
    mount("-o", "remount,ro", disk)
    store = SqlStore(f"sqlite:///{disk}/state/journal.db")
    error = await error_of(store, 1, 1)
    assert (error.fault, str(disk) in str(error)) == (StoreFault.READ_ONLY, False)
    mount("-o", "remount,rw", disk)
    assert (await store.append([an_entry(1)], NOTHING_SEEN)).is_complete
    await store.close()
