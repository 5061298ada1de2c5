"""An L1 header and what it says of the blocks after it (EIP-1559)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from app.domain.errors import HeaderRejectedError
from app.domain.network import ETHEREUM_SLOT_SECONDS
from app.domain.units import BlockNumber, Gas, UnixSeconds, WeiPerGas

ELASTICITY_MULTIPLIER: Final = 2
BASE_FEE_MAX_CHANGE_DENOMINATOR: Final = 8


@dataclass(frozen=True, slots=True)
class L1Header:
    """The fields of an L1 block header that a quote depends on; hashes are lower-case `0x` hex."""

    number: BlockNumber
    hash: str
    parent_hash: str
    timestamp: UnixSeconds
    base_fee_per_gas: WeiPerGas
    gas_limit: Gas
    gas_used: Gas


def next_base_fee(header: L1Header) -> WeiPerGas:
    """The base fee of the block after `header`, exactly.

    EIP-1559: multiply first, then two floor divisions; a rise is at least 1 wei.
    """
    base_fee = header.base_fee_per_gas
    gas_target = header.gas_limit // ELASTICITY_MULTIPLIER
    gas_used_delta = header.gas_used - gas_target
    if gas_used_delta == 0:
        return base_fee
    change = base_fee * abs(gas_used_delta) // gas_target // BASE_FEE_MAX_CHANGE_DENOMINATOR
    if gas_used_delta > 0:
        return WeiPerGas(base_fee + max(change, 1))
    return WeiPerGas(base_fee - change)


def greatest_next_base_fee(base_fee: WeiPerGas) -> WeiPerGas:
    """An upper bound of the base fee one block on, whatever that block holds.

    A full block under an odd gas limit exceeds 9/8 (gas used − target is then target + 1), by at most
    b // (8·target) + 1: within the added millionth and one wei for every gas limit from 250,000 up.
    """
    return WeiPerGas(base_fee + base_fee // BASE_FEE_MAX_CHANGE_DENOMINATOR + base_fee // 10**6 + 1)


def base_fee_bounds(header: L1Header) -> Iterator[WeiPerGas]:
    """Upper bounds of the base fee 1, 2, 3, … blocks after `header`; the first is exact."""
    bound = next_base_fee(header)
    while True:
        yield bound
        bound = greatest_next_base_fee(bound)


def base_fee_floors(header: L1Header) -> Iterator[WeiPerGas]:
    """Lower bounds of the base fee 1, 2, 3, … blocks after `header`; the first is exact. Empty blocks reach them."""
    floor = next_base_fee(header)
    while True:
        yield floor
        floor = WeiPerGas(floor - floor // BASE_FEE_MAX_CHANGE_DENOMINATOR)


def block_interval_seconds(parent: L1Header | None, child: L1Header, *, public: bool) -> int:
    """Seconds until a further block may come: the slot on Ethereum, else the chain's last step, within 1 to 12."""
    if public or parent is None:
        return ETHEREUM_SLOT_SECONDS
    return min(ETHEREUM_SLOT_SECONDS, max(1, child.timestamp - parent.timestamp))


def check_link(parent: L1Header, child: L1Header) -> None:
    """Raise `HeaderRejectedError` where `child` cannot be the block after `parent`.

    Reasons: `parent_hash_mismatch`, `number_not_consecutive`, `timestamp_before_parent`, `impossible_base_fee`.
    """
    expectations = (
        ("parent_hash_mismatch", child.parent_hash, parent.hash),
        ("number_not_consecutive", child.number, parent.number + 1),
    )
    for reason, got, expected in expectations:
        if got != expected:
            raise HeaderRejectedError(reason, child.number, got, expected)
    if child.timestamp < parent.timestamp:
        raise HeaderRejectedError(
            "timestamp_before_parent", child.number, child.timestamp, f"at least {parent.timestamp}"
        )
    expected_base_fee = next_base_fee(parent)
    if child.base_fee_per_gas != expected_base_fee:
        raise HeaderRejectedError("impossible_base_fee", child.number, child.base_fee_per_gas, expected_base_fee)
