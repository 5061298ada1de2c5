"""What a simulation amounts to. Whole numbers while it runs; exact, or rounded to six decimals, at its end.

A block's state holds until the next block: shares of time and durations are weighted by the seconds between them, and
the last block's state holds for none.
"""

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice, pairwise
from math import isqrt
from operator import mul, sub
from typing import Final

from app.domain.alert_windows import EconomicAlert, EconomicAlerts, Held
from app.domain.alerts import AlertThresholds
from app.domain.errors import OracleError
from app.domain.formula import Bound
from app.domain.simulation import SimulatedBlock, SimulationPlan
from app.domain.units import rounded_ratio

HOUR_SECONDS: Final = 3_600
SIX_HOURS_SECONDS: Final = 6 * HOUR_SECONDS
_MILLIONTHS: Final = 1_000_000
_LIMITING: Final = tuple(bound for bound in Bound if bound is not Bound.NONE)
PIECE_BLOCKS: Final = 512
"""Blocks that are added up at once: enough that the sums cost next to nothing a block."""


class EmptyHistoryError(OracleError):
    """There is nothing to score."""

    def __init__(self) -> None:
        super().__init__("the history has no blocks")


@dataclass(frozen=True, slots=True, kw_only=True)
class FeeScore:
    """Of the fees, in wei per L2 gas, block by block."""

    mean: Fraction
    p50: int
    """Nearest rank: the least fee that at least half of the fees do not exceed. The others likewise."""
    p95: int
    p99: int
    least: int
    greatest: int
    variation: Fraction | None
    """Standard deviation / mean; None where the mean is 0."""
    hourly_variation: Fraction | None
    """The same within each whole hour from the first block on: the mean over the hours; None without a whole one."""
    six_hourly_variation: Fraction | None
    p95_step: Fraction | None
    """|fee − previous| / previous from block to block, nearest rank, rounded down to a millionth."""
    blocks_at_bound: Mapping[Bound, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultScore:
    """Of the vault, in wei."""

    final_balance: int
    least_balance: int
    greatest_deficit: int
    """target − balance before a block; 0 where there never was one."""
    underfunded_share: Fraction | None
    """Of the time: a deficit above its threshold; None for less than two blocks."""
    longest_underfunded_seconds: int
    deficit_wei_seconds: int
    """Deficit × the seconds it lasted; surpluses count as 0."""
    insolvent_blocks: int
    """Blocks whose cost was above what the vault held."""
    unpaid: int
    """What it could not pay."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertScore:
    """What one alert would have done."""

    fired: int
    """How often it began to fire."""
    firing_seconds: int
    first_at: int | None
    """Unix seconds at which it first fired."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scorecard:
    """A simulation in a few numbers."""

    blocks: int
    first_block: int
    last_block: int
    seconds: int
    missing_blocks: int
    revenue: int
    cost: int
    cost_recovery: Fraction | None
    """Σ revenue / Σ cost, six decimals; None where nothing was spent."""
    fee: FeeScore
    vault: VaultScore | None
    """None without a vault."""
    alerts: Mapping[EconomicAlert, AlertScore]


def scored(plan: SimulationPlan, thresholds: AlertThresholds, blocks: Iterable[SimulatedBlock]) -> Scorecard:
    """The scorecard of a simulation under `plan`. Raises `EmptyHistoryError` where there are no blocks."""
    scoring, left = Scoring(plan, thresholds), iter(blocks)
    while piece := tuple(islice(left, PIECE_BLOCKS)):
        scoring.take(piece)
    return scoring.card()


class Scoring:
    """A scorecard in the making, piece by piece; what a piece costs depends on its own length alone."""

    def __init__(self, plan: SimulationPlan, thresholds: AlertThresholds) -> None:
        target = None if plan.vault is None else int(plan.vault.target)
        self._alerts: Final = EconomicAlerts(thresholds, plan.formula, target)
        self._vault: Final = _Vault(self._alerts.is_underfunded)
        self._fees: Final = _Fees()
        self._first: SimulatedBlock | None = None
        self._last: SimulatedBlock | None = None
        self._revenue = self._cost = 0

    def take(self, piece: Sequence[SimulatedBlock]) -> None:
        """Add the blocks that come next: at least one."""
        if self._first is None:
            self._first = piece[0]
        self._last = piece[-1]
        _, times, base_fees, _, fees, bounds, costs, revenues, balances, deficits, unpaid = zip(*piece, strict=True)
        self._revenue += sum(revenues)
        self._cost += sum(costs)
        self._fees.take(times, fees, bounds)
        if self._last.balance is not None:
            self._vault.take(times, balances, deficits, unpaid)
        put, is_any_underfunded = self._alerts.put, self._alerts.is_underfunded(max(deficits))
        are_underfunded = map(self._alerts.is_underfunded, deficits) if is_any_underfunded else [False] * len(piece)
        for at, base_fee, fee, revenue, cost, is_underfunded in zip(
            times, base_fees, fees, revenues, costs, are_underfunded, strict=True
        ):
            put(at, base_fee, fee, revenue, cost, is_underfunded=is_underfunded)

    def card(self) -> Scorecard:
        """The scorecard of all blocks so far. Raises `EmptyHistoryError` where there were none."""
        first, last = self._first, self._last
        if first is None or last is None:
            raise EmptyHistoryError
        blocks = len(self._fees.fees)
        return Scorecard(
            blocks=blocks,
            first_block=first.number,
            last_block=last.number,
            seconds=last.timestamp - first.timestamp,
            missing_blocks=last.number - first.number + 1 - blocks,
            revenue=self._revenue,
            cost=self._cost,
            cost_recovery=rounded_ratio(self._revenue, self._cost),
            fee=self._fees.score(),
            vault=None if last.balance is None else self._vault.score(last.balance),
            alerts={alert: _alert_score(held, last.timestamp) for alert, held in self._alerts.conditions.items()},
        )


def _alert_score(held: Held, end: int) -> AlertScore:
    firing = held.firing_seconds + (end - held.fired_at if held.fired_at is not None else 0)
    return AlertScore(fired=held.fired, firing_seconds=firing, first_at=held.first_fired_at)


def nearest_rank(ordered: list[int], percent: int) -> int:
    """The least value that at least `percent` of a hundred values do not exceed; `ordered` ascends."""
    return ordered[-(-len(ordered) * percent // 100) - 1]


def variation_millionths(count: int, total: int, squares: int) -> int | None:
    """Standard deviation / mean in millionths, rounded down; None where the mean is 0."""
    return None if total == 0 else isqrt((count * squares - total * total) * _MILLIONTHS**2) // total


class _Windows:
    """The coefficient of variation within each whole window, from the first block on."""

    def __init__(self, seconds: int) -> None:
        self._seconds = seconds
        self._ends_at: int | None = None
        self._first = 0
        self._found = self._windows = 0

    def take(self, times: Sequence[int], fees: "array[int]") -> None:
        """End every window that one of `times` lies beyond; they are those of the newest of `fees`."""
        if self._ends_at is None:
            self._ends_at = times[0] + self._seconds
        before = len(fees) - len(times)
        while times[-1] >= self._ends_at:
            place = bisect_left(times, self._ends_at)
            self._close(fees[self._first : before + place])
            self._first = before + place
            self._ends_at += ((times[place] - self._ends_at) // self._seconds + 1) * self._seconds

    def _close(self, within: "array[int]") -> None:
        variation = variation_millionths(len(within), sum(within), sum(map(mul, within, within)))
        if variation is not None:
            self._found += variation
            self._windows += 1

    def mean(self) -> Fraction | None:
        return rounded_ratio(self._found, self._windows * _MILLIONTHS)


class _Fees:
    def __init__(self) -> None:
        self.fees: Final = array("Q")
        self._bounds: Final = dict.fromkeys(Bound, 0)
        self._windows: Final = (_Windows(HOUR_SECONDS), _Windows(SIX_HOURS_SECONDS))

    def take(self, times: Sequence[int], fees: Sequence[int], bounds: Sequence[Bound]) -> None:
        self.fees.extend(fees)
        unbound = bounds.count(Bound.NONE)
        self._bounds[Bound.NONE] += unbound
        if unbound < len(bounds):
            for bound in _LIMITING:
                self._bounds[bound] += bounds.count(bound)
        for windows in self._windows:
            windows.take(times, self.fees)

    def score(self) -> FeeScore:
        fees, count, total = self.fees, len(self.fees), sum(self.fees)
        variation = variation_millionths(count, total, sum(map(mul, fees, fees)))
        steps = sorted(abs(fee - before) * _MILLIONTHS // before for before, fee in pairwise(fees) if before)
        p95_step = Fraction(nearest_rank(steps, 95), _MILLIONTHS) if steps else None
        del steps
        ordered = sorted(fees)
        return FeeScore(
            mean=Fraction(total, count),
            p50=nearest_rank(ordered, 50),
            p95=nearest_rank(ordered, 95),
            p99=nearest_rank(ordered, 99),
            least=ordered[0],
            greatest=ordered[-1],
            variation=None if variation is None else Fraction(variation, _MILLIONTHS),
            hourly_variation=self._windows[0].mean(),
            six_hourly_variation=self._windows[1].mean(),
            p95_step=p95_step,
            blocks_at_bound=self._bounds,
        )


class _Vault:
    def __init__(self, is_underfunded: Callable[[int], bool]) -> None:
        self._is_underfunded: Final = is_underfunded
        self._least_balance: int | None = None
        self._greatest_deficit = 0
        self._seconds = self._underfunded_seconds = self._deficit_seconds = 0
        self._run_began: int | None = None
        self._longest_run = 0
        self._insolvent_blocks = self._unpaid = 0
        self._at: int | None = None
        self._deficit = 0
        """After the newest block, until the next one; never negative."""

    def take(
        self, times: Sequence[int], balances: Sequence[int], deficits: Sequence[int], unpaid: Sequence[int]
    ) -> None:
        before = times[0] if self._at is None else self._at
        greatest = max(deficits)
        if greatest > 0 or self._deficit:
            lacking = [max(0, deficit) for deficit in deficits]
            lasted = map(sub, times, (before, *times))
            self._deficit_seconds += sum(map(mul, (self._deficit, *lacking), lasted))
            self._deficit = lacking[-1]
            self._greatest_deficit = max(self._greatest_deficit, greatest)
        if self._run_began is not None or self._is_underfunded(greatest):
            self._take_runs(before, times, deficits)
        self._seconds += times[-1] - before
        self._at = times[-1]
        least = min(balances)
        if self._least_balance is None or least < self._least_balance:
            self._least_balance = least
        if any(unpaid):
            self._insolvent_blocks += len(unpaid) - unpaid.count(0)
            self._unpaid += sum(unpaid)

    def _take_runs(self, before: int, times: Sequence[int], deficits: Sequence[int]) -> None:
        """The time underfunded, and its longest run."""
        for at, deficit in zip(times, deficits, strict=True):
            if self._run_began is not None:
                self._underfunded_seconds += at - before
                self._longest_run = max(self._longest_run, at - self._run_began)
                if not self._is_underfunded(deficit):
                    self._run_began = None
            elif self._is_underfunded(deficit):
                self._run_began = at
            before = at

    def score(self, final_balance: int) -> VaultScore:
        return VaultScore(
            final_balance=final_balance,
            least_balance=final_balance if self._least_balance is None else self._least_balance,
            greatest_deficit=self._greatest_deficit,
            underfunded_share=rounded_ratio(self._underfunded_seconds, self._seconds),
            longest_underfunded_seconds=self._longest_run,
            deficit_wei_seconds=self._deficit_seconds,
            insolvent_blocks=self._insolvent_blocks,
            unpaid=self._unpaid,
        )
