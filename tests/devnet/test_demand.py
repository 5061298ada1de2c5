from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.devnet.demand import GAS_LIMIT, Scenario
from app.devnet.node import Node
from app.domain.header import check_link
from app.domain.units import SAFE_INTEGER_LIMIT, WeiPerGas
from tests.devnet.support import GWEI_25, mine, node_of

SEEDS = st.integers(0, 2**64)


def base_fees(node: Node, blocks: int) -> list[int]:
    fees: list[int] = []
    for _ in range(blocks):
        mine(node, 1)
        fees.append(node.chain.head.header.base_fee_per_gas)
    return fees


@given(
    scenario=st.sampled_from(Scenario),
    seed=SEEDS,
    level=st.integers(1, SAFE_INTEGER_LIMIT - 1),
    depths=st.lists(st.integers(1, 20), max_size=3),
)
def test_every_block_of_every_scenario_and_branch_follows_from_its_parent(
    scenario: Scenario, seed: int, level: int, depths: list[int]
) -> None:
    node = node_of(scenario, seed=seed, level=WeiPerGas(level), blocks=80, window=512)
    for depth in depths:
        node.reorg(depth)
        mine(node, 5)
    headers = [block.header for number in range(node.chain.head.header.number + 1) if (block := node.chain.at(number))]

    assert len(headers) == node.chain.head.header.number + 1
    for parent, child in pairwise(headers):
        check_link(parent, child)
        assert 0 <= child.gas_used <= child.gas_limit == GAS_LIMIT


@given(SEEDS)
def test_calm_stays_near_its_level(seed: int) -> None:
    fees = base_fees(node_of(seed=seed), 400)

    assert all(GWEI_25 * 6 // 10 < fee < GWEI_25 * 16 // 10 for fee in fees)
    assert len(set(fees)) > 390


def test_calm_finds_back_from_far_away() -> None:
    node = node_of(Scenario.SPIKE)
    far = max(base_fees(node, 71))
    node.set_demand(Scenario.CALM)

    assert far > 80 * GWEI_25
    assert base_fees(node, 120)[-1] < 2 * GWEI_25


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_spike_multiplies_the_base_fee_about_a_hundredfold_and_again(seed: int) -> None:
    node = node_of(Scenario.SPIKE, seed=seed)
    first, second = base_fees(node, 240), base_fees(node, 240)

    for cycle in (first, second):
        assert max(cycle[:32]) < 2 * GWEI_25
        assert 70 * GWEI_25 < max(cycle) < 140 * GWEI_25
        assert cycle[-1] < 2 * GWEI_25


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_drift_climbs_slowly_and_comes_back(seed: int) -> None:
    fees = base_fees(node_of(Scenario.DRIFT, seed=seed), 3_600)

    assert max(fees[:100]) < 2 * GWEI_25
    assert 3 * GWEI_25 < sum(fees[1_750:1_850]) // 100 < 4 * GWEI_25
    assert fees[-1] < 2 * GWEI_25


def test_a_scenario_begins_with_the_next_block() -> None:
    node = node_of(blocks=1_000)
    calm = node_of(blocks=1_000)
    node.set_demand(Scenario.SPIKE)

    assert base_fees(node, 33) == base_fees(calm, 33)
    assert max(base_fees(node, 39)) > 70 * GWEI_25
