"""JSON as RFC 8259 has it, read strictly: what two readers could take for two things is refused."""

import json
import re
from collections.abc import Callable
from typing import Final, NoReturn

from app.domain.errors import OracleError

GREATEST_DEPTH: Final = 32
"""How deep arrays and objects may be nested: one for whatever is read here, far from what a stack holds."""

GREATEST_VALUES: Final = 4096
"""How many values there may be in all, each in its place: some times what the largest batch has."""
GREATEST_MEMBERS: Final = 64
"""How many members one object may have: several times what any has that is read here."""

_STRUCTURE: Final = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[\[\]{}]', re.DOTALL)
"""A string, closed or not, or a bracket. Every byte is looked at once."""
_OPENING: Final = (b"[", b"{")
_VALUE_STARTS: Final = (*_OPENING, b",")
"""What stands before a value that is not the only one. Those within texts are counted too: few texts have any."""


class NotJsonError(OracleError, ValueError):
    """The text is not JSON in UTF-8. Says where, and shows nothing of the text."""


def strict_json(
    body: bytes, read_number: Callable[[str], object] | None = None, greatest_values: int = GREATEST_VALUES
) -> object:
    """The value that `body` is the text of. `read_number` takes a number's text, where it is not to be an int or float.

    Raises `NotJsonError` for more than `greatest_values`, text that is not UTF-8, NaN and its like, a name that an
    object has twice, an object of more than `GREATEST_MEMBERS`, and nesting deeper than `GREATEST_DEPTH`.
    """
    if sum(map(body.count, _VALUE_STARTS)) > greatest_values:
        raise NotJsonError(f"the body has over {greatest_values} values")
    _require_shallow(body)
    try:
        return json.loads(
            body.decode("utf-8"),
            parse_int=read_number,
            parse_float=read_number,
            parse_constant=_refuse_constant,
            object_pairs_hook=_unique,
        )
    except ValueError as error:
        raise NotJsonError(f"the body is not JSON in UTF-8: {_without_input(error)}") from None


def _require_shallow(body: bytes) -> None:
    if sum(map(body.count, _OPENING)) <= GREATEST_DEPTH:
        return
    depth = 0
    for found in _STRUCTURE.finditer(body):
        token = found[0]
        if token in _OPENING:
            depth += 1
            if depth > GREATEST_DEPTH:
                raise NotJsonError(f"the body is nested too deeply: over {GREATEST_DEPTH} arrays and objects")
        elif not token.startswith(b'"'):
            depth -= 1


def _refuse_constant(name: str) -> NoReturn:
    raise NotJsonError(f"{name} is not JSON")


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    if len(pairs) > GREATEST_MEMBERS:
        raise NotJsonError(f"an object has {len(pairs)} members, and {GREATEST_MEMBERS} are allowed")
    document = dict(pairs)
    if len(document) != len(pairs):
        raise NotJsonError("a name is given twice")
    return document


def _without_input(error: ValueError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at character {error.pos}"
    if isinstance(error, UnicodeDecodeError):
        return f"{error.reason} at byte {error.start}"
    return str(error) if isinstance(error, NotJsonError) else "a number has too many digits"
