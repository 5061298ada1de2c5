"""What the economic alerts look at: sliding windows over blocks, and conditions that have to hold for a while.

All times are those of block headers, in the units of an `AlertTiming`; all comparisons are between whole numbers. A
window that is less than nine tenths covered judges nothing.
"""

from collections import deque
from dataclasses import dataclass, replace
from enum import StrEnum
from fractions import Fraction
from typing import Final

from app.domain.alert_table import FIRST_RULES, IN_SECONDS, Alert, AlertTiming
from app.domain.alerts import AlertThresholds, OverSides
from app.domain.formula import FeeFormula
from app.domain.parameters import Controller
from app.domain.units import WeiPerGas


class EconomicAlert(StrEnum):
    """The alerts that watch the fee, the recovery and the vault."""

    FEE_OUT_OF_RANGE = Alert.FEE_OUT_OF_RANGE.value
    COST_RECOVERY_DRIFT = Alert.COST_RECOVERY_DRIFT.value
    COST_RECOVERY_LOSS = Alert.COST_RECOVERY_LOSS.value
    VAULT_DEFICIT = Alert.VAULT_DEFICIT.value
    VAULT_UNDERFUNDED = Alert.VAULT_UNDERFUNDED.value


class Holes:
    """Stretches of time of which nothing is known, oldest first."""

    def __init__(self, stretches: tuple[tuple[int, int], ...] = ()) -> None:
        self._stretches = stretches

    def with_one(self, since: int, until: int) -> "Holes":
        """These and a later one."""
        return Holes((*self._stretches, (since, until)))

    def after(self, start: int) -> "Holes":
        """Without those that ended by `start`."""
        left = tuple(hole for hole in self._stretches if hole[1] > start)
        return Holes(left) if left else _NO_HOLES

    def length(self, start: int) -> int:
        """How much of the time since `start` they take."""
        return sum(until - max(since, start) for since, until in self._stretches)


_NO_BASE_FEE: Final = 1 << 64
"""Above all that can be priced."""
_ALWAYS: Final = -(1 << 64)
"""Before every block."""
_NO_HOLES: Final = Holes()


class HeldWindow:
    """The sum of value·seconds over the last `seconds`, of a value that holds until the next one comes.

    What is said of seconds holds for any unit of time.
    """

    def __init__(self, seconds: int) -> None:
        self._seconds = seconds
        self._segments: deque[tuple[int, int]] = deque()
        """Beginnings and values, oldest first; the newest one holds still."""
        self._closed = 0
        """value·seconds of all segments but the newest."""
        self._holes = _NO_HOLES

    def copy(self) -> "HeldWindow":
        """One that goes on by itself."""
        twin = HeldWindow(self._seconds)
        twin._segments, twin._closed, twin._holes = self._segments.copy(), self._closed, self._holes
        return twin

    def interrupt(self, since: int, until: int) -> None:
        """Know no value from `since` until `until`, when the next one is put."""
        if self._segments:
            self.put(since, 0)
            self._holes = self._holes.with_one(since, until)

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
        total, covered = self._closed + held * (at - began), at - oldest
        if oldest < start:
            total -= oldest_value * (start - oldest)
            covered = self._seconds
        if self._holes is not _NO_HOLES:
            self._holes = self._holes.after(start)
            covered -= self._holes.length(start)
        return (total, covered) if covered * 10 >= self._seconds * 9 else None


class SumWindow:
    """Sums of revenue and cost of the blocks of the last `seconds`."""

    def __init__(self, seconds: int) -> None:
        self._seconds = seconds
        self._began: int | None = None
        self._blocks: deque[tuple[int, int, int]] = deque()
        self._revenue = self._cost = 0
        self._holes = _NO_HOLES

    def copy(self) -> "SumWindow":
        """One that goes on by itself."""
        twin = SumWindow(self._seconds)
        twin._began, twin._blocks, twin._holes = self._began, self._blocks.copy(), self._holes
        twin._revenue, twin._cost = self._revenue, self._cost
        return twin

    def interrupt(self, since: int, until: int) -> None:
        """Know of no block from `since` until `until`, when the next one is put."""
        if self._began is not None:
            self._holes = self._holes.with_one(since, until)

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
        covered = at - self._began
        if self._holes is not _NO_HOLES:
            self._holes = self._holes.after(start)
            covered = min(covered, self._seconds) - self._holes.length(start)
        return (revenue, cost) if covered * 10 >= self._seconds * 9 else None


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

    def __init__(
        self,
        thresholds: AlertThresholds,
        formula: FeeFormula,
        target: int | None,
        timing: AlertTiming = IN_SECONDS,
        environment: FeeFormula | None = None,
    ) -> None:
        """`target` is the vault's, in wei; None without a vault. `environment` as of `satisfiable_over_sides`."""
        self._environment: Final = environment
        self._take_conditions(
            {alert: Held(timing.for_units(FIRST_RULES[Alert(alert.value)])) for alert in EconomicAlert}
        )
        self._fee_min, self._fee_max = int(thresholds.fee_min), int(thresholds.fee_max)
        self._recovery_low: Final = thresholds.recovery_low.as_integer_ratio()
        self._recovery_high: Final = thresholds.recovery_high.as_integer_ratio()
        self._recovery_min: Final = thresholds.recovery_min.as_integer_ratio()
        self._share: Final = thresholds.underfunded_share.as_integer_ratio()
        self._recovery_high_ratio: Final = thresholds.recovery_high
        self._vault_deficit: Final = thresholds.vault_deficit
        self._fee_window: Final = timing.window_units(FIRST_RULES[Alert.FEE_OUT_OF_RANGE])
        self._recovery_window: Final = timing.window_units(FIRST_RULES[Alert.COST_RECOVERY_DRIFT])
        self._fees = HeldWindow(self._fee_window)
        self._sums = SumWindow(self._recovery_window)
        self._underfunded = HeldWindow(timing.window_units(FIRST_RULES[Alert.VAULT_UNDERFUNDED]))
        self._deficit_limit: int | None = None
        self._vault_left_at: int | None = None
        self.average_fee: tuple[int, int] | None = None
        """fee·seconds over the window and the seconds of it that are known; None where they are too few."""
        self.recovery: tuple[int, int] | None = None
        """Revenue and cost over the window; None where too little of it is known."""
        self.underfunded_time: tuple[int, int] | None = None
        """Seconds of the window with a deficit above its threshold, and those known; None where they are too few."""
        self._fee_kept_since: int | None = _ALWAYS
        """Since when the parameters alone keep the upper threshold; None while they do not."""
        self._recovery_kept_since: int | None = _ALWAYS
        self.is_fee_judged_above = self.is_recovery_judged_above = True
        """Whether the upper side tells anything: the parameters alone kept it all through the window, which
        remembers the L1 prices of its time."""
        self.switch(0, formula, target)

    def copy(self) -> "EconomicAlerts":
        """One that goes on by itself."""
        twin = object.__new__(EconomicAlerts)
        twin.__dict__.update(self.__dict__)
        twin._take_conditions({alert: replace(held) for alert, held in self.conditions.items()})
        twin._fees, twin._sums, twin._underfunded = self._fees.copy(), self._sums.copy(), self._underfunded.copy()
        return twin

    def switch(self, at: int, formula: FeeFormula, target: int | None) -> None:
        """Go on under other parameters, or with another target of the vault, or without one, from `at` on."""
        self._formulas = (formula,) if self._environment is None else (formula, self._environment)
        self._fee_kept_up_to = max(_greatest_base_fee_within(each, self._fee_max) for each in self._formulas)
        self._hopeless_below = min(int(_hopeless_below(each, self._recovery_high_ratio)) for each in self._formulas)
        self._kept_from = min(_kept_from(each, self._recovery_high_ratio) for each in self._formulas)
        had_vault = self._deficit_limit is not None
        self._deficit_limit = None if target is None else int(target * self._vault_deficit)
        if target is None and had_vault:
            self._vault_left_at, self.underfunded_time = at, None
            self._deficit.judge(at, holds=False)
            self._often.judge(at, holds=False)
        elif target is not None and self._vault_left_at is not None:
            self._underfunded.interrupt(self._vault_left_at, at)
            self._vault_left_at = None

    def interrupt(self, since: int, until: int) -> None:
        """Know of no block from `since` until `until`, when the next one is put."""
        for window in (self._fees, self._sums, self._underfunded):
            window.interrupt(since, until)

    def over_sides(self, base_fee: int) -> OverSides:
        """As `satisfiable_over_sides` under the present parameters."""
        return OverSides(
            fee=base_fee <= self._fee_kept_up_to,
            recovery=self._is_recovery_kept(base_fee),
        )

    def _take_conditions(self, conditions: dict[EconomicAlert, Held]) -> None:
        self.conditions = conditions
        self._out_of_range = conditions[EconomicAlert.FEE_OUT_OF_RANGE]
        self._drift = conditions[EconomicAlert.COST_RECOVERY_DRIFT]
        self._loss = conditions[EconomicAlert.COST_RECOVERY_LOSS]
        self._deficit = conditions[EconomicAlert.VAULT_DEFICIT]
        self._often = conditions[EconomicAlert.VAULT_UNDERFUNDED]

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
        if base_fee > self._fee_kept_up_to:
            self._fee_kept_since = None
        elif self._fee_kept_since is None:
            self._fee_kept_since = at
        since = self._fee_kept_since
        self.is_fee_judged_above = since is not None and at - since >= self._fee_window
        held = self.average_fee = self._fees.put(at, fee)
        if held is None or self._fee_min * held[1] <= held[0] <= self._fee_max * held[1]:
            is_out = False
        else:
            is_out = self.is_fee_judged_above or held[0] < self._fee_min * held[1]
        if is_out or self._out_of_range.since is not None:
            self._out_of_range.judge(at, holds=is_out)

    def _judge_recovery(self, at: int, base_fee: int, revenue: int, cost: int) -> None:
        if base_fee < self._hopeless_below or (base_fee < self._kept_from and not self._is_recovery_kept(base_fee)):
            self._recovery_kept_since = None
        elif self._recovery_kept_since is None:
            self._recovery_kept_since = at
        since = self._recovery_kept_since
        self.is_recovery_judged_above = since is not None and at - since >= self._recovery_window
        sums = self.recovery = self._sums.put(at, revenue, cost)
        is_drifting = is_losing = False
        if sums is not None:
            (revenue, cost), (low, low_of) = sums, self._recovery_low
            if revenue * low_of < low * cost:
                is_drifting, is_losing = True, _is_below(revenue, self._recovery_min, cost)
            elif self.is_recovery_judged_above:
                is_drifting = _is_above(revenue, self._recovery_high, cost)
        if is_drifting or self._drift.since is not None:
            self._drift.judge(at, holds=is_drifting)
        if is_losing or self._loss.since is not None:
            self._loss.judge(at, holds=is_losing)

    def _judge_vault(self, at: int, *, is_underfunded: bool) -> None:
        held = self.underfunded_time = self._underfunded.put(at, int(is_underfunded))
        is_often = held is not None and held[0] > 0 and _is_above(held[0], self._share, held[1])
        if is_underfunded or self._deficit.since is not None:
            self._deficit.judge(at, holds=is_underfunded)
        if is_often or self._often.since is not None:
            self._often.judge(at, holds=is_often)

    def _is_recovery_kept(self, base_fee: int) -> bool:
        """Whether the parameters alone keep recovery's upper threshold at this L1 base fee."""
        return any(_keeps_recovery(each, self._recovery_high, base_fee) for each in self._formulas)


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


def _kept_from(formula: FeeFormula, recovery_high: Fraction) -> int:
    """An L1 base fee from which on the alpha parameters alone surely keep `recovery_high`; none where none is known.

    Rounded up, fee·G < (α·G + P)·B + (base + 1)·G, or it is the lower bound; and cost ≥ (α·G + P)·B.
    """
    parameters, l1_gas = formula.parameters, formula.l1_gas_per_batch
    gas = parameters.l2_gas_per_batch
    if parameters.controller is not Controller.ALPHA or recovery_high <= 1 or l1_gas == 0:
        return _NO_BASE_FEE
    unclipped = (parameters.base_fee + 1) * gas / ((recovery_high - 1) * l1_gas)
    at_the_lower_bound = parameters.min_fee * gas / (recovery_high * l1_gas)
    return int(max(unclipped, at_the_lower_bound)) + 1


def _keeps_recovery(formula: FeeFormula, recovery_high: tuple[int, int], base_fee: int) -> bool:
    revenue = formula.step(base_fee, 0, None, None)[1] * formula.parameters.l2_gas_per_batch
    return not _is_above(revenue, recovery_high, formula.batch_cost(WeiPerGas(base_fee)))


def _greatest_base_fee_within(formula: FeeFormula, fee_max: int) -> int:
    """The greatest L1 base fee at which the parameters alone, whose fee never falls with it, keep `fee_max`.

    -1 where none does, and 2^64 - 1 where all do that can be priced.
    """
    kept, exceeded = -1, _NO_BASE_FEE
    while exceeded - kept > 1:
        middle = (kept + exceeded) // 2
        if formula.step(middle, 0, None, None)[1] <= fee_max:
            kept = middle
        else:
            exceeded = middle
    return kept


def _is_below(numerator: int, ratio: tuple[int, int], denominator: int) -> bool:
    return numerator * ratio[1] < ratio[0] * denominator


def _is_above(numerator: int, ratio: tuple[int, int], denominator: int) -> bool:
    return numerator * ratio[1] > ratio[0] * denominator
