"""Side by side: the best is what is nearest to good, and a thinned course loses neither an extreme nor a wei."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.alerts import AlertThresholds
from app.domain.scorecard import Scorecard, scored
from app.domain.simulation import SimulatedBlock, simulated
from app.research.compact import CompactSeries
from app.research.compare import FIGURES, Candidate, Contender, Figure, best, compared
from app.research.thinning import Thinned, thinned
from tests.domain.build import DEFAULTS, adjusted
from tests.research.build import a_plan, series, some_base_fees, waves

THRESHOLDS = AlertThresholds()
BY_NAME = {figure.name: figure for figure in FIGURES}


def a_card() -> Scorecard:
    plan = a_plan()
    return scored(plan, THRESHOLDS, simulated(plan, waves(400)))


CARD = a_card()


def contenders(*cards: Scorecard) -> list[Contender]:
    return [Contender(Candidate(name, a_plan()), card, ()) for name, card in zip("abcdef", cards, strict=False)]


def with_recovery(*recoveries: str | None) -> list[Contender]:
    return contenders(*(replace(CARD, cost_recovery=None if each is None else Fraction(each)) for each in recoveries))


@pytest.mark.parametrize(
    ("recoveries", "winners"),
    [
        (("0.9", "1.2", "1.3"), "a"),
        (("0.8", "1.1", "1.3"), "b"),
        (("0.9", "1.1", "1.2"), "ab"),
        (("1.1", None, "1.2"), "a"),
        (("1.1", "1.1"), ""),
        (("0.9", "1.1"), ""),
        (("1.1", None), ""),
        ((None, None), ""),
        (("1.1",), ""),
    ],
)
def test_the_best_recovery_is_the_one_nearest_to_one_and_equals_share_it(
    recoveries: Sequence[str | None], winners: str
) -> None:
    assert best(BY_NAME["cost recovery"], with_recovery(*recoveries)) == frozenset(winners)


@given(means=st.lists(st.integers(0, 5), min_size=1, max_size=6))
def test_of_every_other_figure_the_least_is_the_best(means: list[int]) -> None:
    cards = [replace(CARD, fee=replace(CARD.fee, mean=Fraction(mean))) for mean in means]
    expected = {name for name, mean in zip("abcdef", means, strict=False) if mean == min(means)}
    assert best(BY_NAME["mean fee"], contenders(*cards)) == (expected if len(set(means)) > 1 else frozenset())


def test_neither_more_nor_less_of_what_is_left_in_the_vault_is_better() -> None:
    assert CARD.vault is not None
    richer = replace(CARD, vault=replace(CARD.vault, final_balance=CARD.vault.final_balance + 1))
    assert best(BY_NAME["vault at the end"], contenders(CARD, richer)) == frozenset()


def test_a_figure_of_the_vault_is_none_without_one() -> None:
    without = replace(CARD, vault=None)
    vault_figures = [figure for figure in FIGURES if figure.of(without) is None is not figure.of(CARD)]
    assert [figure.name for figure in vault_figures] == [
        "time underfunded",
        "longest underfunded",
        "deficit × time",
        "greatest deficit",
        "blocks not paid",
        "unpaid",
        "vault at the end",
    ]
    for figure in vault_figures:
        assert best(figure, contenders(without, without)) == frozenset()


def test_alerts_are_counted_over_all_five() -> None:
    figure: Figure = BY_NAME["alerts fired"]
    fired = {alert: replace(score, fired=2) for alert, score in CARD.alerts.items()}
    assert figure.of(replace(CARD, alerts=fired)) == 2 * len(CARD.alerts)


def test_each_candidate_is_scored_as_if_it_were_alone() -> None:
    history = CompactSeries.of(waves(300))
    plans = {"low": a_plan(adjusted(DEFAULTS, base_fee=0)), "high": a_plan(), "bare": a_plan(balance=None)}
    found = compared([Candidate(name, plan) for name, plan in plans.items()], THRESHOLDS, history, 50)
    assert [each.candidate.name for each in found] == list(plans)
    for each in found:
        plan = plans[each.candidate.name]
        assert each.card == scored(plan, THRESHOLDS, simulated(plan, history))
        assert len(each.course) == 50


def course_of(blocks: Sequence[SimulatedBlock], points: int) -> tuple[list[SimulatedBlock], list[Thinned]]:
    course: list[Thinned] = []
    return list(thinned(blocks, len(blocks), points, course.append)), course


@given(base_fees=some_base_fees, points=st.integers(1, 100))
def test_a_thinned_course_keeps_extremes_sums_and_its_end(base_fees: list[int], points: int) -> None:
    blocks = list(simulated(a_plan(), series(base_fees)))
    passed, course = course_of(blocks, points)
    assert passed == blocks
    assert 1 <= len(course) <= min(points, len(blocks))
    assert min(point.least_fee for point in course) == min(block.fee for block in blocks)
    assert max(point.greatest_fee for point in course) == max(block.fee for block in blocks)
    assert min(point.least_base_fee for point in course) == min(base_fees)
    assert max(point.greatest_base_fee for point in course) == max(base_fees)
    last, end = blocks[-1], course[-1]
    assert (end.timestamp, end.balance) == (last.timestamp, last.balance)
    assert end.revenue == sum(block.revenue for block in blocks)
    assert end.cost == sum(block.cost for block in blocks)


@given(base_fees=some_base_fees, points=st.integers(1, 100))
def test_each_point_is_its_own_stretch(base_fees: list[int], points: int) -> None:
    blocks = list(simulated(a_plan(), series(base_fees)))
    _, course = course_of(blocks, points)
    length = -(-len(blocks) // points)
    for index, point in enumerate(course):
        stretch = blocks[index * length : (index + 1) * length]
        assert point == Thinned(
            timestamp=stretch[-1].timestamp,
            least_fee=min(block.fee for block in stretch),
            greatest_fee=max(block.fee for block in stretch),
            least_base_fee=min(block.base_fee for block in stretch),
            greatest_base_fee=max(block.base_fee for block in stretch),
            balance=stretch[-1].balance,
            revenue=sum(block.revenue for block in blocks[: (index + 1) * length]),
            cost=sum(block.cost for block in blocks[: (index + 1) * length]),
        )


def test_a_course_without_a_vault_has_no_balance() -> None:
    _, course = course_of(list(simulated(a_plan(balance=None), waves(10))), 3)
    assert {point.balance for point in course} == {None}
