"""The adapters against real nodes: nothing between them and anvil is faked."""

import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import pytest

from app.adapters.clock import SystemClock
from app.adapters.l1 import L1HeaderSource
from app.adapters.nodes import NodeGroup
from app.adapters.rpc import RpcClient
from app.adapters.vault import vault_reader
from app.domain.header import check_link
from app.domain.units import BlockNumber, Wei
from app.domain.vault import VaultAddress, VaultLayer, VaultPlan, VaultSource, VaultState
from app.engine.events import Event, ProviderChanged, RpcFinished
from app.engine.ports import Endpoint, UpstreamError
from tests.world.anvil import Anvil
from tests.world.conftest import StartAnvil

CHAIN_ID = 31337
L2_CHAIN_ID = 167_000
FIRST_BLOCK = 1
"""The only one whose base fee anvil does not derive from its parent's."""
TIMEOUT_SECONDS = 1.5
SLACK_SECONDS = 5.0
TREASURY = "0x1670000000000000000000000000000000010001"
PROPOSER = "0x00000000000000000000000000000000000b0b00"
ETHER = 10**18


@dataclass
class Wiring:
    """Clients and what they report, closed at the end of a test."""

    events: list[Event] = field(default_factory=list)
    clients: list[RpcClient] = field(default_factory=list)

    def group(self, *nodes: Anvil, chain_id: int | None = CHAIN_ID, path: str = "") -> NodeGroup:
        clients = [
            RpcClient(Endpoint(f"p{place}", node.url + path), TIMEOUT_SECONDS, self.events.append, time.monotonic)
            for place, node in enumerate(nodes, 1)
        ]
        self.clients += clients
        return NodeGroup(clients, chain_id)

    def source(self, *nodes: Anvil, chain_id: int | None = CHAIN_ID, path: str = "") -> L1HeaderSource:
        return source_over(self.group(*nodes, chain_id=chain_id, path=path), self)

    def results(self) -> list[str]:
        return [event.result for event in self.events if isinstance(event, RpcFinished)]

    def changes(self) -> list[ProviderChanged]:
        return [event for event in self.events if isinstance(event, ProviderChanged)]


def source_over(nodes: NodeGroup, wiring: Wiring) -> L1HeaderSource:
    """A source whose first node is taken back as soon as it answers."""
    return L1HeaderSource(nodes, wiring.events.append, clock=SystemClock(), failback_seconds=0)


@pytest.fixture
async def wiring() -> AsyncIterator[Wiring]:
    wiring = Wiring()
    yield wiring
    for client in wiring.clients:
        await client.close()


async def bounded_failure(ask: Callable[[], Awaitable[object]]) -> UpstreamError:
    """The failure, which must come within one timeout."""
    started = time.monotonic()
    with pytest.raises(UpstreamError) as caught:
        await ask()
    assert time.monotonic() - started < TIMEOUT_SECONDS + SLACK_SECONDS
    return caught.value


async def test_the_head_is_the_nodes_newest_block(anvil: Anvil, wiring: Wiring) -> None:
    mined = anvil.mine_with_base_fee(25_000_000_000)
    sighting = await wiring.source(anvil).latest()
    assert sighting.header.base_fee_per_gas == 25_000_000_000
    assert (sighting.header.hash, sighting.header.number) == (mined["hash"], int(mined["number"], 16))
    assert sighting.header.timestamp == int(mined["timestamp"], 16)
    assert sighting.provider == "p1"
    assert wiring.results() == ["ok", "ok"]


async def test_real_headers_link_and_are_found_by_hash_and_by_number(anvil: Anvil, wiring: Wiring) -> None:
    anvil.mine(5)
    l1 = wiring.source(anvil)
    child = (await l1.latest()).header
    while child.number > FIRST_BLOCK:
        parent = await l1.by_hash(child.parent_hash)
        assert await l1.by_number(BlockNumber(child.number - 1)) == parent
        check_link(parent, child)
        child = parent


async def test_blocks_that_do_not_exist_are_missing(anvil: Anvil, wiring: Wiring) -> None:
    l1 = wiring.source(anvil)
    assert (await bounded_failure(lambda: l1.by_number(BlockNumber(99)))).reason == "missing_block"
    assert (await bounded_failure(lambda: l1.by_hash("0x" + "22" * 32))).reason == "missing_block"


async def test_a_node_on_another_chain_is_refused(anvil: Anvil, wiring: Wiring) -> None:
    failure = await bounded_failure(wiring.source(anvil, chain_id=1).latest)
    assert str(failure) == "p1: wrong_chain: expected chain id 1, got 31337"
    assert len(wiring.results()) == 1


async def test_the_chain_id_is_learned_and_held_to(start_anvil: StartAnvil, wiring: Wiring) -> None:
    first, second = start_anvil(chain_id=31337), start_anvil(chain_id=31338)
    l1 = wiring.source(first, second, chain_id=None)
    assert await l1.chain_id() == CHAIN_ID
    first.kill()
    failure = await bounded_failure(l1.latest)
    assert failure.reason == "unreachable"
    assert "p2: wrong_chain: expected chain id 31337, got 31338" in failure.detail


async def test_a_killed_node_is_unreachable_and_comes_back(start_anvil: StartAnvil, wiring: Wiring) -> None:
    node = start_anvil()
    l1 = wiring.source(node)
    await l1.latest()
    node.kill()
    assert (await bounded_failure(l1.latest)).reason == "unreachable"
    start_anvil(port=node.port)
    assert (await l1.latest()).header.number == 0


async def test_a_node_that_comes_back_as_another_chain_is_refused(start_anvil: StartAnvil, wiring: Wiring) -> None:
    node = start_anvil()
    l1 = wiring.source(node)
    await l1.latest()
    node.kill()
    await bounded_failure(l1.latest)
    start_anvil(port=node.port, chain_id=5)
    assert (await bounded_failure(l1.latest)).reason == "wrong_chain"


async def test_a_frozen_node_is_a_timeout_and_works_again_when_it_thaws(anvil: Anvil, wiring: Wiring) -> None:
    l1 = wiring.source(anvil)
    await l1.latest()
    anvil.freeze()
    assert (await bounded_failure(l1.latest)).reason == "timeout"
    anvil.thaw()
    assert (await l1.latest()).header.number == 0


async def test_the_second_node_takes_over_and_the_first_takes_back(start_anvil: StartAnvil, wiring: Wiring) -> None:
    first, second = start_anvil(), start_anvil()
    l1 = wiring.source(first, second)
    await l1.latest()
    first.freeze()
    assert (await l1.latest()).provider == "p2"
    first.thaw()
    assert (await l1.latest()).provider == "p1"
    assert wiring.changes() == [ProviderChanged("p2", "p1", "timeout"), ProviderChanged("p1", "p2", "recovered")]


async def test_a_keyed_url_is_never_shown(anvil: Anvil, wiring: Wiring) -> None:
    l1 = wiring.source(anvil, path="/v3/s3cr3t?key=s3cr3t")
    failure = await bounded_failure(l1.latest)
    anvil.kill()
    dead = await bounded_failure(l1.latest)
    printed = [text for error in (failure, dead) for text in traceback.format_exception(error)]
    for secret in ("s3cr3t", "127.0.0.1", str(anvil.port)):
        assert secret not in "".join((*printed, repr(wiring.events), repr(wiring.clients)))
    assert failure.reason == "http_status"


def vault_plan(*addresses: VaultAddress) -> VaultPlan:
    return VaultPlan(source=VaultSource.ONCHAIN, target=Wei(10 * ETHER), addresses=addresses)


ON_L1 = VaultAddress(VaultLayer.L1, PROPOSER)
ON_L2 = VaultAddress(VaultLayer.L2, TREASURY)


async def test_the_vault_is_read_at_the_headers_own_block(anvil: Anvil, wiring: Wiring) -> None:
    nodes = wiring.group(anvil)
    l1, vault = source_over(nodes, wiring), vault_reader(vault_plan(ON_L1), nodes, None)
    anvil.pay(PROPOSER, 3 * ETHER)
    anvil.mine()
    older = (await l1.latest()).header
    anvil.pay(PROPOSER, 2 * ETHER)
    anvil.mine()
    newer = (await l1.latest()).header
    assert [(await vault.at(header)).balance for header in (older, newer, older)] == [3 * ETHER, 5 * ETHER, 3 * ETHER]
    assert (await vault.at(older)).observed_at == older.timestamp


async def test_the_vault_of_a_block_that_a_reorg_dropped_is_never_the_new_branchs(anvil: Anvil, wiring: Wiring) -> None:
    nodes = wiring.group(anvil)
    l1, vault = source_over(nodes, wiring), vault_reader(vault_plan(ON_L1), nodes, None)
    anvil.pay(PROPOSER, 3 * ETHER)
    anvil.mine(3)
    dropped = (await l1.latest()).header
    anvil.rpc("anvil_rollback", 2)
    anvil.pay(PROPOSER, 9 * ETHER)
    anvil.mine(3, interval_seconds=13)
    failure = await bounded_failure(lambda: vault.at(dropped))
    assert failure.reason in {"missing_block", "missing_state"}


async def test_state_that_the_node_has_dropped_is_named(start_anvil: StartAnvil, wiring: Wiring) -> None:
    node = start_anvil(states_kept=0)
    nodes = wiring.group(node)
    header = (await source_over(nodes, wiring).latest()).header
    node.mine(2)
    failure = await bounded_failure(lambda: vault_reader(vault_plan(ON_L1), nodes, None).at(header))
    assert failure.reason == "missing_state"


async def vault_on_two_layers(l1_node: Anvil, l2_node: Anvil, wiring: Wiring) -> VaultState:
    l1_nodes, l2_nodes = wiring.group(l1_node), wiring.group(l2_node, chain_id=L2_CHAIN_ID)
    header = (await source_over(l1_nodes, wiring).latest()).header
    return await vault_reader(vault_plan(ON_L1, ON_L2), l1_nodes, l2_nodes).at(header)


@pytest.mark.parametrize(
    ("l2_lead_seconds", "expected_block"), [(9, 15), (8, 16), (1, 19), (0, 20), (-1, 20), (-500, 20)]
)
async def test_l2_balances_come_from_the_newest_l2_block_not_after_the_header(
    start_anvil: StartAnvil, wiring: Wiring, l2_lead_seconds: int, expected_block: int
) -> None:
    l1_node, l2_node = start_anvil(), start_anvil(chain_id=L2_CHAIN_ID)
    l2_start = l2_node.timestamp()
    for block in range(1, 21):
        l2_node.pay(TREASURY, ETHER)
        l2_node.mine_at(l2_start + 2 * block)
    l1_node.pay(PROPOSER, 100 * ETHER)
    l1_node.mine_at(l2_node.timestamp() - l2_lead_seconds)
    state = await vault_on_two_layers(l1_node, l2_node, wiring)
    assert [reading.block_number for reading in state.readings] == [1, expected_block]
    assert state.balance == (100 + expected_block) * ETHER


async def test_an_l2_node_on_another_chain_makes_the_vault_unreadable(start_anvil: StartAnvil, wiring: Wiring) -> None:
    failure = await bounded_failure(lambda: vault_on_two_layers(start_anvil(), start_anvil(chain_id=167_013), wiring))
    assert str(failure) == "p1: wrong_chain: expected chain id 167000, got 167013"


async def test_a_frozen_l2_makes_the_vault_unreadable(start_anvil: StartAnvil, wiring: Wiring) -> None:
    l1_node, l2_node = start_anvil(), start_anvil(chain_id=L2_CHAIN_ID)
    l2_node.freeze()
    failure = await bounded_failure(lambda: vault_on_two_layers(l1_node, l2_node, wiring))
    assert failure.reason == "timeout"
