"""The course of a simulation in few enough points to be drawn: the extremes of each stretch are kept."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from app.domain.simulation import SimulatedBlock


@dataclass(frozen=True, slots=True)
class Thinned:
    """A stretch of blocks. Prices in wei per gas, balances and sums in wei."""

    timestamp: int
    """Of its last block."""
    least_fee: int
    greatest_fee: int
    least_base_fee: int
    greatest_base_fee: int
    balance: int | None
    """After its last block."""
    revenue: int
    """Of all blocks up to its last one."""
    cost: int


def thinned(
    blocks: Iterable[SimulatedBlock], count: int, points: int, take: Callable[[Thinned], object]
) -> Iterator[SimulatedBlock]:
    """The same blocks, `count` of them; each of at most `points` stretches goes to `take` as it ends."""
    length = max(1, -(-count // points))
    revenue = cost = 0
    stretch: list[SimulatedBlock] = []
    for block in blocks:
        stretch.append(block)
        if len(stretch) == length:
            revenue, cost = _add(stretch, revenue, cost)
            take(_summary(stretch, revenue, cost))
            stretch.clear()
        yield block
    if stretch:
        take(_summary(stretch, *_add(stretch, revenue, cost)))


def _add(stretch: list[SimulatedBlock], revenue: int, cost: int) -> tuple[int, int]:
    return revenue + sum(block.revenue for block in stretch), cost + sum(block.cost for block in stretch)


def _summary(stretch: list[SimulatedBlock], revenue: int, cost: int) -> Thinned:
    fees, base_fees = [block.fee for block in stretch], [block.base_fee for block in stretch]
    return Thinned(
        timestamp=stretch[-1].timestamp,
        least_fee=min(fees),
        greatest_fee=max(fees),
        least_base_fee=min(base_fees),
        greatest_base_fee=max(base_fees),
        balance=stretch[-1].balance,
        revenue=revenue,
        cost=cost,
    )
