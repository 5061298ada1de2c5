"""Hundreds of seeded runs of the engine in a simulated world; and proof that a broken part is found out."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from app.api.board import Board, Moment, Published
from app.domain.freshness import Freshness, QuoteStatus
from app.domain.governance import Revision
from app.engine.entries import Entry, Gap
from app.engine.ports import Appended, Merged
from tests.fakes_store import FakeStore
from tests.simulation.many import reports, tally
from tests.simulation.providers import Ailment, Lie
from tests.simulation.rig import Parts, simulate
from tests.simulation.schedule import Plan, StoreTrouble, plan_of

SEEDS = 240
CHUNK = 24
FIRST_SEEDS = range(0, SEEDS, CHUNK)


@pytest.mark.parametrize("first", FIRST_SEEDS, ids=lambda first: f"seeds {first} to {first + CHUNK - 1}")
def test_whatever_happens_the_invariants_hold_and_everything_recovers(first: int) -> None:
    total = tally(reports(range(first, first + CHUNK)))
    assert total.failures == [], "\n\n".join(total.failures)
    assert total.seen[QuoteStatus.FRESH.value] > total.runs * 200, "seconds with a fresh quote"


def test_the_schedules_leave_no_kind_of_fault_out() -> None:
    plans = [plan_of(seed) for seed in range(SEEDS)]
    said = Counter(repr(event.action) for plan in plans for event in plan.events)
    told = " ".join(said)
    for kind in (*Ailment, *Lie, *StoreTrouble):
        assert repr(kind) in told, kind
    assert {plan.providers for plan in plans} == {1, 2, 3}
    assert {plan.replicas for plan in plans} == {1, 2}


def test_the_same_seed_is_the_same_run_to_the_last_word() -> None:
    told: list[list[str]] = []
    for _ in range(2):
        lines: list[str] = []
        simulate(plan_of(7), trace=lines.append)
        told.append(lines)
    assert len(told[0]) > 100
    assert told[0] == told[1]


class ForgettingStore(FakeStore):
    """Reports every entry as kept, and keeps all but every fifth."""

    def __init__(self) -> None:
        super().__init__()
        self._asked = 0

    async def append(self, entries: Sequence[Entry], seen: Revision, gap: Gap | None = None) -> Appended:
        self._asked += 1
        return Appended() if self._asked % 5 == 0 else await super().append(entries, seen, gap)


class MergelessStore(FakeStore):
    """Reports what is merged as kept, and keeps none of it."""

    async def merge(self, entries: Sequence[Entry], gaps: Sequence[Gap] = ()) -> Merged:  # noqa: ARG002
        return Merged({})


class FlatteringBoard(Board):
    """Calls whatever it has fresh."""

    def freshness(
        self, published: Published, max_age_seconds: int | None = None, moment: Moment | None = None
    ) -> Freshness:
        return replace(super().freshness(published, max_age_seconds, moment), status=QuoteStatus.FRESH)


def found_by(parts: Parts, *, among: Callable[[Plan], bool], runs: int = 8) -> set[str]:
    """The rules that runs with these parts violate."""
    plans = (plan for plan in map(plan_of, range(SEEDS)) if among(plan))
    return {
        violation.rule
        for plan, _ in zip(plans, range(runs), strict=False)
        for violation in simulate(plan, parts).violations
    }


def test_a_store_that_loses_entries_is_found_out() -> None:
    assert "nothing_lost" in found_by(Parts(store=ForgettingStore), among=lambda plan: plan.replicas == 1)


def test_a_store_that_loses_what_is_merged_is_found_out() -> None:
    assert "nothing_lost" in found_by(Parts(store=MergelessStore), among=lambda plan: plan.replicas == 1)


def test_a_board_that_calls_an_old_quote_fresh_is_found_out() -> None:
    found = found_by(Parts(board=FlatteringBoard), among=lambda plan: plan.replicas == 1)
    assert {"fresh_while_held", "fresh_by_age"} <= found


def test_a_feed_that_lets_one_of_three_decide_is_found_out() -> None:
    def is_exposed(plan: Plan) -> bool:
        return plan.liar == 0 and plan.providers >= 3 and bool({Lie.OWN_CHAIN, Lie.GAS_USED} & set(plan.lies))

    assert "true_header" in found_by(Parts(quorum=1), among=is_exposed)


def test_without_a_broken_part_the_same_runs_find_nothing() -> None:
    assert found_by(Parts(), among=lambda plan: plan.replicas == 1) == set()
