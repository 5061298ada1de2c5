from pathlib import Path

import pytest

from app.adapters.store import SqlStore
from tests.adapters.store_contract import OpenStore, StoreContract
from tests.fakes_store import FakeDatabase, FakeStore


class TestFakeStore(StoreContract):
    @pytest.fixture
    def open_store(self) -> OpenStore:
        database = FakeDatabase()
        return lambda: FakeStore(database)


class TestSqliteStore(StoreContract):
    @pytest.fixture
    def open_store(self, tmp_path: Path) -> OpenStore:
        return lambda: SqlStore(f"sqlite:///{tmp_path}/state/journal.db")
