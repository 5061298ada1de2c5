"""A quote: the fee for one L1 head, with everything that explains it."""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice

from app.domain.formula import NO_PATH, Components, FeeFormula, PathPoint, Price
from app.domain.header import L1Header, base_fee_bounds, base_fee_floors, next_base_fee
from app.domain.network import Network
from app.domain.units import BlockNumber, Wei, WeiDelta, WeiPerGas, rounded_ratio
from app.domain.vault import VaultState


@dataclass(frozen=True, slots=True)
class Quote:
    """The recommended fee at one L1 head. A pure function of its inputs, which `quote_id` digests."""

    quote_id: str
    network: Network
    header: L1Header
    vault: VaultState
    formula: FeeFormula
    previous: PathPoint
    """What of the parent block's point the parameters make the fee depend on."""
    price: Price
    components: Components
    block_interval_seconds: int
    next_base_fee: WeiPerGas
    next_fee: WeiPerGas
    """The fee at the next block's exact base fee, with the vault unchanged."""

    @property
    def parameters_id(self) -> str:
        """The digest of the parameters."""
        return self.formula.parameters.parameters_id

    @property
    def next_block_number(self) -> BlockNumber:
        """The block that `next_base_fee` and `next_fee` are for."""
        return BlockNumber(self.header.number + 1)

    @property
    def batch_cost(self) -> Wei:
        """Modelled L1 cost of a batch at the head's base fee, in wei, rounded up."""
        return self.formula.batch_cost(self.header.base_fee_per_gas)

    @property
    def batch_revenue(self) -> Wei:
        """What a batch earns at the quoted fee, in wei."""
        return self.formula.batch_revenue(self.price.fee)

    @property
    def cost_recovery_ratio(self) -> Fraction | None:
        """revenue / cost of a batch to six decimals; None where the cost is 0."""
        return rounded_ratio(self.batch_revenue, self.batch_cost)


def make_quote(
    *,
    network: Network,
    header: L1Header,
    vault: VaultState,
    formula: FeeFormula,
    previous: PathPoint = NO_PATH,
    block_interval_seconds: int,
) -> Quote:
    """The quote for `header`. Same inputs, same quote."""
    previous = formula.used_path(previous)
    deficit = vault.priced_deficit
    price = formula.price(header.base_fee_per_gas, deficit, previous)
    base_fee_of_next = next_base_fee(header)
    return Quote(
        quote_id=_quote_id(network, header, vault, formula, previous),
        network=network,
        header=header,
        vault=vault,
        formula=formula,
        previous=previous,
        price=price,
        components=formula.components(price, header.base_fee_per_gas, deficit),
        block_interval_seconds=block_interval_seconds,
        next_base_fee=base_fee_of_next,
        next_fee=formula.price(base_fee_of_next, deficit, price.point).fee,
    )


def fee_ceilings(quote: Quote, blocks: int, coming: FeeFormula | None = None) -> tuple[WeiPerGas, ...]:
    """Entry k: the greatest fee possible at the head or in the k blocks after it, with the vault unchanged.

    `blocks + 1` entries, never falling. The price is monotone in the base fee, in the previous fee and in the
    smoothed cost, so the greatest base fees make the greatest path. The exception is a previous fee of 0, after
    which no rate limit holds: from the block on whose parent's fee may be 0, the ceiling knows no rate limit.

    `coming` are parameters that were put in force since the quote was made: any of the blocks may have been priced
    by them or, before that, by the quote's own.
    """
    formulas = (quote.formula,) if coming is None else (quote.formula, coming)
    deficit = quote.vault.priced_deficit
    lowest = highest = quote.price.point
    ceilings = [quote.price.fee]
    base_fees = zip(base_fee_floors(quote.header), base_fee_bounds(quote.header), strict=True)
    for least, greatest in islice(base_fees, blocks):
        if lowest.fee == 0:
            highest = replace(highest, fee=None)
        else:
            lowest = _extreme(min, formulas, least, deficit, lowest)
        highest = _extreme(max, formulas, greatest, deficit, highest)
        ceilings.append(max(ceilings[-1], highest.fee or WeiPerGas(0)))
    return tuple(ceilings)


def _extreme(
    pick: Callable[[Iterable[int]], int],
    formulas: tuple[FeeFormula, ...],
    base_fee: WeiPerGas,
    deficit: WeiDelta,
    previous: PathPoint,
) -> PathPoint:
    """What a block that any of `formulas` may price hands on at most (`max`) or at least (`min`).

    With several of them the smoothing may have begun at any block, with that block's cost.
    """
    points = []
    for formula in formulas:
        smoothed = previous.smoothed_cost
        if smoothed is not None and len(formulas) > 1:
            smoothed = Wei(pick((smoothed, formula.batch_cost(base_fee))))
        points.append(formula.price(base_fee, deficit, replace(previous, smoothed_cost=smoothed)).point)
    fees = [point.fee for point in points if point.fee is not None]
    costs = [point.smoothed_cost for point in points if point.smoothed_cost is not None]
    return PathPoint(WeiPerGas(pick(fees)), Wei(pick(costs)) if costs else None)


def _quote_id(network: Network, header: L1Header, vault: VaultState, formula: FeeFormula, previous: PathPoint) -> str:
    inputs = (
        network.l1_chain_id,
        network.l2_chain_id,
        header.number,
        header.hash,
        header.parent_hash,
        header.timestamp,
        header.base_fee_per_gas,
        header.gas_limit,
        header.gas_used,
        vault.source,
        vault.balance,
        vault.target,
        vault.surplus_discount,
        vault.condition,
        formula.parameters.parameters_id,
        previous.fee,
        previous.smoothed_cost,
    )
    return hashlib.sha256("\n".join(map(str, inputs)).encode()).hexdigest()[:32]
