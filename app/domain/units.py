"""Whole wei, exact ratios, and their decimal texts. No float comes in and none goes out."""

import re
from fractions import Fraction
from typing import Final, NewType

from app.domain.errors import InvalidValueError, NumberOutOfRangeError

Wei = NewType("Wei", int)
"""An amount of ether, in wei."""
WeiDelta = NewType("WeiDelta", int)
"""A signed difference of two amounts, in wei."""
WeiPerGas = NewType("WeiPerGas", int)
"""A price, in wei per unit of gas."""
Gas = NewType("Gas", int)
BlockNumber = NewType("BlockNumber", int)
UnixSeconds = NewType("UnixSeconds", int)
UnixMillis = NewType("UnixMillis", int)

WEI_PER_GWEI: Final = 10**9
WEI_PER_ETHER: Final = 10**18
GWEI_DECIMALS: Final = 9
ETHER_DECIMALS: Final = 18
MILLIS_PER_SECOND: Final = 1000

SAFE_INTEGER_LIMIT: Final = 2**53
"""JSON readers that hold numbers as IEEE 754 doubles are exact below this (RFC 8259 section 6)."""

_DECIMAL: Final = re.compile(r"([+-]?)([0-9]{1,40})(?:\.([0-9]{1,40}))?")


def exact_ratio(text: str, name: str = "value") -> Fraction:
    """The exact value of a plain decimal text such as `0.18`.

    Raises `InvalidValueError` for anything else: exponents, `nan`, separators, blanks, over 40 digits on a side.
    """
    match = _DECIMAL.fullmatch(text) if text.isascii() else None
    if match is None:
        raise InvalidValueError(name, text, "a plain decimal number such as 0.18")
    sign, whole, decimals = match[1], match[2], match[3] or ""
    magnitude = Fraction(int(whole + decimals), 10 ** len(decimals))
    return -magnitude if sign == "-" else magnitude


def decimal_text(value: Fraction) -> str:
    """The shortest plain decimal text of `value`; the inverse of `exact_ratio`.

    Raises `InvalidValueError` where no finite decimal equals `value`.
    """
    twos = (value.denominator & -value.denominator).bit_length() - 1
    fives = 0
    rest = value.denominator >> twos
    while rest % 5 == 0:
        rest //= 5
        fives += 1
    if rest != 1:
        raise InvalidValueError("ratio", str(value), "a ratio that a finite decimal can write")
    places = max(twos, fives)
    return _fixed_point_text(value.numerator * 10**places // value.denominator, places)


def wei_from_gwei(text: str, name: str = "value") -> int:
    """Whole wei of a decimal text in gwei. Raises `InvalidValueError` below one wei (over 9 decimals)."""
    return _whole_wei(text, WEI_PER_GWEI, name, "a decimal number of gwei with at most 9 decimals")


def wei_from_ether(text: str, name: str = "value") -> int:
    """Whole wei of a decimal text in ether. Raises `InvalidValueError` below one wei (over 18 decimals)."""
    return _whole_wei(text, WEI_PER_ETHER, name, "a decimal number of ether with at most 18 decimals")


def gwei_text(wei: int) -> str:
    """`wei` in gwei, exact, without trailing zeros."""
    return _fixed_point_text(wei, GWEI_DECIMALS)


def ether_text(wei: int) -> str:
    """`wei` in ether, exact, without trailing zeros."""
    return _fixed_point_text(wei, ETHER_DECIMALS)


def safe_or_refused(name: str, value: int) -> int:
    """`value`, which every JSON reader holds exactly. Raises `NumberOutOfRangeError` from 2^53 in size on."""
    if abs(value) >= SAFE_INTEGER_LIMIT:
        raise NumberOutOfRangeError(name, value, "a result below 2^53 in size")
    return value


def ceil_div(numerator: int, denominator: int) -> int:
    """`numerator / denominator`, rounded toward positive infinity; `denominator` is positive."""
    return -(-numerator // denominator)


def rounded_ratio(numerator: int, denominator: int | None, places: int = 6) -> Fraction | None:
    """`numerator / denominator` to `places` decimals, half to even; None without a denominator."""
    return round(Fraction(numerator, denominator), places) if denominator else None


def _whole_wei(text: str, scale: int, name: str, allowed: str) -> int:
    try:
        wei = exact_ratio(text, name) * scale
    except InvalidValueError:
        raise InvalidValueError(name, text, allowed) from None
    if wei.denominator != 1:
        raise InvalidValueError(name, text, allowed)
    return wei.numerator


def _fixed_point_text(scaled: int, places: int) -> str:
    digits = str(abs(scaled)).rjust(places + 1, "0")
    cut = len(digits) - places
    decimals = digits[cut:].rstrip("0")
    sign = "-" if scaled < 0 else ""
    return f"{sign}{digits[:cut]}.{decimals}" if decimals else f"{sign}{digits[:cut]}"
