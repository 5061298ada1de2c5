from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.world.clients.programs import Command, built, write_programs


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every program of the page."""
    folder = tmp_path_factory.mktemp("clients")
    write_programs(folder)
    return folder


@pytest.fixture(scope="session")
def clients(saved: Path) -> Mapping[str, Command]:
    """How the client of each language is started."""
    return built(saved)
