"""The checks after a deployment: a live oracle's answers against its own parameters, its L1 and the thresholds."""

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any, Final

from app.domain.alerts import AlertThresholds, satisfiable_over_sides
from app.domain.errors import InvalidValueError
from app.domain.formula import FeeFormula, PathPoint
from app.domain.header import L1Header
from app.domain.parameter_set import ParameterSet
from app.domain.parameters import Controller
from app.domain.units import WeiDelta, WeiPerGas, decimal_text, gwei_text
from app.research.validation import Check, Verdict

Answer = Mapping[str, Any]

_PARTS: Final = ("da", "proof", "deficit", "base", "adjustment")


def live_checks(
    fee: Answer, parameters: Answer, vault: Answer, thresholds: AlertThresholds, header: L1Header | None
) -> Iterator[Check]:
    """The checks of one look. `header` is the L1's own at the quote's block; None where no L1 was asked.

    Raises `KeyError`, `TypeError`, `ValueError` or `InvalidValueError` for answers that are no oracle's.
    """
    formula = FeeFormula.of(ParameterSet().changed(parameters["parameters"]).parameters)
    yield _freshness(fee)
    yield _sum_of_parts(fee)
    yield _same_parameters(fee, parameters)
    yield _recomputed(fee, vault, formula)
    yield _batch(fee, formula)
    yield _fee_range(fee, thresholds, formula)
    yield _recovery_range(fee, thresholds, formula)
    yield _vault(fee, thresholds)
    if header is not None:
        yield _against_l1(fee, header)


def _check(name: str, detail: str, *, holds: bool, otherwise: Verdict = Verdict.FAILED) -> Check:
    return Check(name, Verdict.OK if holds else otherwise, detail)


def _freshness(fee: Answer) -> Check:
    reason = f" ({fee['staleReason']})" if fee["staleReason"] else ""
    return _check("fresh", f"{fee['status']}{reason}, block {fee['l1']['blockNumber']}", holds=fee["status"] == "fresh")


def _sum_of_parts(fee: Answer) -> Check:
    total = sum(fee["components"][part] for part in _PARTS)
    return _check("components sum to the fee", f"{total} and {fee['feePerGas']} wei", holds=total == fee["feePerGas"])


def _same_parameters(fee: Answer, parameters: Answer) -> Check:
    """A change governs from the next head: until then the quote is the old parameters'."""
    same = fee["parametersId"] == parameters["parametersId"]
    detail = "the quote's are those in force" if same else "a change waits for the next head"
    return _check("parameters", detail, holds=same, otherwise=Verdict.WARNING)


def _recomputed(fee: Answer, vault: Answer, formula: FeeFormula) -> Check:
    name = "fee recomputed from its inputs"
    parameters = formula.parameters
    if parameters.has_rate_limit or parameters.controller is Controller.LEGACY:
        return Check(name, Verdict.WARNING, "it depends on the path: `verify` recomputes it from the journal")
    if fee["parametersId"] != parameters.parameters_id:
        return Check(name, Verdict.WARNING, "the quote was made with other parameters than those in force")
    deficit = int(fee["vault"]["deficitWei"])
    priced = deficit if vault["surplusDiscount"] else max(0, deficit)
    price = formula.price(WeiPerGas(fee["l1"]["baseFeePerGas"]), WeiDelta(priced), PathPoint())
    return _check(name, f"{price.fee} and {fee['feePerGas']} wei", holds=price.fee == fee["feePerGas"])


def _batch(fee: Answer, formula: FeeFormula) -> Check:
    cost = formula.batch_cost(WeiPerGas(fee["l1"]["baseFeePerGas"]))
    revenue = formula.batch_revenue(WeiPerGas(fee["feePerGas"]))
    holds = (int(fee["batch"]["costWei"]), int(fee["batch"]["revenueWei"])) == (cost, revenue)
    return _check("batch recomputed", f"cost {cost} wei, revenue {revenue} wei", holds=holds)


def _fee_range(fee: Answer, thresholds: AlertThresholds, formula: FeeFormula) -> Check:
    found, base_fee = fee["feePerGas"], WeiPerGas(fee["l1"]["baseFeePerGas"])
    detail = f"{gwei_text(found)} gwei, {gwei_text(thresholds.fee_min)} to {gwei_text(thresholds.fee_max)}"
    if found > thresholds.fee_max and not satisfiable_over_sides(thresholds, formula, base_fee).fee:
        return Check("fee within the alert's range", Verdict.WARNING, f"{detail}: at this L1 price it cannot be")
    return _check("fee within the alert's range", detail, holds=thresholds.fee_min <= found <= thresholds.fee_max)


def _recovery_range(fee: Answer, thresholds: AlertThresholds, formula: FeeFormula) -> Check:
    name, found = "cost recovery", fee["batch"]["costRecoveryRatio"]
    if found is None:
        return Check(name, Verdict.WARNING, "a batch costs nothing at this L1 price")
    recovery = Fraction(str(found))
    detail = f"{found}, {decimal_text(thresholds.recovery_low)} to {decimal_text(thresholds.recovery_high)}"
    base_fee = WeiPerGas(fee["l1"]["baseFeePerGas"])
    if recovery > thresholds.recovery_high and not satisfiable_over_sides(thresholds, formula, base_fee).recovery:
        return Check(name, Verdict.WARNING, f"{detail}: at this L1 price it cannot be, the base fee is additive")
    return _check(name, detail, holds=thresholds.recovery_low <= recovery <= thresholds.recovery_high)


def _vault(fee: Answer, thresholds: AlertThresholds) -> Check:
    name, vault = "vault", fee["vault"]
    if vault["source"] == "none":
        return Check(name, Verdict.WARNING, "not configured: the deficit is taken as 0")
    if vault["condition"] != "current":
        return Check(name, Verdict.FAILED, f"its balance is {vault['condition']}: it cannot be read")
    ratio = Fraction(str(vault["deficitRatio"] or 0))
    limit = thresholds.vault_deficit
    return _check(
        name, f"deficit {vault['deficitRatio']} of the target, at most {decimal_text(limit)}", holds=ratio <= limit
    )


def _against_l1(fee: Answer, header: L1Header) -> Check:
    name, quoted = "L1 agrees", fee["l1"]
    if header.hash != quoted["blockHash"]:
        return Check(name, Verdict.FAILED, f"block {header.number} is {header.hash} there, {quoted['blockHash']} here")
    same = header.base_fee_per_gas == quoted["baseFeePerGas"]
    return _check(name, f"block {header.number}, base fee {gwei_text(header.base_fee_per_gas)} gwei", holds=same)


UNUSABLE: Final = (KeyError, TypeError, ValueError, InvalidValueError)
"""What an answer raises that is no oracle's."""
