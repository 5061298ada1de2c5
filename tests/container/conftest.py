from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.container.engine import Engine


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory, project_root: Path) -> Iterator[Engine]:
    """An engine that has built the oracle's image."""
    with Engine(tmp_path_factory.mktemp("containers")) as engine:
        engine.make_base_image()
        engine.build(project_root)
        yield engine
