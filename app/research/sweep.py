"""A search over parameters: chosen on the first part of a history, scored on the rest, which no choice has seen."""

import itertools
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import prod
from typing import Final

from app.domain.alerts import AlertThresholds
from app.domain.errors import InvalidValueError
from app.domain.parameter_set import ParameterText
from app.domain.scorecard import Scorecard, scored
from app.domain.simulation import SimulationPlan, simulated
from app.domain.units import decimal_text, exact_ratio
from app.research.compact import CompactSeries

VARIABLE_KEYS: Final = (
    "alphaData",
    "deficitWeight",
    "horizonBatches",
    "baseFeeGwei",
    "minFeeGwei",
    "maxFeeGwei",
    "maxFeeIncrease",
    "maxFeeDecrease",
)
MOST_CANDIDATES: Final = 1_000_000
_WHOLE_KEYS: Final = frozenset({"horizonBatches"})
_NULLABLE_KEYS: Final = frozenset({"maxFeeIncrease", "maxFeeDecrease"})
_MOST_VALUES: Final = 10_000
_UNSET: Final = "none"
_ALLOWED: Final = "KEY=VALUE,VALUE,… or KEY=FIRST..LAST/STEP with a key of " + ", ".join(VARIABLE_KEYS)

Choice = Mapping[str, ParameterText]
"""What one candidate changes, by the keys of the API."""


@dataclass(frozen=True, slots=True)
class Axis:
    """One parameter and the values that it may take."""

    key: str
    values: tuple[ParameterText, ...]


@dataclass(frozen=True, slots=True)
class Constraints:
    """What a candidate has to keep on the part that choices are made on."""

    recovery_within: Fraction
    """δ: Σ revenue / Σ cost between 1 − δ and 1 + δ."""
    greatest_insolvent_blocks: int
    greatest_p99: int | None
    """Wei per L2 gas; None is no limit."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One candidate on one part of the history."""

    recovery: Fraction | None
    p99: int
    user_cost: Fraction
    """The mean fee, in wei per L2 gas."""
    robustness: int
    """Deficit × time, in wei·seconds: less is better; 0 without a vault."""
    capital: int
    """The greatest deficit, in wei: what the vault has to be able to miss."""
    insolvent_blocks: int

    @classmethod
    def of(cls, card: Scorecard) -> "Outcome":
        """What a scorecard says of it."""
        vault = card.vault
        return cls(
            recovery=card.cost_recovery,
            p99=card.fee.p99,
            user_cost=card.fee.mean,
            robustness=0 if vault is None else vault.deficit_wei_seconds,
            capital=0 if vault is None else vault.greatest_deficit,
            insolvent_blocks=0 if vault is None else vault.insolvent_blocks,
        )

    @property
    def objectives(self) -> tuple[Fraction, int, int]:
        """User cost, robustness and capital; of each, less is better."""
        return self.user_cost, self.robustness, self.capital

    def keeps(self, constraints: Constraints) -> bool:
        """Whether it keeps all of them."""
        return (
            self.recovery is not None
            and -constraints.recovery_within <= self.recovery - 1 <= constraints.recovery_within
            and self.insolvent_blocks <= constraints.greatest_insolvent_blocks
            and (constraints.greatest_p99 is None or self.p99 <= constraints.greatest_p99)
        )


def axis_of(text: str) -> Axis:
    """An axis as it is written on the command line. Raises `InvalidValueError` for any other text."""
    key, equals, written = text.partition("=")
    if not equals or key not in VARIABLE_KEYS:
        raise InvalidValueError("--vary", text, _ALLOWED)
    values = (
        tuple(_range(text, written)) if ".." in written else tuple(_value(key, part) for part in written.split(","))
    )
    shown = tuple(_typed(text, key, value) for value in values)
    if len(set(shown)) != len(shown):
        raise InvalidValueError("--vary", text, "each value once")
    return Axis(key, shown)


def candidates(axes: Sequence[Axis], *, at_random: int | None, seed: int) -> list[Choice]:
    """Every combination in the order of the axes; or so many different ones at random, the same for the same seed.

    Raises `InvalidValueError` for no axis, an axis twice, or more combinations than can be run.
    """
    keys = [axis.key for axis in axes]
    if not axes or len(set(keys)) != len(keys):
        raise InvalidValueError("--vary", ", ".join(keys), "at least one parameter, each once")
    combinations = prod(len(axis.values) for axis in axes)
    wanted = combinations if at_random is None else min(at_random, combinations)
    if wanted > MOST_CANDIDATES:
        raise InvalidValueError("candidates", wanted, f"at most {MOST_CANDIDATES}; --random takes some of them")
    if at_random is None or wanted == combinations:
        return [dict(zip(keys, values, strict=True)) for values in itertools.product(*(axis.values for axis in axes))]
    chosen = random.Random(seed).sample(range(combinations), wanted)  # noqa: S311 - reproducible, and no secret
    return [_combination(axes, index) for index in sorted(chosen)]


def parts(series: CompactSeries, held_out: Fraction) -> tuple[CompactSeries, CompactSeries]:
    """The part that choices are made on, and the held-out rest: the last `held_out` of the blocks.

    Raises `InvalidValueError` where one of them would be empty.
    """
    first = len(series) - int(len(series) * held_out)
    if not 0 < first < len(series):
        raise InvalidValueError("--held-out", decimal_text(held_out), "a share that leaves blocks on both sides")
    return series.part(0, first), series.part(first, len(series))


def outcome(plan: SimulationPlan, thresholds: AlertThresholds, series: CompactSeries) -> Outcome:
    """One candidate over one part."""
    return Outcome.of(scored(plan, thresholds, simulated(plan, series)))


def pareto_front(outcomes: Mapping[int, Outcome]) -> list[int]:
    """Those that no other one is at least as good as in every objective and better in one; in ascending order.

    Of equals all are kept. Sorted by the first objective, a candidate can only be beaten by one before it.
    """
    ordered = sorted(outcomes, key=lambda index: (outcomes[index].objectives, index))
    front: list[int] = []
    for index in ordered:
        own = outcomes[index].objectives
        if not any(_dominates(outcomes[other].objectives, own) for other in front):
            front.append(index)
    return sorted(front)


def _dominates(one: tuple[Fraction, int, int], other: tuple[Fraction, int, int]) -> bool:
    return one != other and one[0] <= other[0] and one[1] <= other[1] and one[2] <= other[2]


def _combination(axes: Sequence[Axis], index: int) -> Choice:
    """The combination that `itertools.product` would give at `index`."""
    chosen: dict[str, ParameterText] = {}
    for axis in reversed(axes):
        index, place = divmod(index, len(axis.values))
        chosen[axis.key] = axis.values[place]
    return {axis.key: chosen[axis.key] for axis in axes}


def _range(text: str, written: str) -> Iterator[Fraction]:
    ends, slash, step_text = written.partition("/")
    first_text, _, last_text = ends.partition("..")
    if not slash:
        raise InvalidValueError("--vary", text, _ALLOWED)
    first, last, step = (exact_ratio(part, "--vary") for part in (first_text, last_text, step_text))
    if step <= 0 or last < first or (last - first) / step >= _MOST_VALUES:
        raise InvalidValueError("--vary", text, f"FIRST up to LAST by a STEP above 0, at most {_MOST_VALUES} values")
    count = int((last - first) / step)
    return (first + step * place for place in range(count + 1))


def _value(key: str, part: str) -> Fraction | None:
    return None if part == _UNSET and key in _NULLABLE_KEYS else exact_ratio(part, "--vary")


def _typed(text: str, key: str, value: Fraction | None) -> ParameterText:
    if value is None:
        return None
    if key not in _WHOLE_KEYS:
        return decimal_text(value)
    if value.denominator != 1:
        raise InvalidValueError("--vary", text, f"whole numbers for {key}")
    return int(value)
