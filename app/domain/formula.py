"""The fee formulas: the only place in the program where a fee is computed.

Per L2 gas, in wei, with B the L1 base fee and D the vault's deficit:

    alpha    raw = α·B + ν·D/(H·G) + P·B/G + base_fee
    legacy   raw = μ·Ĉ/G + ν·D/(H·G),  Ĉ ← ⌈(1−λ)·Ĉ + λ·cost⌉

Either is one fraction over one denominator, rounded once, upward: the vault never under-recovers by rounding.
"""

from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from math import lcm

from app.domain.parameters import Controller, Parameters
from app.domain.units import Wei, WeiDelta, WeiPerGas, ceil_div


class Bound(StrEnum):
    """The last rule that changed the number."""

    NONE = "none"
    MIN = "min"
    MAX = "max"
    RATE_UP = "rate_up"
    RATE_DOWN = "rate_down"


@dataclass(frozen=True, slots=True)
class PathPoint:
    """What one block hands on to the next: its fee, and the legacy controller's smoothed cost per batch."""

    fee: WeiPerGas | None = None
    smoothed_cost: Wei | None = None


NO_PATH = PathPoint()


@dataclass(frozen=True, slots=True)
class Bounding:
    """How a raw fee became the fee, rule by rule. All per L2 gas, in wei."""

    clipped: WeiPerGas
    """After the bounds."""
    highest: WeiPerGas | None
    """The rate limit's upper end; None where none applies."""
    lowest: WeiPerGas | None
    """The rate limit's lower end; None where none applies."""
    limited: WeiPerGas
    """After the rate limit."""
    fee: WeiPerGas
    """After the bounds once more."""
    bound: Bound


@dataclass(frozen=True, slots=True)
class Components:
    """The fee's parts, each floored to whole wei; `adjustment` is the fee minus the sum of the others."""

    da: WeiPerGas
    proof: WeiPerGas
    deficit: WeiPerGas
    base: WeiPerGas
    adjustment: WeiPerGas


@dataclass(frozen=True, slots=True)
class Price:
    """One block's fee and how it came about. All per L2 gas, in wei, but for the smoothed cost (wei per batch)."""

    raw: WeiPerGas
    fee: WeiPerGas
    bound: Bound
    smoothed_cost: Wei | None

    @property
    def point(self) -> PathPoint:
        """What this block hands on to the next."""
        return PathPoint(self.fee, self.smoothed_cost)


@dataclass(frozen=True, slots=True)
class FeeFormula:
    """The parameters turned into whole numbers, once, so that a price is a few integer operations.

    raw = ⌈(l1_factor·X + deficit_factor·D + constant) / denominator⌉ where X is the L1 base fee (alpha) or the
    smoothed cost per batch (legacy).
    """

    parameters: Parameters
    denominator: int
    l1_factor: int
    deficit_factor: int
    constant: int
    l1_gas_per_batch: Fraction
    """α·G + P: the modelled L1 gas of a batch."""

    @classmethod
    def of(cls, parameters: Parameters) -> "FeeFormula":
        """The formula that `parameters` describe."""
        gas = parameters.l2_gas_per_batch
        l1_gas = parameters.alpha_data * gas + parameters.proof_gas_per_batch
        deficit_share = parameters.deficit_weight / (parameters.horizon_batches * gas)
        if parameters.controller is Controller.ALPHA:
            l1_share, base = l1_gas / gas, int(parameters.base_fee)
        else:
            l1_share, base = parameters.legacy_mu / gas, 0
        denominator = lcm(l1_share.denominator, deficit_share.denominator)
        return cls(
            parameters=parameters,
            denominator=denominator,
            l1_factor=int(l1_share * denominator),
            deficit_factor=int(deficit_share * denominator),
            constant=base * denominator,
            l1_gas_per_batch=l1_gas,
        )

    def batch_cost(self, base_fee: WeiPerGas) -> Wei:
        """The modelled L1 cost of a batch, (α·G + P)·B, in wei, rounded up."""
        gas = self.l1_gas_per_batch
        return Wei(ceil_div(gas.numerator * base_fee, gas.denominator))

    def batch_revenue(self, fee: WeiPerGas) -> Wei:
        """What a batch earns at `fee`: fee·G, in wei."""
        return Wei(fee * self.parameters.l2_gas_per_batch)

    def price(self, base_fee: WeiPerGas, deficit: WeiDelta, previous: PathPoint = NO_PATH) -> Price:
        """The price of one block: raw, then the bounds, the rate limit and the bounds again."""
        if self.parameters.controller is Controller.ALPHA:
            smoothed, l1_price = None, int(base_fee)
        else:
            smoothed = self._smoothed_cost(self.batch_cost(base_fee), previous.smoothed_cost)
            l1_price = int(smoothed)
        raw = WeiPerGas(
            ceil_div(self.l1_factor * l1_price + self.deficit_factor * deficit + self.constant, self.denominator)
        )
        bounding = self.bounding(raw, previous.fee)
        return Price(raw, bounding.fee, bounding.bound, smoothed)

    def bounding(self, raw: WeiPerGas, previous: WeiPerGas | None) -> Bounding:
        """The bounds, the rate limit and the bounds again. No rate limit applies without a previous fee, or after 0."""
        clipped, bound = self._clipped(raw, Bound.NONE)
        highest, lowest = self._rate_limits(previous)
        limited = fee = clipped
        if highest is not None and clipped > highest:
            limited, bound = highest, Bound.RATE_UP
        elif lowest is not None and clipped < lowest:
            limited, bound = lowest, Bound.RATE_DOWN
        if limited != clipped:
            fee, bound = self._clipped(limited, bound)
        return Bounding(clipped, highest, lowest, limited, fee, bound)

    def used_path(self, previous: PathPoint) -> PathPoint:
        """What of `previous` the parameters make the price depend on; what no rule reads is no input of a quote."""
        return PathPoint(
            fee=previous.fee if self.parameters.has_rate_limit else None,
            smoothed_cost=previous.smoothed_cost if self.parameters.controller is Controller.LEGACY else None,
        )

    def components(self, price: Price, base_fee: WeiPerGas, deficit: WeiDelta) -> Components:
        """The parts of `price`, which was made from the same base fee and deficit. They sum to the fee."""
        p = self.parameters
        gas = p.l2_gas_per_batch
        if p.controller is Controller.ALPHA:
            da = p.alpha_data.numerator * base_fee // p.alpha_data.denominator
            proof = p.proof_gas_per_batch * base_fee // gas
            base = int(p.base_fee)
        else:
            da = p.legacy_mu.numerator * (price.smoothed_cost or 0) // (p.legacy_mu.denominator * gas)
            proof, base = 0, 0
        weight = p.deficit_weight
        healing = weight.numerator * deficit // (weight.denominator * p.horizon_batches * gas)
        return Components(
            da=WeiPerGas(da),
            proof=WeiPerGas(proof),
            deficit=WeiPerGas(healing),
            base=WeiPerGas(base),
            adjustment=WeiPerGas(price.fee - da - proof - healing - base),
        )

    def _smoothed_cost(self, cost: Wei, previous: Wei | None) -> Wei:
        if previous is None:
            return cost
        weight = self.parameters.legacy_smoothing
        return Wei(
            ceil_div((weight.denominator - weight.numerator) * previous + weight.numerator * cost, weight.denominator)
        )

    def _clipped(self, fee: WeiPerGas, bound: Bound) -> tuple[WeiPerGas, Bound]:
        if fee < self.parameters.min_fee:
            return self.parameters.min_fee, Bound.MIN
        if fee > self.parameters.max_fee:
            return self.parameters.max_fee, Bound.MAX
        return fee, bound

    def _rate_limits(self, previous: WeiPerGas | None) -> tuple[WeiPerGas | None, WeiPerGas | None]:
        """The greatest and the least fee after `previous`; None where nothing limits it."""
        rise, fall = self.parameters.max_fee_increase, self.parameters.max_fee_decrease
        return (
            _greatest_rise(previous, rise) if previous and rise is not None else None,
            _greatest_fall(previous, fall) if previous and fall is not None else None,
        )


def _greatest_rise(previous: WeiPerGas, rise: Fraction) -> WeiPerGas:
    """max(prev + 1, ⌊prev·(1 + κ↑)⌋): a tiny fee is never stuck."""
    return WeiPerGas(max(previous + 1, previous * (rise.denominator + rise.numerator) // rise.denominator))


def _greatest_fall(previous: WeiPerGas, fall: Fraction) -> WeiPerGas:
    """min(prev − 1, ⌈prev·(1 − κ↓)⌉): a tiny fee is never stuck."""
    return WeiPerGas(min(previous - 1, ceil_div(previous * (fall.denominator - fall.numerator), fall.denominator)))
