from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.advance import OracleState, advance
from app.domain.formula import NO_PATH, FeeFormula, PathPoint
from app.domain.header import L1Header, next_base_fee
from app.domain.network import Network
from app.domain.parameters import Controller, Parameters
from app.domain.quote import Quote, fee_ceilings
from app.domain.units import BlockNumber, Gas, UnixSeconds, Wei, WeiPerGas
from app.domain.vault import NO_VAULT, VaultCondition, VaultSource, VaultState
from tests.domain import reference
from tests.domain.build import (
    DEFAULTS,
    ETHER,
    GWEI,
    MAINNET,
    a_child,
    a_hash,
    a_header,
    a_quote,
    a_third_of_the_examples,
    a_vault,
    adjusted,
    an_observation,
    deficits,
    descendants,
    fees,
    headers,
    parameter_sets,
)

LIMITED = adjusted(DEFAULTS, max_fee_increase=Fraction(1, 8))
LEGACY = adjusted(DEFAULTS, controller=Controller.LEGACY)
paths = st.builds(PathPoint, st.none() | fees, st.none() | st.integers(0, 10**20).map(Wei))


@given(parameters=parameter_sets(), header=headers(), deficit=deficits, path=paths)
def test_the_next_blocks_fee_is_the_fee_at_its_exact_base_fee(
    parameters: Parameters, header: L1Header, deficit: int, path: PathPoint
) -> None:
    quote = a_quote(header, parameters=parameters, vault=a_vault(deficit), previous=path)
    formula = FeeFormula.of(parameters)
    state, same = advance(OracleState(points={header.parent_hash: path}), an_observation(header, quote.vault), formula)
    assert same == quote
    _, following = advance(state, an_observation(a_child(header), quote.vault), formula)
    assert quote.next_base_fee == following.header.base_fee_per_gas
    assert quote.next_fee == following.price.fee
    assert quote.next_block_number == following.header.number


@a_third_of_the_examples
@given(data=st.data(), parameters=parameter_sets(), header=headers(), deficit=deficits, path=paths)
def test_no_path_of_blocks_beats_the_ceilings(
    data: st.DataObject, parameters: Parameters, header: L1Header, deficit: int, path: PathPoint
) -> None:
    vault = a_vault(deficit)
    quote = a_quote(header, parameters=parameters, vault=vault, previous=path)
    ceilings = fee_ceilings(quote, 10)
    formula = FeeFormula.of(parameters)
    state = OracleState(points={header.hash: quote.price.point})
    for block, ceiling in zip(data.draw(descendants(header, 10)), ceilings[1:], strict=True):
        state, following = advance(state, an_observation(block, vault), formula)
        assert following.price.fee <= ceiling


@a_third_of_the_examples
@given(
    data=st.data(),
    parameters=st.tuples(parameter_sets(), parameter_sets()),
    header=headers(),
    deficit=deficits,
    path=paths,
)
def test_no_path_beats_the_ceilings_whenever_other_parameters_began_to_govern(
    data: st.DataObject,
    parameters: tuple[Parameters, Parameters],
    header: L1Header,
    deficit: int,
    path: PathPoint,
) -> None:
    vault, changed_after = a_vault(deficit), data.draw(st.integers(0, 10))
    own, coming = map(FeeFormula.of, parameters)
    quote = a_quote(header, parameters=parameters[0], vault=vault, previous=path)
    ceilings = fee_ceilings(quote, 10, coming)
    state = OracleState(points={header.hash: quote.price.point})
    for number, block in enumerate(data.draw(descendants(header, 10))):
        formula = own if number < changed_after else coming
        state, following = advance(state, an_observation(block, vault), formula)
        assert following.price.fee <= ceilings[number + 1]


def test_ceilings_under_equal_parameters_are_those_without_any_change() -> None:
    quote = a_quote(a_header(), parameters=LIMITED, previous=PathPoint(WeiPerGas(GWEI)))
    assert fee_ceilings(quote, 10, FeeFormula.of(LIMITED)) == fee_ceilings(quote, 10)


NEAR_ZERO = adjusted(
    DEFAULTS,
    alpha_data=Fraction(1),
    deficit_weight=Fraction(1),
    horizon_batches=1,
    base_fee=0,
    l2_gas_per_batch=1,
    proof_gas_per_batch=0,
)


@a_third_of_the_examples
@given(
    data=st.data(),
    base_fee=st.integers(0, 10**9),
    surplus=st.integers(-10, 10),
    rise=st.sampled_from(["0.000001", "0.125", "1"]),
    fall=st.sampled_from([None, "0.125", "1"]),
)
def test_the_ceilings_hold_where_fees_come_near_zero_and_the_rate_limit_lets_go(
    data: st.DataObject, base_fee: int, surplus: int, rise: str, fall: str | None
) -> None:
    parameters = adjusted(
        NEAR_ZERO, max_fee_increase=Fraction(rise), max_fee_decrease=None if fall is None else Fraction(fall)
    )
    vault = a_vault(surplus - base_fee)
    header = a_header(base_fee=base_fee)
    quote = a_quote(header, parameters=parameters, vault=vault)
    state = OracleState(points={header.hash: quote.price.point})
    for block, ceiling in zip(data.draw(descendants(header, 8)), fee_ceilings(quote, 8)[1:], strict=True):
        state, following = advance(state, an_observation(block, vault), FeeFormula.of(parameters))
        assert following.price.fee <= ceiling


def test_a_fee_that_falls_to_zero_may_leap_and_the_ceiling_knows() -> None:
    parameters = adjusted(NEAR_ZERO, max_fee_increase=Fraction(1, 10))
    vault = a_vault(1 - GWEI)
    header = a_header(base_fee=GWEI)
    quote = a_quote(header, parameters=parameters, vault=vault)
    state = OracleState(points={header.hash: quote.price.point})
    seen, block = [], header
    for gas_used in (0, 36_000_000, 36_000_000, 36_000_000, 36_000_000):
        block = a_child(block, gas_used=gas_used)
        state, following = advance(state, an_observation(block, vault), FeeFormula.of(parameters))
        seen.append(following.price.fee)
    assert seen == [1, 0, 0, 107_421_876, 118_164_063]
    assert all(fee <= ceiling for fee, ceiling in zip(seen, fee_ceilings(quote, 5)[1:], strict=True))


def test_a_fee_that_cannot_reach_zero_keeps_its_rate_limited_ceiling() -> None:
    quote = a_quote(a_header(), parameters=LIMITED, previous=PathPoint(WeiPerGas(GWEI)))
    assert fee_ceilings(quote, 2) == (1_125_000_000, 1_265_625_000, 1_423_828_125)


@given(parameters=parameter_sets(), header=headers(), deficit=deficits)
def test_ceilings_begin_at_the_fee_never_fall_and_cover_the_next_fee(
    parameters: Parameters, header: L1Header, deficit: int
) -> None:
    quote = a_quote(header, parameters=parameters, vault=a_vault(deficit))
    ceilings = fee_ceilings(quote, 5)
    assert ceilings[0] == quote.price.fee
    assert ceilings[1] == max(quote.price.fee, quote.next_fee)
    assert all(earlier <= later for earlier, later in pairwise(ceilings))
    assert len(ceilings) == 6


def test_no_blocks_ahead_is_the_fee_alone() -> None:
    quote = a_quote(a_header())
    assert fee_ceilings(quote, 0) == (quote.price.fee,)


@a_third_of_the_examples
@given(parameters=parameter_sets(), header=headers(), deficit=deficits, path=paths)
def test_two_replicas_with_equal_inputs_give_equal_quotes(
    parameters: Parameters, header: L1Header, deficit: int, path: PathPoint
) -> None:
    one, other = (
        a_quote(replace(header), parameters=replace(parameters), vault=a_vault(deficit), previous=replace(path))
        for _ in range(2)
    )
    assert one == other
    assert one.quote_id == other.quote_id


@given(parameters=parameter_sets(max_fee_increase=None, max_fee_decrease=None, controller=Controller.ALPHA), path=paths)
def test_without_a_rule_that_reads_the_path_replicas_agree_at_once(parameters: Parameters, path: PathPoint) -> None:
    header = a_header()
    assert a_quote(header, parameters=parameters, previous=path) == a_quote(header, parameters=parameters)


HEADER = a_header()
VAULT = VaultState(VaultSource.ONCHAIN, Wei(80 * ETHER), Wei(100 * ETHER), observed_at=HEADER.timestamp)
PREVIOUS = PathPoint(WeiPerGas(10 * GWEI), Wei(7 * 10**15))
BOTH = adjusted(LIMITED, controller=Controller.LEGACY)


def everything_given(**changes: Any) -> Quote:  # noqa: ANN401 - the inputs of a quote, by name
    given_inputs: dict[str, Any] = {"header": HEADER, "parameters": BOTH, "vault": VAULT, "previous": PREVIOUS}
    return a_quote(**given_inputs | changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"network": Network(560048, 167000)},
        {"network": Network(1, 167013)},
        {"header": replace(HEADER, number=BlockNumber(101))},
        {"header": replace(HEADER, hash=a_hash("other"))},
        {"header": replace(HEADER, parent_hash=a_hash("other"))},
        {"header": replace(HEADER, timestamp=UnixSeconds(HEADER.timestamp + 1))},
        {"header": replace(HEADER, base_fee_per_gas=WeiPerGas(HEADER.base_fee_per_gas + 1))},
        {"header": replace(HEADER, gas_limit=Gas(HEADER.gas_limit + 1))},
        {"header": replace(HEADER, gas_used=Gas(HEADER.gas_used + 1))},
        {"vault": NO_VAULT},
        {"vault": replace(VAULT, source=VaultSource.STATIC)},
        {"vault": replace(VAULT, balance=Wei(80 * ETHER + 1))},
        {"vault": replace(VAULT, target=Wei(100 * ETHER + 1))},
        {"vault": replace(VAULT, surplus_discount=True)},
        {"vault": replace(VAULT, condition=VaultCondition.HELD)},
        {"parameters": adjusted(BOTH, base_fee=0)},
        {"previous": NO_PATH},
        {"previous": replace(PREVIOUS, fee=WeiPerGas(10 * GWEI + 1))},
        {"previous": replace(PREVIOUS, smoothed_cost=Wei(7 * 10**15 + 1))},
    ],
    ids=str,
)
def test_the_quote_id_changes_with_every_input(changes: dict[str, Any]) -> None:
    assert everything_given(**changes).quote_id != everything_given().quote_id


@a_third_of_the_examples
@given(parameters=parameter_sets(), header=headers(), deficit=deficits, path=paths)
def test_every_number_of_a_quote_is_whole_or_an_exact_ratio(
    parameters: Parameters, header: L1Header, deficit: int, path: PathPoint
) -> None:
    quote = a_quote(header, parameters=parameters, vault=a_vault(deficit), previous=path)
    whole = [quote.next_base_fee, quote.next_fee, quote.next_block_number, quote.batch_cost, quote.batch_revenue]
    assert {type(number) for number in (*whole, *fee_ceilings(quote, 3))} == {int}
    ratios = (quote.cost_recovery_ratio, quote.vault.deficit_ratio)
    assert {type(ratio) for ratio in ratios} <= {Fraction, type(None)}


@given(parameters=parameter_sets(), header=headers())
def test_recovery_is_revenue_over_cost_to_six_decimals(parameters: Parameters, header: L1Header) -> None:
    quote = a_quote(header, parameters=parameters)
    cost = reference.batch_cost(parameters, header.base_fee_per_gas)
    if cost == 0:
        assert quote.cost_recovery_ratio is None
    else:
        assert quote.cost_recovery_ratio == round(Fraction(quote.price.fee * parameters.l2_gas_per_batch, cost), 6)


def test_the_quote_of_the_design_example() -> None:
    header = a_header(base_fee=25 * GWEI, number=23_882_697)
    quote = a_quote(header)
    assert (quote.price.fee, quote.batch_cost, quote.batch_revenue) == (
        12_521_739_131,
        7_605_000_000_000_000,
        8_640_000_000_390_000,
    )
    parts = quote.components
    assert (parts.da, parts.proof, parts.deficit, parts.base, parts.adjustment) == (
        4_500_000_000,
        6_521_739_130,
        0,
        1_500_000_000,
        1,
    )
    assert quote.cost_recovery_ratio == Fraction("1.136095")
    assert quote.network is MAINNET
    assert quote.parameters_id == DEFAULTS.parameters_id


@pytest.mark.parametrize(
    ("gas_used", "compare"),
    [(36_000_000, int.__gt__), (0, int.__lt__), (18_000_000, int.__eq__)],
)
def test_the_next_fee_says_which_way_the_price_goes(gas_used: int, compare: Callable[[int, int], bool]) -> None:
    quote = a_quote(a_header(gas_used=gas_used))
    assert compare(quote.next_fee, quote.price.fee)
    assert quote.next_base_fee == next_base_fee(quote.header)
