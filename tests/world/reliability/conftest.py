from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack

import pytest

from tests.proxy import FaultProxy
from tests.world.anvil import Anvil
from tests.world.conftest import StartAnvil
from tests.world.reliability.failovers import Outcome, run_all
from tests.world.reliability.watched import FIRST_BASE_FEE, Chain

ProxyTo = Callable[[Anvil], FaultProxy]


@pytest.fixture(scope="session")
def failovers(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Outcome]:
    """What came of every case, by its name."""
    return run_all(tmp_path_factory.mktemp("failovers"))


@pytest.fixture
def node(start_anvil: StartAnvil) -> Anvil:
    """A node whose chain goes on by itself, a block a second, with base fees that fall from a height."""
    started = start_anvil(block_time_seconds=1)
    started.rpc("anvil_setNextBlockBaseFeePerGas", hex(FIRST_BASE_FEE))
    started.rpc("evm_mine")
    return started


@pytest.fixture
def chain(node: Anvil) -> Chain:
    """Every block of that node."""
    return Chain(node)


@pytest.fixture
def proxy_to() -> Iterator[ProxyTo]:
    """Makes proxies; all of them end with the test."""
    with ExitStack() as proxies:
        yield lambda target: proxies.enter_context(FaultProxy(target.port))
