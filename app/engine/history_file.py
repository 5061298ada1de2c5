"""History files: CSV of L1 blocks, read strictly. What is odd is named by line and column, and nothing is guessed."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import chain
from types import MappingProxyType
from typing import Final

from app.domain.errors import OracleError, shown
from app.domain.simulation import SeriesBlock, quickly_made
from app.domain.units import SAFE_INTEGER_LIMIT

BLOCK_NUMBER: Final = "block_number"
TIMESTAMP: Final = "timestamp"
BASE_FEE: Final = "basefee_wei"
BLOB_BASE_FEE: Final = "blob_basefee_wei"
L2_GAS: Final = "l2_gas"
VAULT_BALANCE: Final = "vault_balance_wei"
REQUIRED: Final = (BLOCK_NUMBER, TIMESTAMP, BASE_FEE)
OPTIONAL: Final = (BLOB_BASE_FEE, L2_GAS, VAULT_BALANCE)
"""Gas of the block's batch, and the vault before the block; the blob base fee is carried along and prices nothing."""

_PLAUSIBLE_BASE_FEES: Final = (10**6, 10**15)
"""In wei: 0.001 gwei and a million. Ethereum's were never outside, and a column in gwei nearly always is."""
_DAY_SECONDS: Final = 86_400
_GZIP: Final = b"\x1f\x8b"
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - both sides of the difference are UTC


class HistoryError(OracleError):
    """A history file that cannot be used as it is."""

    def __init__(self, line: int, column: str | None, problem: str) -> None:
        place = f"line {line}" if column is None else f"line {line}, column {column}"
        super().__init__(f"{place}: {problem}")
        self.line = line
        self.column = column


class TimeStyle(StrEnum):
    """How a file writes its times."""

    UNIX = "unix"
    TEXT = "text"

    def written(self, at: int) -> str:
        """`at`, Unix seconds, in this style."""
        return str(at) if self is TimeStyle.UNIX else str(_EPOCH + timedelta(seconds=at))


_TIMES: Final = MappingProxyType(
    {
        TimeStyle.UNIX: (
            rb"[0-9]{1,11}",
            "Unix seconds of at most 11 digits, or YYYY-MM-DD HH:MM:SS in UTC throughout",
        ),
        TimeStyle.TEXT: (rb"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}", "YYYY-MM-DD HH:MM:SS, in UTC"),
    }
)


@dataclass(slots=True)
class History:
    """A history file being read: iterate once.

    Raises `HistoryError` for a file that is empty, compressed or no CSV of ours; for a line with a field that is no
    whole number in its range, that repeats a block, goes back or leaves blocks out; for times that go back.
    """

    lines: Iterable[bytes]
    allow_gaps: bool = False
    """Blocks that are left out are told to `on_gap` and never filled in."""
    gap_advice: str = ""
    """What a refused gap's message says besides, where the reader could allow it."""
    any_base_fee: bool = False
    """Take base fees outside what Ethereum has ever had for what they say."""
    on_gap: Callable[[int, int], None] = lambda _first, _last: None
    """Takes the first and the last block that is missing."""
    style: TimeStyle = TimeStyle.UNIX
    """How the file writes its times; known from the first block on."""

    def __iter__(self) -> Iterator[SeriesBlock]:
        rows: Iterator[tuple[int, bytes]] = enumerate(self.lines, start=1)
        columns = _columns(next(rows, (1, b""))[1])
        first = next(rows, None)
        if first is None:
            raise HistoryError(2, None, "there are no blocks below the header")
        rows = chain((first,), rows)
        self.style = _style(columns, first[1])
        row_of = _row(columns, self.style).fullmatch
        number_at, time_at, base_fee_at = (columns.index(column) for column in REQUIRED)
        gas_at, balance_at = (columns.index(name) if name in columns else None for name in (L2_GAS, VAULT_BALANCE))
        least, greatest = (0, SAFE_INTEGER_LIMIT) if self.any_base_fee else _PLAUSIBLE_BASE_FEES
        number = at = -1
        for line, raw in rows:
            row = row_of(raw)
            if row is None:
                raise _fault(line, raw, columns, self.style)
            cells = row.groups()
            previous, number = number, int(cells[number_at])
            if number != previous + 1 and previous >= 0:
                self._miss(line, previous, number)
            before, at = at, self._time(line, cells[time_at])
            if at < before:
                raise HistoryError(line, TIMESTAMP, f"got {at}, expected no earlier than the block before ({before})")
            base_fee = int(cells[base_fee_at])
            if not least <= base_fee <= greatest:
                raise _implausible(line, base_fee)
            gas = None if gas_at is None else int(cells[gas_at])
            balance = None if balance_at is None else int(cells[balance_at])
            yield quickly_made(SeriesBlock, (number, at, base_fee, gas, balance))

    def _time(self, line: int, text: bytes) -> int:
        if self.style is TimeStyle.UNIX:
            return int(text)
        try:
            since = datetime.fromisoformat(text.decode("ascii")) - _EPOCH
        except ValueError:
            raise HistoryError(line, TIMESTAMP, f"got {shown(text.decode())}, expected a time that exists") from None
        return since.days * _DAY_SECONDS + since.seconds

    def _miss(self, line: int, previous: int, number: int) -> None:
        if number == previous:
            raise HistoryError(line, BLOCK_NUMBER, f"block {number} is there twice")
        if number < previous:
            raise HistoryError(line, BLOCK_NUMBER, f"got {number} after {previous}, expected ascending blocks")
        if not self.allow_gaps:
            missing = (
                f"block {previous + 1} is" if number == previous + 2 else f"blocks {previous + 1} to {number - 1} are"
            )
            problem = f"{missing} missing: got {number}, expected {previous + 1}{self.gap_advice}"
            raise HistoryError(line, BLOCK_NUMBER, problem)
        self.on_gap(previous + 1, number - 1)


def _columns(header: bytes) -> tuple[str, ...]:
    if header.startswith(_GZIP):
        raise HistoryError(1, None, "the file is compressed by gzip, expected plain CSV: gunzip it")
    text = _text(1, header.removeprefix(_BYTE_ORDER_MARK))
    columns = tuple(text.split(","))
    expected = f"a header with {','.join(REQUIRED)} and, where there are, {', '.join(OPTIONAL)}"
    if not text:
        raise HistoryError(1, None, f"the file is empty, expected {expected}")
    for column in columns:
        if column not in REQUIRED and column not in OPTIONAL:
            raise HistoryError(1, None, f"got column {shown(column)}, expected {expected}")
        if columns.count(column) > 1:
            raise HistoryError(1, None, f"column {column} is there twice")
    for column in REQUIRED:
        if column not in columns:
            raise HistoryError(1, None, f"column {column} is missing, expected {expected}")
    return columns


def _style(columns: tuple[str, ...], first: bytes) -> TimeStyle:
    """The style of the first line governs the file; one that is neither is named by the line's own check."""
    return TimeStyle.TEXT if _row(columns, TimeStyle.TEXT).fullmatch(first) else TimeStyle.UNIX


def _patterns(style: TimeStyle) -> dict[str, tuple[bytes, str]]:
    """Each column's form, and how it is said."""
    whole = rb"[0-9]{1,15}"
    return {
        BLOCK_NUMBER: (whole, "a whole number of at most 15 digits"),
        TIMESTAMP: _TIMES[style],
        BASE_FEE: (whole, "whole wei of at most 15 digits; 25 gwei is 25000000000"),
        BLOB_BASE_FEE: (rb"[0-9]{1,30}", "whole wei of at most 30 digits"),
        L2_GAS: (whole, "whole gas of at most 15 digits"),
        VAULT_BALANCE: (rb"[0-9]{1,30}", "whole wei of at most 30 digits"),
    }


def _row(columns: tuple[str, ...], style: TimeStyle) -> re.Pattern[bytes]:
    patterns = _patterns(style)
    fields = (b"(%s)" % patterns[column][0] for column in columns)
    return re.compile(b",".join(fields) + rb"\r?\n?")


def _fault(line: int, raw: bytes, columns: tuple[str, ...], style: TimeStyle) -> HistoryError:
    """What is wrong with a line that has not the form of the others."""
    fields = _text(line, raw).split(",")
    if len(fields) != len(columns):
        return HistoryError(line, None, f"got {len(fields)} fields, expected {len(columns)}: {','.join(columns)}")
    patterns = _patterns(style)
    for column, field in zip(columns, fields, strict=True):
        pattern, expected = patterns[column]
        if not re.fullmatch(pattern, field.encode()):
            return HistoryError(line, column, f"got {shown(field)}, expected {expected}")
    return HistoryError(line, None, f"got {shown(raw.decode())}, expected one line of {','.join(columns)}")


def _implausible(line: int, base_fee: int) -> HistoryError:
    least, greatest = _PLAUSIBLE_BASE_FEES
    return HistoryError(
        line,
        BASE_FEE,
        f"got {base_fee}, expected {least} to {greatest} wei: Ethereum never had such a base fee; is the column in"
        " another unit? (--any-base-fee takes it for what it says)",
    )


def _text(line: int, raw: bytes) -> str:
    try:
        return raw.decode("ascii").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise HistoryError(line, None, f"byte {error.start} is no ASCII, expected plain CSV") from None
