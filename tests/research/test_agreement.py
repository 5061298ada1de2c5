"""A backtest of a journal: every quote from the same inputs is identical, and any other is told apart by its reason."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.formula import NO_PATH, FeeFormula, PathPoint
from app.domain.parameters import Controller, Parameters
from app.domain.simulation import SimulatedVault, SimulationPlan, simulated
from app.domain.units import Wei, WeiDelta, WeiPerGas
from app.engine.recorded import RecordedBlock
from app.research.agreement import Agreement, agreement_object, agreement_rows
from tests.domain.build import DEFAULTS, ETHER, GWEI, a_third_of_the_examples, adjusted, parameter_sets
from tests.research.build import series, some_base_fees

TARGET = 10 * ETHER
LIMITED = adjusted(DEFAULTS, max_fee_increase=Fraction(1, 50), max_fee_decrease=Fraction(1, 50))
STORM = [GWEI * (20 + 60 * (index % 9 > 4)) for index in range(40)]


def a_record(
    parameters: Sequence[Parameters], base_fees: Sequence[int], *, start: PathPoint = NO_PATH
) -> list[RecordedBlock]:
    """What a service journals whose vault drains, under the parameters of each block."""
    path, recorded = start, []
    for index, (each, block) in enumerate(zip(parameters, series(base_fees), strict=True)):
        formula, balance = FeeFormula.of(each), Wei(TARGET - index * 10**15)
        deficit = WeiDelta(TARGET - balance)
        price = formula.price(block.base_fee, deficit, path)
        recorded.append(
            RecordedBlock(
                block=block._replace(vault_balance=balance),
                fee=price.fee,
                parameters_id=each.parameters_id,
                priced_deficit=deficit,
                previous=formula.used_path(path),
                target=Wei(TARGET),
                surplus_discount=False,
            )
        )
        path = price.point
    return recorded


def agreement(parameters: Parameters, recorded: Sequence[RecordedBlock], *, target: int = TARGET) -> Agreement:
    start = recorded[0].previous
    plan = SimulationPlan(
        formula=FeeFormula.of(parameters),
        vault=SimulatedVault(balance=Wei(TARGET), target=Wei(target)),
        previous_fee=start.fee,
        previous_smoothed_cost=start.smoothed_cost,
    )
    found = Agreement(plan, recorded)
    blocks = list(simulated(plan, [each.block for each in recorded]))
    assert list(found.compared(blocks)) == blocks
    return found


@a_third_of_the_examples
@given(parameters=parameter_sets(), base_fees=some_base_fees, start=st.integers(1, 10**12))
def test_under_the_same_parameters_every_quote_is_comparable_and_identical(
    parameters: Parameters, base_fees: list[int], start: int
) -> None:
    path = PathPoint(WeiPerGas(start), Wei(start * 304_200))
    found = agreement(parameters, a_record([parameters] * len(base_fees), base_fees, start=path))
    assert found.holds
    assert found.identical == found.comparable == len(base_fees)
    assert found.first_difference is None


@pytest.mark.parametrize("victim", [0, 17, 39])
def test_a_quote_that_was_another_is_named_by_its_block(victim: int) -> None:
    recorded = a_record([DEFAULTS] * 40, STORM)
    recorded[victim] = replace(recorded[victim], fee=WeiPerGas(recorded[victim].fee + 1))
    found = agreement(DEFAULTS, recorded)
    assert not found.holds
    assert (found.comparable, found.identical, found.first_difference) == (40, 39, 100 + victim)


def test_the_first_of_several_is_named() -> None:
    recorded = [replace(each, fee=WeiPerGas(each.fee + 1)) for each in a_record([DEFAULTS] * 5, STORM[:5])]
    assert agreement(DEFAULTS, recorded).first_difference == 100


def test_quotes_with_other_parameters_are_not_compared() -> None:
    recorded = a_record([adjusted(DEFAULTS, base_fee=0)] * 15 + [DEFAULTS] * 25, STORM)
    found = agreement(DEFAULTS, recorded)
    assert (found.other_parameters, found.comparable, found.identical) == (15, 25, 25)


def test_under_a_rate_limit_quotes_are_comparable_again_once_the_paths_have_met() -> None:
    steady = [25 * GWEI] * 40
    recorded = a_record([adjusted(LIMITED, base_fee=9 * GWEI)] * 5 + [LIMITED] * 35, steady)
    found = agreement(LIMITED, recorded)
    assert found.holds
    assert found.other_parameters == 5
    assert found.other_path > 5
    assert found.comparable == 40 - 5 - found.other_path > 10


def test_after_other_parameters_the_legacy_path_is_another() -> None:
    legacy = adjusted(DEFAULTS, controller=Controller.LEGACY)
    recorded = a_record([adjusted(legacy, legacy_mu=Fraction(1))] * 2 + [legacy] * 4, STORM[:6])
    assert agreement(legacy, recorded).identical == 4
    other_costs = a_record([adjusted(legacy, proof_gas_per_batch=0)] * 2 + [legacy] * 4, STORM[:6])
    found = agreement(legacy, other_costs)
    assert (found.other_parameters, found.other_path, found.comparable) == (2, 4, 0)


def test_another_target_makes_other_deficits() -> None:
    found = agreement(DEFAULTS, a_record([DEFAULTS] * 6, STORM[:6]), target=TARGET + 1)
    assert (found.other_deficit, found.comparable) == (6, 0)
    assert found.holds


def test_a_surplus_counts_as_no_deficit_unless_it_is_priced() -> None:
    recorded = a_record([DEFAULTS] * 3, STORM[:3])
    found = agreement(DEFAULTS, recorded, target=TARGET - ETHER)
    assert (found.other_deficit, found.comparable) == (2, 1), "the first deficit is 0 either way"


def test_one_block_for_each_that_was_recorded() -> None:
    recorded = a_record([DEFAULTS] * 3, STORM[:3])
    plan = SimulationPlan(formula=FeeFormula.of(DEFAULTS))
    blocks = list(simulated(plan, series(STORM[:2])))
    with pytest.raises(ValueError, match="zip"):
        list(Agreement(plan, recorded).compared(blocks))


def test_for_people_and_for_programs() -> None:
    found = Agreement(SimulationPlan(formula=FeeFormula.of(DEFAULTS)), ())
    found.comparable, found.identical, found.first_difference, found.other_path = 7, 6, 103, 2
    assert agreement_object(found) == {
        "comparableQuotes": 7,
        "identicalQuotes": 6,
        "otherParameters": 0,
        "otherDeficit": 0,
        "otherPath": 2,
        "firstDifferingBlock": 103,
    }
    assert dict(agreement_rows(found)) == {
        "quotes identical to those served": "6 of 7",
        "first that differs": "block 103",
        "quoted with another path": "2, not compared",
    }
