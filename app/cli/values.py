"""Numbers that only the command line takes. They raise `ArgumentTypeError`, which argparse makes a usage error."""

import argparse
from collections.abc import Callable
from fractions import Fraction
from types import MappingProxyType
from typing import Final

from app.domain.errors import InvalidValueError, shown
from app.domain.units import SAFE_INTEGER_LIMIT, exact_ratio, wei_from_ether, wei_from_gwei

_UNITS: Final = MappingProxyType({"s": 1, "m": 60, "h": 3_600})


def _number(read: Callable[[str], int]) -> Callable[[str], int]:
    def convert(text: str) -> int:
        try:
            return read(text)
        except InvalidValueError as error:
            raise _unexpected(text, error.allowed) from None

    return convert


gwei: Final = _number(wei_from_gwei)
ether: Final = _number(wei_from_ether)


def ratio(text: str) -> Fraction:
    """An exact ratio from 0 to 1."""
    value = _exact(text, "a decimal number from 0 to 1")
    if not 0 <= value <= 1:
        raise _unexpected(text, "a decimal number from 0 to 1")
    return value


def at_least_zero(text: str) -> Fraction:
    """An exact ratio of at least 0."""
    value = _exact(text, "a decimal number of at least 0")
    if value < 0:
        raise _unexpected(text, "a decimal number of at least 0")
    return value


def wei(text: str) -> int:
    """A whole number of wei, of either sign."""
    return _exact(text, "a whole number of wei", is_written=text.lstrip("+-").isdigit()).numerator


def price(read: Callable[[str], int]) -> Callable[[str], int]:
    """What `read` reads, where it is a price that every JSON reader holds exactly."""

    def convert(text: str) -> int:
        wei_per_gas = read(text)
        if not 0 <= wei_per_gas < SAFE_INTEGER_LIMIT:
            raise _unexpected(text, "at least 0 and below 2^53 wei")
        return wei_per_gas

    return convert


def whole(text: str) -> int:
    """A whole number, at least 0 and below 2^53."""
    expected = "a whole number, at least 0 and below 2^53"
    number = _exact(text, expected, is_written=text.isdigit()).numerator
    if number >= SAFE_INTEGER_LIMIT:
        raise _unexpected(text, expected)
    return number


def seconds(text: str) -> float:
    """A time in seconds."""
    return float(_exact(text, "a decimal number of seconds"))


def _exact(text: str, expected: str, *, is_written: bool = True) -> Fraction:
    """The exact value of `text`, where it is written as it should be."""
    try:
        if is_written:
            return exact_ratio(text)
    except InvalidValueError:
        pass
    raise _unexpected(text, expected)


def _unexpected(text: str, expected: str) -> argparse.ArgumentTypeError:
    return argparse.ArgumentTypeError(f"got {shown(text)}, expected {expected}")


def duration(text: str) -> float:
    """A time such as `30s`, `5m` or `1h`, in seconds, above 0."""
    expected = "a time above 0 such as 30s, 5m or 1h"
    scale = _UNITS.get(text[-1:])
    value = None if scale is None else _exact(text[:-1], expected) * scale
    if not value or value < 0:
        raise _unexpected(text, expected)
    return float(value)
