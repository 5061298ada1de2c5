from dataclasses import replace
from itertools import islice, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.errors import HeaderRejectedError
from app.domain.header import (
    L1Header,
    base_fee_bounds,
    base_fee_floors,
    block_interval_seconds,
    check_link,
    greatest_next_base_fee,
    next_base_fee,
)
from app.domain.units import BlockNumber, UnixSeconds, WeiPerGas
from tests.domain.build import GWEI, a_child, a_hash, a_header, a_third_of_the_examples, base_fees, descendants, headers
from tests.domain.reference import eip1559_base_fee


@given(header=headers())
def test_the_next_base_fee_is_the_eips(header: L1Header) -> None:
    assert next_base_fee(header) == eip1559_base_fee(header.gas_limit, header.gas_used, header.base_fee_per_gas)


@pytest.mark.parametrize(
    ("gas_used", "expected"),
    [
        (18_000_000, 1_000_000_000),
        (36_000_000, 1_125_000_000),
        (0, 875_000_000),
        (27_000_000, 1_062_500_000),
        (9_000_000, 937_500_000),
    ],
)
def test_a_block_at_target_holds_the_base_fee_and_others_move_it(gas_used: int, expected: int) -> None:
    assert next_base_fee(a_header(base_fee=GWEI, gas_used=gas_used)) == expected


def test_a_block_just_above_target_raises_even_a_tiny_base_fee_by_one_wei() -> None:
    assert next_base_fee(a_header(base_fee=7, gas_used=18_000_001)) == 8
    assert next_base_fee(a_header(base_fee=0, gas_used=18_000_001)) == 1


def test_a_tiny_base_fee_does_not_fall() -> None:
    assert next_base_fee(a_header(base_fee=7, gas_used=0)) == 7


def test_a_full_block_under_an_odd_gas_limit_exceeds_nine_eighths_and_is_still_bounded() -> None:
    header = a_header(base_fee=800_000_000_000, gas_limit=29_999_999, gas_used=29_999_999)
    following = next_base_fee(header)
    assert following > 900_000_000_000
    assert following <= greatest_next_base_fee(header.base_fee_per_gas)


@given(
    base_fee=st.one_of(base_fees, st.integers(0, 2**53)),
    gas_limit=st.integers(250_000, 2**63 - 1),
    share=st.integers(0, 100),
)
def test_no_block_beats_the_greatest_next_base_fee(base_fee: int, gas_limit: int, share: int) -> None:
    for gas_used in (gas_limit, gas_limit * share // 100):
        header = a_header(base_fee=base_fee, gas_limit=gas_limit, gas_used=gas_used)
        assert next_base_fee(header) <= greatest_next_base_fee(WeiPerGas(base_fee))


@a_third_of_the_examples
@given(data=st.data(), head=headers())
def test_bounds_and_floors_hold_over_every_path(data: st.DataObject, head: L1Header) -> None:
    path = data.draw(descendants(head, 12))
    for block, floor, bound in zip(path, base_fee_floors(head), base_fee_bounds(head), strict=False):
        assert floor <= block.base_fee_per_gas <= bound


@given(head=headers())
def test_the_first_bound_and_floor_are_exact_and_bounds_only_rise(head: L1Header) -> None:
    bounds = list(islice(base_fee_bounds(head), 64))
    assert bounds[0] == next(base_fee_floors(head)) == next_base_fee(head)
    assert all(earlier < later for earlier, later in pairwise(bounds))


def test_empty_blocks_reach_the_floors() -> None:
    block = a_header(gas_used=0)
    for floor in islice(base_fee_floors(block), 20):
        block = a_child(block, gas_used=0)
        assert block.base_fee_per_gas == floor


def test_a_block_that_follows_from_its_parent_passes() -> None:
    parent = a_header(gas_used=36_000_000)
    check_link(parent, a_child(parent))


PARENT = a_header()
CHILD = a_child(PARENT)


@pytest.mark.parametrize(
    ("child", "reason"),
    [
        (replace(CHILD, parent_hash=a_hash("stranger")), "parent_hash_mismatch"),
        (replace(CHILD, number=BlockNumber(PARENT.number + 2)), "number_not_consecutive"),
        (replace(CHILD, number=PARENT.number), "number_not_consecutive"),
        (replace(CHILD, timestamp=UnixSeconds(PARENT.timestamp - 1)), "timestamp_before_parent"),
        (replace(CHILD, base_fee_per_gas=WeiPerGas(CHILD.base_fee_per_gas + 1)), "impossible_base_fee"),
        (replace(CHILD, base_fee_per_gas=WeiPerGas(CHILD.base_fee_per_gas - 1)), "impossible_base_fee"),
    ],
)
def test_a_block_that_contradicts_its_parent_is_rejected_by_name(child: L1Header, reason: str) -> None:
    with pytest.raises(HeaderRejectedError) as rejection:
        check_link(PARENT, child)
    assert (rejection.value.reason, rejection.value.number) == (reason, child.number)


@pytest.mark.parametrize("step", [0, 1, 5, 3600])
def test_slots_need_not_be_aligned_and_development_nodes_mine_several_blocks_a_second(step: int) -> None:
    check_link(PARENT, replace(CHILD, timestamp=UnixSeconds(PARENT.timestamp + step)))


@pytest.mark.parametrize(
    ("step", "public", "seconds"),
    [(12, True, 12), (24, True, 12), (2, True, 12), (2, False, 2), (1, False, 1), (0, False, 1), (3600, False, 12)],
)
def test_the_block_interval_is_the_slot_or_the_last_step(step: int, seconds: int, *, public: bool) -> None:
    child = replace(CHILD, timestamp=UnixSeconds(PARENT.timestamp + step))
    assert block_interval_seconds(PARENT, child, public=public) == seconds


@pytest.mark.parametrize("public", [True, False])
def test_a_first_block_is_taken_to_come_from_a_chain_of_slots(*, public: bool) -> None:
    assert block_interval_seconds(None, CHILD, public=public) == 12
