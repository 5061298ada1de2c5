from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.units import UnixSeconds, Wei
from app.domain.vault import NO_VAULT, VaultCondition, VaultSource, VaultState
from tests.domain.build import ETHER

OBSERVED = UnixSeconds(1_764_157_403)
ONCHAIN = VaultState(VaultSource.ONCHAIN, Wei(80 * ETHER), Wei(100 * ETHER), observed_at=OBSERVED)


def a_balance(wei: int, *, target: int = 100 * ETHER, surplus_discount: bool = False) -> VaultState:
    return VaultState(VaultSource.STATIC, Wei(wei), Wei(target), surplus_discount=surplus_discount)


def test_without_a_source_there_is_no_balance_no_deficit_and_no_ratio() -> None:
    assert not NO_VAULT.is_configured
    assert (NO_VAULT.balance, NO_VAULT.target) == (None, None)
    assert (NO_VAULT.deficit, NO_VAULT.priced_deficit, NO_VAULT.deficit_ratio) == (0, 0, None)


@pytest.mark.parametrize(
    ("source", "balance", "target"),
    [
        (VaultSource.ONCHAIN, None, None),
        (VaultSource.ONCHAIN, None, Wei(1)),
        (VaultSource.STATIC, Wei(1), None),
        (VaultSource.PUSH, None, Wei(1)),
        (VaultSource.NONE, Wei(0), Wei(0)),
        (VaultSource.NONE, Wei(0), None),
    ],
)
def test_an_unknown_vault_cannot_be_a_state(source: VaultSource, balance: Wei | None, target: Wei | None) -> None:
    with pytest.raises(ValueError, match=source.value):
        VaultState(source, balance, target)


@given(balance=st.integers(0, 10**24), target=st.integers(0, 10**24))
def test_the_deficit_is_what_is_missing_from_the_target(balance: int, target: int) -> None:
    vault = a_balance(balance, target=target)
    assert vault.deficit + balance == target
    assert vault.priced_deficit == max(0, target - balance)
    assert a_balance(balance, target=target, surplus_discount=True).priced_deficit == target - balance


def test_an_empty_vault_is_a_full_deficit() -> None:
    assert a_balance(0).deficit == 100 * ETHER
    assert a_balance(0).deficit_ratio == 1


def test_a_surplus_is_negative_and_shown_but_gives_no_discount_unless_wanted() -> None:
    surplus = a_balance(130 * ETHER)
    assert (surplus.deficit, surplus.deficit_ratio) == (-30 * ETHER, Fraction(-3, 10))
    assert surplus.priced_deficit == 0
    assert replace(surplus, surplus_discount=True).priced_deficit == -30 * ETHER


def test_the_ratio_has_six_decimals() -> None:
    assert a_balance(0, target=3).deficit_ratio == 1
    assert a_balance(1, target=3).deficit_ratio == Fraction(666_667, 10**6)


def test_a_target_of_zero_has_no_ratio() -> None:
    assert a_balance(5, target=0).deficit_ratio is None


def test_a_held_vault_keeps_its_last_known_numbers() -> None:
    held = ONCHAIN.held(UnixSeconds(OBSERVED + 12), max_age_seconds=600)
    assert held.condition is VaultCondition.HELD
    assert (held.balance, held.deficit, held.observed_at) == (ONCHAIN.balance, ONCHAIN.deficit, OBSERVED)


@pytest.mark.parametrize(
    ("age", "condition"),
    [(-12, VaultCondition.HELD), (600, VaultCondition.HELD), (601, VaultCondition.EXPIRED)],
)
def test_a_held_vault_expires_only_past_its_greatest_age(age: int, condition: VaultCondition) -> None:
    assert ONCHAIN.held(UnixSeconds(OBSERVED + age), max_age_seconds=600).condition is condition


def test_an_expired_vault_still_prices_its_last_known_deficit() -> None:
    expired = ONCHAIN.held(UnixSeconds(OBSERVED + 10_000), max_age_seconds=600)
    assert expired.priced_deficit == 20 * ETHER


def test_an_expired_vault_keeps_its_own_age_when_held_again() -> None:
    expired = ONCHAIN.held(UnixSeconds(OBSERVED + 700), max_age_seconds=600)
    assert expired.held(UnixSeconds(OBSERVED + 712), max_age_seconds=600).condition is VaultCondition.EXPIRED
