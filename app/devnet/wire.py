"""Blocks as Ethereum's JSON-RPC writes them (execution-apis), and its quantities read back."""

import re
from typing import Final

from app.devnet.chain import Block
from app.domain.header import next_base_fee

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]

_EMPTY_TRIE_ROOT: Final = "0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421"
_EMPTY_UNCLES_HASH: Final = "0x1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347"
_EMPTY_REQUESTS_HASH: Final = "0xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
_ZERO_HASH: Final = f"0x{0:064x}"
_HEADER_BYTES: Final = 640
_EXTRA_DATA: Final = f"0x{b'taiko-devnet'.hex()}"

_QUANTITY: Final = re.compile(r"0x(0|[1-9a-fA-F][0-9a-fA-F]{0,63})")
_HASH: Final = re.compile(r"0x[0-9a-fA-F]{64}")


def quantity(number: int) -> str:
    """`number` as a hexadecimal quantity without leading zeros."""
    return f"0x{number:x}"


def parsed_quantity(value: object) -> int | None:
    """The number of a hexadecimal quantity of at most 256 bits; None for anything else."""
    return int(value, 16) if isinstance(value, str) and _QUANTITY.fullmatch(value) else None


def parsed_hash(value: object) -> str | None:
    """The lower-case form of a hash; None for anything else."""
    return value.lower() if isinstance(value, str) and _HASH.fullmatch(value) else None


def header_json(block: Block) -> dict[str, Json]:
    """The header, as `newHeads` carries it. Devnet blocks use gas but hold no transactions."""
    header = block.header
    return {
        "number": quantity(header.number),
        "hash": header.hash,
        "parentHash": header.parent_hash,
        "timestamp": quantity(header.timestamp),
        "baseFeePerGas": quantity(header.base_fee_per_gas),
        "gasLimit": quantity(header.gas_limit),
        "gasUsed": quantity(header.gas_used),
        "blobGasUsed": "0x0",
        "excessBlobGas": "0x0",
        "difficulty": "0x0",
        "extraData": _EXTRA_DATA,
        "logsBloom": f"0x{0:0512x}",
        "miner": f"0x{0:040x}",
        "mixHash": _ZERO_HASH,
        "nonce": f"0x{0:016x}",
        "parentBeaconBlockRoot": _ZERO_HASH,
        "receiptsRoot": _EMPTY_TRIE_ROOT,
        "requestsHash": _EMPTY_REQUESTS_HASH,
        "sha3Uncles": _EMPTY_UNCLES_HASH,
        "stateRoot": header.hash,
        "transactionsRoot": _EMPTY_TRIE_ROOT,
        "withdrawalsRoot": _EMPTY_TRIE_ROOT,
    }


def block_json(block: Block) -> dict[str, Json]:
    """The whole block."""
    return {
        **header_json(block),
        "size": quantity(_HEADER_BYTES),
        "totalDifficulty": "0x0",
        "transactions": [],
        "uncles": [],
        "withdrawals": [],
    }


def fee_history_json(blocks: list[Block], percentiles: int) -> dict[str, Json]:
    """`eth_feeHistory` over consecutive `blocks`, at least one: the last base fee is the one after them.

    Blocks without transactions pay no tips: as on a real node, each percentile is 0.
    """
    headers = [block.header for block in blocks]
    base_fees = [*(header.base_fee_per_gas for header in headers), next_base_fee(headers[-1])]
    history: dict[str, Json] = {
        "oldestBlock": quantity(headers[0].number),
        "baseFeePerGas": [quantity(base_fee) for base_fee in base_fees],
        "gasUsedRatio": [header.gas_used / header.gas_limit for header in headers],
        "baseFeePerBlobGas": ["0x1"] * len(base_fees),
        "blobGasUsedRatio": [0.0] * len(headers),
    }
    if percentiles:
        history["reward"] = [["0x0"] * percentiles for _ in headers]
    return history
