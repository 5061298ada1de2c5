"""How the texts of plain values become exact numbers, switches and choices, and back."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Any, Final

from app.domain.errors import InvalidValueError
from app.domain.parameter_set import ParameterSet, ParameterText
from app.domain.parameters import GREATEST_MAX_FEE
from app.domain.units import (
    SAFE_INTEGER_LIMIT,
    decimal_text,
    ether_text,
    exact_ratio,
    gwei_text,
    wei_from_ether,
    wei_from_gwei,
)

_LEAST_SECONDS: Final = Fraction(1, 10)
GREATEST_SECONDS: Final = 86_400
GREATEST_PORT: Final = 65_535
_HOST: Final = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})*\.?|(?=.*:)[0-9A-Fa-f:.]{2,45}")
_COUNTED: Final = ("horizonBatches", "l2GasPerBatch", "proofGasPerBatch")


class LogLevel(StrEnum):
    """The least severe messages that are logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    """How a log line looks."""

    JSON = "json"
    CONSOLE = "console"


@dataclass(frozen=True, slots=True)
class Kind:
    """How a variable's text becomes its value, and back.

    `read(name, text)` raises `InvalidValueError`; `write` shows the value, without what is secret in it.
    """

    read: Callable[[str, str], Any]
    write: Callable[[Any], str] = str
    metavar: str = "VALUE"


def ratio(least: int, most: int | None = None, *, above: bool = False) -> Kind:
    """An exact ratio from `least`, or above it, to `most`."""
    lower = f"above {least}" if above else f"at least {least}"
    allowed = f"a decimal number, {lower}" if most is None else f"a decimal number, {lower} and at most {most}"

    def read(name: str, text: str) -> Fraction:
        value = _exact(name, text, allowed)
        if value < least or (above and value == least) or (most is not None and value > most):
            raise InvalidValueError(name, text, allowed)
        return value

    return Kind(read, decimal_text, "RATIO")


def amount(read_wei: Callable[[str, str], int], write: Callable[[int], str], most: int | None, unit: str) -> Kind:
    """Whole wei from 0 to `most`, written in `unit`."""

    def read(name: str, text: str) -> int:
        wei = read_wei(text, name)
        if wei < 0 or (most is not None and wei > most):
            limit = "" if most is None else f" and at most {write(most)}"
            raise InvalidValueError(name, text, f"a decimal number of {unit}, at least 0{limit}")
        return wei

    return Kind(read, write, unit.upper())


def whole(least: int, most: int = SAFE_INTEGER_LIMIT - 1) -> Kind:
    """A whole number from `least` to `most`."""
    upper = "below 2^53" if most == SAFE_INTEGER_LIMIT - 1 else f"at most {most}"

    def read(name: str, text: str) -> int:
        if not re.fullmatch("[0-9]{1,20}", text) or not least <= int(text) <= most:
            raise InvalidValueError(name, text, f"a whole number, at least {least} and {upper}")
        return int(text)

    return Kind(read, str, "N")


def whole_or(word: str, least: int) -> Kind:
    """A whole number from `least`, or `word`, which stands for None."""
    number = whole(least)

    def read(name: str, text: str) -> int | None:
        if text.lower() == word:
            return None
        try:
            return int(number.read(name, text))
        except InvalidValueError as error:
            raise InvalidValueError(name, text, f"{word}, or {error.allowed}") from None

    return Kind(read, str, f"{word}|N")


def fee_parameter_kind(key: str, checked_as: str) -> Kind:
    """A fee parameter: its range is the domain's, asked under the key `checked_as`."""

    def read(name: str, text: str) -> ParameterText:
        value = int(text) if re.fullmatch("[0-9]{1,20}", text) and key in _COUNTED else text
        try:
            ParameterSet().changed({checked_as: value})
        except InvalidValueError as error:
            raise InvalidValueError(name, text, error.allowed) from None
        return value

    return Kind(read, str, key)


def choice(options: type[StrEnum]) -> Kind:
    """One of `options`, in small or capital letters."""

    def read(name: str, text: str) -> StrEnum:
        if text.lower() not in tuple(options):
            raise InvalidValueError(name, text, alternatives(options))
        return options(text.lower())

    return Kind(read, str, "|".join(options))


def alternatives(options: Iterable[str]) -> str:
    """The options as a sentence lists them; at least one."""
    *first, last = options
    return f"{', '.join(first)} or {last}" if first else last


def _exact(name: str, text: str, allowed: str) -> Fraction:
    try:
        return exact_ratio(text, name)
    except InvalidValueError:
        raise InvalidValueError(name, text, allowed) from None


def seconds(most: int = GREATEST_SECONDS) -> Kind:
    """Seconds from a tenth to `most`."""
    allowed = f"a decimal number of seconds from 0.1 to {most}"

    def read(name: str, text: str) -> float:
        value = _exact(name, text, allowed)
        if not _LEAST_SECONDS <= value <= most:
            raise InvalidValueError(name, text, allowed)
        return float(value)

    return Kind(read, _write_seconds, "SECONDS")


def _write_seconds(value: float) -> str:
    return f"{value:.15g}"


def _read_switch(name: str, text: str) -> bool:
    if text.lower() not in ("true", "1", "yes", "on", "false", "0", "no", "off"):
        raise InvalidValueError(name, text, "true or false")
    return text.lower() in ("true", "1", "yes", "on")


def _write_switch(value: bool) -> str:  # noqa: FBT001 - the writer of a value that is a switch
    return "true" if value else "false"


def _read_host(name: str, text: str) -> str:
    if not _HOST.fullmatch(text):
        raise InvalidValueError(name, text, "an IP address or a host name, such as 127.0.0.1")
    return text


def entries(text: str) -> list[str]:
    """What `text` separates by commas, without blanks around it and without what is empty."""
    return [entry.strip() for entry in text.split(",") if entry.strip()]


RATIO: Final = ratio(0)
SHARE: Final = ratio(0, 1)
WEIGHT: Final = ratio(0, 1, above=True)
GWEI: Final = amount(wei_from_gwei, gwei_text, GREATEST_MAX_FEE, "gwei")
ETHER: Final = amount(wei_from_ether, ether_text, None, "ETH")
CHAIN_ID: Final = whole(1)
AGE_SECONDS: Final = whole(1, GREATEST_SECONDS)
SECONDS: Final = seconds()
SWITCH: Final = Kind(_read_switch, _write_switch, "true|false")
HOST: Final = Kind(_read_host, str, "HOST")
