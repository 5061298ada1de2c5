"""The document's promises and the checks before a deployment: each verdict has a number that decides it."""

from pathlib import Path

import pytest

from app.domain.alerts import AlertThresholds
from app.domain.parameter_set import ParameterSet
from app.domain.units import Wei, WeiPerGas
from app.research import validation
from app.research.validation import Check, Verdict, claims, settings_checks
from tests.domain.build import ETHER, GWEI

DOCUMENT = Path(__file__).parents[1] / "data" / "deployment-instructions.md"
THRESHOLDS = AlertThresholds()


def checked(
    changes: dict[str, object] | None = None,
    *,
    base_fee: int = 25 * GWEI,
    target: int | None = None,
    thresholds: AlertThresholds = THRESHOLDS,
) -> dict[str, Check]:
    parameter_set = ParameterSet().changed(changes or {})
    vault_target = None if target is None else Wei(target)
    return {
        check.name: check for check in settings_checks(parameter_set, thresholds, vault_target, WeiPerGas(base_fee))
    }


def test_the_document_s_numbers_with_what_holds_and_what_differs() -> None:
    assert [(claim.name, claim.documented, claim.computed, claim.holds) for claim in claims()] == [
        ("fee at L1 25 gwei", "12.5 gwei", "12.521739131 gwei", True),
        ("cost recovery at L1 25 gwei", "1.14", "1.136095", True),
        ("fee at L1 0.075 gwei", "1.5 gwei", "1.533065218 gwei", True),
        ("cost recovery at L1 0.075 gwei", "1.14", "46.364892", False),
        ("fee at L1 100 gwei", "45 gwei", "45.586956522 gwei", False),
        ("cost recovery at L1 100 gwei", "1.14", "1.034024", False),
        ("preset conservative", "lower fees", "12.021739131 gwei at L1 25 gwei, against 12.521739131", True),
        ("preset responsive", "higher L1 tracking", "13.021739131 gwei at L1 25 gwei, against 12.521739131", True),
        ("legacy fee at L1 25 gwei", "0.001 gwei", "7.715217392 gwei", False),
        ("legacy fee at L1 0.075 gwei", "0.001 gwei", "0.023145653 gwei", False),
        ("improvement over the legacy controller", "12500×", "1.62× at L1 25 gwei", False),
    ]


def test_every_documented_number_stands_in_the_document() -> None:
    document = DOCUMENT.read_text(encoding="utf-8").lower()
    for claim in claims():
        assert claim.documented.lower().replace("12500×", "12,500x") in document, claim.name


def test_a_reason_is_given_where_a_number_differs_and_nowhere_else() -> None:
    for claim in claims():
        assert (claim.reason is None) is claim.holds
    reasons = {claim.name: claim.reason or "" for claim in claims()}
    assert "45.586956522, which rounds to 46" in reasons["fee at L1 100 gwei"]
    assert "the base fee is additive" in reasons["cost recovery at L1 0.075 gwei"]
    assert "two numbers of the document at different L1 prices" in reasons["improvement over the legacy controller"]


def test_the_recommended_settings_pass_at_25_gwei_with_one_warning() -> None:
    found = checked()
    assert {name for name, check in found.items() if check.verdict is not Verdict.OK} == {
        "base_fee_above_protocol_maximum"
    }
    assert found["costs are recovered"].detail == "1.136095 at L1 25 gwei without a deficit"
    assert found["deficit"].detail == "4.025764896 gwei of fee for each ETH of deficit; no vault is configured"


@pytest.mark.parametrize(
    ("base_fee", "which"),
    [
        (11_342_000_000, None),
        (11_341_000_000, "recovery cannot at L1 11.341 gwei"),
        (110_005_000_000, None),
        (110_100_000_000, "fee cannot at L1 110.1 gwei"),
    ],
)
def test_thresholds_that_cannot_be_met_are_a_warning_that_names_the_side(base_fee: int, which: str | None) -> None:
    check = checked(base_fee=base_fee)["alert thresholds can be met"]
    if which is None:
        assert check.verdict is Verdict.OK
    else:
        assert check.verdict is Verdict.WARNING
        assert check.detail.startswith(which)
        assert "recovery can only be met above 11.341222" in check.detail


def test_both_sides_at_once() -> None:
    narrow = AlertThresholds(fee_max=WeiPerGas(1_600_000_000))
    assert checked(base_fee=GWEI, thresholds=narrow)["alert thresholds can be met"].detail.startswith(
        "fee and recovery cannot"
    )


def test_the_deficit_against_the_vault_s_target() -> None:
    found = checked(target=1_000 * ETHER)
    assert found["deficit"].detail == "4.025764896 gwei of fee for each ETH of deficit; the target is 1000 ETH"
    warning = found["deficit_term_exceeds_fee_alert"]
    assert warning.verdict is Verdict.WARNING
    assert "an empty vault (target 1000 ETH) alone would add 4025.764895331 gwei" in warning.detail
    assert "deficit_term_exceeds_fee_alert" not in checked(target=10 * ETHER)


@pytest.mark.parametrize(
    ("changes", "name", "said"),
    [
        ({"maxFeeGwei": "10"}, "fee within its bounds", "fee 10 gwei at L1 25 gwei: the bound max decides"),
        ({"minFeeGwei": "20"}, "fee within its bounds", "fee 20 gwei at L1 25 gwei: the bound min decides"),
        ({"controller": "legacy"}, "costs are recovered", "0.7 at L1 25 gwei"),
        ({"maxFeeGwei": "10"}, "costs are recovered", "0.907298 at L1 25 gwei"),
        ({"baseFeeGwei": "1500"}, "units", "baseFeeGwei 1500: is it in wei?"),
        ({"alphaData": "18"}, "units", "alphaData 18: is it in percent?"),
        ({"l2GasPerBatch": 690}, "units", "l2GasPerBatch 690: less than one transaction; is it in thousands?"),
    ],
)
def test_what_is_ours_to_pass_fails_by_name(changes: dict[str, object], name: str, said: str) -> None:
    check = checked(changes)[name]
    assert check.verdict is Verdict.FAILED
    assert said in check.detail


@pytest.mark.parametrize("changes", [{"baseFeeGwei": "999.999999999"}, {"alphaData": "16"}, {"l2GasPerBatch": 21_000}])
def test_values_at_the_edge_of_what_anybody_would_mean_are_no_wrong_unit(changes: dict[str, object]) -> None:
    assert checked(changes)["units"].verdict is Verdict.OK


def test_every_odd_unit_is_named() -> None:
    found = checked({"alphaData": "18", "l2GasPerBatch": 690})["units"].detail
    assert "alphaData" in found
    assert "l2GasPerBatch" in found


def test_a_recovery_of_exactly_one_is_recovered() -> None:
    exact = {"baseFeeGwei": "0", "alphaData": "1", "proofGasPerBatch": 0}
    check = checked(exact)["costs are recovered"]
    assert (check.verdict, check.detail) == (Verdict.OK, "1 at L1 25 gwei without a deficit")


def test_a_golden_number_that_does_not_come_out_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validation, "_GOLDEN", ((25 * GWEI, 12_521_739_131), (100 * GWEI, 45_586_956_521)))
    check = checked()["golden numbers"]
    assert check.verdict is Verdict.FAILED
    assert check.detail == "L1 100000000000 wei: got 45586956522, expected 45586956521"
