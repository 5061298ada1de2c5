"""The fee formulas: the only place in the program where a fee is computed.

Per L2 gas, in wei, with B the L1 base fee and D the vault's deficit:

    alpha    raw = α·B + ν·D/(H·G) + P·B/G + base_fee
    legacy   raw = μ·Ĉ/G + ν·D/(H·G),  Ĉ ← ⌈(1−λ)·Ĉ + λ·cost⌉

Either is one fraction over one denominator, rounded once, upward: the vault never under-recovers by rounding.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction
from math import lcm
from typing import NamedTuple

from app.domain.parameters import Controller, Parameters
from app.domain.units import Wei, WeiDelta, WeiPerGas, ceil_div


class Bound(StrEnum):
    """The last rule that changed the number."""

    NONE = "none"
    MIN = "min"
    MAX = "max"
    RATE_UP = "rate_up"
    RATE_DOWN = "rate_down"


Step = Callable[[int, int, int | None, int | None], tuple[WeiPerGas, WeiPerGas, Bound, Wei | None]]


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


class _Line(NamedTuple):
    """raw = ⌈(l1_factor·X + deficit_factor·D + constant) / denominator⌉ in whole numbers, where X is the L1 base fee
    (alpha) or the smoothed cost per batch (legacy)."""

    denominator: int
    l1_factor: int
    deficit_factor: int
    constant: int


@dataclass(frozen=True, slots=True)
class FeeFormula:
    """The parameters turned into whole numbers, once, so that a price is a few integer operations."""

    parameters: Parameters
    l1_gas_per_batch: Fraction
    """α·G + P: the modelled L1 gas of a batch."""
    step: Step = field(compare=False, repr=False)
    """The price as a plain function, for folds over millions of blocks: L1 base fee, deficit, previous fee and
    previous smoothed cost in; raw, fee, bound and smoothed cost out, as of `Price`."""

    @classmethod
    def of(cls, parameters: Parameters) -> "FeeFormula":
        """The formula that `parameters` describe."""
        l1_gas = parameters.alpha_data * parameters.l2_gas_per_batch + parameters.proof_gas_per_batch
        return cls(parameters, l1_gas, _step_of(parameters, l1_gas, _line_of(parameters, l1_gas)))

    def batch_cost(self, base_fee: WeiPerGas) -> Wei:
        """The modelled L1 cost of a batch, (α·G + P)·B, in wei, rounded up."""
        gas = self.l1_gas_per_batch
        return Wei(ceil_div(gas.numerator * base_fee, gas.denominator))

    def batch_revenue(self, fee: WeiPerGas) -> Wei:
        """What a batch earns at `fee`: fee·G, in wei."""
        return Wei(fee * self.parameters.l2_gas_per_batch)

    def price(self, base_fee: WeiPerGas, deficit: WeiDelta, previous: PathPoint = NO_PATH) -> Price:
        """The price of one block: raw, then the bounds, the rate limit and the bounds again."""
        return Price(*self.step(base_fee, deficit, previous.fee, previous.smoothed_cost))

    def bounding(self, raw: WeiPerGas, previous: WeiPerGas | None) -> Bounding:
        """The bounds, the rate limit and the bounds again. No rate limit applies without a previous fee, or after 0."""
        return _bounding(self.parameters, raw, previous)

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


def _line_of(parameters: Parameters, l1_gas: Fraction) -> _Line:
    gas = parameters.l2_gas_per_batch
    deficit_share = parameters.deficit_weight / (parameters.horizon_batches * gas)
    if parameters.controller is Controller.ALPHA:
        l1_share, base = l1_gas / gas, int(parameters.base_fee)
    else:
        l1_share, base = parameters.legacy_mu / gas, 0
    denominator = lcm(l1_share.denominator, deficit_share.denominator)
    return _Line(denominator, int(l1_share * denominator), int(deficit_share * denominator), base * denominator)


def _step_of(parameters: Parameters, l1_gas: Fraction, line: _Line) -> Step:
    """The formula as one function over what it needs and nothing else."""
    denominator, l1_factor, deficit_factor, constant = line
    least, greatest = parameters.min_fee, parameters.max_fee
    is_rate_limited = parameters.has_rate_limit
    is_legacy = parameters.controller is Controller.LEGACY
    weight, cost_gas, cost_denominator = parameters.legacy_smoothing, l1_gas.numerator, l1_gas.denominator
    none, at_min, at_max = Bound.NONE, Bound.MIN, Bound.MAX

    def step(
        base_fee: int, deficit: int, previous_fee: int | None, previous_smoothed: int | None
    ) -> tuple[WeiPerGas, WeiPerGas, Bound, Wei | None]:
        smoothed, l1_price = None, base_fee
        if is_legacy:
            cost = -(-cost_gas * base_fee // cost_denominator)
            smoothed = l1_price = cost if previous_smoothed is None else _smoothed(cost, previous_smoothed, weight)
        raw = -(-(l1_factor * l1_price + deficit_factor * deficit + constant) // denominator)
        if is_rate_limited and previous_fee:
            bounding = _bounding(parameters, raw, previous_fee)  # type: ignore[arg-type]
            return raw, bounding.fee, bounding.bound, smoothed  # type: ignore[return-value]
        fee, bound = raw, none
        if fee < least:
            fee, bound = least, at_min
        elif fee > greatest:
            fee, bound = greatest, at_max
        return raw, fee, bound, smoothed  # type: ignore[return-value]

    return step


def _smoothed(cost: int, previous: int, weight: Fraction) -> int:
    return ceil_div((weight.denominator - weight.numerator) * previous + weight.numerator * cost, weight.denominator)


def _bounding(parameters: Parameters, raw: WeiPerGas, previous: WeiPerGas | None) -> Bounding:
    clipped, bound = _clipped(parameters, raw, Bound.NONE)
    highest, lowest = _rate_limits(parameters, previous)
    limited = fee = clipped
    if highest is not None and clipped > highest:
        limited, bound = highest, Bound.RATE_UP
    elif lowest is not None and clipped < lowest:
        limited, bound = lowest, Bound.RATE_DOWN
    if limited != clipped:
        fee, bound = _clipped(parameters, limited, bound)
    return Bounding(clipped, highest, lowest, limited, fee, bound)


def _clipped(parameters: Parameters, fee: WeiPerGas, bound: Bound) -> tuple[WeiPerGas, Bound]:
    if fee < parameters.min_fee:
        return parameters.min_fee, Bound.MIN
    if fee > parameters.max_fee:
        return parameters.max_fee, Bound.MAX
    return fee, bound


def _rate_limits(parameters: Parameters, previous: WeiPerGas | None) -> tuple[WeiPerGas | None, WeiPerGas | None]:
    """The greatest and the least fee after `previous`; None where nothing limits it."""
    rise, fall = parameters.max_fee_increase, parameters.max_fee_decrease
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
