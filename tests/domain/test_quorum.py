"""One liar among three never decides, whatever it forges."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.header import L1Header
from app.domain.quorum import (
    MOST_LAG_BLOCKS,
    AgreedChain,
    Agreement,
    agreed_head,
    differing_fields,
    lagging_heights,
    quorum_of,
)
from app.domain.units import BlockNumber, Gas, UnixSeconds, WeiPerGas

FIELDS = ("number", "hash", "parent_hash", "timestamp", "base_fee_per_gas", "gas_limit", "gas_used")
hashes = st.integers(0, 3).map(lambda value: f"0x{value:064x}")
headers = st.builds(
    L1Header,
    number=st.integers(0, 4).map(BlockNumber),
    hash=hashes,
    parent_hash=hashes,
    timestamp=st.integers(1, 3).map(UnixSeconds),
    base_fee_per_gas=st.integers(1, 3).map(WeiPerGas),
    gas_limit=st.just(Gas(30_000_000)),
    gas_used=st.integers(0, 2).map(Gas),
)
word = st.lists(headers, max_size=3)


def header(number: int, *, branch: str = "a", parent_branch: str | None = None) -> L1Header:
    return L1Header(
        BlockNumber(number),
        f"{branch}{number}",
        f"{parent_branch or branch}{number - 1}",
        UnixSeconds(1000 + 12 * number),
        WeiPerGas(10**9),
        Gas(30_000_000),
        Gas(15_000_000),
    )


@given(truth=headers, lie=word, place=st.integers(0, 2))
def test_one_liar_among_three_never_decides(truth: L1Header, lie: list[L1Header], place: int) -> None:
    words = [[truth], [truth]]
    words.insert(place, lie)
    agreement = agreed_head(dict(zip("abc", words, strict=True)), 2)
    assert agreement is not None
    assert agreement.header == truth


@given(truth=st.lists(headers, min_size=1, max_size=3), lie=word)
def test_with_one_honest_provider_silent_a_liar_can_only_confirm_the_truth(
    truth: list[L1Header], lie: list[L1Header]
) -> None:
    agreement = agreed_head({"honest": truth, "liar": lie}, 2)
    assert agreement is None or agreement.header in truth


@given(words=st.dictionaries(st.sampled_from("abcd"), word), quorum=st.integers(1, 4))
def test_what_is_agreed_has_its_distinct_providers_and_nothing_newer_has(
    words: Mapping[str, list[L1Header]], quorum: int
) -> None:
    def supporters(of: L1Header) -> list[str]:
        return [provider for provider, given in words.items() if of in given]

    agreement = agreed_head(words, quorum)
    agreeable = [each for given in words.values() for each in given if len(supporters(each)) >= quorum]
    if agreement is None:
        assert not agreeable
        return
    assert list(agreement.providers) == supporters(agreement.header)
    assert len(set(agreement.providers)) >= quorum
    assert agreement.header.number == max(each.number for each in agreeable)


@pytest.mark.parametrize("field", FIELDS)
def test_every_field_counts(field: str) -> None:
    truth = header(7)
    value = getattr(truth, field)
    changes: dict[str, Any] = {field: value + 1 if isinstance(value, int) else "other"}
    other = replace(truth, **changes)
    assert agreed_head({"a": [truth], "b": [other]}, 2) is None
    assert differing_fields(truth, other) == (field,)


def test_headers_on_two_branches_differ_by_their_hash_alone() -> None:
    assert differing_fields(header(7), header(7, branch="b")) == ("hash",)
    assert differing_fields(header(7), header(7)) == ()


def test_the_newest_header_with_a_quorum_wins_not_the_greatest() -> None:
    words = {"a": [header(9)], "b": [header(8), header(7)], "c": [header(8)]}
    assert agreed_head(words, 2) == Agreement(header(8), ("b", "c"))


def test_at_one_height_more_providers_win_then_the_preferred_ones() -> None:
    ours, theirs = header(9), header(9, branch="b")
    assert agreed_head({"a": [theirs], "b": [ours], "c": [theirs], "d": [ours], "e": [ours]}, 2) == Agreement(
        ours, ("b", "d", "e")
    )
    assert agreed_head({"a": [theirs], "b": [ours], "c": [theirs], "d": [ours]}, 2) == Agreement(theirs, ("a", "c"))


def test_a_provider_that_says_a_thing_twice_counts_once() -> None:
    assert agreed_head({"a": [header(9), header(9)]}, 2) is None


@pytest.mark.parametrize(("providers", "quorum"), [(1, 1), (2, 1), (3, 2), (5, 2)])
def test_the_automatic_quorum(providers: int, quorum: int) -> None:
    assert quorum_of(providers, None) == quorum
    assert quorum_of(providers, 3) == 3


def test_those_ahead_are_asked_for_the_heads_of_those_behind() -> None:
    heads = {"a": header(100), "b": header(99), "c": header(97)}
    assert list(lagging_heights(heads)) == [("a", 99), ("a", 97), ("b", 97)]


def test_nobody_is_asked_for_a_block_that_is_far_behind() -> None:
    assert list(lagging_heights({"a": header(100), "b": header(100 - MOST_LAG_BLOCKS - 1)})) == []


class TestAgreedChain:
    def test_tells_dissent_at_a_height_that_was_agreed_on(self) -> None:
        chain = AgreedChain()
        chain.add(header(7))
        chain.add(header(8))
        assert chain.dissent_of(header(7)) == ()
        assert chain.dissent_of(header(8, branch="b")) == ("hash",)
        assert chain.dissent_of(replace(header(7), base_fee_per_gas=WeiPerGas(1))) == ("base_fee_per_gas",)

    def test_a_leader_and_a_laggard_are_no_dissenters(self) -> None:
        chain = AgreedChain()
        chain.add(header(8))
        assert chain.dissent_of(header(9)) is None
        assert chain.dissent_of(header(12, branch="b")) is None
        assert chain.dissent_of(header(3)) is None

    def test_a_child_of_another_block_dissents(self) -> None:
        chain = AgreedChain()
        chain.add(header(8))
        assert chain.dissent_of(header(9, branch="b")) == ("hash",)

    def test_a_reorg_forgets_the_branch_that_was_left(self) -> None:
        chain = AgreedChain()
        for number in (7, 8, 9):
            chain.add(header(number))
        chain.add(header(9, branch="b", parent_branch="b"))
        assert chain.dissent_of(header(8)) is None
        assert chain.dissent_of(header(9)) == ("hash",)

    def test_going_back_forgets_what_was_above(self) -> None:
        chain = AgreedChain()
        chain.add(header(9))
        chain.add(header(8))
        assert chain.dissent_of(header(9, branch="b", parent_branch="a")) is None

    def test_what_was_agreed_wrongly_is_no_measure(self) -> None:
        chain = AgreedChain()
        chain.add(header(9, branch="b"))
        chain.remove(header(9))
        assert chain.dissent_of(header(9)) == ("hash",)
        chain.remove(header(9, branch="b"))
        assert chain.dissent_of(header(9)) is None
