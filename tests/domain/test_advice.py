from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from app.domain.advice import advice, base_fee_at_recovery, deficit_fee, deficit_sensitivity
from app.domain.alerts import AlertThresholds
from app.domain.formula import FeeFormula
from app.domain.parameters import Controller, Parameters
from app.domain.units import Wei, WeiDelta, WeiPerGas
from tests.domain.build import DEFAULTS, ETHER, GWEI, adjusted, parameter_sets, ratios

THRESHOLDS = AlertThresholds()
HARMLESS = adjusted(DEFAULTS, base_fee=GWEI)


def codes(parameters: Parameters, target: int | None = None, thresholds: AlertThresholds = THRESHOLDS) -> list[str]:
    return [found.code for found in advice(parameters, thresholds, None if target is None else Wei(target))]


def test_each_ether_of_deficit_adds_four_gwei_by_default() -> None:
    assert deficit_sensitivity(DEFAULTS) == 4_025_764_896


def test_an_empty_vault_of_a_thousand_ether_adds_four_thousand_gwei() -> None:
    assert deficit_fee(DEFAULTS, Wei(1000 * ETHER)) == 4_025_764_895_331


@given(parameters=parameter_sets(), deficit=st.integers(0, 10**22))
def test_the_deficit_fee_is_what_the_formula_adds_to_within_a_wei(parameters: Parameters, deficit: int) -> None:
    alpha = adjusted(parameters, controller=Controller.ALPHA)
    formula = FeeFormula.of(alpha)
    with_deficit = formula.price(WeiPerGas(0), WeiDelta(deficit)).raw
    without = formula.price(WeiPerGas(0), WeiDelta(0)).raw
    assert with_deficit - without == deficit_fee(alpha, Wei(deficit))


def test_a_target_whose_absence_alone_would_fire_the_fee_alert_is_said() -> None:
    (found,) = advice(HARMLESS, THRESHOLDS, Wei(1000 * ETHER))
    assert found.code == "deficit_term_exceeds_fee_alert"
    for number in ("1000 ETH", "4025.764895331 gwei", "50 gwei", "4.025764896 gwei"):
        assert number in found.message


def test_the_advice_begins_just_where_the_deficit_term_passes_the_alert() -> None:
    greatest_harmless = 50 * GWEI * 72 * 690_000 * 5
    assert deficit_fee(HARMLESS, Wei(greatest_harmless)) == 50 * GWEI
    assert codes(HARMLESS, greatest_harmless) == []
    assert codes(HARMLESS, greatest_harmless + 1) == ["deficit_term_exceeds_fee_alert"]


def test_without_a_target_nothing_is_said_of_the_vault() -> None:
    assert codes(HARMLESS) == []


def test_the_default_base_fee_is_above_what_the_protocol_lets_the_l2_base_fee_be() -> None:
    (found,) = advice(DEFAULTS, THRESHOLDS, None)
    assert found.code == "base_fee_above_protocol_maximum"
    assert "1.5 gwei, above 1 gwei" in found.message


def test_the_legacy_formula_has_no_base_fee_to_warn_of() -> None:
    assert codes(adjusted(DEFAULTS, controller=Controller.LEGACY)) == []


def test_bounds_that_never_meet_the_alert_range_are_said() -> None:
    assert codes(adjusted(HARMLESS, min_fee=51 * GWEI)) == ["fee_always_out_of_alert_range"]
    assert codes(adjusted(HARMLESS, max_fee=GWEI - 1)) == ["fee_always_out_of_alert_range"]
    assert codes(adjusted(HARMLESS, min_fee=50 * GWEI)) == []
    assert codes(adjusted(HARMLESS, max_fee=GWEI)) == []


def test_one_provider_alone_is_said_and_none_or_several_are_not() -> None:
    for providers, expected in ((0, []), (1, ["single_provider"]), (2, []), (3, [])):
        found = advice(HARMLESS, THRESHOLDS, None, l1_providers=providers)
        assert [entry.code for entry in found] == expected


def test_no_weight_means_no_deficit_term() -> None:
    assert codes(adjusted(HARMLESS, deficit_weight=Fraction(0)), 10**6 * ETHER) == []


def test_the_base_fee_where_recovery_leaves_its_range_is_exact() -> None:
    border = base_fee_at_recovery(DEFAULTS, Fraction("1.3"))
    assert border == 5 * GWEI / (Fraction(18, 100) + Fraction(180, 690))
    assert round(border / GWEI, 1) == Fraction("11.3")


@given(parameters=parameter_sets(controller=Controller.ALPHA), recovery=ratios("1.000001", "3"))
def test_at_the_border_the_unrounded_recovery_is_the_one_asked_for(parameters: Parameters, recovery: Fraction) -> None:
    border = base_fee_at_recovery(parameters, recovery)
    slope = parameters.alpha_data + Fraction(parameters.proof_gas_per_batch, parameters.l2_gas_per_batch)
    if border is None:
        assert slope == 0
    else:
        assert slope * border + parameters.base_fee == recovery * slope * border


def test_there_is_no_border_for_the_legacy_formula_nor_for_a_recovery_up_to_one() -> None:
    assert base_fee_at_recovery(adjusted(DEFAULTS, controller=Controller.LEGACY), Fraction(2)) is None
    assert base_fee_at_recovery(DEFAULTS, Fraction(1)) is None
