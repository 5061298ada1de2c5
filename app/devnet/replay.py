"""The exact replay of a recorded base-fee series: gas limits and uses under which EIP-1559 makes every step."""

import csv
import re
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from app.devnet.chain import BlockPlan
from app.domain.errors import InvalidValueError, OracleError
from app.domain.header import BASE_FEE_MAX_CHANGE_DENOMINATOR, ELASTICITY_MULTIPLIER
from app.domain.units import SAFE_INTEGER_LIMIT, BlockNumber, Gas, UnixSeconds, WeiPerGas, ceil_div

COLUMNS: Final = ("block_number", "timestamp", "basefee_wei")

USUAL_GAS_TARGET: Final = 15_000_000
LEAST_GAS_TARGET: Final = 125_000
"""Smaller blocks, full under an odd gas limit, would outrun the domain's bound of b + b//8 + b//10⁶ + 1 a block."""

_WHOLE_NUMBER: Final = re.compile(r"[0-9]{1,16}")
_UNIX_SECONDS: Final = re.compile(r"[0-9]{1,11}")
_UTC_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}")


class ReplayFileError(OracleError):
    """A history file could not be read at all."""


@dataclass(frozen=True, slots=True)
class Replay:
    """A block source that plays a recorded series once, and ends."""

    first_number: BlockNumber
    base_fees: Sequence[int]
    """Wei per gas, one a block."""
    timestamps: Sequence[int]
    """Unix seconds, as recorded."""
    recorded_timestamps: bool = False
    """Whether blocks carry the times in the file, rather than the time at which they are produced."""

    @property
    def first_base_fee(self) -> WeiPerGas:
        """The base fee of the file's first row."""
        return WeiPerGas(self.base_fees[0])

    @property
    def last_number(self) -> BlockNumber:
        """The file's last block."""
        return BlockNumber(self.first_number + len(self.base_fees) - 1)

    def plan(self, number: BlockNumber, base_fee: WeiPerGas, branch: int) -> BlockPlan | None:
        """The gas that makes the next recorded base fee, on any branch; the last block holds its target."""
        del branch
        row = number - self.first_number
        if row >= len(self.base_fees):
            return None
        successor = WeiPerGas(self.base_fees[row + 1]) if row + 1 < len(self.base_fees) else base_fee
        timestamp = UnixSeconds(self.timestamps[row]) if self.recorded_timestamps else None
        gas_limit, gas_used = gas_for_step(base_fee, successor)
        return BlockPlan(gas_limit, gas_used, timestamp)


def gas_for_step(base_fee: WeiPerGas, successor: WeiPerGas) -> tuple[Gas, Gas]:
    """Gas limit and gas used of a block after whose `base_fee` EIP-1559 gives exactly `successor`.

    With target T, a change of d wei takes the g = |used − T| for which 8·d·T ≤ b·g < 8·(d+1)·T. One such g is
    ⌈8·d·T/b⌉ wherever 8·T ≥ b, so a large enough block reaches every step within ±1/8. A steeper rise takes a full
    block under an odd gas limit, whose g is T + 1. Raises `InvalidValueError` where no block makes the step.
    """
    change = abs(successor - base_fee)
    change_times_8 = BASE_FEE_MAX_CHANGE_DENOMINATOR * change
    if change_times_8 <= base_fee:
        gas_target = max(USUAL_GAS_TARGET, ceil_div(base_fee, BASE_FEE_MAX_CHANGE_DENOMINATOR))
        delta = ceil_div(change_times_8 * gas_target, base_fee) if change else 0
        used = gas_target + delta if successor > base_fee else gas_target - delta
        return Gas(ELASTICITY_MULTIPLIER * gas_target), Gas(used)
    if successor - base_fee == 1:
        return Gas(ELASTICITY_MULTIPLIER * USUAL_GAS_TARGET), Gas(USUAL_GAS_TARGET + 1)
    if successor > base_fee:
        gas_target = base_fee // (change_times_8 - base_fee)
        full = Gas(ELASTICITY_MULTIPLIER * gas_target + 1)
        if gas_target >= LEAST_GAS_TARGET and _full_block_rise(base_fee, gas_target) == change:
            return full, full
    raise InvalidValueError(
        "basefee_wei",
        successor,
        f"{base_fee - base_fee // BASE_FEE_MAX_CHANGE_DENOMINATOR}"
        f" to {base_fee + max(1, _full_block_rise(base_fee, LEAST_GAS_TARGET))}"
        f" after a block with {base_fee}: no EIP-1559 block makes this step",
    )


def read_replay(path: Path, *, recorded_timestamps: bool = False) -> Replay:
    """The replay of a history file.

    Raises `ReplayFileError` where it cannot be read, and `InvalidValueError` with the line, the column, the value
    and what was expected where a row is malformed, out of order, after a gap, or a step that no block can make.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            return _replay(
                ((f"{path} line {reader.line_num}", row) for row in reader),
                path=path,
                recorded_timestamps=recorded_timestamps,
            )
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ReplayFileError(f"cannot read the history file {path}: {error}") from error


def _replay(rows: Iterator[tuple[str, list[str]]], *, path: Path, recorded_timestamps: bool) -> Replay:
    place, columns = next(rows, (f"{path} line 1", []))
    if tuple(columns) != COLUMNS:
        raise InvalidValueError(f"{place}, header", ",".join(columns), ",".join(COLUMNS))
    first_number, base_fees, timestamps = _series(rows)
    if not base_fees:
        raise InvalidValueError(f"{path} line 2", "", "at least one row after the header")
    return Replay(BlockNumber(first_number), base_fees, timestamps, recorded_timestamps)


def _series(rows: Iterable[tuple[str, list[str]]]) -> tuple[int, Sequence[int], Sequence[int]]:
    first_number = 0
    base_fees, timestamps = array("q"), array("q")
    for place, row in rows:
        number, timestamp, base_fee = _cells(place, row)
        if base_fees:
            _require_successor(place, number, first_number + len(base_fees) - 1)
            _require_not_before(place, row[1], timestamp, timestamps[-1])
            _require_step(place, base_fees[-1], base_fee)
        else:
            first_number = number
        base_fees.append(base_fee)
        timestamps.append(timestamp)
    return first_number, base_fees, timestamps


def _cells(place: str, row: list[str]) -> tuple[int, int, int]:
    if len(row) != len(COLUMNS):
        raise InvalidValueError(place, ",".join(row), f"{len(COLUMNS)} columns: {','.join(COLUMNS)}")
    number = _whole_number(place, COLUMNS[0], row[0], least=0)
    timestamp = _timestamp(place, row[1])
    return number, timestamp, _whole_number(place, COLUMNS[2], row[2], least=1)


def _whole_number(place: str, column: str, text: str, *, least: int) -> int:
    number = int(text) if _WHOLE_NUMBER.fullmatch(text) else -1
    if not least <= number < SAFE_INTEGER_LIMIT:
        raise InvalidValueError(f"{place}, {column}", text, f"a whole number, at least {least} and below 2^53")
    return number


def _timestamp(place: str, text: str) -> int:
    if _UNIX_SECONDS.fullmatch(text):
        return int(text)
    if _UTC_TIME.fullmatch(text):
        with suppress(ValueError):
            return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())
    raise InvalidValueError(f"{place}, timestamp", text, "UTC as YYYY-MM-DD HH:MM:SS, or Unix seconds")


def _require_successor(place: str, number: int, before: int) -> None:
    if number == before + 1:
        return
    if number == before:
        trouble = "the block of the line before is there twice"
    elif number < before:
        trouble = "blocks come in ascending order"
    else:
        trouble = f"{number - before - 1} missing before it"
    raise InvalidValueError(f"{place}, block_number", str(number), f"{before + 1}: {trouble}")


def _require_not_before(place: str, text: str, timestamp: int, before: int) -> None:
    if timestamp < before:
        earliest = datetime.fromtimestamp(before, tz=UTC).strftime("%Y-%m-%d %H:%M:%S")
        raise InvalidValueError(f"{place}, timestamp", text, f"{before} ({earliest}) or later, as on the line before")


def _require_step(place: str, before: int, base_fee: int) -> None:
    try:
        gas_for_step(WeiPerGas(before), WeiPerGas(base_fee))
    except InvalidValueError as error:
        raise InvalidValueError(f"{place}, {error.name}", str(base_fee), error.allowed) from None


def _full_block_rise(base_fee: int, gas_target: int) -> int:
    return base_fee * (gas_target + 1) // gas_target // BASE_FEE_MAX_CHANGE_DENOMINATOR
