"""A fold over blocks: the service's fee to the wei, and a vault whose every wei is accounted for."""

import math
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.errors import InvalidValueError
from app.domain.formula import NO_PATH, FeeFormula
from app.domain.parameters import Controller, Parameters
from app.domain.simulation import SeriesBlock, SimulatedBlock, SimulatedVault, SimulationPlan, simulated
from app.domain.units import BlockNumber, Gas, UnixSeconds, Wei, WeiDelta, WeiPerGas
from tests.domain.build import DEFAULTS, ETHER, GWEI, a_third_of_the_examples, adjusted, base_fees, parameter_sets

TEN_ETHER = Wei(10 * ETHER)


def series(*fees: int, gas: int | None = None) -> list[SeriesBlock]:
    return [
        SeriesBlock(
            BlockNumber(100 + index),
            UnixSeconds(1_700_000_000 + 12 * index),
            WeiPerGas(fee),
            None if gas is None else Gas(gas),
        )
        for index, fee in enumerate(fees)
    ]


def a_plan(
    parameters: Parameters = DEFAULTS,
    *,
    balance: int = TEN_ETHER,
    target: int = TEN_ETHER,
    surplus_discount: bool = False,
    blocks_per_batch: int = 1,
    previous_fee: int | None = None,
) -> SimulationPlan:
    return SimulationPlan(
        formula=FeeFormula.of(parameters),
        vault=SimulatedVault(balance=Wei(balance), target=Wei(target), surplus_discount=surplus_discount),
        blocks_per_batch=blocks_per_batch,
        previous_fee=None if previous_fee is None else WeiPerGas(previous_fee),
    )


def run(plan: SimulationPlan, blocks: Sequence[SeriesBlock]) -> list[SimulatedBlock]:
    return list(simulated(plan, blocks))


def test_one_block_at_the_golden_numbers() -> None:
    (block,) = run(a_plan(), series(25 * GWEI))
    assert (block.raw, block.fee, block.cost) == (12_521_739_131, 12_521_739_131, 7_605_000_000_000_000)
    assert block.revenue == 12_521_739_131 * 690_000
    assert block.balance == TEN_ETHER + block.revenue - block.cost
    assert (block.deficit, block.unpaid) == (0, 0)


def test_the_next_block_is_priced_with_what_the_vault_has_come_to() -> None:
    parameters = adjusted(DEFAULTS, base_fee=0, alpha_data=Fraction(0))
    first, second = run(a_plan(parameters, balance=0), series(25 * GWEI, 25 * GWEI))
    assert first.deficit == TEN_ETHER
    assert first.balance is not None
    assert second.deficit == TEN_ETHER - first.balance


def test_a_surplus_lowers_the_fee_only_where_it_is_to_give_a_discount() -> None:
    (plain,) = run(a_plan(balance=11 * ETHER), series(25 * GWEI))
    (discounted,) = run(a_plan(balance=11 * ETHER, surplus_discount=True), series(25 * GWEI))
    assert plain.fee == 12_521_739_131
    assert plain.fee - discounted.fee == math.floor(Fraction(2, 10) * ETHER / (72 * 690_000))
    assert plain.deficit == discounted.deficit == -ETHER


def test_a_vault_that_cannot_pay_is_emptied_and_the_rest_is_unpaid() -> None:
    parameters = adjusted(DEFAULTS, max_fee=0)
    (block,) = run(a_plan(parameters, balance=5), series(25 * GWEI))
    assert (block.balance, block.unpaid) == (0, 7_605_000_000_000_000 - 5)


def test_revenue_of_a_block_does_not_pay_its_own_cost() -> None:
    (block,) = run(a_plan(balance=0, target=0), series(25 * GWEI))
    assert block.unpaid == block.cost
    assert block.balance == block.revenue


def test_a_recorded_balance_takes_the_place_of_the_simulated_one() -> None:
    recorded = [block._replace(vault_balance=Wei(9 * ETHER)) for block in series(25 * GWEI, 25 * GWEI)]
    assert [block.deficit for block in run(a_plan(), recorded)] == [ETHER, ETHER]


def test_a_block_carries_its_share_of_a_batch() -> None:
    (block,) = run(a_plan(blocks_per_batch=32), series(25 * GWEI))
    assert block.fee == 12_521_739_131
    assert block.cost == math.ceil(Fraction(7_605_000_000_000_000, 32))
    assert block.revenue == 12_521_739_131 * 690_000 // 32


def test_the_gas_of_a_batch_may_come_from_the_block() -> None:
    (block,) = run(a_plan(), series(25 * GWEI, gas=1_000_000))
    assert block.fee == 12_521_739_131
    assert block.revenue == 12_521_739_131 * 1_000_000
    assert block.cost == (180_000 + 180_000) * 25 * GWEI


def test_what_l1_charges_may_be_held_fixed_while_the_controller_believes_otherwise() -> None:
    plan = replace(a_plan(adjusted(DEFAULTS, alpha_data=Fraction(16, 100))), cost_alpha=Fraction(18, 100))
    (block,) = run(plan, series(25 * GWEI))
    assert block.cost == 7_605_000_000_000_000
    assert block.fee == 12_021_739_131


def test_a_cost_below_zero_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="cost alpha"):
        replace(a_plan(), cost_alpha=Fraction(-1, 100))


def test_without_a_vault_the_deficit_is_zero() -> None:
    plan = SimulationPlan(formula=FeeFormula.of(DEFAULTS))
    (block,) = run(plan, series(25 * GWEI))
    assert (block.balance, block.deficit, block.unpaid, block.fee) == (None, 0, 0, 12_521_739_131)


@pytest.mark.parametrize("amounts", [(-1, 0), (0, -1)])
def test_amounts_below_zero_are_refused(amounts: tuple[int, int]) -> None:
    with pytest.raises(InvalidValueError, match="at least 0 wei"):
        SimulatedVault(balance=Wei(amounts[0]), target=Wei(amounts[1]))


def test_less_than_one_block_a_batch_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="blocks per batch"):
        a_plan(blocks_per_batch=0)


@a_third_of_the_examples
@given(
    parameters=parameter_sets(),
    fees=st.lists(base_fees, min_size=1, max_size=12),
    balance=st.integers(0, 20 * ETHER),
    discounts=st.booleans(),
    previous=st.none() | st.integers(0, 10**12),
)
def test_each_fee_is_the_services_own_at_the_same_inputs(
    *, parameters: Parameters, fees: list[int], balance: int, discounts: bool, previous: int | None
) -> None:
    formula = FeeFormula.of(parameters)
    plan = a_plan(parameters, balance=balance, surplus_discount=discounts, previous_fee=previous)
    point = NO_PATH if previous is None else NO_PATH.__class__(WeiPerGas(previous))
    for block in simulated(plan, series(*fees)):
        deficit = block.deficit if discounts else max(0, block.deficit)
        price = formula.price(WeiPerGas(block.base_fee), WeiDelta(deficit), point)
        assert (block.raw, block.fee, block.bound) == (price.raw, price.fee, price.bound)
        assert block.cost == formula.batch_cost(WeiPerGas(block.base_fee))
        point = price.point


@a_third_of_the_examples
@given(fees=st.lists(base_fees, min_size=1, max_size=20), balance=st.integers(0, ETHER), blocks=st.integers(1, 40))
def test_every_wei_is_accounted_for(fees: list[int], balance: int, blocks: int) -> None:
    done = run(a_plan(balance=balance, blocks_per_batch=blocks), series(*fees))
    revenue, cost = sum(block.revenue for block in done), sum(block.cost for block in done)
    unpaid = sum(block.unpaid for block in done)
    assert done[-1].balance == balance + revenue - cost + unpaid
    assert all(block.balance is not None and block.balance >= 0 for block in done)
    assert all(0 <= block.unpaid <= block.cost for block in done)


def test_the_legacy_controller_smooths_from_the_first_block_on() -> None:
    parameters = adjusted(DEFAULTS, controller=Controller.LEGACY)
    first, second = run(a_plan(parameters, balance=11 * ETHER), series(25 * GWEI, 50 * GWEI))
    cost = 304_200 * 25 * GWEI
    assert first.raw == math.ceil(Fraction(7, 10) * cost / 690_000)
    smoothed = math.ceil(Fraction(9, 10) * cost + Fraction(1, 10) * 2 * cost)
    assert second.raw == math.ceil(Fraction(7, 10) * smoothed / 690_000)


def test_the_legacy_controller_goes_on_from_a_smoothed_cost_that_is_given() -> None:
    plan = a_plan(adjusted(DEFAULTS, controller=Controller.LEGACY), balance=11 * ETHER)
    whole = run(plan, series(25 * GWEI, 50 * GWEI, 40 * GWEI))
    cost = 304_200 * 25 * GWEI
    rest = run(replace(plan, previous_smoothed_cost=Wei(cost)), series(50 * GWEI, 40 * GWEI))
    assert [block.fee for block in rest] == [block.fee for block in whole[1:]]


def test_a_recorded_balance_without_a_target_is_refused() -> None:
    recorded = [block._replace(vault_balance=TEN_ETHER) for block in series(25 * GWEI)]
    with pytest.raises(InvalidValueError, match="vault target: got None, expected a target"):
        run(SimulationPlan(formula=FeeFormula.of(DEFAULTS)), recorded)
