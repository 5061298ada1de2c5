"""What a simulation amounts to. Whole numbers while it runs; exact, or rounded to six decimals, at its end.

A block's state holds until the next block: shares of time and durations are weighted by the seconds between them, and
the last block's state holds for none.
"""

from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from math import isqrt
from operator import mul
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
    target = None if plan.vault is None else int(plan.vault.target)
    alerts, vault = EconomicAlerts(thresholds, plan.formula, target), _Vault()
    fees: _Fees | None = None
    revenue_sum = cost_sum = 0
    for last in blocks:
        _, at, base_fee, _, fee, bound, cost, revenue, balance, deficit, unpaid = last
        if fees is None:
            first, fees = last, _Fees(at)
        revenue_sum += revenue
        cost_sum += cost
        fees.put(at, fee, bound)
        is_underfunded = alerts.is_underfunded(deficit)
        if balance is not None:
            vault.put(at, balance, deficit, unpaid, is_underfunded=is_underfunded)
        alerts.put(at, base_fee, fee, revenue, cost, is_underfunded=is_underfunded)
    if fees is None:
        raise EmptyHistoryError
    return Scorecard(
        blocks=len(fees.fees),
        first_block=first.number,
        last_block=last.number,
        seconds=last.timestamp - first.timestamp,
        missing_blocks=last.number - first.number + 1 - len(fees.fees),
        revenue=revenue_sum,
        cost=cost_sum,
        cost_recovery=rounded_ratio(revenue_sum, cost_sum),
        fee=fees.score(),
        vault=None if last.balance is None else vault.score(last.balance),
        alerts={alert: _alert_score(held, last.timestamp) for alert, held in alerts.conditions.items()},
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

    def __init__(self, seconds: int, first_at: int) -> None:
        self._seconds = seconds
        self.ends_at = first_at + seconds
        self._first = 0
        self._found = self._windows = 0

    def close(self, at: int, fees: "array[int]") -> None:
        """End the window that the block at `at`, which is not among `fees` yet, lies beyond."""
        within = fees[self._first :]
        variation = variation_millionths(len(within), sum(within), sum(map(mul, within, within)))
        if variation is not None:
            self._found += variation
            self._windows += 1
        self._first = len(fees)
        self.ends_at += (at - self.ends_at) // self._seconds * self._seconds + self._seconds

    def mean(self) -> Fraction | None:
        return rounded_ratio(self._found, self._windows * _MILLIONTHS)


class _Fees:
    def __init__(self, first_at: int) -> None:
        self.fees: Final = array("Q")
        self._bounds: Final = dict.fromkeys(Bound, 0)
        self._hours: Final = _Windows(HOUR_SECONDS, first_at)
        self._six_hours: Final = _Windows(SIX_HOURS_SECONDS, first_at)

    def put(self, at: int, fee: int, bound: Bound) -> None:
        if at >= self._hours.ends_at:
            self._hours.close(at, self.fees)
            if at >= self._six_hours.ends_at:
                self._six_hours.close(at, self.fees)
        self.fees.append(fee)
        self._bounds[bound] += 1

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
            hourly_variation=self._hours.mean(),
            six_hourly_variation=self._six_hours.mean(),
            p95_step=p95_step,
            blocks_at_bound=self._bounds,
        )


class _Vault:
    def __init__(self) -> None:
        self._least_balance: int | None = None
        self._greatest_deficit = 0
        self._seconds = self._underfunded_seconds = self._deficit_seconds = 0
        self._run_began: int | None = None
        self._longest_run = 0
        self._insolvent_blocks = self._unpaid = 0
        self._at: int | None = None
        self._deficit = 0

    def put(self, at: int, balance: int, deficit: int, unpaid: int, *, is_underfunded: bool) -> None:
        elapsed = 0 if self._at is None else at - self._at
        self._at = at
        self._seconds += elapsed
        self._deficit_seconds += self._deficit * elapsed
        if self._run_began is not None:
            self._underfunded_seconds += elapsed
            self._longest_run = max(self._longest_run, at - self._run_began)
            if not is_underfunded:
                self._run_began = None
        elif is_underfunded:
            self._run_began = at
        self._deficit = 0
        if deficit > 0:
            self._deficit = deficit
            self._greatest_deficit = max(self._greatest_deficit, deficit)
        if self._least_balance is None or balance < self._least_balance:
            self._least_balance = balance
        if unpaid:
            self._insolvent_blocks += 1
            self._unpaid += unpaid

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
