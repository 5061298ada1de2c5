"""The exact replay of a recorded base-fee series: gas limits and uses under which EIP-1559 makes every step."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.devnet.chain import BlockPlan
from app.domain.errors import InvalidValueError, OracleError
from app.domain.header import BASE_FEE_MAX_CHANGE_DENOMINATOR, ELASTICITY_MULTIPLIER
from app.domain.units import BlockNumber, Gas, UnixSeconds, WeiPerGas, ceil_div
from app.engine.history_file import BASE_FEE, History, HistoryError

USUAL_GAS_TARGET: Final = 15_000_000
LEAST_GAS_TARGET: Final = 125_000
"""Smaller blocks, full under an odd gas limit, would outrun the domain's bound of b + b//8 + b//10⁶ + 1 a block."""


class ReplayFileError(OracleError):
    """A history file cannot be read, or not be replayed."""


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
    """The replay of a history file, read as `backtest` reads it, but for base fees that Ethereum never had.

    Raises `ReplayFileError` with the line, the column, the value and what was expected where the file cannot be read,
    a row is malformed, out of order, after a gap, or a step that no block can make.
    """
    base_fees, timestamps, first = array("q"), array("q"), BlockNumber(0)
    try:
        with path.open("rb") as file:
            for line, block in enumerate(History(file, any_base_fee=True), start=2):
                if not base_fees:
                    first = block.number
                _require_step(line, base_fees[-1] if base_fees else block.base_fee, block.base_fee)
                base_fees.append(block.base_fee)
                timestamps.append(block.timestamp)
    except OSError as error:
        raise ReplayFileError(f"cannot read the history file {path}: {error.strerror}") from None
    except HistoryError as error:
        raise ReplayFileError(f"{path} {error}") from None
    return Replay(first, base_fees, timestamps, recorded_timestamps)


def _require_step(line: int, before: int, base_fee: int) -> None:
    if base_fee < 1:
        raise HistoryError(line, BASE_FEE, "got 0, expected at least 1 wei: no EIP-1559 block leads away from 0")
    try:
        gas_for_step(WeiPerGas(before), WeiPerGas(base_fee))
    except InvalidValueError as error:
        raise HistoryError(line, BASE_FEE, f"got {base_fee}, expected {error.allowed}") from None


def _full_block_rise(base_fee: int, gas_target: int) -> int:
    return base_fee * (gas_target + 1) // gas_target // BASE_FEE_MAX_CHANGE_DENOMINATOR
