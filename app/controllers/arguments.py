"""Numbers as Python programs give them, named in what is refused.

A float that is a ratio counts as its shortest decimal text (0.18 is exactly 18/100); an amount of wei is rounded to the
nearest whole wei, half to even. Integers of other libraries count as what they are. Every function raises
`InvalidValueError`, which names the argument.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from math import isfinite
from numbers import Integral

from app.domain.errors import InvalidValueError, NumberOutOfRangeError
from app.domain.units import SAFE_INTEGER_LIMIT, WeiPerGas


@contextmanager
def naming_arguments(argument_of_key: Mapping[str, str]) -> Iterator[None]:
    """Let a refused parameter be named as the caller wrote it."""
    try:
        yield
    except InvalidValueError as error:
        name = argument_of_key.get(error.name, error.name)
        raise InvalidValueError(name, error.value, error.allowed) from None


def _number(name: str, value: object, allowed: str) -> int | float:
    if not isinstance(value, bool):
        if isinstance(value, Integral):
            return int(value)
        if isinstance(value, float) and isfinite(value):
            return value
    raise InvalidValueError(name, value, allowed)


def ratio(name: str, value: object) -> Fraction:
    """An exact ratio."""
    number = _number(name, value, "a finite number")
    return Fraction(number) if isinstance(number, int) else Fraction(float.__repr__(number))


def count(name: str, value: object) -> int:
    """A whole number; a float that is one counts."""
    number = _number(name, value, "a whole number")
    if number != int(number):
        raise InvalidValueError(name, value, "a whole number")
    return int(number)


def whole_wei(name: str, value: object) -> int:
    """Whole wei, of either sign."""
    return round(_number(name, value, "a finite number of wei"))


def at_least_zero(name: str, value: object) -> int:
    """Whole wei, at least 0."""
    wei = whole_wei(name, value)
    if wei < 0:
        raise InvalidValueError(name, value, "at least 0 wei")
    return wei


def gas_price(name: str, value: object) -> WeiPerGas:
    """Whole wei per gas, at least 0 and below 2^53."""
    wei = at_least_zero(name, value)
    if wei >= SAFE_INTEGER_LIMIT:
        raise NumberOutOfRangeError(name, value, "below 2^53 wei per gas")
    return WeiPerGas(wei)
