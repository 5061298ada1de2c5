"""How a price came about, in words: every term with its numbers, made from the very integers of the price."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from types import MappingProxyType
from typing import Final

from app.domain.formula import Bounding, Components, FeeFormula, PathPoint, Price
from app.domain.parameters import Controller
from app.domain.quote import Quote
from app.domain.units import WeiDelta, WeiPerGas, decimal_text, ether_text, gwei_text, rounded_ratio
from app.domain.vault import VaultCondition, VaultState

_CONDITIONS: Final = MappingProxyType(
    {
        VaultCondition.CURRENT: "",
        VaultCondition.HELD: "; held, since the last reading failed",
        VaultCondition.EXPIRED: "; expired, since no reading has succeeded for too long",
    }
)


class Unit(StrEnum):
    """What a step's value counts."""

    L1_PRICE = "wei per L1 gas"
    L2_PRICE = "wei per L2 gas"
    WEI = "wei"
    RATIO = "ratio"
    TIME = "Unix milliseconds"


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a derivation, in a sentence."""

    term: str
    """A stable name."""
    text: str
    value: int | Fraction | None
    unit: Unit


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a fee: its name, its term of the formula, the term with its numbers, and what it comes to."""

    term: str
    """The part's name among the components."""
    name: str
    symbols: str
    numbers: str
    value: WeiPerGas

    @property
    def text(self) -> str:
        """The part in a sentence."""
        name = f"{self.name}, {self.symbols}" if self.symbols else self.name
        return f"{name}: {self.numbers} = {gwei_text(self.value)} gwei"


@dataclass(frozen=True, slots=True)
class Derivation:
    """A price and everything that it was made from."""

    formula: FeeFormula
    base_fee: WeiPerGas
    deficit: WeiDelta
    """As it entered the formula."""
    previous: PathPoint
    price: Price
    components: Components

    @classmethod
    def of(cls, quote: Quote) -> "Derivation":
        """The derivation of a quote's price."""
        return cls(
            formula=quote.formula,
            base_fee=quote.header.base_fee_per_gas,
            deficit=quote.vault.priced_deficit,
            previous=quote.previous,
            price=quote.price,
            components=quote.components,
        )

    @property
    def bounding(self) -> Bounding:
        """What the bounds and the rate limit did, by the rules that made the price."""
        return self.formula.bounding(self.price.raw, self.previous.fee)

    @property
    def is_legacy(self) -> bool:
        """Whether the legacy formula made the price."""
        return self.formula.parameters.controller is Controller.LEGACY


def parts_of(derivation: Derivation) -> tuple[Part, ...]:
    """What the raw fee is the sum of, each part rounded down to whole wei; without those that the formula lacks."""
    p, components = derivation.formula.parameters, derivation.components
    gas = f"{p.l2_gas_per_batch} L2 gas"
    base_fee = f"{gwei_text(derivation.base_fee)} gwei"
    healing = Part(
        "deficit",
        "Vault deficit",
        "ν·D/(H·G)",
        f"{decimal_text(p.deficit_weight)} × {ether_text(derivation.deficit)} ETH"
        f" / ({p.horizon_batches} batches × {gas})",
        components.deficit,
    )
    if derivation.is_legacy:
        smoothed = ether_text(derivation.price.smoothed_cost or 0)
        return (
            Part("da", "L1 cost", "μ·Ĉ/G", f"{decimal_text(p.legacy_mu)} × {smoothed} ETH / {gas}", components.da),
            healing,
        )
    return (
        Part(
            "da",
            "Data availability",
            "α·B",
            f"{decimal_text(p.alpha_data)} L1 gas per L2 gas × {base_fee}",
            components.da,
        ),
        Part("proof", "Proofs", "P·B/G", f"{p.proof_gas_per_batch} L1 gas × {base_fee} / {gas}", components.proof),
        healing,
        Part("base", "Base fee", "", "operating cost", components.base),
    )


def vault_words(vault: VaultState) -> str:
    """What the vault holds, how far that can be trusted, and the deficit that it puts into the formula."""
    if vault.balance is None or vault.target is None:
        return "none is configured, so the deficit is 0 ETH"
    source = f"{vault.source}{_CONDITIONS[vault.condition]}"
    words = f"{ether_text(vault.balance)} of {ether_text(vault.target)} ETH ({source})"
    if vault.deficit >= 0:
        return f"{words}, so the deficit is {ether_text(vault.deficit)} ETH"
    discount = "a" if vault.surplus_discount else "no"
    surplus = f"{ether_text(-vault.deficit)} ETH, which gives {discount} discount"
    return f"{words}, a surplus of {surplus}: the deficit is {ether_text(vault.priced_deficit)} ETH"


def vault_step(vault: VaultState) -> Step:
    """The vault, and the deficit that it puts into the formula."""
    return Step("vault", f"Vault: {vault_words(vault)}", vault.priced_deficit, Unit.WEI)


def smoothing_steps(derivation: Derivation) -> Iterator[Step]:
    """The legacy formula's smoothed cost of a batch; nothing under the alpha formula."""
    smoothed = derivation.price.smoothed_cost
    if smoothed is None:
        return
    formula, before = derivation.formula, derivation.previous.smoothed_cost
    cost = formula.batch_cost(derivation.base_fee)
    yield Step(
        "batchCost",
        f"L1 cost of a batch, (α·G + P)·B: {decimal_text(formula.l1_gas_per_batch)} L1 gas"
        f" × {gwei_text(derivation.base_fee)} gwei = {ether_text(cost)} ETH",
        cost,
        Unit.WEI,
    )
    newest = formula.parameters.legacy_smoothing
    how = (
        "the cost itself, since no earlier one is known"
        if before is None
        else f"{decimal_text(1 - newest)} × {ether_text(before)} ETH + {decimal_text(newest)} × {ether_text(cost)} ETH,"
        " rounded up"
    )
    yield Step("smoothedCost", f"Smoothed cost Ĉ: {how} = {ether_text(smoothed)} ETH", smoothed, Unit.WEI)


def price_steps(derivation: Derivation) -> Iterator[Step]:
    """From the parts to the fee: the raw sum, the bounds, the rate limit, the adjustment and the sum of all."""
    price, bounding, parts = derivation.price, derivation.bounding, parts_of(derivation)
    floored = sum(part.value for part in parts)
    rounding = price.raw - floored
    yield Step(
        "raw",
        f"Raw fee: the exact sum of these, rounded up once = {gwei_text(price.raw)} gwei; rounded down to whole wei"
        f" each, they sum to {gwei_text(floored)} gwei, {rounding} wei less",
        price.raw,
        Unit.L2_PRICE,
    )
    yield _bounds_step("bounds", derivation, price.raw, bounding.clipped)
    yield _rate_limit_step(derivation, bounding)
    if bounding.fee != bounding.limited:
        yield _bounds_step("boundsAgain", derivation, bounding.limited, bounding.fee)
    by_bounds = bounding.clipped - price.raw + bounding.fee - bounding.limited
    by_rate_limit = bounding.limited - bounding.clipped
    adjustment = derivation.components.adjustment
    yield Step(
        "adjustment",
        f"Adjustment: rounding {rounding} wei, bounds {by_bounds} wei, rate limit {by_rate_limit} wei"
        f" = {adjustment} wei",
        adjustment,
        Unit.L2_PRICE,
    )
    addends = [*(part.value for part in parts), adjustment]
    yield Step(
        "fee",
        f"Fee: {_sum_text(addends)} = {gwei_text(price.fee)} gwei per L2 gas, which is {price.fee} wei",
        price.fee,
        Unit.L2_PRICE,
    )


def recovery_step(derivation: Derivation) -> Step:
    """The modelled batch: what it costs, what it earns, and their ratio."""
    formula, base_fee, fee = derivation.formula, derivation.base_fee, derivation.price.fee
    cost, revenue = formula.batch_cost(base_fee), formula.batch_revenue(fee)
    recovery = rounded_ratio(revenue, cost)
    shown = "there is no cost to recover" if recovery is None else f"cost recovery {decimal_text(recovery)}"
    return Step(
        "costRecovery",
        f"Batch: costs {decimal_text(formula.l1_gas_per_batch)} L1 gas × {gwei_text(base_fee)} gwei"
        f" = {ether_text(cost)} ETH, earns {gwei_text(fee)} gwei × {formula.parameters.l2_gas_per_batch} L2 gas"
        f" = {ether_text(revenue)} ETH: {shown}",
        recovery,
        Unit.RATIO,
    )


def part_step(part: Part) -> Step:
    """A part as a step."""
    return Step(part.term, part.text, part.value, Unit.L2_PRICE)


def _bounds_step(term: str, derivation: Derivation, before: WeiPerGas, after: WeiPerGas) -> Step:
    parameters = derivation.formula.parameters
    least, most = gwei_text(parameters.min_fee), gwei_text(parameters.max_fee)
    again = " once more" if term == "boundsAgain" else ""
    return Step(term, f"Bounds{again}: {least} to {most} gwei: {_moved(before, after)}", after, Unit.L2_PRICE)


def _rate_limit_step(derivation: Derivation, bounding: Bounding) -> Step:
    parameters, previous = derivation.formula.parameters, derivation.previous.fee
    if not parameters.has_rate_limit:
        words = "none is set"
    elif not previous:
        words = f"none applies, since the parent block's fee {'is not known' if previous is None else 'was 0'}"
    else:
        rise, fall = parameters.max_fee_increase, parameters.max_fee_decrease
        limits = []
        if rise is not None and bounding.highest is not None:
            limits.append(f"κ↑ {decimal_text(rise)} allows at most {gwei_text(bounding.highest)} gwei")
        if fall is not None and bounding.lowest is not None:
            limits.append(f"κ↓ {decimal_text(fall)} allows at least {gwei_text(bounding.lowest)} gwei")
        words = (
            f"after {gwei_text(previous)} gwei at the parent block, {' and '.join(limits)}:"
            f" {_moved(bounding.clipped, bounding.limited)}"
        )
    return Step("rateLimit", f"Rate limit: {words}", bounding.limited, Unit.L2_PRICE)


def _moved(before: WeiPerGas, after: WeiPerGas) -> str:
    if before == after:
        return f"unchanged at {gwei_text(after)} gwei"
    return f"{'raised' if after > before else 'lowered'} from {gwei_text(before)} to {gwei_text(after)} gwei"


def _sum_text(addends: list[WeiPerGas]) -> str:
    first, *rest = addends
    return gwei_text(first) + "".join(f" {'-' if value < 0 else '+'} {gwei_text(abs(value))}" for value in rest)
