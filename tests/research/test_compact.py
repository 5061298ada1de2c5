"""A history in memory gives back the blocks that it took, whole and in parts, here and in another process."""

import pickle

from hypothesis import given
from hypothesis import strategies as st

from app.domain.simulation import SeriesBlock
from app.domain.units import BlockNumber, Gas, UnixSeconds, Wei, WeiPerGas
from app.research.compact import CompactSeries
from tests.research.build import waves


@st.composite
def histories(draw: st.DrawFn) -> list[SeriesBlock]:
    """Blocks with and without gas and balances of their own; balances beyond 64 bits too."""
    has_gas, has_balances = draw(st.booleans()), draw(st.booleans())
    return [
        SeriesBlock(
            BlockNumber(draw(st.integers(0, 2**53))),
            UnixSeconds(draw(st.integers(0, 2**40))),
            WeiPerGas(draw(st.integers(0, 2**53))),
            Gas(draw(st.integers(0, 10**15))) if has_gas else None,
            Wei(draw(st.integers(0, 10**30))) if has_balances else None,
        )
        for _ in range(draw(st.integers(0, 20)))
    ]


@given(blocks=histories())
def test_what_went_in_comes_out_as_often_as_it_is_asked_for(blocks: list[SeriesBlock]) -> None:
    series = CompactSeries.of(iter(blocks))
    assert list(series) == list(series) == blocks
    assert len(series) == len(blocks)


@given(blocks=histories(), ends=st.tuples(st.integers(0, 20), st.integers(0, 20)))
def test_a_part_is_a_slice(blocks: list[SeriesBlock], ends: tuple[int, int]) -> None:
    first, last = ends
    part = CompactSeries.of(blocks).part(first, last)
    assert list(part) == blocks[first:last]
    assert len(part) == len(blocks[first:last])


def test_a_worker_gets_the_same_series() -> None:
    series = CompactSeries.of(waves(100))
    assert list(pickle.loads(pickle.dumps(series))) == waves(100)  # noqa: S301 - made here


def test_a_column_that_only_some_blocks_have_counts_as_absent() -> None:
    blocks = waves(3)
    mixed = [blocks[0], blocks[1]._replace(l2_gas=Gas(7), vault_balance=Wei(9)), blocks[2]]
    assert list(CompactSeries.of(mixed)) == blocks


def test_a_block_takes_24_bytes() -> None:
    series = CompactSeries.of(waves(1_000))
    columns = (series.numbers, series.timestamps, series.base_fees, series.l2_gas)
    assert sum(len(column) * column.itemsize for column in columns) == 24_000
