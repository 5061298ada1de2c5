"""The scorecard against figures made anew, in the plainest way, from the same blocks."""

import math
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from statistics import pvariance

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.alert_windows import EconomicAlert
from app.domain.alerts import AlertThresholds
from app.domain.formula import FeeFormula
from app.domain.scorecard import EmptyHistoryError, Scorecard, Scoring, scored
from app.domain.simulation import SeriesBlock, SimulatedVault, SimulationPlan, simulated
from app.domain.units import BlockNumber, UnixSeconds, Wei, WeiPerGas
from tests.domain.build import DEFAULTS, ETHER, GWEI, a_third_of_the_examples, adjusted, base_fees

START = 1_700_000_000
THRESHOLDS = AlertThresholds()


def a_plan(*, balance: int = 10 * ETHER, target: int = 10 * ETHER, base_fee: int = 1_500_000_000) -> SimulationPlan:
    return SimulationPlan(
        formula=FeeFormula.of(adjusted(DEFAULTS, base_fee=base_fee)),
        vault=SimulatedVault(balance=Wei(balance), target=Wei(target)),
    )


def series(fees: Sequence[int], seconds: int = 12) -> list[SeriesBlock]:
    return [
        SeriesBlock(BlockNumber(7 + index), UnixSeconds(START + seconds * index), WeiPerGas(fee))
        for index, fee in enumerate(fees)
    ]


def score(plan: SimulationPlan, blocks: Sequence[SeriesBlock]) -> Scorecard:
    return scored(plan, THRESHOLDS, simulated(plan, blocks))


def variation(fees: Sequence[int]) -> Fraction:
    """Standard deviation / mean, rounded down to a millionth, by fractions and an integer root."""
    mean = Fraction(sum(fees), len(fees))
    squared = Fraction(pvariance([Fraction(fee) for fee in fees])) / mean**2 * 10**12
    return Fraction(math.isqrt(math.floor(squared)), 10**6)


@a_third_of_the_examples
@given(fees=st.lists(base_fees, min_size=1, max_size=60))
def test_the_fees_figures_are_those_of_the_list(fees: list[int]) -> None:
    plan = a_plan()
    made = [block.fee for block in simulated(plan, series(fees))]
    found = score(plan, series(fees)).fee
    ordered = sorted(made)
    assert found.mean == Fraction(sum(made), len(made))
    assert (found.p50, found.p95, found.p99) == tuple(
        ordered[math.ceil(Fraction(percent, 100) * len(made)) - 1] for percent in (50, 95, 99)
    )
    assert (found.least, found.greatest) == (ordered[0], ordered[-1])
    assert found.variation == variation(made)
    steps = sorted(abs(new - old) * 10**6 // old for old, new in pairwise(made))
    assert found.p95_step == (Fraction(steps[math.ceil(0.95 * len(steps)) - 1], 10**6) if steps else None)


def test_the_hourly_variation_is_the_mean_over_whole_hours_from_the_first_block_on() -> None:
    plan = a_plan(balance=20 * ETHER)
    blocks = series([25 * GWEI, 35 * GWEI] * 10, seconds=450)
    made = [block.fee for block in simulated(plan, blocks)]
    found = score(plan, blocks).fee
    assert found.hourly_variation == round((variation(made[:8]) + variation(made[8:16])) / 2, 6)
    assert found.six_hourly_variation is None


def test_an_hour_without_blocks_is_no_window() -> None:
    plan = a_plan(balance=20 * ETHER)
    early, late = series([25 * GWEI, 35 * GWEI]), series([25 * GWEI])
    far = late[0]._replace(timestamp=UnixSeconds(START + 9_000))
    farther = late[0]._replace(timestamp=UnixSeconds(START + 10_801))
    made = [block.fee for block in simulated(plan, early)]
    found = score(plan, [*early, far, farther]).fee
    assert found.hourly_variation == round((variation(made) + 0) / 2, 6)


def test_time_weighs_each_state_by_the_seconds_it_lasted() -> None:
    plan = a_plan(balance=7 * ETHER)
    blocks = [
        block._replace(timestamp=UnixSeconds(START + at), vault_balance=Wei(balance * ETHER))
        for block, at, balance in zip(series([25 * GWEI] * 5), (0, 10, 110, 130, 190), (7, 9, 7, 6, 10), strict=True)
    ]
    vault = score(plan, blocks).vault
    assert vault is not None
    assert vault.underfunded_share == round(Fraction(10 + 20 + 60, 190), 6)
    assert vault.longest_underfunded_seconds == 80
    assert vault.deficit_wei_seconds == (3 * 10 + 1 * 100 + 3 * 20 + 4 * 60) * ETHER
    assert vault.greatest_deficit == 4 * ETHER


def test_what_could_not_be_paid_is_counted() -> None:
    plan = a_plan(balance=0, base_fee=0)
    done = list(simulated(plan, series([25 * GWEI, 10**6 * GWEI])))
    vault = score(plan, series([25 * GWEI, 10**6 * GWEI])).vault
    assert vault is not None
    assert vault.insolvent_blocks == 2
    assert vault.unpaid == sum(block.unpaid for block in done) > 0
    assert vault.final_balance == done[-1].balance
    assert vault.least_balance == min(block.balance for block in done if block.balance is not None)


def test_blocks_at_each_bound_sum_to_all_blocks() -> None:
    found = score(a_plan(), series([25 * GWEI] * 3 + [10**7 * GWEI]))
    assert found.fee.blocks_at_bound == Counter({"none": 3, "max": 1, "min": 0, "rate_up": 0, "rate_down": 0})
    assert (found.blocks, found.first_block, found.last_block, found.missing_blocks, found.seconds) == (4, 7, 10, 0, 36)


def test_recovery_is_the_ratio_of_the_sums() -> None:
    found = score(a_plan(balance=20 * ETHER), series([25 * GWEI, 100 * GWEI]))
    revenue = (12_521_739_131 + 45_586_956_522) * 690_000
    assert (found.revenue, found.cost) == (revenue, 304_200 * 125 * GWEI)
    assert found.cost_recovery == round(Fraction(revenue, 304_200 * 125 * GWEI), 6)


def test_missing_blocks_are_counted() -> None:
    first, second = series([25 * GWEI] * 2)
    assert score(a_plan(), [first, second._replace(number=BlockNumber(12))]).missing_blocks == 4


def test_an_alert_that_fires_until_the_end_counts_up_to_the_last_block() -> None:
    blocks = [block._replace(vault_balance=Wei(7 * ETHER)) for block in series([25 * GWEI] * 101)]
    alert = score(a_plan(), blocks).alerts[EconomicAlert.VAULT_DEFICIT]
    assert (alert.fired, alert.first_at, alert.firing_seconds) == (1, START + 900, 300)


def test_without_a_vault_there_is_no_vault_score() -> None:
    plan = SimulationPlan(formula=FeeFormula.of(DEFAULTS))
    assert score(plan, series([25 * GWEI])).vault is None


@a_third_of_the_examples
@given(
    moves=st.lists(
        st.tuples(base_fees, st.sampled_from([0, 12, 12, 24, 500, 4_000, 30_000]), st.integers(5, 11)),
        min_size=1,
        max_size=60,
    ),
    lengths=st.lists(st.integers(1, 20), min_size=60, max_size=60),
)
def test_the_same_blocks_in_other_pieces_make_the_same_card(
    moves: list[tuple[int, int, int]], lengths: list[int]
) -> None:
    plan, at = a_plan(), START
    blocks = series([base_fee for base_fee, _, _ in moves])
    for index, (_, seconds, balance) in enumerate(moves):
        at += seconds
        blocks[index] = blocks[index]._replace(timestamp=UnixSeconds(at), vault_balance=Wei(balance * ETHER))
    scoring, left = Scoring(plan, THRESHOLDS), list(simulated(plan, blocks))
    for length in lengths:
        if left:
            scoring.take(left[:length])
            del left[:length]
    assert scoring.card() == score(plan, blocks)


def test_an_empty_history_is_refused() -> None:
    with pytest.raises(EmptyHistoryError):
        score(a_plan(), [])
