from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.errors import InvalidValueError
from app.domain.units import (
    ceil_div,
    decimal_text,
    ether_text,
    exact_ratio,
    gwei_text,
    rounded_ratio,
    wei_from_ether,
    wei_from_gwei,
)

amounts = st.integers(-(10**30), 10**30)


@given(wei=amounts)
def test_gwei_text_round_trips_every_wei(wei: int) -> None:
    assert wei_from_gwei(gwei_text(wei)) == wei


@given(wei=amounts)
def test_ether_text_round_trips_every_wei(wei: int) -> None:
    assert wei_from_ether(ether_text(wei)) == wei


@given(scaled=amounts, places=st.integers(0, 40))
def test_decimal_text_round_trips_every_finite_decimal(scaled: int, places: int) -> None:
    value = Fraction(scaled, 10**places)
    assert exact_ratio(decimal_text(value)) == value


@given(scaled=amounts, places=st.integers(0, 40))
def test_decimal_text_is_the_shortest(scaled: int, places: int) -> None:
    text = decimal_text(Fraction(scaled, 10**places))
    assert "." not in text or text[-1] not in "0."
    assert text.lstrip("-")[0] != "0" or text.lstrip("-")[:2] in {"0", "0."}


def test_a_ratio_that_no_decimal_can_write_has_no_text() -> None:
    with pytest.raises(InvalidValueError, match="1/3"):
        decimal_text(Fraction(1, 3))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.18", Fraction(9, 50)),
        ("-0.5", Fraction(-1, 2)),
        ("+72", Fraction(72)),
        ("007.50", Fraction(15, 2)),
        ("0", Fraction(0)),
        ("-0", Fraction(0)),
    ],
)
def test_a_plain_decimal_is_read_exactly(text: str, value: Fraction) -> None:
    assert exact_ratio(text) == value


@pytest.mark.parametrize(
    "text",
    ["", " 1", "1 ", "1\n", "1e9", "nan", "inf", "1_000", "1,5", ".5", "5.", "--1", "1/3", "0x10", "½", "١", "9" * 41],
)
def test_any_other_text_is_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidValueError) as refusal:
        exact_ratio(text, "alphaData")
    assert (refusal.value.name, refusal.value.value) == ("alphaData", text)


@pytest.mark.parametrize(("text", "wei"), [("1.5", 1_500_000_000), ("0.000000001", 1), ("-2", -2_000_000_000)])
def test_gwei_become_whole_wei(text: str, wei: int) -> None:
    assert wei_from_gwei(text) == wei


@pytest.mark.parametrize("text", ["0.0000000001", "1.0000000001", "1e9", "gwei"])
def test_a_fraction_of_a_wei_is_refused_not_rounded(text: str) -> None:
    with pytest.raises(InvalidValueError, match="at most 9 decimals") as refusal:
        wei_from_gwei(text, "baseFeeGwei")
    assert refusal.value.name == "baseFeeGwei"


def test_ether_reads_eighteen_decimals_and_no_more() -> None:
    assert wei_from_ether("0.000000000000000001") == 1
    with pytest.raises(InvalidValueError, match="at most 18 decimals"):
        wei_from_ether("0.0000000000000000001", "TAIKO_VAULT_TARGET_ETH")


@given(numerator=amounts, denominator=st.integers(1, 10**20))
def test_ceil_div_is_the_least_whole_number_not_below_the_quotient(numerator: int, denominator: int) -> None:
    quotient = ceil_div(numerator, denominator)
    assert (quotient - 1) * denominator < numerator <= quotient * denominator


@given(numerator=amounts, denominator=st.integers(1, 10**20))
def test_a_rounded_ratio_is_within_half_a_millionth(numerator: int, denominator: int) -> None:
    ratio = rounded_ratio(numerator, denominator)
    assert ratio is not None
    assert (ratio * 10**6).denominator == 1
    assert abs(ratio - Fraction(numerator, denominator)) <= Fraction(1, 2 * 10**6)


@pytest.mark.parametrize("denominator", [0, None])
def test_a_ratio_without_a_denominator_is_unknown(denominator: int | None) -> None:
    assert rounded_ratio(1, denominator) is None
