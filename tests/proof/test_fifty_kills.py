"""Crash safety at length: fifty kills in a row on either kind of store."""

from pathlib import Path

from tests.postgres import running_postgres
from tests.world.reliability.kills import assert_nothing_served_is_lost


def test_fifty_kills_in_a_row_lose_nothing_that_was_served(tmp_path: Path, free_port: int) -> None:
    assert_nothing_served_is_lost(f"sqlite:///{tmp_path}/journal.db", kills=50, port=free_port, seed=50)


def test_fifty_kills_in_a_row_on_postgresql_lose_nothing_that_was_served(free_port: int) -> None:
    with running_postgres() as server:
        assert_nothing_served_is_lost(server.url, kills=50, port=free_port, seed=51)
