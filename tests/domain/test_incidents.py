"""What went wrong in other fee oracles; each test is named for the failure that it prevents."""

from fractions import Fraction

import pytest

from app.domain.advance import OracleState, advance
from app.domain.formula import Bound, FeeFormula, PathPoint
from app.domain.freshness import FreshnessPolicy, QuoteStatus, StaleReason, Witnesses, birth_of, judge
from app.domain.header import next_base_fee
from app.domain.parameters import Parameters
from app.domain.quorum import agreed_head
from app.domain.quote import Quote
from app.domain.units import UnixMillis, UnixSeconds, Wei, WeiDelta, WeiPerGas
from app.domain.vault import VaultCondition, VaultSource, VaultState
from tests.domain.build import DEFAULTS, ETHER, GWEI, a_child, a_header, a_quote, a_vault, adjusted, an_observation

LIMITED = adjusted(DEFAULTS, max_fee_increase=Fraction(1, 8), max_fee_decrease=Fraction(1, 8))


def polled(times: int, parameters: Parameters = LIMITED) -> list[Quote]:
    """The quotes of a head seen `times` times after its parent."""
    parent = a_header(base_fee=GWEI)
    head = a_header(base_fee=100 * GWEI, number=101, name="head", parent="block 100")
    formula = FeeFormula.of(parameters)
    state, _ = advance(OracleState(), an_observation(parent), formula)
    quotes = []
    for _ in range(times):
        state, quote = advance(state, an_observation(head), formula)
        quotes.append(quote)
    return quotes


def test_a_price_does_not_ratchet_with_every_poll_of_the_same_head() -> None:
    quotes = polled(times=5)
    assert quotes[0].price.bound is Bound.RATE_UP
    assert set(quotes) == {quotes[0]}


def test_the_legacy_smoothing_does_not_advance_with_every_poll_of_the_same_head() -> None:
    legacy = FeeFormula.of(adjusted(DEFAULTS, controller=DEFAULTS.controller.LEGACY))
    parent, state = a_header(base_fee=GWEI), OracleState()
    head = a_child(parent, gas_used=36_000_000)
    for seen in (parent, head, head, head):
        state, quote = advance(state, an_observation(seen), legacy)
    once = advance(advance(OracleState(), an_observation(parent), legacy)[0], an_observation(head), legacy)[1]
    assert quote == once


def test_a_controller_is_not_fed_by_its_own_last_quote_and_does_not_run_to_the_clamp() -> None:
    """Under constant inputs the fee stays where the inputs put it, for as long as one likes."""
    formula = FeeFormula.of(LIMITED)
    block, state = a_header(), OracleState()
    seen = set()
    for _ in range(500):
        state, quote = advance(state, an_observation(block), formula)
        seen.add(quote.price.fee)
        block = a_child(block)
    assert seen == {12_521_739_131}


def test_a_future_price_says_which_block_it_is_for_and_is_not_below_the_present_one_in_a_rising_market() -> None:
    quote = a_quote(a_header(number=100, gas_used=36_000_000))
    assert quote.next_block_number == 101
    assert quote.next_fee > quote.price.fee
    exact = a_quote(a_header(base_fee=next_base_fee(quote.header), number=101))
    assert quote.next_fee == exact.price.fee


@pytest.mark.parametrize(("base_fee", "bound"), [(10**13, Bound.MAX), (10**15, Bound.MAX)])
def test_a_base_fee_in_a_spike_is_clamped_not_skipped_so_that_the_fee_does_not_freeze(
    base_fee: int, bound: Bound
) -> None:
    formula = FeeFormula.of(DEFAULTS)
    calm = a_header()
    state, before = advance(OracleState(), an_observation(calm), formula)
    _, spike = advance(state, an_observation(a_header(base_fee=base_fee, number=101)), formula)
    assert spike.price.fee == DEFAULTS.max_fee > before.price.fee
    assert spike.price.bound is bound
    assert spike.price.raw > spike.price.fee


def test_a_fee_below_the_minimum_is_clamped_and_says_so() -> None:
    price = FeeFormula.of(adjusted(DEFAULTS, min_fee=2 * GWEI)).price(WeiPerGas(1), WeiDelta(0))
    assert (price.fee, price.bound) == (2 * GWEI, Bound.MIN)


@pytest.mark.parametrize("previous", [1, 2, 3, 7, 8, 9, 99])
def test_a_percentage_step_at_tiny_fees_does_not_round_to_a_standstill(previous: int) -> None:
    one_percent = adjusted(DEFAULTS, max_fee_increase=Fraction(1, 100), max_fee_decrease=Fraction(1, 100))
    formula = FeeFormula.of(one_percent)
    path = PathPoint(WeiPerGas(previous))
    assert formula.price(WeiPerGas(GWEI), WeiDelta(0), path).fee == previous + 1
    assert formula.price(WeiPerGas(0), WeiDelta(-1000 * ETHER), path).fee == previous - 1


def test_a_tiny_fee_climbs_out_of_the_bottom_of_the_range() -> None:
    one_percent = FeeFormula.of(adjusted(DEFAULTS, max_fee_increase=Fraction(1, 100)))
    path, blocks = PathPoint(WeiPerGas(1)), 0
    while path.fee != 12_521_739_131:
        path = one_percent.price(WeiPerGas(25 * GWEI), WeiDelta(0), path).point
        blocks += 1
    assert blocks < 2100


def test_a_frozen_feed_is_not_served_as_fresh_however_often_it_is_fetched() -> None:
    head, policy = UnixSeconds(1_764_157_403), FreshnessPolicy()
    five_days = UnixMillis((head + 5 * 86_400) * 1000)
    judged = judge(birth_of(head, five_days), five_days, policy, Witnesses(agreeing=3))
    assert (judged.status, judged.reason) == (QuoteStatus.EXPIRED, StaleReason.L1_LATE)


def test_a_missing_vault_reading_is_neither_a_zero_vault_nor_a_default() -> None:
    known = VaultState(VaultSource.ONCHAIN, Wei(60 * ETHER), Wei(100 * ETHER), observed_at=UnixSeconds(1000))
    held = known.held(UnixSeconds(5000), max_age_seconds=600)
    assert (held.balance, held.condition) == (known.balance, VaultCondition.EXPIRED)
    header = a_header()
    assert a_quote(header, vault=held).price == a_quote(header, vault=known).price
    assert a_quote(header, vault=held).quote_id != a_quote(header, vault=known).quote_id


def test_every_bound_has_a_way_back() -> None:
    formula = FeeFormula.of(DEFAULTS)
    state, bounds = OracleState(), []
    for number, base_fee in enumerate((25 * GWEI, 10**13, 25 * GWEI), start=100):
        state, quote = advance(state, an_observation(a_header(base_fee=base_fee, number=number)), formula)
        bounds.append(quote.price.bound)
    assert bounds == [Bound.NONE, Bound.MAX, Bound.NONE]


def test_gwei_are_not_compared_with_wei() -> None:
    """A fee of 1 gwei is within bounds of 1 to 50 gwei; either unit in the wrong place would clamp it."""
    bounded = adjusted(DEFAULTS, base_fee=GWEI, min_fee=GWEI, max_fee=50 * GWEI)
    price = FeeFormula.of(bounded).price(WeiPerGas(GWEI), WeiDelta(0))
    assert (price.bound, price.fee) == (Bound.NONE, 1_440_869_566)


def test_three_names_for_one_source_are_no_quorum() -> None:
    head = a_header()
    assert agreed_head({"one": [head, head, head]}, quorum=2) is None
    assert agreed_head({"one": [head], "another": [head]}, quorum=2) is not None


@pytest.mark.parametrize("factor", [0, 10, 1000])
def test_the_greatest_of_several_answers_does_not_win_and_one_liar_moves_nothing(factor: int) -> None:
    true = a_header(base_fee=GWEI)
    false = a_header(base_fee=GWEI * factor + 1, number=true.number + 1, name="false", parent=true.hash)
    for liar_first in (True, False):
        answers = {"liar": [false, false], "honest": [true], "other": [true]}
        heads = answers if liar_first else dict(reversed(answers.items()))
        agreement = agreed_head(heads, quorum=2)
        assert agreement is not None
        assert agreement.header == true


def test_a_surplus_gives_no_discount_that_nobody_asked_for() -> None:
    header = a_header()
    assert a_quote(header, vault=a_vault(-10 * ETHER, surplus_discount=False)).price == a_quote(header).price
