"""JSON-RPC quantities: whole numbers as hex texts."""

import re
from typing import Final

from app.domain.errors import InvalidValueError

_QUANTITY: Final = re.compile(r"0x[0-9a-fA-F]{1,64}")


def decode_quantity(name: str, value: object, *, least: int, greatest: int) -> int:
    """The number that the hex text `value` writes, within `least` and `greatest`.

    Raises `InvalidValueError` for anything but a text such as `0x1a` of at most 64 digits. Leading zeros, which the
    JSON-RPC specification forbids, are taken: they change no value, and refusing them would make an encoder's quirk
    an outage.
    """
    if isinstance(value, str) and _QUANTITY.fullmatch(value):
        number = int(value, 16)
        if least <= number <= greatest:
            return number
    raise InvalidValueError(name, value, f"a hex quantity from {least} to {greatest}")
