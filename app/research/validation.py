"""What the source document promises, recomputed; and what a configuration has to keep before it is deployed."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Final

from app.domain.advice import advice, base_fee_at_recovery, deficit_sensitivity
from app.domain.alerts import AlertThresholds, satisfiable_over_sides
from app.domain.formula import Bound, FeeFormula
from app.domain.parameter_set import ParameterSet
from app.domain.parameters import Controller, Parameters, Preset
from app.domain.units import WEI_PER_GWEI, Wei, WeiDelta, WeiPerGas, decimal_text, ether_text, gwei_text, rounded_ratio

_NO_DEFICIT: Final = WeiDelta(0)
_LEVELS: Final = (("25", "12.5"), ("0.075", "1.5"), ("100", "45"))
"""The document's L1 base fees and what it says the fee is, in gwei."""
_DOCUMENTED_RECOVERY: Final = "1.14"
_DOCUMENTED_LEGACY_FEE: Final = "0.001"
_DOCUMENTED_IMPROVEMENT: Final = 12_500
_GOLDEN: Final = ((25_000_000_000, 12_521_739_131), (100_000_000_000, 45_586_956_522), (75_000_000, 1_533_065_218))
"""L1 base fees and fees in wei, worked out by hand: α·B + P·B/G + base, rounded up."""


@dataclass(frozen=True, slots=True)
class Claim:
    """One number of the document."""

    name: str
    documented: str
    computed: str
    holds: bool
    """Whether the computed number, rounded to the document's digits, is the documented one."""
    reason: str | None
    """Why it differs."""


class Verdict(StrEnum):
    """What came of a check."""

    OK = "ok"
    WARNING = "warning"
    """Worth a look; nothing that is ours to pass."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    name: str
    verdict: Verdict
    detail: str


def claims() -> Iterator[Claim]:
    """Every number that the document promises, at the parameters that it recommends."""
    production = FeeFormula.of(Parameters())
    for base_fee_text, fee_text in _LEVELS:
        base_fee = _gwei(base_fee_text)
        yield _fee_claim(production, base_fee, base_fee_text, fee_text)
        yield _recovery_claim(production, base_fee, base_fee_text)
    yield from _preset_claims(production)
    yield from _legacy_claims(production)


def settings_checks(
    parameter_set: ParameterSet, thresholds: AlertThresholds, vault_target: Wei | None, base_fee: WeiPerGas
) -> Iterator[Check]:
    """The checks before a deployment, at an L1 base fee in wei. Settings that could be loaded are in range."""
    formula = FeeFormula.of(parameter_set.parameters)
    yield _golden_check()
    yield Check("settings", Verdict.OK, "every value is within its range")
    yield _bound_check(formula, base_fee)
    yield _recovery_check(formula, base_fee)
    yield _units_check(parameter_set.parameters)
    yield _satisfiable_check(thresholds, formula, base_fee)
    yield _deficit_check(parameter_set.parameters, vault_target)
    for found in advice(parameter_set.parameters, thresholds, vault_target):
        yield Check(found.code, Verdict.WARNING, found.message)


def _gwei(text: str) -> WeiPerGas:
    return WeiPerGas(int(Fraction(text) * WEI_PER_GWEI))


def _rounded(value: Fraction, documented: str) -> Fraction:
    """`value` to as many decimals as the document gives."""
    return round(value, len(documented.partition(".")[2]))


def _fee_claim(formula: FeeFormula, base_fee: WeiPerGas, base_fee_text: str, documented: str) -> Claim:
    fee = formula.price(base_fee, _NO_DEFICIT).fee
    holds = _rounded(Fraction(fee, WEI_PER_GWEI), documented) == Fraction(documented)
    whole = gwei_text(round(Fraction(fee, WEI_PER_GWEI)) * WEI_PER_GWEI)
    reason = None if holds else f"{base_fee_text}·(α + P/G) + 1.5 is {gwei_text(fee)}, which rounds to {whole}"
    return Claim(f"fee at L1 {base_fee_text} gwei", f"{documented} gwei", f"{gwei_text(fee)} gwei", holds, reason)


def _recovery_claim(formula: FeeFormula, base_fee: WeiPerGas, base_fee_text: str) -> Claim:
    recovery = _recovery(formula, base_fee)
    holds = _rounded(recovery, _DOCUMENTED_RECOVERY) == Fraction(_DOCUMENTED_RECOVERY)
    reason = (
        None
        if holds
        else "recovery is 1 + base/((α + P/G)·B): the base fee is additive, so recovery falls as L1 rises and is the"
        " document's 1.14 at 25 gwei alone"
    )
    return Claim(
        f"cost recovery at L1 {base_fee_text} gwei", _DOCUMENTED_RECOVERY, decimal_text(recovery), holds, reason
    )


def _preset_claims(production: FeeFormula) -> Iterator[Claim]:
    base_fee = _gwei("25")
    own = production.price(base_fee, _NO_DEFICIT).fee
    for preset, documented in ((Preset.CONSERVATIVE, "lower fees"), (Preset.RESPONSIVE, "higher L1 tracking")):
        chosen = ParameterSet().changed({"preset": preset.value}).parameters
        fee = FeeFormula.of(chosen).price(base_fee, _NO_DEFICIT).fee
        holds = fee < own if preset is Preset.CONSERVATIVE else fee > own
        computed = f"{gwei_text(fee)} gwei at L1 25 gwei, against {gwei_text(own)}"
        yield Claim(f"preset {preset.value}", documented, computed, holds, None if holds else "the order is another")


def _legacy_claims(production: FeeFormula) -> Iterator[Claim]:
    legacy = FeeFormula.of(Parameters(controller=Controller.LEGACY))
    for base_fee_text in ("25", "0.075"):
        base_fee = _gwei(base_fee_text)
        fee = legacy.price(base_fee, _NO_DEFICIT).fee
        holds = _rounded(Fraction(fee, WEI_PER_GWEI), _DOCUMENTED_LEGACY_FEE) == Fraction(_DOCUMENTED_LEGACY_FEE)
        reason = None if holds else "μ·(α·G + P)·B/G: with the cost model of the document itself it is no such fee"
        yield Claim(
            f"legacy fee at L1 {base_fee_text} gwei",
            f"{_DOCUMENTED_LEGACY_FEE} gwei",
            f"{gwei_text(fee)} gwei",
            holds,
            reason,
        )
    base_fee = _gwei("25")
    ratio = Fraction(production.price(base_fee, _NO_DEFICIT).fee, legacy.price(base_fee, _NO_DEFICIT).fee)
    yield Claim(
        "improvement over the legacy controller",
        f"{_DOCUMENTED_IMPROVEMENT}×",
        f"{decimal_text(round(ratio, 2))}× at L1 25 gwei",
        ratio == _DOCUMENTED_IMPROVEMENT,
        "12,500 is 12.5 gwei / 0.001 gwei, two numbers of the document at different L1 prices; on the same price and"
        " cost model the fees differ by the factor that was computed",
    )


def _recovery(formula: FeeFormula, base_fee: WeiPerGas) -> Fraction:
    """Revenue / cost of a batch without a deficit, to six decimals; 0 where nothing is spent."""
    fee = formula.price(base_fee, _NO_DEFICIT).fee
    return rounded_ratio(formula.batch_revenue(fee), formula.batch_cost(base_fee)) or Fraction(0)


def _golden_check() -> Check:
    formula = FeeFormula.of(Parameters())
    wrong = [
        f"L1 {base_fee} wei: got {fee}, expected {expected}"
        for base_fee, expected in _GOLDEN
        if (fee := formula.price(WeiPerGas(base_fee), _NO_DEFICIT).fee) != expected
    ]
    if wrong:
        return Check("golden numbers", Verdict.FAILED, "; ".join(wrong))
    return Check("golden numbers", Verdict.OK, f"{len(_GOLDEN)} fees worked out by hand come out to the wei")


def _bound_check(formula: FeeFormula, base_fee: WeiPerGas) -> Check:
    price = formula.price(base_fee, _NO_DEFICIT)
    said = f"fee {gwei_text(price.fee)} gwei at L1 {gwei_text(base_fee)} gwei"
    if price.bound is Bound.NONE:
        return Check("fee within its bounds", Verdict.OK, said)
    return Check(
        "fee within its bounds",
        Verdict.FAILED,
        f"{said}: the bound {price.bound.value} decides, not the formula ({gwei_text(price.raw)} gwei)",
    )


def _recovery_check(formula: FeeFormula, base_fee: WeiPerGas) -> Check:
    recovery = _recovery(formula, base_fee)
    said = f"{decimal_text(recovery)} at L1 {gwei_text(base_fee)} gwei without a deficit"
    return Check("costs are recovered", Verdict.OK if recovery >= 1 else Verdict.FAILED, said)


def _units_check(parameters: Parameters) -> Check:
    """Values that are in range and yet a unit off: a thousand or a billion times what anybody would mean."""
    odd = []
    if parameters.base_fee >= 1_000 * WEI_PER_GWEI:
        odd.append(f"baseFeeGwei {gwei_text(parameters.base_fee)}: is it in wei?")
    if parameters.alpha_data > 16:  # noqa: PLR2004 - calldata's gas per byte, with one byte per L2 gas
        odd.append(f"alphaData {decimal_text(parameters.alpha_data)}: is it in percent?")
    if parameters.l2_gas_per_batch < 21_000:  # noqa: PLR2004 - the gas of the least transaction
        odd.append(f"l2GasPerBatch {parameters.l2_gas_per_batch}: less than one transaction; is it in thousands?")
    if odd:
        return Check("units", Verdict.FAILED, "; ".join(odd))
    return Check("units", Verdict.OK, "no value looks a unit off")


def _satisfiable_check(thresholds: AlertThresholds, formula: FeeFormula, base_fee: WeiPerGas) -> Check:
    sides = satisfiable_over_sides(thresholds, formula, base_fee)
    name, at = "alert thresholds can be met", f"at L1 {gwei_text(base_fee)} gwei"
    if sides.fee and sides.recovery:
        return Check(name, Verdict.OK, at)
    which = " and ".join(side for side, can in (("fee", sides.fee), ("recovery", sides.recovery)) if not can)
    border = base_fee_at_recovery(formula.parameters, thresholds.recovery_high)
    hint = "" if border is None else f"; recovery can only be met above {gwei_text(int(border))} gwei"
    return Check(name, Verdict.WARNING, f"{which} cannot {at}: the parameters alone exceed the threshold{hint}")


def _deficit_check(parameters: Parameters, vault_target: Wei | None) -> Check:
    each = f"{gwei_text(deficit_sensitivity(parameters))} gwei of fee for each ETH of deficit"
    if vault_target is None:
        return Check("deficit", Verdict.OK, f"{each}; no vault is configured")
    return Check("deficit", Verdict.OK, f"{each}; the target is {ether_text(vault_target)} ETH")
