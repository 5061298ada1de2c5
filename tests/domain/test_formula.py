from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.formula import NO_PATH, Bound, FeeFormula, PathPoint
from app.domain.parameters import Controller, Parameters
from app.domain.units import Wei, WeiDelta, WeiPerGas
from tests.domain import reference
from tests.domain.build import (
    DEFAULTS,
    ETHER,
    GWEI,
    a_third_of_the_examples,
    adjusted,
    base_fees,
    deficits,
    fees,
    parameter_sets,
)

smoothed_costs = st.none() | st.integers(0, 10**20).map(Wei)
paths = st.builds(PathPoint, st.none() | st.just(WeiPerGas(0)) | fees, smoothed_costs)


def fee_of(parameters: Parameters, base_fee: int, deficit: int = 0, previous: int | None = None) -> int:
    path = PathPoint(None if previous is None else WeiPerGas(previous))
    return FeeFormula.of(parameters).price(WeiPerGas(base_fee), WeiDelta(deficit), path).fee


@given(parameters=parameter_sets(controller=Controller.ALPHA), base_fee=base_fees, deficit=deficits)
def test_the_alpha_formula_agrees_with_exact_fractions(
    parameters: Parameters, base_fee: WeiPerGas, deficit: WeiDelta
) -> None:
    price = FeeFormula.of(parameters).price(base_fee, deficit)
    assert price.raw == reference.alpha_raw(parameters, base_fee, deficit)
    assert price.smoothed_cost is None


@given(parameters=parameter_sets(controller=Controller.LEGACY), base_fee=base_fees, deficit=deficits, path=paths)
def test_the_legacy_formula_agrees_with_exact_fractions(
    parameters: Parameters, base_fee: WeiPerGas, deficit: WeiDelta, path: PathPoint
) -> None:
    price = FeeFormula.of(parameters).price(base_fee, deficit, path)
    cost = reference.batch_cost(parameters, base_fee)
    assert price.smoothed_cost == reference.smoothed_cost(parameters, path.smoothed_cost, cost)
    assert price.raw == reference.legacy_raw(parameters, price.smoothed_cost, deficit)


@given(parameters=parameter_sets(), base_fee=base_fees)
def test_the_batch_cost_agrees_with_exact_fractions(parameters: Parameters, base_fee: WeiPerGas) -> None:
    assert FeeFormula.of(parameters).batch_cost(base_fee) == reference.batch_cost(parameters, base_fee)


@given(parameters=parameter_sets(), base_fee=base_fees, deficit=deficits, path=paths)
def test_bounds_and_rate_limit_agree_with_their_description(
    parameters: Parameters, base_fee: WeiPerGas, deficit: WeiDelta, path: PathPoint
) -> None:
    price = FeeFormula.of(parameters).price(base_fee, deficit, path)
    assert price.fee == reference.fee(parameters, price.raw, path.fee)


@given(parameters=parameter_sets(), base_fee=base_fees, deficit=deficits, path=paths)
def test_the_bounds_hold_whatever_comes(
    parameters: Parameters, base_fee: WeiPerGas, deficit: WeiDelta, path: PathPoint
) -> None:
    price = FeeFormula.of(parameters).price(base_fee, deficit, path)
    assert parameters.min_fee <= price.fee <= parameters.max_fee


@given(parameters=parameter_sets(), base_fee=base_fees, deficit=deficits, path=paths)
def test_the_bound_named_is_none_exactly_where_the_fee_is_the_raw_fee(
    parameters: Parameters, base_fee: WeiPerGas, deficit: WeiDelta, path: PathPoint
) -> None:
    price = FeeFormula.of(parameters).price(base_fee, deficit, path)
    if price.bound is Bound.NONE:
        assert price.fee == price.raw
    if price.bound is Bound.MIN:
        assert price.fee == parameters.min_fee
    if price.bound is Bound.MAX:
        assert price.fee == parameters.max_fee


@given(parameters=parameter_sets(), base_fee=base_fees, deficit=deficits, path=paths)
def test_components_sum_to_the_fee_and_each_is_floored(
    parameters: Parameters, base_fee: WeiPerGas, deficit: WeiDelta, path: PathPoint
) -> None:
    formula = FeeFormula.of(parameters)
    price = formula.price(base_fee, deficit, path)
    parts = formula.components(price, base_fee, deficit)
    assert parts.da + parts.proof + parts.deficit + parts.base + parts.adjustment == price.fee
    gas = Fraction(parameters.l2_gas_per_batch)
    healing = parameters.deficit_weight * deficit / (parameters.horizon_batches * gas)
    if parameters.controller is Controller.ALPHA:
        exact = (parameters.alpha_data * base_fee, parameters.proof_gas_per_batch * base_fee / gas, healing)
        assert parts.base == parameters.base_fee
    else:
        assert price.smoothed_cost is not None
        exact = (parameters.legacy_mu * price.smoothed_cost / gas, Fraction(0), healing)
        assert parts.base == 0
    for part, value in zip((parts.da, parts.proof, parts.deficit), exact, strict=True):
        assert part <= value < part + 1
    if price.bound is Bound.NONE:
        assert 0 <= parts.adjustment <= 3


@a_third_of_the_examples
@given(parameters=parameter_sets(), base_fee=base_fees, deficit=deficits, path=paths)
def test_every_price_is_whole_wei_and_no_float(
    parameters: Parameters, base_fee: WeiPerGas, deficit: WeiDelta, path: PathPoint
) -> None:
    formula = FeeFormula.of(parameters)
    price = formula.price(base_fee, deficit, path)
    parts = formula.components(price, base_fee, deficit)
    numbers: list[int] = [price.raw, price.fee, parts.da, parts.proof, parts.deficit, parts.base, parts.adjustment]
    numbers += [formula.batch_cost(base_fee), formula.batch_revenue(price.fee), price.smoothed_cost or 0]
    assert {type(number) for number in numbers} == {int}
    assert type(formula.l1_gas_per_batch) is Fraction


@given(
    parameters=parameter_sets(),
    two=st.lists(base_fees, min_size=2, max_size=2).map(sorted),
    deficit=deficits,
    path=paths,
)
def test_the_fee_never_falls_where_the_base_fee_rises(
    parameters: Parameters, two: list[WeiPerGas], deficit: WeiDelta, path: PathPoint
) -> None:
    formula = FeeFormula.of(parameters)
    lower, upper = (formula.price(base_fee, deficit, path) for base_fee in two)
    assert lower.raw <= upper.raw
    assert lower.fee <= upper.fee


@given(
    parameters=parameter_sets(),
    base_fee=base_fees,
    two=st.lists(deficits, min_size=2, max_size=2).map(sorted),
    path=paths,
)
def test_the_fee_never_falls_where_the_deficit_grows(
    parameters: Parameters, base_fee: WeiPerGas, two: list[WeiDelta], path: PathPoint
) -> None:
    formula = FeeFormula.of(parameters)
    lower, upper = (formula.price(base_fee, deficit, path).fee for deficit in two)
    assert lower <= upper


@given(
    parameters=parameter_sets(),
    base_fee=base_fees,
    deficit=deficits,
    two=st.lists(fees, min_size=2, max_size=2).map(sorted),
)
def test_the_fee_never_falls_where_the_previous_fee_was_higher(
    parameters: Parameters, base_fee: WeiPerGas, deficit: WeiDelta, two: list[WeiPerGas]
) -> None:
    formula = FeeFormula.of(parameters)
    lower, upper = (formula.price(base_fee, deficit, PathPoint(previous)).fee for previous in two)
    assert lower <= upper


@given(parameters=parameter_sets(), base_fee=base_fees, deficit=deficits, previous=fees)
def test_no_step_is_greater_than_the_rate_limit_or_one_wei_unless_a_bound_asks_for_it(
    parameters: Parameters, base_fee: WeiPerGas, deficit: WeiDelta, previous: WeiPerGas
) -> None:
    price = FeeFormula.of(parameters).price(base_fee, deficit, PathPoint(previous))
    rise, fall = parameters.max_fee_increase, parameters.max_fee_decrease
    if rise is not None and price.fee > parameters.min_fee:
        assert price.fee <= max(Fraction(previous + 1), previous * (1 + rise))
    if fall is not None and price.fee < parameters.max_fee:
        assert price.fee >= min(Fraction(previous - 1), previous * (1 - fall))


@given(rise=st.integers(1, 10**6), previous=st.integers(1, 400), base_fee=st.integers(GWEI, 100 * GWEI))
def test_a_rate_limited_fee_is_never_stuck(rise: int, previous: int, base_fee: int) -> None:
    limit = Fraction(rise, 10**9)
    rising = adjusted(DEFAULTS, max_fee_increase=limit, max_fee_decrease=limit)
    assert fee_of(rising, base_fee, previous=previous) >= previous + 1
    assert fee_of(rising, 0, -1000 * ETHER, previous=previous) == previous - 1


@a_third_of_the_examples
@given(
    parameters=parameter_sets(min_fee=WeiPerGas(0), max_fee=WeiPerGas(10**15)),
    base_fee=base_fees,
    deficit=deficits,
    start=st.integers(1, 500),
)
def test_a_rate_limited_fee_reaches_its_destination_and_stays(
    parameters: Parameters, base_fee: WeiPerGas, deficit: WeiDelta, start: int
) -> None:
    quick = adjusted(
        parameters, controller=Controller.ALPHA, max_fee_increase=Fraction(1), max_fee_decrease=Fraction(1)
    )
    formula = FeeFormula.of(quick)
    destination = formula.price(base_fee, deficit).fee
    path = PathPoint(WeiPerGas(start))
    for _ in range(60):
        path = formula.price(base_fee, deficit, path).point
    assert path.fee == destination


@pytest.mark.parametrize("previous", [None, 0])
def test_no_rate_limit_applies_without_a_previous_fee(previous: int | None) -> None:
    limited = adjusted(DEFAULTS, max_fee_increase=Fraction(1, 1000), max_fee_decrease=Fraction(1, 1000))
    assert fee_of(limited, 25 * GWEI, previous=previous) == 12_521_739_131


LIMITED = adjusted(DEFAULTS, max_fee_increase=Fraction(1, 8), max_fee_decrease=Fraction(1, 8))


@pytest.mark.parametrize(
    ("change", "deficit", "previous", "fee", "bound"),
    [
        ({}, 0, None, 12_521_739_131, Bound.NONE),
        ({"max_fee": 10 * GWEI}, 0, None, 10 * GWEI, Bound.MAX),
        ({"min_fee": 20 * GWEI}, 0, None, 20 * GWEI, Bound.MIN),
        ({}, 0, 10 * GWEI, 11_250_000_000, Bound.RATE_UP),
        ({}, 0, 20 * GWEI, 17_500_000_000, Bound.RATE_DOWN),
        ({}, 0, 12 * GWEI, 12_521_739_131, Bound.NONE),
        ({"max_fee": 10 * GWEI}, 0, 2 * GWEI, 2_250_000_000, Bound.RATE_UP),
        ({"max_fee": 10 * GWEI}, 0, 20 * GWEI, 10 * GWEI, Bound.MAX),
        ({"min_fee": 20 * GWEI}, 0, 2 * GWEI, 20 * GWEI, Bound.MIN),
        ({"min_fee": 5 * GWEI}, -100 * ETHER, 9 * GWEI, 7_875_000_000, Bound.RATE_DOWN),
        ({"max_fee": 10 * GWEI}, 0, 10 * GWEI, 10 * GWEI, Bound.MAX),
    ],
)
def test_the_bound_names_the_last_rule_that_changed_the_number(
    change: dict[str, Any], deficit: int, previous: int | None, fee: int, bound: Bound
) -> None:
    path = PathPoint(None if previous is None else WeiPerGas(previous))
    formula = FeeFormula.of(adjusted(LIMITED, **change))
    price = formula.price(WeiPerGas(25 * GWEI), WeiDelta(deficit), path)
    assert (price.fee, price.bound) == (fee, bound)


def test_the_raw_fee_is_rounded_once_and_upward() -> None:
    a_third = adjusted(DEFAULTS, alpha_data=Fraction(0), base_fee=0, l2_gas_per_batch=3, proof_gas_per_batch=1)
    assert [fee_of(a_third, base_fee) for base_fee in range(7)] == [0, 1, 1, 1, 2, 2, 2]


def test_three_thirds_are_one_wei_not_three() -> None:
    thirds = adjusted(
        DEFAULTS,
        alpha_data=Fraction("0.5"),
        deficit_weight=Fraction("0.5"),
        horizon_batches=1,
        base_fee=0,
        l2_gas_per_batch=1,
        proof_gas_per_batch=0,
    )
    assert fee_of(thirds, 1, 1) == 1


def test_a_surplus_lowers_the_raw_fee_below_zero_and_the_fee_to_the_minimum() -> None:
    price = FeeFormula.of(DEFAULTS).price(WeiPerGas(0), WeiDelta(-ETHER))
    assert (price.raw, price.fee, price.bound) == (1_500_000_000 - 4_025_764_895, 0, Bound.MIN)


def test_the_legacy_smoothing_starts_at_the_first_cost_and_follows_slowly() -> None:
    formula = FeeFormula.of(adjusted(DEFAULTS, controller=Controller.LEGACY))
    path, fees_seen = NO_PATH, []
    for base_fee in (25 * GWEI, 100 * GWEI, 100 * GWEI):
        price = formula.price(WeiPerGas(base_fee), WeiDelta(0), path)
        fees_seen.append(price.fee)
        path = price.point
    assert fees_seen == [7_715_217_392, 10_029_782_609, 12_112_891_305]
    assert path.smoothed_cost == 11_939_850_000_000_000


def test_only_what_a_rule_reads_is_a_used_path() -> None:
    point = PathPoint(WeiPerGas(7), Wei(9))
    assert FeeFormula.of(DEFAULTS).used_path(point) == NO_PATH
    assert FeeFormula.of(LIMITED).used_path(point) == PathPoint(WeiPerGas(7), None)
    legacy = adjusted(DEFAULTS, controller=Controller.LEGACY)
    assert FeeFormula.of(legacy).used_path(point) == PathPoint(None, Wei(9))
    assert FeeFormula.of(adjusted(LIMITED, controller=Controller.LEGACY)).used_path(point) == point


@given(parameters=parameter_sets(), base_fee=base_fees, deficit=deficits, path=paths)
def test_what_is_not_used_of_a_path_does_not_move_the_price(
    parameters: Parameters, base_fee: WeiPerGas, deficit: WeiDelta, path: PathPoint
) -> None:
    formula = FeeFormula.of(parameters)
    assert formula.price(base_fee, deficit, path) == formula.price(base_fee, deficit, formula.used_path(path))
    if not parameters.depends_on_path:
        assert formula.used_path(path) == NO_PATH
