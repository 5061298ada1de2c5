"""A sweep's parts: what may be varied, which candidates there are, what they keep, and who is on the front."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.alerts import AlertThresholds
from app.domain.errors import InvalidValueError
from app.domain.parameter_set import ParameterSet
from app.domain.scorecard import scored
from app.domain.simulation import simulated
from app.research.compact import CompactSeries
from app.research.sweep import (
    MOST_CANDIDATES,
    VARIABLE_KEYS,
    Axis,
    Constraints,
    Outcome,
    axis_of,
    candidates,
    outcome,
    pareto_front,
    parts,
)
from tests.domain.build import ETHER, GWEI
from tests.research.build import a_plan, waves


def a_series(blocks: int) -> CompactSeries:
    return CompactSeries.of(waves(blocks))


def an_outcome(
    *,
    recovery: Fraction | None = Fraction(1),
    p99: int = 1,
    user_cost: int = 1,
    robustness: int = 1,
    capital: int = 1,
    insolvent_blocks: int = 0,
) -> Outcome:
    return Outcome(recovery, p99, Fraction(user_cost), robustness, capital, insolvent_blocks)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("alphaData=0.18", ("0.18",)),
        ("alphaData=0.16..0.20/0.02", ("0.16", "0.18", "0.2")),
        ("alphaData=0.1..0.25/0.1", ("0.1", "0.2")),
        ("alphaData=0.1..0.1/0.1", ("0.1",)),
        ("deficitWeight=0..1/0.25", ("0", "0.25", "0.5", "0.75", "1")),
        ("horizonBatches=36,72,144", (36, 72, 144)),
        ("horizonBatches=12..36/12", (12, 24, 36)),
        ("baseFeeGwei=0,0.5,1.5", ("0", "0.5", "1.5")),
        ("maxFeeIncrease=none,0.125", (None, "0.125")),
        ("maxFeeDecrease=0.1,none", ("0.1", None)),
        ("maxFeeGwei=100,1000", ("100", "1000")),
    ],
)
def test_an_axis_is_read_exactly(text: str, values: tuple[object, ...]) -> None:
    axis = axis_of(text)
    assert axis == Axis(text.partition("=")[0], values)  # type: ignore[arg-type]


@pytest.mark.parametrize("key", VARIABLE_KEYS)
def test_what_an_axis_gives_the_parameters_take(key: str) -> None:
    axis = axis_of(f"{key}=1")
    changed = ParameterSet().changed({axis.key: axis.values[0]})
    assert changed.texts()[key] == axis.values[0]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "alphaData",
        "alphaData=",
        "=0.1",
        "alpha=0.1",
        "l2GasPerBatch=1",
        "alphaData=0.1,",
        "alphaData=0.1,0.10",
        "alphaData=1e-3",
        "alphaData=nan",
        "alphaData=none",
        "maxFeeGwei=none",
        "alphaData=0.1..0.2",
        "alphaData=0.1..0.2/0",
        "alphaData=0.1..0.2/-0.1",
        "alphaData=0.2..0.1/0.1",
        "alphaData=..0.1/0.1",
        "alphaData=0..1/0.0001/2",
        "alphaData=0..1/0.0001",
        "horizonBatches=1.5",
        "horizonBatches=1..2/0.5",
    ],
)
def test_an_axis_that_is_none_is_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidValueError) as caught:
        axis_of(text)
    assert caught.value.name == "--vary"


axes_of_any_size = st.lists(st.integers(1, 6), min_size=1, max_size=4).map(
    lambda sizes: [
        Axis(key, tuple(str(value) for value in range(size))) for key, size in zip(VARIABLE_KEYS, sizes, strict=False)
    ]
)


@given(axes=axes_of_any_size)
def test_a_grid_is_the_product_of_its_axes_in_their_order(axes: list[Axis]) -> None:
    found = candidates(axes, at_random=None, seed=1)
    assert [tuple(choice.values()) for choice in found] == list(product(*(axis.values for axis in axes)))
    assert all(list(choice) == [axis.key for axis in axes] for choice in found)


@given(axes=axes_of_any_size, wanted=st.integers(1, 40), seed=st.integers(0, 2**53 - 1))
def test_a_random_search_is_a_part_of_the_grid_in_its_order_and_the_same_for_its_seed(
    axes: list[Axis], wanted: int, seed: int
) -> None:
    grid = candidates(axes, at_random=None, seed=seed)
    found = candidates(axes, at_random=wanted, seed=seed)
    assert len(found) == min(wanted, len(grid))
    places = [grid.index(choice) for choice in found]
    assert places == sorted(set(places))
    assert found == candidates(axes, at_random=wanted, seed=seed)


def test_seeds_differ() -> None:
    axes = [axis_of("alphaData=0..1/0.001"), axis_of("deficitWeight=0..1/0.001")]
    assert candidates(axes, at_random=5, seed=1) != candidates(axes, at_random=5, seed=2)


def test_a_random_search_takes_some_of_more_combinations_than_could_be_listed() -> None:
    axes = [axis_of(f"{key}=0..0.9/0.0001") for key in ("alphaData", "deficitWeight", "baseFeeGwei", "minFeeGwei")]
    assert len(candidates(axes, at_random=3, seed=1)) == 3
    with pytest.raises(InvalidValueError, match=f"at most {MOST_CANDIDATES}; --random takes some of them"):
        candidates(axes, at_random=None, seed=1)


@pytest.mark.parametrize("axes", [[], [axis_of("alphaData=0.1"), axis_of("alphaData=0.2")]])
def test_no_axis_and_an_axis_twice_are_refused(axes: list[Axis]) -> None:
    with pytest.raises(InvalidValueError, match="at least one parameter, each once"):
        candidates(axes, at_random=None, seed=1)


scores = st.integers(0, 4)
some_outcomes = st.lists(st.tuples(scores, scores, scores), max_size=25)


def front_by_definition(listed: Sequence[tuple[int, int, int]]) -> list[int]:
    """Every pair, by the words of the definition."""
    return [
        index
        for index, own in enumerate(listed)
        if not any(
            all(theirs <= mine for theirs, mine in zip(other, own, strict=True))
            and any(theirs < mine for theirs, mine in zip(other, own, strict=True))
            for other in listed
        )
    ]


@given(listed=some_outcomes)
def test_the_front_is_what_the_definition_says_pair_by_pair(listed: list[tuple[int, int, int]]) -> None:
    outcomes = {
        index: an_outcome(user_cost=cost, robustness=robustness, capital=capital)
        for index, (cost, robustness, capital) in enumerate(listed)
    }
    assert pareto_front(outcomes) == front_by_definition(listed)


def test_equals_are_all_kept_and_no_candidate_has_no_front() -> None:
    assert pareto_front({3: an_outcome(), 1: an_outcome()}) == [1, 3]
    assert pareto_front({}) == []


@pytest.mark.parametrize(
    ("changes", "keeps"),
    [
        ({"recovery": Fraction(9, 10)}, True),
        ({"recovery": Fraction(11, 10)}, True),
        ({"recovery": Fraction(899_999, 1_000_000)}, False),
        ({"recovery": Fraction(1_100_001, 1_000_000)}, False),
        ({"recovery": None}, False),
        ({"insolvent_blocks": 2}, True),
        ({"insolvent_blocks": 3}, False),
        ({"p99": 50 * GWEI}, True),
        ({"p99": 50 * GWEI + 1}, False),
    ],
)
def test_a_constraint_is_kept_up_to_its_border(changes: dict[str, object], keeps: bool) -> None:  # noqa: FBT001 - the expectation
    constraints = Constraints(Fraction(1, 10), greatest_insolvent_blocks=2, greatest_p99=50 * GWEI)
    assert an_outcome(**changes).keeps(constraints) is keeps  # type: ignore[arg-type]


def test_without_a_limit_any_p99_is_kept() -> None:
    assert an_outcome(p99=10**15).keeps(Constraints(Fraction(0), 0, None))


@given(blocks=st.integers(2, 200), percent=st.integers(1, 99))
def test_the_parts_are_the_whole_and_share_no_block(blocks: int, percent: int) -> None:
    series, share = a_series(blocks), Fraction(percent, 100)
    if int(blocks * share) == 0:
        with pytest.raises(InvalidValueError, match="--held-out"):
            parts(series, share)
        return
    first, rest = parts(series, share)
    assert [*first, *rest] == list(series)
    assert len(rest) == int(blocks * share) > 0
    assert len(first) > 0


@pytest.mark.parametrize("share", [Fraction(0), Fraction(1)])
def test_a_part_without_blocks_is_refused(share: Fraction) -> None:
    with pytest.raises(InvalidValueError, match="a share that leaves blocks on both sides"):
        parts(a_series(10), share)


def test_an_outcome_is_what_the_scorecard_says() -> None:
    series = a_series(50)
    plan = a_plan()
    card = scored(plan, AlertThresholds(), simulated(plan, series))
    assert card.vault is not None
    assert outcome(plan, AlertThresholds(), series) == Outcome(
        recovery=card.cost_recovery,
        p99=card.fee.p99,
        user_cost=card.fee.mean,
        robustness=card.vault.deficit_wei_seconds,
        capital=card.vault.greatest_deficit,
        insolvent_blocks=0,
    )
    assert card.vault.greatest_deficit == ETHER


def test_without_a_vault_neither_robustness_nor_capital_is_asked_for() -> None:
    found = outcome(a_plan(balance=None), AlertThresholds(), a_series(5))
    assert (found.robustness, found.capital, found.insolvent_blocks) == (0, 0, 0)
    assert found.objectives == (found.user_cost, 0, 0)


def test_a_range_of_the_longest_allowed_length_is_taken_whole() -> None:
    assert len(axis_of("alphaData=0..0.9999/0.0001").values) == 10_000
