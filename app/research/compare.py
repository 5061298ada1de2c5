"""Several configurations on one history, side by side."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from app.domain.alerts import AlertThresholds
from app.domain.scorecard import Scorecard, scored
from app.domain.simulation import SimulatedBlock, SimulationPlan, simulated
from app.research.compact import CompactSeries
from app.research.thinning import Thinned, thinned


@dataclass(frozen=True, slots=True)
class Candidate:
    """A configuration under a name."""

    name: str
    plan: SimulationPlan


@dataclass(frozen=True, slots=True)
class Contender:
    """A configuration, what came of it, and its course for a chart."""

    candidate: Candidate
    card: Scorecard
    course: tuple[Thinned, ...]


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the comparison."""

    name: str
    unit: str
    of: Callable[[Scorecard], Fraction | int | None]
    distance: Callable[[Fraction | int], Fraction | int] | None
    """What is best is least of this; None where neither more nor less is better."""


def _itself(value: Fraction | int) -> Fraction | int:
    return value


def _from_one(value: Fraction | int) -> Fraction | int:
    return abs(Fraction(value) - 1)


def _of_vault(read: Callable[..., Fraction | int | None]) -> Callable[[Scorecard], Fraction | int | None]:
    return lambda card: None if card.vault is None else read(card.vault)


FIGURES: Final = (
    Figure("mean fee", "gwei", lambda card: card.fee.mean, _itself),
    Figure("fee p50", "gwei", lambda card: card.fee.p50, _itself),
    Figure("fee p95", "gwei", lambda card: card.fee.p95, _itself),
    Figure("fee p99", "gwei", lambda card: card.fee.p99, _itself),
    Figure("variation", "", lambda card: card.fee.variation, _itself),
    Figure("variation within 1 h", "", lambda card: card.fee.hourly_variation, _itself),
    Figure("variation within 6 h", "", lambda card: card.fee.six_hourly_variation, _itself),
    Figure("step p95", "%", lambda card: card.fee.p95_step, _itself),
    Figure("cost recovery", "", lambda card: card.cost_recovery, _from_one),
    Figure("time underfunded", "%", _of_vault(lambda vault: vault.underfunded_share), _itself),
    Figure("longest underfunded", "s", _of_vault(lambda vault: vault.longest_underfunded_seconds), _itself),
    Figure("deficit × time", "ETH·h", _of_vault(lambda vault: vault.deficit_wei_seconds), _itself),
    Figure("greatest deficit", "ETH", _of_vault(lambda vault: vault.greatest_deficit), _itself),
    Figure("blocks not paid", "blocks", _of_vault(lambda vault: vault.insolvent_blocks), _itself),
    Figure("unpaid", "ETH", _of_vault(lambda vault: vault.unpaid), _itself),
    Figure("vault at the end", "ETH", _of_vault(lambda vault: vault.final_balance), None),
    Figure("alerts fired", "", lambda card: sum(score.fired for score in card.alerts.values()), _itself),
)
"""Less is better, but for the recovery, which is best at 1, and the vault's end, which tells of neither."""


def compared(
    candidates: Sequence[Candidate], thresholds: AlertThresholds, series: CompactSeries, points: int
) -> list[Contender]:
    """Each candidate over the whole series, with a course of at most `points` points."""
    return [_contender(candidate, thresholds, series, points) for candidate in candidates]


def best(figure: Figure, contenders: Iterable[Contender]) -> frozenset[str]:
    """The names of those with the best figure; empty where none is better, or all are equal."""
    if figure.distance is None:
        return frozenset()
    values = {each.candidate.name: figure.of(each.card) for each in contenders}
    distances = {name: figure.distance(value) for name, value in values.items() if value is not None}
    if len(set(distances.values())) < 2:  # noqa: PLR2004 - nothing to choose from
        return frozenset()
    least = min(distances.values())
    return frozenset(name for name, distance in distances.items() if distance == least)


def _contender(candidate: Candidate, thresholds: AlertThresholds, series: CompactSeries, points: int) -> Contender:
    course: list[Thinned] = []
    blocks: Iterable[SimulatedBlock] = simulated(candidate.plan, series)
    card = scored(candidate.plan, thresholds, thinned(blocks, len(series), points, course.append))
    return Contender(candidate, card, tuple(course))
