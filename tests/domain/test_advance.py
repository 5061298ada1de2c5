from dataclasses import replace
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from app.domain.advance import REORG_WINDOW_BLOCKS, OracleState, advance
from app.domain.formula import NO_PATH, FeeFormula, PathPoint
from app.domain.header import L1Header
from app.domain.parameters import Controller, Parameters
from app.domain.quote import Quote
from tests.domain.build import (
    DEFAULTS,
    GWEI,
    a_child,
    a_header,
    a_quote,
    a_third_of_the_examples,
    adjusted,
    an_observation,
    descendants,
    headers,
    parameter_sets,
)

LIMITED = adjusted(DEFAULTS, max_fee_increase=Fraction(1, 8), max_fee_decrease=Fraction(1, 8))
EMPTY = OracleState()


def folded(
    blocks: list[L1Header] | tuple[L1Header, ...], parameters: Parameters = LIMITED, state: OracleState = EMPTY
) -> tuple[OracleState, list[Quote]]:
    formula, quotes = FeeFormula.of(parameters), []
    for block in blocks:
        state, quote = advance(state, an_observation(block), formula)
        quotes.append(quote)
    return state, quotes


def chain(parent: L1Header, blocks: int, *, branch: str = "a", gas_used: int = 36_000_000) -> list[L1Header]:
    path = []
    for _ in range(blocks):
        parent = a_child(parent, branch=branch, gas_used=gas_used)
        path.append(parent)
    return path


def test_the_first_block_has_no_previous_fee() -> None:
    _, (quote,) = folded([a_header()])
    assert quote.previous == NO_PATH
    assert quote.price.fee == 12_521_739_131


def test_a_block_continues_from_its_parent() -> None:
    first = a_header(base_fee=GWEI)
    spike = replace(a_child(first), base_fee_per_gas=a_header(base_fee=100 * GWEI).base_fee_per_gas)
    _, quotes = folded([first, spike])
    assert quotes[1].previous == PathPoint(quotes[0].price.fee)
    assert quotes[1].price.fee == quotes[0].price.fee * 9 // 8


def test_the_state_holds_the_newest_quote() -> None:
    state, quotes = folded(chain(a_header(), 3))
    assert state.quote is quotes[-1]


def test_a_block_on_another_branch_continues_from_its_own_parent() -> None:
    fork = a_header()
    ours = chain(fork, 5, branch="ours", gas_used=36_000_000)
    theirs = chain(fork, 6, branch="theirs", gas_used=0)
    state, _ = folded([fork, *ours])
    _, after_reorg = folded(theirs, state=state)
    _, never_saw_ours = folded([fork, *theirs])
    assert after_reorg == never_saw_ours[1:]


def test_a_reorg_back_to_the_first_branch_gives_its_quotes_again() -> None:
    fork = a_header()
    ours = chain(fork, 4, branch="ours")
    theirs = chain(fork, 2, branch="theirs", gas_used=0)
    state, quotes = folded([fork, *ours[:2]])
    state, _ = folded(theirs, state=state)
    _, again = folded(ours, state=state)
    _, straight = folded(ours[2:], state=folded([fork, *ours[:2]])[0])
    assert again[:2] == quotes[1:]
    assert again[2:] == straight


def test_a_block_whose_parent_was_never_seen_has_no_rate_limit() -> None:
    state, _ = folded(chain(a_header(base_fee=GWEI), 3))
    stranger = a_header(base_fee=100 * GWEI, number=500)
    _, (quote,) = folded([stranger], state=state)
    assert quote.previous == NO_PATH
    assert quote.price.fee == 45_586_956_522


def test_the_window_is_bounded_and_holds_the_newest_blocks() -> None:
    blocks = chain(a_header(), REORG_WINDOW_BLOCKS + 20, gas_used=18_000_000)
    state, _ = folded(blocks)
    assert REORG_WINDOW_BLOCKS == 128
    assert list(state.points) == [block.hash for block in blocks[-REORG_WINDOW_BLOCKS:]]


def test_a_branch_older_than_the_window_has_no_previous_fee() -> None:
    blocks = chain(a_header(), REORG_WINDOW_BLOCKS + 1, gas_used=18_000_000)
    state, _ = folded(blocks)
    _, (just_out,) = folded([a_child(blocks[0], branch="late")], state=state)
    _, (just_in,) = folded([a_child(blocks[1], branch="late")], state=state)
    assert just_out.previous == NO_PATH
    assert just_in.previous != NO_PATH


def test_a_state_is_never_changed_by_what_follows_it() -> None:
    state, _ = folded([a_header()])
    before = dict(state.points)
    folded(chain(a_header(), 3), state=state)
    assert dict(state.points) == before


@a_third_of_the_examples
@given(data=st.data(), head=headers(), start=st.integers(0, 7))
def test_without_a_rate_limit_a_quote_does_not_depend_on_the_path(
    data: st.DataObject, head: L1Header, start: int
) -> None:
    blocks = data.draw(descendants(head, 8))
    _, all_of_them = folded(blocks, DEFAULTS)
    _, joined_late = folded(blocks[start:], DEFAULTS)
    assert joined_late == all_of_them[start:]


@a_third_of_the_examples
@given(
    data=st.data(),
    parameters=parameter_sets(max_fee_increase=Fraction(1), max_fee_decrease=Fraction(1), controller=Controller.ALPHA),
)
def test_replicas_agree_from_where_their_paths_meet(data: st.DataObject, parameters: Parameters) -> None:
    blocks = data.draw(descendants(a_header(), 12))
    _, early = folded(blocks, parameters)
    _, late = folded(blocks[4:], parameters)
    met = [mine.price == theirs.price for mine, theirs in zip(early[4:], late, strict=True)]
    if True in met:
        at = met.index(True) + 1
        assert late[at:] == early[4 + at :]


@a_third_of_the_examples
@given(data=st.data(), parameters=parameter_sets())
def test_a_fold_is_reproducible(data: st.DataObject, parameters: Parameters) -> None:
    blocks = data.draw(descendants(a_header(), 6))
    assert folded(blocks, parameters) == folded(blocks, parameters)


def test_a_quote_by_advance_is_the_quote_of_its_inputs() -> None:
    header = a_header()
    _, (quote,) = folded([header], DEFAULTS)
    assert quote == a_quote(header)
