"""Histories and plans for the tests of this room."""

from collections.abc import Sequence

from hypothesis import strategies as st

from app.domain.formula import FeeFormula
from app.domain.parameters import Parameters
from app.domain.simulation import SeriesBlock, SimulatedVault, SimulationPlan
from app.domain.units import BlockNumber, UnixSeconds, Wei, WeiPerGas
from tests.domain.build import DEFAULTS, ETHER, GWEI

START = 1_700_000_000

some_base_fees = st.lists(st.integers(10**6, 10**12), min_size=1, max_size=80)


def series(base_fees: Sequence[int], *, first: int = 100) -> list[SeriesBlock]:
    """Blocks 12 s apart."""
    return [
        SeriesBlock(BlockNumber(first + index), UnixSeconds(START + 12 * index), WeiPerGas(base_fee))
        for index, base_fee in enumerate(base_fees)
    ]


def waves(blocks: int) -> list[SeriesBlock]:
    """Base fees that go up and down between 20 and 26 gwei."""
    return series([(20 + index % 7) * GWEI for index in range(blocks)])


def a_plan(
    parameters: Parameters = DEFAULTS, *, balance: int | None = 9 * ETHER, target: int = 10 * ETHER
) -> SimulationPlan:
    """`parameters` with a vault, or without one where `balance` is None."""
    vault = None if balance is None else SimulatedVault(balance=Wei(balance), target=Wei(target))
    return SimulationPlan(formula=FeeFormula.of(parameters), vault=vault)
