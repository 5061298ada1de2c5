"""A configuration over a series of L1 blocks: the service's own formula, and a vault that lives from its fees."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, NamedTuple, TypeVar

from app.domain.errors import InvalidValueError
from app.domain.formula import Bound, FeeFormula
from app.domain.units import BlockNumber, Gas, UnixSeconds, Wei, WeiPerGas

Row = TypeVar("Row", bound=tuple[object, ...])

quickly_made: Final[Callable[[type[Row], tuple[object, ...]], Row]] = tuple.__new__
"""A named tuple of its values, in order: a third of the time of its own constructor, which folds over millions feel."""


class SeriesBlock(NamedTuple):
    """One L1 block of a history."""

    number: BlockNumber
    timestamp: UnixSeconds
    base_fee: WeiPerGas
    l2_gas: Gas | None = None
    """L2 gas of this block's batch; None takes the parameters' constant."""
    vault_balance: Wei | None = None
    """The vault before this block where it was recorded; None lets the vault live from the fees. It needs a target."""


class SimulatedBlock(NamedTuple):
    """What became of one block. Prices in wei per gas, amounts in wei."""

    number: int
    timestamp: int
    base_fee: int
    raw: int
    fee: int
    bound: Bound
    cost: int
    """L1 cost of this block's share of a batch, rounded up."""
    revenue: int
    """What that share earns, rounded down."""
    balance: int | None
    """The vault after the block; None without one."""
    deficit: int
    """target − balance before the block, which the fee was made with; 0 without a vault."""
    unpaid: int
    """The part of the cost that the vault could not pay."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedVault:
    """The vault at the beginning, in wei. Raises `InvalidValueError` below 0."""

    balance: Wei
    target: Wei
    surplus_discount: bool = False
    """Whether a surplus lowers the fee."""

    def __post_init__(self) -> None:
        for name, amount in (("vault balance", self.balance), ("vault target", self.target)):
            if amount < 0:
                raise InvalidValueError(name, amount, "at least 0 wei")


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulationPlan:
    """Everything but the history. Raises `InvalidValueError` for less than one block a batch."""

    formula: FeeFormula
    vault: SimulatedVault | None = None
    """None is no vault: the deficit is 0."""
    blocks_per_batch: int = 1
    """L1 blocks per batch: each block carries one share of that many of a batch's gas, cost and revenue."""
    cost_alpha: Fraction | None = None
    """L1 data gas per L2 gas that a batch really takes; None is what the formula's own α says. What L1 charges does not
    follow from what a controller believes: who compares controllers holds it fixed."""
    previous_fee: WeiPerGas | None = None
    """The fee before the first block; it matters only under a rate limit."""
    previous_smoothed_cost: Wei | None = None
    """The legacy controller's smoothed cost per batch before the first block; None begins at the first block's."""

    def __post_init__(self) -> None:
        if self.blocks_per_batch < 1:
            raise InvalidValueError("blocks per batch", self.blocks_per_batch, "at least 1")
        if self.cost_alpha is not None and self.cost_alpha < 0:
            raise InvalidValueError("cost alpha", str(self.cost_alpha), "at least 0")


def simulated(plan: SimulationPlan, blocks: Iterable[SeriesBlock]) -> Iterator[SimulatedBlock]:
    """Each block with its fee and the vault after it, in constant memory.

    The vault moves by V' = V + R − S with S = min(cost, V): it never goes below 0, and what it could not pay is
    `unpaid`. A recorded balance takes its place before the block; without a vault there is no target to hold it
    against, and it raises `InvalidValueError`.
    """
    formula = plan.formula
    step, parameters, share = formula.step, formula.parameters, plan.blocks_per_batch
    alpha = parameters.alpha_data if plan.cost_alpha is None else plan.cost_alpha
    proof_gas, constant_gas = parameters.proof_gas_per_batch, parameters.l2_gas_per_batch
    cost_gas, cost_divisor = (alpha * constant_gas + proof_gas).as_integer_ratio()
    cost_divisor *= share
    vault = plan.vault
    balance = None if vault is None else int(vault.balance)
    target = 0 if vault is None else int(vault.target)
    discounts = vault is not None and vault.surplus_discount
    fee, smoothed = plan.previous_fee, plan.previous_smoothed_cost
    for number, timestamp, base_fee, l2_gas, recorded in blocks:
        if recorded is not None:
            if vault is None:
                raise InvalidValueError("vault target", None, "a target, since the history records balances")
            balance = recorded
        deficit = 0 if balance is None else target - balance
        raw, fee, bound, smoothed = step(base_fee, deficit if deficit > 0 or discounts else 0, fee, smoothed)
        if l2_gas is None:
            cost, revenue = -(-cost_gas * base_fee // cost_divisor), fee * constant_gas // share
        else:
            gas = alpha * l2_gas + proof_gas
            cost = -(-gas.numerator * base_fee // (gas.denominator * share))
            revenue = fee * l2_gas // share
        unpaid = 0
        if balance is not None:
            unpaid = cost - balance if cost > balance else 0
            balance += revenue - cost + unpaid
        yield quickly_made(
            SimulatedBlock, (number, timestamp, base_fee, raw, fee, bound, cost, revenue, balance, deficit, unpaid)
        )
