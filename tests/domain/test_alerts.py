from fractions import Fraction
from typing import Any

import pytest

from app.domain.alerts import AlertThresholds
from app.domain.errors import InvalidValueError
from app.domain.units import WeiPerGas


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
