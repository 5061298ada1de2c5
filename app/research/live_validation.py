"""The checks after a deployment: a live oracle's answers against its own parameters, its L1 and the thresholds."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from fractions import Fraction
from typing import Any, Final

from app.domain.alerts import AlertThresholds, satisfiable_over_sides
from app.domain.formula import FeeFormula
from app.domain.header import L1Header, next_base_fee
from app.domain.parameter_set import ParameterSet
from app.domain.units import WeiDelta, WeiPerGas, decimal_text, gwei_text, rounded_ratio
from app.research.validation import Check, Verdict

Answer = Mapping[str, Any]

UNUSABLE: Final = (AttributeError, KeyError, TypeError, ValueError)
"""What an answer raises that is no oracle's; an `InvalidValueError` is a `ValueError`."""
_PARTS: Final = ("da", "proof", "deficit", "base", "adjustment")
_OTHER_PARAMETERS: Final = "the quote was made with other parameters than those in force"


def live_checks(
    fee: Answer, parameters: Answer, vault: Answer, thresholds: AlertThresholds, header: L1Header | None
) -> Iterator[Check]:
    """The checks of one look. `header` is the L1's own at the quote's block; None where no L1 was asked.

    Raises one of `UNUSABLE` for answers that are no oracle's.
    """
    formula = FeeFormula.of(ParameterSet().changed(parameters["parameters"]).parameters)
    yield _freshness(fee)
    yield _sum_of_parts(fee)
    yield _same_parameters(fee, parameters)
    yield from _recomputed(fee, parameters, vault, formula)
    yield _batch(fee, parameters, formula)
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


def _recomputed(fee: Answer, parameters: Answer, vault: Answer, formula: FeeFormula) -> Iterator[Check]:
    name, base_fee = "fee recomputed from its inputs", WeiPerGas(fee["l1"]["baseFeePerGas"])
    if fee["parametersId"] != parameters["parametersId"]:
        yield Check(name, Verdict.WARNING, _OTHER_PARAMETERS)
        return
    if formula.parameters.depends_on_path:
        yield Check(name, Verdict.WARNING, "it depends on the path: `verify` recomputes it from the journal")
        return
    deficit = int(fee["vault"]["deficitWei"])
    priced = WeiDelta(deficit if vault["surplusDiscount"] else max(0, deficit))
    price = formula.price(base_fee, priced)
    yield _check(name, f"{price.fee} and {fee['feePerGas']} wei", holds=price.fee == fee["feePerGas"])
    parts = asdict(formula.components(price, base_fee, priced))
    wrong = [
        f"{part}: {parts[part]} and {fee['components'][part]} wei"
        for part in _PARTS
        if parts[part] != fee["components"][part]
    ]
    yield _check("components recomputed", "; ".join(wrong) or "each to the wei", holds=not wrong)
    following = formula.price(WeiPerGas(fee["l1"]["nextBaseFeePerGas"]), priced).fee
    quoted = fee["next"]["feePerGas"]
    yield _check("next block's fee recomputed", f"{following} and {quoted} wei", holds=following == quoted)


def _batch(fee: Answer, parameters: Answer, formula: FeeFormula) -> Check:
    name, batch = "batch recomputed", fee["batch"]
    if fee["parametersId"] != parameters["parametersId"]:
        return Check(name, Verdict.WARNING, _OTHER_PARAMETERS)
    cost = formula.batch_cost(WeiPerGas(fee["l1"]["baseFeePerGas"]))
    revenue = formula.batch_revenue(WeiPerGas(fee["feePerGas"]))
    recovery = batch["costRecoveryRatio"]
    quoted = int(batch["costWei"]), int(batch["revenueWei"]), None if recovery is None else Fraction(str(recovery))
    holds = quoted == (cost, revenue, rounded_ratio(revenue, cost))
    return _check(name, f"cost {cost} wei, revenue {revenue} wei", holds=holds)


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
    balance, target, deficit = (int(vault[amount]) for amount in ("balanceWei", "targetWei", "deficitWei"))
    if target - balance != deficit:
        return Check(name, Verdict.FAILED, f"the deficit is {deficit} wei, target − balance {target - balance} wei")
    limit = thresholds.vault_deficit
    ratio = decimal_text(rounded_ratio(deficit, target) or Fraction(0))
    return _check(
        name, f"deficit {ratio} of the target, at most {decimal_text(limit)}", holds=deficit <= limit * target
    )


def _against_l1(fee: Answer, header: L1Header) -> Check:
    name, quoted = "L1 agrees", fee["l1"]
    if header.hash != quoted["blockHash"]:
        return Check(name, Verdict.FAILED, f"block {header.number} is {header.hash} there, {quoted['blockHash']} here")
    fees = header.base_fee_per_gas, next_base_fee(header)
    detail = f"block {header.number}, base fee {gwei_text(fees[0])} gwei, of the next block {gwei_text(fees[1])} gwei"
    return _check(name, detail, holds=fees == (quoted["baseFeePerGas"], quoted["nextBaseFeePerGas"]))
