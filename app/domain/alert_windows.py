"""What the economic alerts look at: sliding windows over blocks, and conditions that have to hold for a while.

All times are Unix seconds of block headers, all comparisons are between whole numbers. A window that is less than nine
tenths covered judges nothing.
"""

from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from types import MappingProxyType
from typing import Final

from app.domain.alerts import AlertThresholds
from app.domain.formula import FeeFormula
from app.domain.parameters import Controller
from app.domain.units import WeiPerGas

FEE_WINDOW_SECONDS: Final = 600
RECOVERY_WINDOW_SECONDS: Final = 3_600
UNDERFUNDED_WINDOW_SECONDS: Final = 86_400


class EconomicAlert(StrEnum):
    """The alerts that watch the fee, the recovery and the vault."""

    FEE_OUT_OF_RANGE = "TaikoFeeOracleFeeOutOfRange"
    COST_RECOVERY_DRIFT = "TaikoFeeOracleCostRecoveryDrift"
    COST_RECOVERY_LOSS = "TaikoFeeOracleCostRecoveryLoss"
    VAULT_DEFICIT = "TaikoFeeOracleVaultDeficit"
    VAULT_UNDERFUNDED = "TaikoFeeOracleVaultUnderfunded"


FOR_SECONDS: Final = MappingProxyType(
    {
        EconomicAlert.FEE_OUT_OF_RANGE: 300,
        EconomicAlert.COST_RECOVERY_DRIFT: 900,
        EconomicAlert.COST_RECOVERY_LOSS: 900,
        EconomicAlert.VAULT_DEFICIT: 900,
        EconomicAlert.VAULT_UNDERFUNDED: 0,
    }
)
"""How long each condition has to hold before the alert fires."""


class HeldWindow:
    """The sum of value·seconds over the last `seconds`, of a value that holds until the next one comes."""

    def __init__(self, seconds: int) -> None:
        self._seconds = seconds
        self._segments: deque[tuple[int, int]] = deque()
        """Beginnings and values, oldest first; the newest one holds still."""
        self._closed = 0
        """value·seconds of all segments but the newest."""

    def put(self, at: int, value: int) -> tuple[int, int] | None:
        """Let `value` hold from `at` on; value·seconds up to `at` and the seconds covered, None where too few are."""
        segments, start = self._segments, at - self._seconds
        if not segments:
            segments.append((at, value))
            return None
        began, held = segments[-1]
        if held != value:
            self._closed += held * (at - began)
            segments.append((at, value))
            began, held = at, value
        while len(segments) > 1 and segments[1][0] <= start:
            old, old_value = segments.popleft()
            self._closed -= old_value * (segments[0][0] - old)
        oldest, oldest_value = segments[0]
        total = self._closed + held * (at - began)
        if oldest < start:
            return total - oldest_value * (start - oldest), self._seconds
        return (total, at - oldest) if (at - oldest) * 10 >= self._seconds * 9 else None


class SumWindow:
    """Sums of revenue and cost of the blocks of the last `seconds`."""

    def __init__(self, seconds: int) -> None:
        self._seconds = seconds
        self._began: int | None = None
        self._blocks: deque[tuple[int, int, int]] = deque()
        self._revenue = self._cost = 0

    def put(self, at: int, revenue: int, cost: int) -> tuple[int, int] | None:
        """Add a block; both sums, None where too little is covered to judge."""
        if self._began is None:
            self._began = at
        blocks, start = self._blocks, at - self._seconds
        blocks.append((at, revenue, cost))
        revenue += self._revenue
        cost += self._cost
        while blocks[0][0] <= start:
            _, old_revenue, old_cost = blocks.popleft()
            revenue -= old_revenue
            cost -= old_cost
        self._revenue, self._cost = revenue, cost
        return (revenue, cost) if (at - self._began) * 10 >= self._seconds * 9 else None


@dataclass(slots=True)
class Held:
    """A condition, since when it holds, and when it has fired for holding long enough."""

    for_seconds: int
    since: int | None = None
    """None while it does not hold."""
    fired_at: int | None = None
    """When it began to fire; None while it does not."""
    fired: int = 0
    """How often it has begun to fire."""
    firing_seconds: int = 0
    """How long it fired, without the present time."""
    first_fired_at: int | None = None

    def judge(self, at: int, *, holds: bool) -> None:
        """Take a judgement at `at`."""
        if not holds:
            if self.since is not None:
                self._end(at)
            return
        if self.since is None:
            self.since = at
        if self.fired_at is None and at - self.since >= self.for_seconds:
            self.fired_at = at
            self.fired += 1
            if self.first_fired_at is None:
                self.first_fired_at = at

    def _end(self, at: int) -> None:
        if self.fired_at is not None:
            self.firing_seconds += at - self.fired_at
        self.since = self.fired_at = None


class EconomicAlerts:
    """The five alerts over a series of blocks, in the order of time."""

    def __init__(self, thresholds: AlertThresholds, formula: FeeFormula, target: int | None) -> None:
        """`target` is the vault's, in wei; None without a vault."""
        self.conditions: Final = {alert: Held(seconds) for alert, seconds in FOR_SECONDS.items()}
        self._out_of_range: Final = self.conditions[EconomicAlert.FEE_OUT_OF_RANGE]
        self._drift: Final = self.conditions[EconomicAlert.COST_RECOVERY_DRIFT]
        self._loss: Final = self.conditions[EconomicAlert.COST_RECOVERY_LOSS]
        self._deficit: Final = self.conditions[EconomicAlert.VAULT_DEFICIT]
        self._often: Final = self.conditions[EconomicAlert.VAULT_UNDERFUNDED]
        self._formula: Final = formula
        self._fee_min, self._fee_max = int(thresholds.fee_min), int(thresholds.fee_max)
        self._recovery_low: Final = thresholds.recovery_low.as_integer_ratio()
        self._recovery_high: Final = thresholds.recovery_high.as_integer_ratio()
        self._recovery_min: Final = thresholds.recovery_min.as_integer_ratio()
        self._share: Final = thresholds.underfunded_share.as_integer_ratio()
        self._deficit_limit: Final = None if target is None else int(target * thresholds.vault_deficit)
        self._fees: Final = HeldWindow(FEE_WINDOW_SECONDS)
        self._sums: Final = SumWindow(RECOVERY_WINDOW_SECONDS)
        self._underfunded: Final = HeldWindow(UNDERFUNDED_WINDOW_SECONDS)
        self._hopeless_below: Final = int(_hopeless_below(formula, thresholds.recovery_high))

    def put(self, at: int, base_fee: int, fee: int, revenue: int, cost: int, *, is_underfunded: bool) -> None:
        """Add a block and judge it; revenue and cost are those of its share of a batch."""
        self._judge_fee(at, base_fee, fee)
        self._judge_recovery(at, base_fee, revenue, cost)
        if self._deficit_limit is not None:
            self._judge_vault(at, is_underfunded=is_underfunded)

    def is_underfunded(self, deficit: int) -> bool:
        """Whether a deficit is above its threshold."""
        return self._deficit_limit is not None and deficit > self._deficit_limit

    def _judge_fee(self, at: int, base_fee: int, fee: int) -> None:
        held = self._fees.put(at, fee)
        is_out = held is not None and (
            held[0] < self._fee_min * held[1]
            or (held[0] > self._fee_max * held[1] and self._fee_without_deficit(base_fee) <= self._fee_max)
        )
        if is_out or self._out_of_range.since is not None:
            self._out_of_range.judge(at, holds=is_out)

    def _judge_recovery(self, at: int, base_fee: int, revenue: int, cost: int) -> None:
        sums = self._sums.put(at, revenue, cost)
        is_drifting = is_losing = False
        if sums is not None:
            revenue, cost = sums
            is_losing = _is_below(revenue, self._recovery_min, cost)
            is_drifting = _is_below(revenue, self._recovery_low, cost) or (
                base_fee >= self._hopeless_below
                and _is_above(revenue, self._recovery_high, cost)
                and self._is_recovery_satisfiable(base_fee)
            )
        if is_drifting or self._drift.since is not None:
            self._drift.judge(at, holds=is_drifting)
        if is_losing or self._loss.since is not None:
            self._loss.judge(at, holds=is_losing)

    def _judge_vault(self, at: int, *, is_underfunded: bool) -> None:
        held = self._underfunded.put(at, int(is_underfunded))
        is_often = held is not None and held[0] > 0 and _is_above(held[0], self._share, held[1])
        if is_underfunded or self._deficit.since is not None:
            self._deficit.judge(at, holds=is_underfunded)
        if is_often or self._often.since is not None:
            self._often.judge(at, holds=is_often)

    def _fee_without_deficit(self, base_fee: int) -> int:
        """What the parameters alone make of this base fee (see `satisfiable_over_sides`)."""
        return self._formula.step(base_fee, 0, None, None)[1]

    def _is_recovery_satisfiable(self, base_fee: int) -> bool:
        revenue = self._fee_without_deficit(base_fee) * self._formula.parameters.l2_gas_per_batch
        return not _is_above(revenue, self._recovery_high, self._formula.batch_cost(WeiPerGas(base_fee)))


def _hopeless_below(formula: FeeFormula, recovery_high: Fraction) -> Fraction:
    """An L1 base fee below which the alpha parameters alone surely exceed `recovery_high`: a quick answer.

    Unclipped, fee·G ≥ (α·G + P)·B + base·G and cost < (α·G + P)·B + 1, so that B < (base·G − R) / ((R − 1)·(α·G + P))
    is enough where R > 1; the fee must not be cut off by its upper bound there.
    """
    parameters, l1_gas = formula.parameters, formula.l1_gas_per_batch
    gas = parameters.l2_gas_per_batch
    if parameters.controller is not Controller.ALPHA or recovery_high <= 1 or l1_gas == 0:
        return Fraction(0)
    below = (parameters.base_fee * gas - recovery_high) / ((recovery_high - 1) * l1_gas)
    uncut_below = (parameters.max_fee - parameters.base_fee - 1) * gas / l1_gas
    return min(below, uncut_below)


def _is_below(numerator: int, ratio: tuple[int, int], denominator: int) -> bool:
    return numerator * ratio[1] < ratio[0] * denominator


def _is_above(numerator: int, ratio: tuple[int, int], denominator: int) -> bool:
    return numerator * ratio[1] > ratio[0] * denominator
