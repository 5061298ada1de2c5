from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.world.anvil import Anvil, running_anvil

StartAnvil = Callable[..., Anvil]


@pytest.fixture
def start_anvil(tmp_path: Path) -> Iterator[StartAnvil]:
    """Starts nodes, with the keywords of `running_anvil`; all of them end with the test."""
    with ExitStack() as nodes:
        yield lambda **keywords: nodes.enter_context(running_anvil(tmp_path / "anvil", **keywords))


@pytest.fixture
def anvil(start_anvil: StartAnvil) -> Anvil:
    """A node of chain 31337 that mines when told."""
    return start_anvil()
