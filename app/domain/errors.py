"""The errors that the program expects. Whatever is not below `OracleError` is a bug, and crashes."""

from typing import Final

_MANY_BITS: Final = 1024
"""Whole numbers beyond this are shown in hex: Python refuses to write thousands of decimal digits."""


class OracleError(Exception):
    """Base of every expected error."""


class InvalidValueError(OracleError, ValueError):
    """A value that a person or a program gave is not allowed.

    Carries the name of the thing, the value as it came and what would have been allowed.
    """

    def __init__(self, name: str, value: object, allowed: str) -> None:
        super().__init__(f"{name}: got {shown(value)}, expected {allowed}")
        self.name = name
        self.value = value
        self.allowed = allowed


class NumberOutOfRangeError(InvalidValueError):
    """A computed number would leave the integers that every JSON reader holds exactly (2^53)."""


class InvalidHeaderError(OracleError):
    """An L1 header could not be taken: names the field, what came and what was expected."""

    def __init__(self, field: str, got: object, expected: str) -> None:
        super().__init__(f"L1 header field {field}: got {shown(got)}, expected {expected}")
        self.field = field
        self.got = got
        self.expected = expected


class HeaderRejectedError(OracleError):
    """A well-formed L1 header contradicts its parent. `reason` is a stable label."""

    def __init__(self, reason: str, number: int, got: object, expected: object) -> None:
        super().__init__(f"L1 block {number} rejected ({reason}): got {shown(got)}, expected {shown(expected)}")
        self.reason = reason
        self.number = number


def shown(value: object) -> str:
    """`value` as an error message shows it: quoted, and cut where it is long."""
    longest = 120
    beyond_decimal = isinstance(value, int) and value.bit_length() > _MANY_BITS
    text = f"{value:#x}" if beyond_decimal else repr(value)
    return text if len(text) <= longest else f"{text[:longest]}… ({len(text)} characters)"
