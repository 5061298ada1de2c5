"""Sliding windows against sums made anew, and each alert at its edge."""

from collections.abc import Iterator
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.alert_windows import EconomicAlert, EconomicAlerts, Held, HeldWindow, SumWindow
from app.domain.alerts import AlertThresholds, satisfiable_over_sides
from app.domain.formula import FeeFormula
from app.domain.parameters import Parameters
from app.domain.units import SAFE_INTEGER_LIMIT, WeiPerGas
from tests.domain.build import DEFAULTS, ETHER, GWEI, base_fees, parameter_sets

START = 1_700_000_000
steps = st.lists(st.tuples(st.integers(0, 90), st.integers(0, 5)), min_size=1, max_size=40)


def points(moves: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    at = START
    for seconds, value in moves:
        at += seconds
        yield at, value


@given(moves=steps)
def test_a_held_window_sums_what_held_at_each_second(moves: list[tuple[int, int]]) -> None:
    window = HeldWindow(100)
    seconds: dict[int, int] = {}
    for at, value in points(moves):
        if seconds:
            last = max(seconds)
            seconds |= dict.fromkeys(range(last, at), seconds[last])
        covered = [held for second, held in seconds.items() if at - 100 <= second < at]
        found = window.put(at, value)
        assert found == ((sum(covered), len(covered)) if len(covered) >= 90 else None)
        seconds[at] = value


@given(moves=steps)
def test_a_sum_window_sums_the_blocks_within(moves: list[tuple[int, int]]) -> None:
    window, blocks = SumWindow(100), []
    for at, value in points(moves):
        blocks.append((at, value))
        found = window.put(at, value, 2 * value)
        expected = sum(amount for then, amount in blocks if then > at - 100)
        assert found == ((expected, 2 * expected) if at - blocks[0][0] >= 90 else None)


def test_a_condition_fires_once_it_has_held_for_long_enough_and_not_before() -> None:
    held = Held(30)
    for at, holds in ((0, True), (29, True), (30, True), (45, True), (50, False), (60, True), (80, False), (90, True)):
        held.judge(at, holds=holds)
        assert (held.fired_at is not None) == (at in {30, 45})
    assert (held.fired, held.firing_seconds, held.first_fired_at, held.since) == (1, 20, 30, 90)


def run(fees: list[tuple[int, int]], *, deficit_share: str = "0", parameters: Parameters = DEFAULTS) -> EconomicAlerts:
    """Blocks of 12 s with (base fee, fee) in gwei, and a vault of 10 ether with this deficit."""
    alerts = EconomicAlerts(AlertThresholds(), FeeFormula.of(parameters), 10 * ETHER)
    is_underfunded = alerts.is_underfunded(int(Fraction(deficit_share) * 10 * ETHER))
    for index, (base_fee, fee) in enumerate(fees):
        cost = FeeFormula.of(parameters).batch_cost(WeiPerGas(base_fee * GWEI))
        alerts.put(
            START + 12 * index, base_fee * GWEI, fee * GWEI, fee * GWEI * 690_000, cost, is_underfunded=is_underfunded
        )
    return alerts


def seconds_until(alert: EconomicAlert, alerts: EconomicAlerts) -> int | None:
    first = alerts.conditions[alert].first_fired_at
    return None if first is None else first - START


def test_a_fee_out_of_range_fires_when_nine_minutes_are_covered_and_five_more_have_passed() -> None:
    alerts = run([(25, 60)] * 100)
    assert seconds_until(EconomicAlert.FEE_OUT_OF_RANGE, alerts) == 540 + 300


def test_a_fee_that_the_l1_price_alone_puts_out_of_range_is_no_anomaly() -> None:
    assert seconds_until(EconomicAlert.FEE_OUT_OF_RANGE, run([(200, 90)] * 100)) is None


def test_a_fee_within_range_is_quiet_even_with_a_spike() -> None:
    assert (
        seconds_until(EconomicAlert.FEE_OUT_OF_RANGE, run([(25, 12)] * 60 + [(25, 60)] * 20 + [(25, 12)] * 60)) is None
    )


@pytest.mark.parametrize(
    ("fee", "alert", "fires_at"),
    [
        (8, EconomicAlert.COST_RECOVERY_DRIFT, 3_240 + 900),
        (9, EconomicAlert.COST_RECOVERY_DRIFT, None),
        (14, EconomicAlert.COST_RECOVERY_DRIFT, None),
        (15, EconomicAlert.COST_RECOVERY_DRIFT, 3_240 + 900),
        (7, EconomicAlert.COST_RECOVERY_LOSS, 3_240 + 900),
        (8, EconomicAlert.COST_RECOVERY_LOSS, None),
    ],
)
def test_recovery_is_the_ratio_of_the_sums_over_an_hour(fee: int, alert: EconomicAlert, fires_at: int | None) -> None:
    assert seconds_until(alert, run([(25, fee)] * 400)) == fires_at


def test_a_recovery_that_the_parameters_alone_put_above_the_threshold_is_no_anomaly() -> None:
    assert seconds_until(EconomicAlert.COST_RECOVERY_DRIFT, run([(1, 2)] * 400)) is None


def test_a_deficit_has_to_exceed_its_share_for_a_quarter_of_an_hour() -> None:
    assert seconds_until(EconomicAlert.VAULT_DEFICIT, run([(25, 12)] * 100, deficit_share="0.21")) == 900
    assert seconds_until(EconomicAlert.VAULT_DEFICIT, run([(25, 12)] * 100, deficit_share="0.2")) is None


def test_an_underfunded_day_is_judged_once_nine_tenths_of_it_are_known() -> None:
    alerts = run([(25, 12)] * 7_200, deficit_share="0.21")
    assert seconds_until(EconomicAlert.VAULT_UNDERFUNDED, alerts) == 77_760


@given(
    parameters=parameter_sets(),
    environment=st.none() | parameter_sets(),
    base_fee=base_fees,
    high=st.integers(0, 40),
)
def test_the_quick_answers_agree_with_the_exact_ones(
    parameters: Parameters, environment: Parameters | None, base_fee: int, high: int
) -> None:
    thresholds = AlertThresholds(
        recovery_min=Fraction(0), recovery_low=Fraction(0), recovery_high=Fraction(high, 10), recovery_max=Fraction(4)
    )
    formula, wanted = FeeFormula.of(parameters), None if environment is None else FeeFormula.of(environment)
    alerts = EconomicAlerts(thresholds, formula, None, environment=wanted)
    assert alerts.over_sides(base_fee) == satisfiable_over_sides(thresholds, formula, WeiPerGas(base_fee), wanted)
    for edge in (alerts._hopeless_below - 1, alerts._kept_from, alerts._fee_kept_up_to, alerts._fee_kept_up_to + 1):
        if 0 <= edge < SAFE_INTEGER_LIMIT:
            assert alerts.over_sides(edge) == satisfiable_over_sides(thresholds, formula, WeiPerGas(edge), wanted)
