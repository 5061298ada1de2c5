"""Block objects as nodes send them, decoded and range-checked once, at the edge."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from app.adapters.quantity import decode_quantity
from app.domain.errors import InvalidHeaderError, InvalidValueError
from app.domain.header import L1Header
from app.domain.units import SAFE_INTEGER_LIMIT, BlockNumber, Gas, UnixSeconds, WeiPerGas

LEAST_GAS_LIMIT: Final = 5_000
"""Consensus lets no block's gas limit below this."""
GREATEST_GAS: Final = 2**63 - 1
GREATEST_NUMBER: Final = 2**63 - 1
GREATEST_TIMESTAMP: Final = 2**36 - 1
"""Seconds until the year 4147; a time in milliseconds is above it."""

_BLOCK_HASH: Final = re.compile(r"0x[0-9a-fA-F]{64}")
_MISSING: Final = object()


@dataclass(frozen=True, slots=True)
class BlockPosition:
    """Where a block stands on its chain and in time."""

    number: BlockNumber
    timestamp: UnixSeconds


def decode_header(block: object) -> L1Header:
    """The header in a node's JSON block object; hashes in lower case.

    Raises `InvalidHeaderError`, which names the first field that is missing, null, of a wrong type or out of range.
    """
    fields = _block_fields(block)
    gas_limit = _number(fields, "gasLimit", least=LEAST_GAS_LIMIT, greatest=GREATEST_GAS)
    return L1Header(
        number=BlockNumber(_number(fields, "number", least=0, greatest=GREATEST_NUMBER)),
        hash=_block_hash(fields, "hash"),
        parent_hash=_block_hash(fields, "parentHash"),
        timestamp=UnixSeconds(_number(fields, "timestamp", least=1, greatest=GREATEST_TIMESTAMP)),
        base_fee_per_gas=_base_fee(fields),
        gas_limit=Gas(gas_limit),
        gas_used=Gas(_number(fields, "gasUsed", least=0, greatest=gas_limit)),
    )


def decode_position(block: object) -> BlockPosition:
    """Number and timestamp of a block of any chain. Raises `InvalidHeaderError`."""
    fields = _block_fields(block)
    return BlockPosition(
        number=BlockNumber(_number(fields, "number", least=0, greatest=GREATEST_NUMBER)),
        timestamp=UnixSeconds(_number(fields, "timestamp", least=0, greatest=GREATEST_TIMESTAMP)),
    )


def _block_fields(block: object) -> Mapping[str, object]:
    if not isinstance(block, dict):
        raise InvalidHeaderError("block", block, "an object")
    return block


def _base_fee(fields: Mapping[str, object]) -> WeiPerGas:
    if "baseFeePerGas" not in fields:
        raise InvalidHeaderError("baseFeePerGas", None, "the base fee of a block since London (EIP-1559)")
    return WeiPerGas(_number(fields, "baseFeePerGas", least=1, greatest=SAFE_INTEGER_LIMIT - 1))


def _number(fields: Mapping[str, object], name: str, *, least: int, greatest: int) -> int:
    value = _required(fields, name)
    try:
        return decode_quantity(name, value, least=least, greatest=greatest)
    except InvalidValueError as error:
        allowed = error.allowed
    raise InvalidHeaderError(name, value, allowed)


def _block_hash(fields: Mapping[str, object], name: str) -> str:
    value = _required(fields, name)
    if isinstance(value, str) and _BLOCK_HASH.fullmatch(value):
        return value.lower()
    raise InvalidHeaderError(name, value, "32 bytes in hex")


def _required(fields: Mapping[str, object], name: str) -> object:
    value = fields.get(name, _MISSING)
    if value is _MISSING:
        raise InvalidHeaderError(name, None, "a value; the block lacks this field")
    return value
