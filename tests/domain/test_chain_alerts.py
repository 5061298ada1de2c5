"""The alerts along the chain against sums made anew, over reorgs, gaps and restarts; and each alert at its edge."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.alert_states import AlertState
from app.domain.alert_table import FIRST_RULES, IN_MILLIS, Alert, AlertTiming
from app.domain.alerts import AlertThresholds, satisfiable_over_sides
from app.domain.chain_alerts import CHAIN_ALERTS, ChainAlerts, ChainRules, PricedBlock, canonical
from app.domain.formula import Bound, FeeFormula
from app.domain.parameters import Parameters
from app.domain.units import UnixMillis, WeiPerGas, rounded_ratio
from tests.domain.build import DEFAULTS, ETHER, GWEI, adjusted

START = 1_700_000_000
TARGET = 10 * ETHER
FORMULA = FeeFormula.of(DEFAULTS)
CHEAP = FeeFormula.of(Parameters(base_fee=WeiPerGas(0)))
RULES = ChainRules(AlertThresholds(), IN_MILLIS, 180)
HURRIED = ChainRules(AlertThresholds(), AlertTiming(units_per_second=1000, hurry=60), 180)
BRISK = ChainRules(AlertThresholds(), AlertTiming(units_per_second=1000, hurry=6), 180)


def a_block(number: int, timestamp: int, parent: str, branch: str = "a", **facts: Any) -> PricedBlock:  # noqa: ANN401 - its fields
    base_fee, fee = WeiPerGas(25 * GWEI), WeiPerGas(12 * GWEI)
    block = PricedBlock(
        number=number,
        block_hash=f"{number}{branch}",
        parent_hash=parent,
        timestamp=timestamp,
        interval_seconds=12,
        base_fee=base_fee,
        fee=fee,
        bound=Bound.NONE,
        revenue=0,
        cost=0,
        deficit=0,
        target=TARGET,
        formula=FORMULA,
    )
    block = replace(block, **facts)
    return replace(
        block,
        revenue=block.formula.batch_revenue(WeiPerGas(block.fee)),
        cost=block.formula.batch_cost(WeiPerGas(block.base_fee)),
    )


# --- against sums made anew


@dataclass
class Naive:
    """The chain as a list, and everything made anew from it at every moment at which it is judged."""

    chain: Sequence[PricedBlock]
    rules: ChainRules
    since: dict[str, int | None] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    kept: dict[Alert, list[tuple[int, bool]]] = field(default_factory=dict)
    """When it was judged, and whether the parameters alone kept the upper threshold then."""

    def judged_until(self, now: int) -> None:
        step = self.rules.timing.lasting(12)
        for index, block in enumerate(self.chain):
            at = block.timestamp * 1000
            is_last = index + 1 == len(self.chain)
            until = now if is_last else self.known_until(index) - 1
            self.judge(index, at)
            for k in range(1, 76):
                if at + k * step <= until:
                    self.judge(index, at + k * step)
            if not is_last and self.chain[index + 1].timestamp * 1000 - self.known_until(index) > self.rules.expiry:
                self.since = dict.fromkeys(self.since)

    def known_until(self, index: int) -> int:
        block, following = self.chain[index], self.chain[index + 1]
        if following.number == block.number + 1:
            return following.timestamp * 1000
        return min(following.timestamp, block.timestamp + block.interval_seconds) * 1000

    def stretches(self, index: int, at: int, window: int) -> list[tuple[PricedBlock, int]]:
        """Of the window before `at`, which block's values held for how long."""
        ends = [*(self.known_until(i) for i in range(index)), at]
        held = []
        for block, until in zip(self.chain[: index + 1], ends, strict=True):
            length = until - max(block.timestamp * 1000, at - window)
            if length > 0:
                held.append((block, length))
        return held

    def judge(self, index: int, at: int) -> None:
        thresholds, block = self.rules.thresholds, self.chain[index]
        over = satisfiable_over_sides(thresholds, block.formula, WeiPerGas(block.base_fee))
        is_fee_told = self.is_told_above(Alert.FEE_OUT_OF_RANGE, at, is_kept=over.fee)
        is_recovery_told = self.is_told_above(Alert.COST_RECOVERY_DRIFT, at, is_kept=over.recovery)
        fee = self.averaged(index, at, Alert.FEE_OUT_OF_RANGE, lambda each: each.fee)
        self.values["fee"] = None if fee is None else round(fee)
        self.hold(
            "fee",
            at,
            holds=fee is not None and (fee < thresholds.fee_min or (fee > thresholds.fee_max and is_fee_told)),
        )
        recovery = self.ratio(index, at, Alert.COST_RECOVERY_DRIFT, lambda each: (each.revenue, each.cost))
        self.values["recovery"] = None if recovery is None else rounded_ratio(*recovery)
        exact = None if recovery is None else Fraction(*recovery)
        is_over = exact is not None and exact > thresholds.recovery_high and is_recovery_told
        self.hold("drift", at, holds=exact is not None and (exact < thresholds.recovery_low or is_over))
        self.hold("loss", at, holds=exact is not None and exact < thresholds.recovery_min)
        self.hold("deficit", at, holds=is_underfunded(block))
        share = self.averaged(index, at, Alert.VAULT_UNDERFUNDED, lambda each: int(is_underfunded(each)))
        self.values["underfunded"] = None if share is None else round(share, 6)
        self.hold("underfunded", at, holds=share is not None and share > thresholds.underfunded_share)
        bound = self.ratio(index, at, Alert.AT_BOUND, lambda each: (int(each.bound is not Bound.NONE), 1))
        self.values["bound"] = None if bound is None else rounded_ratio(*bound)
        self.hold("bound", at, holds=bound is not None and bound[0] * 10 > bound[1] * 9)
        self.hold("hopeless fee", at, holds=not over.fee)
        self.hold("hopeless recovery", at, holds=not over.recovery)

    def hold(self, name: str, at: int, *, holds: bool) -> None:
        self.since[name] = (self.since.get(name) or at) if holds else None

    def is_told_above(self, alert: Alert, at: int, *, is_kept: bool) -> bool:
        moments = self.kept.setdefault(alert, [])
        moments.append((at, is_kept))
        exceeded = [index for index, (_, kept) in enumerate(moments) if not kept]
        if not exceeded:
            return True
        since = [moment for moment, _ in moments[exceeded[-1] + 1 :]]
        return bool(since) and at - since[0] >= self.rules.timing.window_units(FIRST_RULES[alert])

    def averaged(self, index: int, at: int, alert: Alert, value: Callable[[PricedBlock], int]) -> Fraction | None:
        window = self.rules.timing.window_units(FIRST_RULES[alert])
        stretches = self.stretches(index, at, window)
        covered = sum(length for _, length in stretches)
        if covered * 10 < window * 9:
            return None
        return Fraction(sum(value(block) * length for block, length in stretches), covered)

    def ratio(
        self, index: int, at: int, alert: Alert, amounts: Callable[[PricedBlock], tuple[int, int]]
    ) -> tuple[int, int] | None:
        window = self.rules.timing.window_units(FIRST_RULES[alert])
        if sum(length for _, length in self.stretches(index, at, window)) * 10 < window * 9:
            return None
        within = [amounts(block) for block in self.chain[: index + 1] if block.timestamp * 1000 > at - window]
        return sum(first for first, _ in within), sum(second for _, second in within)


def is_underfunded(block: PricedBlock) -> bool:
    return block.deficit > TARGET // 5


@dataclass
class History:
    """What a process saw, and the chain that came of it."""

    seen: list[PricedBlock]
    chain: list[PricedBlock]
    now: int


Growth = tuple[int, tuple[int, int], Bound, int, FeeFormula]
LEVELS = st.sampled_from([(25, 12), (25, 60), (25, 8), (25, 7), (200, 90), (25, 0), (1, 2)])
GROWTH = st.tuples(
    st.sampled_from([2, 12, 12, 60, 3_000]),
    LEVELS,
    st.sampled_from([Bound.NONE, Bound.MAX]),
    st.sampled_from([0, 3 * ETHER]),
    st.sampled_from([FORMULA, CHEAP]),
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("grow"), st.lists(GROWTH, min_size=1, max_size=6)),
        st.tuples(st.just("reorg"), st.lists(GROWTH, min_size=1, max_size=3)),
        st.tuples(st.just("gap"), st.lists(GROWTH, min_size=1, max_size=1)),
        st.tuples(st.just("restart"), st.just([])),
        st.tuples(st.just("wait"), st.just([])),
    ),
    min_size=1,
    max_size=8,
)


def grown(chain: list[PricedBlock], branch: str, growth: Growth, skipped: int = 0) -> PricedBlock:
    seconds, (base_fee, fee), bound, deficit, formula = growth
    tip = chain[-1] if chain else None
    number = 100 if tip is None else tip.number + 1 + skipped
    return a_block(
        number,
        START if tip is None else tip.timestamp + seconds,
        "0" if tip is None else (tip.block_hash if not skipped else f"{number - 1}?"),
        branch,
        base_fee=base_fee * GWEI,
        fee=fee * GWEI,
        bound=bound,
        deficit=deficit,
        formula=formula,
    )


def check(alerts: ChainAlerts, history: History, rules: ChainRules) -> None:
    naive = Naive(history.chain, rules)
    now = max(history.now, history.chain[-1].timestamp * 1000)
    naive.judged_until(now)
    statuses = alerts.statuses(UnixMillis(history.now))
    if now - history.chain[-1].timestamp * 1000 > rules.expiry:
        assert {status.state for status in statuses.values()} == {AlertState.UNKNOWN}
        return
    for alert, name, value in (
        (Alert.FEE_OUT_OF_RANGE, "fee", "fee"),
        (Alert.COST_RECOVERY_DRIFT, "drift", "recovery"),
        (Alert.COST_RECOVERY_LOSS, "loss", "recovery"),
        (Alert.VAULT_UNDERFUNDED, "underfunded", "underfunded"),
        (Alert.AT_BOUND, "bound", "bound"),
    ):
        status, since = statuses[alert], naive.since[name]
        assert (status.value, status.since) == (naive.values[value], since), alert
        if naive.values[value] is None:
            assert status.state is AlertState.UNKNOWN
        elif since is None:
            assert status.state in (AlertState.OK, AlertState.UNSATISFIABLE)
        else:
            has_lasted = now - since >= rules.timing.for_units(FIRST_RULES[alert])
            assert status.state is (AlertState.FIRING if has_lasted else AlertState.PENDING)
    assert statuses[Alert.VAULT_DEFICIT].since == naive.since["deficit"]
    hopeless = [since for name, since in naive.since.items() if name.startswith("hopeless") and since is not None]
    assert statuses[Alert.THRESHOLDS_UNSATISFIABLE].value == len(hopeless)


def lived(steps: list[tuple[str, list[Growth]]], *, restarts: bool) -> tuple[ChainAlerts, History]:
    """What a process makes of the steps. Where it `restarts`, each restart folds what was seen so far anew."""
    alerts, history = ChainAlerts(BRISK), History([], [], START * 1000)
    for index, (kind, growths) in enumerate(steps):
        skipped = 3 if kind == "gap" and history.chain else 0
        if kind == "reorg":
            abandon(history.chain, len(growths))
        for growth in growths:
            block = grown(history.chain, f"-{index}", growth, skipped)
            history.chain.append(block)
            history.seen.append(block)
            alerts.follow(block)
            history.now = block.timestamp * 1000 + 700
        history.now += 7_300 if kind == "wait" else 0
        if history.chain:
            alerts.statuses(UnixMillis(history.now))
            if kind == "restart" and restarts:
                alerts = ChainAlerts(BRISK)
                for block in canonical(history.chain[-1], history.seen):
                    alerts.follow(block)
    return alerts, history


def abandon(chain: list[PricedBlock], blocks: int) -> None:
    """Drop so many blocks, but none from before a gap: as many others follow, so the chain does not become shorter."""
    for _ in range(blocks):
        if len(chain) > 1 and chain[-2].number + 1 == chain[-1].number:
            chain.pop()


@settings(max_examples=150, deadline=None)
@given(steps=STEPS)
def test_windows_and_states_are_those_of_the_chain_made_anew_whatever_led_to_it(
    steps: list[tuple[str, list[Growth]]],
) -> None:
    alerts, history = lived(steps, restarts=True)
    if history.chain:
        check(alerts, history, BRISK)


@settings(max_examples=150, deadline=None)
@given(steps=STEPS)
def test_a_start_that_folds_the_journal_tells_what_a_process_that_never_ended_tells(
    steps: list[tuple[str, list[Growth]]],
) -> None:
    (restarted, history), (unbroken, _) = (lived([*steps, ("restart", [])], restarts=each) for each in (True, False))
    for later in (0, 900, 30_000, 181_000):
        now = UnixMillis(history.now + later)
        assert restarted.statuses(now) == unbroken.statuses(now)


# --- each alert at its edge


def run(*stretches: tuple[int, dict[str, Any]], rules: ChainRules = RULES) -> tuple[ChainAlerts, int]:
    """So many blocks of 12 s with such facts, one stretch after the other; the alerts, and the last block's time."""
    alerts, number, parent = ChainAlerts(rules), 0, ""
    for blocks, facts in stretches:
        for _ in range(blocks):
            block = a_block(number, START + 12 * number, parent, **facts)
            alerts.follow(block)
            number, parent = number + 1, block.block_hash
    return alerts, START + 12 * (number - 1)


def state(alerts: ChainAlerts, alert: Alert, at: float) -> AlertState:
    return alerts.statuses(UnixMillis(round(at * 1000)))[alert].state


def states_by_block(alert: Alert, blocks: int, **facts: Any) -> list[tuple[int, AlertState]]:  # noqa: ANN401 - a block's fields
    """The changes of state along so many blocks, with the seconds since the first."""
    changes: list[tuple[int, AlertState]] = []
    alerts, parent = ChainAlerts(RULES), ""
    for number in range(blocks):
        block = a_block(number, START + 12 * number, parent, **facts)
        alerts.follow(block)
        parent = block.block_hash
        now = state(alerts, alert, block.timestamp)
        if not changes or changes[-1][1] is not now:
            changes.append((12 * number, now))
    return changes


OUT: Final[dict[str, Any]] = {"fee": 60 * GWEI}


@pytest.mark.parametrize(
    ("alert", "facts", "pending", "firing"),
    [
        (Alert.FEE_OUT_OF_RANGE, OUT, 540, 840),
        (Alert.FEE_OUT_OF_RANGE, {"fee": GWEI - 1}, 540, 840),
        (Alert.COST_RECOVERY_DRIFT, {"fee": 15 * GWEI}, 3_240, 4_140),
        (Alert.COST_RECOVERY_DRIFT, {"fee": 8 * GWEI}, 3_240, 4_140),
        (Alert.COST_RECOVERY_LOSS, {"fee": 7 * GWEI}, 3_240, 4_140),
        (Alert.AT_BOUND, {"bound": Bound.MAX}, 816, 1_116),
    ],
)
def test_a_windowed_alert_is_unknown_then_pending_then_firing(
    alert: Alert, facts: dict[str, Any], pending: int, firing: int
) -> None:
    assert states_by_block(alert, 400, **facts) == [
        (0, AlertState.UNKNOWN),
        (pending, AlertState.PENDING),
        (firing, AlertState.FIRING),
    ]


def test_a_deficit_fires_after_a_quarter_of_an_hour_to_the_millisecond_and_resolves() -> None:
    alerts, last = run((75, {"deficit": 3 * ETHER}))
    began = START + 900
    assert state(alerts, Alert.VAULT_DEFICIT, began - 0.001) is AlertState.PENDING
    assert state(alerts, Alert.VAULT_DEFICIT, began) is AlertState.FIRING
    alerts.follow(a_block(75, last + 12, "74a"))
    assert state(alerts, Alert.VAULT_DEFICIT, last + 12) is AlertState.OK


def test_an_underfunded_day_fires_at_once_when_nine_tenths_of_it_are_known() -> None:
    assert states_by_block(Alert.VAULT_UNDERFUNDED, 6_481, deficit=3 * ETHER) == [
        (0, AlertState.UNKNOWN),
        (77_760, AlertState.FIRING),
    ]


def test_a_fee_back_in_range_resolves_as_soon_as_its_average_is() -> None:
    alerts, last = run((100, OUT), (10, {"fee": 12 * GWEI}))
    assert state(alerts, Alert.FEE_OUT_OF_RANGE, last) is AlertState.FIRING
    alerts, last = run((100, OUT), (12, {"fee": 12 * GWEI}))
    assert state(alerts, Alert.FEE_OUT_OF_RANGE, last) is AlertState.OK


def test_missed_slots_neither_fire_nor_reset() -> None:
    alerts, parent = ChainAlerts(RULES), ""
    for slot in (slot for slot in range(100) if slot % 7 and slot % 11):
        block = a_block(slot, START + 12 * slot, parent, **OUT)
        alerts.follow(replace(block, number=len(alerts.held)))
        parent = block.block_hash
    status = alerts.statuses(UnixMillis((START + 12 * 99) * 1000))[Alert.FEE_OUT_OF_RANGE]
    assert (status.state, status.value) == (AlertState.FIRING, 60 * GWEI)
    assert status.since == (START + 12 + 540) * 1000


def test_a_block_that_claims_to_be_its_own_ancestor_ends_no_way_back() -> None:
    low, high = a_block(0, START, "b"), a_block(1, START + 12, "a")
    named = [replace(low, block_hash="a"), replace(high, block_hash="b")]
    assert [block.number for block in canonical(named[1], named)] == [0, 1]
    itself = replace(high, parent_hash="b", block_hash="b")
    assert [block.number for block in canonical(itself, [named[0], itself])] == [0, 1]


def test_a_high_fee_that_the_l1_price_makes_is_unsatisfiable_and_said_so() -> None:
    alerts, last = run((100, {"base_fee": 200 * GWEI, "fee": 91 * GWEI}))
    statuses = alerts.statuses(UnixMillis(last * 1000))
    assert statuses[Alert.FEE_OUT_OF_RANGE].state is AlertState.UNSATISFIABLE
    assert statuses[Alert.FEE_OUT_OF_RANGE].detail is not None
    told = statuses[Alert.THRESHOLDS_UNSATISFIABLE]
    assert (told.state, told.subjects, told.since) == (AlertState.FIRING, ("FeeOutOfRange",), START * 1000)


def test_a_high_fee_is_not_told_while_the_window_remembers_an_l1_price_that_makes_it() -> None:
    dear, high = {"base_fee": 200 * GWEI, "fee": 91 * GWEI}, {"base_fee": 25 * GWEI, "fee": 60 * GWEI}
    alerts, last = run((60, dear), (50, high))
    assert state(alerts, Alert.FEE_OUT_OF_RANGE, last) is AlertState.UNSATISFIABLE
    alerts, last = run((60, dear), (51, high))
    assert state(alerts, Alert.FEE_OUT_OF_RANGE, last) is AlertState.PENDING


@pytest.mark.parametrize(
    ("environment", "expected"),
    [(None, AlertState.UNSATISFIABLE), (FORMULA, AlertState.FIRING)],
    ids=["unknown", "known"],
)
def test_a_mistaken_override_silences_no_alert(environment: FeeFormula | None, expected: AlertState) -> None:
    mistaken = FeeFormula.of(adjusted(DEFAULTS, base_fee=WeiPerGas(90 * GWEI)))
    rules = replace(RULES, environment=environment)
    alerts, last = run((100, {"fee": 102 * GWEI, "formula": mistaken}), rules=rules)
    assert state(alerts, Alert.FEE_OUT_OF_RANGE, last) is expected


def test_the_lower_side_is_judged_where_the_upper_one_is_unsatisfiable() -> None:
    alerts, last = run((100, {"base_fee": 200 * GWEI, "fee": 0}))
    assert state(alerts, Alert.FEE_OUT_OF_RANGE, last) is AlertState.FIRING


@pytest.mark.parametrize(("blocks", "expected"), [(50, AlertState.PENDING), (51, AlertState.FIRING)])
def test_unsatisfiable_thresholds_are_told_after_ten_minutes(blocks: int, expected: AlertState) -> None:
    alerts, last = run((blocks, {"base_fee": GWEI, "fee": 2 * GWEI}))
    status = alerts.statuses(UnixMillis(last * 1000))[Alert.THRESHOLDS_UNSATISFIABLE]
    assert (status.state, status.subjects) == (expected, ("CostRecoveryDrift",))


def test_nothing_is_said_of_a_fee_that_is_no_longer_served_and_what_began_goes_on() -> None:
    alerts, last = run((100, OUT))
    assert state(alerts, Alert.FEE_OUT_OF_RANGE, last + 180) is AlertState.FIRING
    expired = alerts.statuses(UnixMillis(last * 1000 + 180_001))
    assert {status.state for status in expired.values()} == {AlertState.UNKNOWN}
    alerts.follow(a_block(100, last + 400, "99a", **OUT))
    status = alerts.statuses(UnixMillis((last + 400) * 1000))[Alert.FEE_OUT_OF_RANGE]
    assert (status.state, status.since) == (AlertState.FIRING, (START + 540) * 1000)


def test_heights_that_were_never_priced_are_not_covered() -> None:
    alerts, last = run((46, OUT))
    assert state(alerts, Alert.FEE_OUT_OF_RANGE, last) is AlertState.PENDING
    alerts.follow(a_block(60, last + 170, "59a", **OUT))
    assert state(alerts, Alert.FEE_OUT_OF_RANGE, last + 170) is AlertState.UNKNOWN


def test_a_block_that_cannot_be_joined_is_told() -> None:
    alerts, last = run((5, {}))
    assert not alerts.follow(a_block(2, last + 12, "1z", "z"))
    assert not alerts.follow(a_block(0, last + 24, "", "y"))
    assert alerts.newest is not None
    assert alerts.newest.block_hash == "0y"


def test_without_a_vault_its_alerts_are_unknown_and_a_new_vault_is_covered_from_its_first_block() -> None:
    alerts, last = run((100, {"target": None}))
    statuses = alerts.statuses(UnixMillis(last * 1000))
    assert (statuses[Alert.VAULT_DEFICIT].state, statuses[Alert.VAULT_DEFICIT].detail) == (
        AlertState.UNKNOWN,
        "no vault is configured",
    )
    alerts, last = run((10, {"deficit": 3 * ETHER}), (6_000, {"target": None}), (1_000, {"deficit": 3 * ETHER}))
    assert state(alerts, Alert.VAULT_UNDERFUNDED, last) is AlertState.UNKNOWN
    assert state(alerts, Alert.VAULT_DEFICIT, last) is AlertState.FIRING


def test_before_the_first_block_nothing_is_known() -> None:
    statuses = ChainAlerts(RULES).statuses(UnixMillis(START * 1000))
    assert set(statuses) == set(CHAIN_ALERTS)
    assert {status.state for status in statuses.values()} == {AlertState.UNKNOWN}


def test_another_quote_for_the_newest_block_takes_its_place() -> None:
    alerts, last = run((50, {"fee": 12 * GWEI}))
    once = alerts.statuses(UnixMillis((last + 24) * 1000))[Alert.FEE_OUT_OF_RANGE].value
    alerts.follow(a_block(49, last, "48a", fee=13 * GWEI))
    assert alerts.statuses(UnixMillis((last + 24) * 1000))[Alert.FEE_OUT_OF_RANGE].value != once


def test_durations_can_be_hurried_all_alike() -> None:
    alerts, parent = ChainAlerts(HURRIED), ""
    for number in range(16):
        block = a_block(number, START + number, parent, **OUT)
        alerts.follow(block)
        parent = block.block_hash
        expected = AlertState.UNKNOWN if number < 9 else AlertState.PENDING if number < 14 else AlertState.FIRING
        assert state(alerts, Alert.FEE_OUT_OF_RANGE, START + number) is expected
