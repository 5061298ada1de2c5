"""History files: what is right is read to the digit, what is odd is named by line and column."""

import gzip
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.simulation import SeriesBlock
from app.domain.units import BlockNumber, Gas, UnixSeconds, Wei, WeiPerGas
from app.engine.history_file import History, HistoryError, TimeStyle

DATA = Path(__file__).parents[1] / "data"
HEADER = "block_number,timestamp,basefee_wei"
ROW = "100,1700000000,25000000000"


def a_file(*rows: str, header: str = HEADER) -> list[bytes]:
    return [f"{row}\n".encode() for row in (header, *rows)]


def read(lines: Sequence[bytes]) -> list[SeriesBlock]:
    return list(History(lines))


def refusal(*rows: str, header: str = HEADER) -> str:
    with pytest.raises(HistoryError) as caught:
        read(a_file(*rows, header=header))
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "blocks", "first", "style"),
    [
        ("l1-basefee-2022-05-luna.csv", 2_400, (14_758_520, 1_652_322_208, 86_227_173_334), TimeStyle.TEXT),
        ("l1-basefee-2025-11-quiet.csv", 863, (23_882_734, 1_764_157_847, 53_736_145), TimeStyle.TEXT),
    ],
)
def test_the_recorded_series_are_read_whole(
    name: str, blocks: int, first: tuple[int, int, int], style: TimeStyle
) -> None:
    with (DATA / name).open("rb") as file:
        history = History(file)
        found = list(history)
    assert len(found) == blocks
    assert found[0][:3] == first
    assert history.style is style


def test_further_columns_in_any_order() -> None:
    lines = a_file(
        "9,25000000000,7,1700000000,690000,100",
        header="vault_balance_wei,basefee_wei,blob_basefee_wei,timestamp,l2_gas,block_number",
    )
    assert read(lines) == [
        SeriesBlock(BlockNumber(100), UnixSeconds(1_700_000_000), WeiPerGas(25 * 10**9), Gas(690_000), Wei(9))
    ]


def test_line_ends_of_other_systems_and_none_at_the_end() -> None:
    lines = [f"{HEADER}\r\n".encode(), f"{ROW}\r\n".encode(), b"101,1700000012,25000000001"]
    assert [block.number for block in read(lines)] == [100, 101]


def test_a_byte_order_mark_is_no_part_of_the_header() -> None:
    assert len(read([b"\xef\xbb\xbf" + line if index == 0 else line for index, line in enumerate(a_file(ROW))])) == 1


@given(at=st.integers(0, 253_402_300_799))
def test_a_time_is_written_as_it_is_read(at: int) -> None:
    for style in TimeStyle:
        if style is TimeStyle.UNIX and at > 99_999_999_999:
            continue
        history = History(a_file(f"1,{style.written(at)},25000000000"))
        assert [block.timestamp for block in history] == [at]
        assert history.style is style


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("x,1700000000,25000000000", "line 2, column block_number: got 'x', expected a whole number"),
        ("-1,1700000000,25000000000", "column block_number: got '-1'"),
        ("1_0,1700000000,25000000000", "column block_number: got '1_0'"),
        (" 100,1700000000,25000000000", "column block_number: got ' 100'"),
        ("100,1700000000,", "line 2, column basefee_wei: got ''"),
        ("100,1700000000,25.5", "column basefee_wei: got '25.5', expected whole wei"),
        ("100,1700000000,2.5e10", "column basefee_wei: got '2.5e10', expected whole wei"),
        ("100,1700000000,0x5d21dba00", "column basefee_wei: got '0x5d21dba00', expected whole wei"),
        ('100,1700000000,"25000000000"', "column basefee_wei"),
        ("100,1700000000000,25000000000", "line 2, column timestamp: got '1700000000000', expected Unix seconds"),
        ("100,2022-05-12T02:23:28,25000000000", "column timestamp: got '2022-05-12T02:23:28', expected Unix seconds"),
        ("100,2022-13-12 02:23:28,25000000000", "column timestamp: got '2022-13-12 02:23:28', expected a time that"),
        ("100,1700000000,25", "line 2, column basefee_wei: got 25, expected 1000000 to 1000000000000000 wei"),
        ("100,1700000000,0", "column basefee_wei: got 0, expected 1000000 to"),
        ("100,1700000000", "line 2: got 2 fields, expected 3: block_number,timestamp,basefee_wei"),
        ("100,1700000000,25000000000,9", "line 2: got 4 fields, expected 3"),
        ("", "line 2: got 1 fields, expected 3"),
        ("100,1700000000,２５000000000", "no ASCII"),
    ],
)
def test_a_field_that_is_not_what_it_should_be(row: str, problem: str) -> None:
    assert problem in refusal(row)


@pytest.mark.parametrize(
    ("second", "problem"),
    [
        (ROW, "line 3, column block_number: block 100 is there twice"),
        ("99,1700000012,25000000000", "line 3, column block_number: got 99 after 100, expected ascending blocks"),
        ("102,1700000012,25000000000", "line 3, column block_number: block 101 is missing: got 102, expected 101"),
        ("105,1700000012,25000000000", "blocks 101 to 104 are missing"),
        (
            "101,1699999999,25000000000",
            "line 3, column timestamp: got 1699999999, expected no earlier than the block before (1700000000)",
        ),
        ("101,2023-11-14 22:13:32,25000000000", "line 3, column timestamp: got '2023-11-14 22:13:32', expected Unix"),
    ],
)
def test_a_line_that_does_not_follow(second: str, problem: str) -> None:
    assert problem in refusal(ROW, second)


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        ("", "line 1: the file is empty"),
        ("block_number,timestamp", "line 1: column basefee_wei is missing, expected a header with block_number,"),
        (f"{HEADER},gas", "line 1: got column 'gas', expected a header with"),
        (f"{HEADER},timestamp", "line 1: column timestamp is there twice"),
        ("100,1700000000,25000000000", "line 1: got column '100'"),
        ("block_number;timestamp;basefee_wei", "line 1: got column 'block_number;timestamp;basefee_wei'"),
    ],
)
def test_a_header_that_is_none(header: str, problem: str) -> None:
    assert problem in refusal(ROW, header=header)


def test_an_empty_file_and_one_without_blocks() -> None:
    with pytest.raises(HistoryError, match="line 1: the file is empty"):
        read([])
    assert "line 2: there are no blocks below the header" in refusal()


def test_a_compressed_file_is_named_as_what_it_is() -> None:
    compressed = gzip.compress(b"".join(a_file(ROW)))
    with pytest.raises(HistoryError, match="compressed by gzip, expected plain CSV"):
        read(compressed.splitlines(keepends=True))


def test_gaps_are_told_and_never_filled_where_they_are_allowed() -> None:
    gaps: list[tuple[int, int]] = []
    lines = a_file(ROW, "103,1700000036,25000000000", "104,1700000048,25000000000", "106,1700000072,25000000000")
    found = list(History(lines, allow_gaps=True, on_gap=lambda first, last: gaps.append((first, last))))
    assert [block.number for block in found] == [100, 103, 104, 106]
    assert gaps == [(101, 102), (105, 105)]


def test_a_base_fee_that_never_was_is_taken_where_it_is_asked_for() -> None:
    assert [block.base_fee for block in History(a_file("1,1700000000,7"), any_base_fee=True)] == [7]


def test_nothing_before_the_odd_line_is_lost() -> None:
    blocks = iter(History(a_file(ROW, "101,1700000012,x")))
    assert next(blocks).number == 100
    with pytest.raises(HistoryError, match="line 3, column basefee_wei: got 'x'"):
        next(blocks)
