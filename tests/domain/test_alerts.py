from fractions import Fraction
from typing import Any

import pytest

from app.domain.advice import base_fee_at_recovery
from app.domain.alerts import AlertThresholds, OverSides, satisfiable_over_sides
from app.domain.errors import InvalidValueError
from app.domain.formula import FeeFormula
from app.domain.parameters import Controller, Parameters
from app.domain.units import Gas, WeiPerGas

GWEI = 10**9


def over_sides(
    base_fee_wei: int, parameters: Parameters | None = None, thresholds: AlertThresholds | None = None
) -> OverSides:
    formula = FeeFormula.of(parameters or Parameters())
    return satisfiable_over_sides(thresholds or AlertThresholds(), formula, WeiPerGas(base_fee_wei))


def test_the_defaults_are_the_documented_thresholds() -> None:
    thresholds = AlertThresholds()
    assert (thresholds.fee_min, thresholds.fee_max) == (10**9, 50 * 10**9)
    assert (thresholds.recovery_min, thresholds.recovery_low) == (Fraction("0.7"), Fraction("0.8"))
    assert (thresholds.recovery_high, thresholds.recovery_max) == (Fraction("1.3"), Fraction("1.5"))
    assert (thresholds.vault_deficit, thresholds.underfunded_share) == (Fraction("0.2"), Fraction("0.15"))


@pytest.mark.parametrize(
    ("values", "name", "got"),
    [
        ({"fee_min": 51 * 10**9}, "TAIKO_ALERT_FEE_MIN_GWEI", "51"),
        ({"fee_max": 10**9 - 1}, "TAIKO_ALERT_FEE_MIN_GWEI", "1"),
        ({"fee_min": -1}, "TAIKO_ALERT_FEE_MIN_GWEI", "-0.000000001"),
        ({"recovery_min": Fraction("0.81")}, "TAIKO_ALERT_RECOVERY_MIN", "0.81"),
        ({"recovery_min": Fraction("-0.1")}, "TAIKO_ALERT_RECOVERY_MIN", "-0.1"),
        ({"recovery_low": Fraction("1.31")}, "TAIKO_ALERT_RECOVERY_LOW", "1.31"),
        ({"recovery_high": Fraction("1.51")}, "TAIKO_ALERT_RECOVERY_HIGH", "1.51"),
        ({"vault_deficit": Fraction("1.01")}, "TAIKO_ALERT_VAULT_DEFICIT", "1.01"),
        ({"vault_deficit": Fraction("-0.01")}, "TAIKO_ALERT_VAULT_DEFICIT", "-0.01"),
        ({"underfunded_share": Fraction(2)}, "TAIKO_ALERT_UNDERFUNDED_SHARE", "2"),
    ],
)
def test_thresholds_out_of_order_are_refused_by_the_name_of_their_setting(
    values: dict[str, Any], name: str, got: str
) -> None:
    with pytest.raises(InvalidValueError) as refusal:
        AlertThresholds(**values)
    assert (refusal.value.name, refusal.value.value) == (name, got)


def test_a_refusal_names_the_other_side_with_its_value() -> None:
    with pytest.raises(InvalidValueError, match=r"0 to TAIKO_ALERT_FEE_MAX_GWEI \(50\)"):
        AlertThresholds(fee_min=WeiPerGas(60 * 10**9))


def test_equal_thresholds_are_allowed() -> None:
    one = Fraction(1)
    thresholds = AlertThresholds(recovery_min=one, recovery_low=one, recovery_high=one, recovery_max=one)
    assert thresholds.recovery_max == 1


@pytest.mark.parametrize(
    ("base_fee_gwei", "expected"),
    [
        ("0.075", OverSides(fee=True, recovery=False)),
        ("11.34", OverSides(fee=True, recovery=False)),
        ("11.35", OverSides(fee=True, recovery=True)),
        ("25", OverSides(fee=True, recovery=True)),
        ("110", OverSides(fee=True, recovery=True)),
        ("110.1", OverSides(fee=False, recovery=True)),
    ],
)
def test_at_some_prices_of_l1_the_default_parameters_alone_exceed_a_threshold(
    base_fee_gwei: str, expected: OverSides
) -> None:
    assert over_sides(int(Fraction(base_fee_gwei) * GWEI)) == expected


def test_the_border_of_recovery_is_the_one_that_is_advised_up_to_a_fee_s_rounding() -> None:
    border = base_fee_at_recovery(Parameters(), Fraction("1.3"))
    assert border is not None
    assert not over_sides(int(border)).recovery
    assert over_sides(int(border) + 8).recovery


def test_a_lower_threshold_moves_the_border() -> None:
    strict = AlertThresholds(recovery_high=Fraction("1.03"))
    assert not over_sides(100 * GWEI, thresholds=strict).recovery
    for fee_max, kept in ((12_521_739_130, False), (12_521_739_131, True)):
        thresholds = AlertThresholds(fee_max=WeiPerGas(fee_max))
        assert over_sides(25 * GWEI, thresholds=thresholds).fee is kept


def test_a_bound_of_the_fee_is_one_of_the_parameters() -> None:
    assert not over_sides(25 * GWEI, Parameters(min_fee=WeiPerGas(60 * GWEI))).fee
    assert over_sides(200 * GWEI, Parameters(max_fee=WeiPerGas(50 * GWEI))).fee


def test_a_rate_limit_hides_no_threshold_that_cannot_be_kept() -> None:
    slow = Parameters(max_fee_increase=Fraction(1, 1000), max_fee_decrease=Fraction(1, 1000))
    assert over_sides(200 * GWEI, slow) == OverSides(fee=False, recovery=True)


def test_without_an_operating_cost_recovery_is_satisfiable_at_every_price() -> None:
    for parameters in (Parameters(base_fee=WeiPerGas(0)), Parameters(controller=Controller.LEGACY)):
        assert over_sides(75_000_000, parameters).recovery


def test_a_batch_that_costs_nothing_is_above_every_recovery_if_it_earns_something() -> None:
    free = Parameters(alpha_data=Fraction(0), proof_gas_per_batch=Gas(0))
    assert not over_sides(25 * GWEI, free).recovery
    assert not over_sides(0).recovery
    assert over_sides(0, Parameters(base_fee=WeiPerGas(0))).recovery
