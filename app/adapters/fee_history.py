"""Past blocks from a node: headers, and what `eth_feeHistory` says beside them."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from app.adapters.headers import decode_header
from app.adapters.nodes import Node, NodeGroup
from app.adapters.quantity import decode_quantity
from app.domain.errors import InvalidValueError
from app.domain.header import L1Header
from app.domain.units import SAFE_INTEGER_LIMIT, BlockNumber, WeiPerGas
from app.engine.ports import PastBlock, PastBlockSource, UpstreamError

_CALLS_AT_ONCE: Final = 16
_GREATEST_BLOB_BASE_FEE: Final = 10**30


class NodePastBlocks(PastBlockSource):
    """The past as the first node that answers tells it."""

    def __init__(self, nodes: NodeGroup) -> None:
        self._nodes = nodes

    async def chain_id(self) -> int:
        """As `PastBlockSource.chain_id`."""
        return await self._nodes.chain_id()

    async def head(self) -> L1Header:
        """As `PastBlockSource.head`."""
        return (await self._nodes.ask(lambda node: _header(node, "latest"))).value

    async def blocks(self, first: BlockNumber, last: BlockNumber) -> Sequence[PastBlock]:
        """As `PastBlockSource.blocks`."""
        return (await self._nodes.ask(lambda node: _past_blocks(node, first, last))).value


async def _past_blocks(node: Node, first: BlockNumber, last: BlockNumber) -> Sequence[PastBlock]:
    fees, blob_fees = await _fee_history(node, first, last)
    turns = asyncio.Semaphore(_CALLS_AT_ONCE)

    async def read(number: int) -> L1Header:
        async with turns:
            return await _header(node, hex(number))

    headers = await asyncio.gather(*map(read, range(first, last + 1)))
    for number, header, fee in zip(range(first, last + 1), headers, fees, strict=True):
        if header.number != number:
            raise UpstreamError(node.alias, "invalid_answer", f"block {number}: got block {header.number}")
        if header.base_fee_per_gas != fee:
            detail = f"block {number}: its header's base fee is {header.base_fee_per_gas}, eth_feeHistory says {fee}"
            raise UpstreamError(node.alias, "invalid_answer", detail)
    return [PastBlock(header, blob) for header, blob in zip(headers, blob_fees, strict=True)]


async def _header(node: Node, block: str) -> L1Header:
    answer = await node.call("eth_getBlockByNumber", [block, False])
    if answer is None:
        raise UpstreamError(node.alias, "missing_block", f"eth_getBlockByNumber: no block {block}")
    try:
        return decode_header(answer)
    except InvalidValueError as error:
        raise UpstreamError(node.alias, "invalid_header", node.redacted(str(error))) from None


async def _fee_history(node: Node, first: BlockNumber, last: BlockNumber) -> tuple[list[WeiPerGas], list[int | None]]:
    """Base fees and blob base fees of the blocks; None for each blob base fee where the node tells none."""
    count = last - first + 1
    answer = await node.call("eth_feeHistory", [hex(count), hex(last), []])
    try:
        answer = _history(answer, first)
        fees = _quantities(answer, "baseFeePerGas", count, SAFE_INTEGER_LIMIT)
        blob_fees: list[int | None] = [None] * count
        if "baseFeePerBlobGas" in answer:
            blob_fees = list(_quantities(answer, "baseFeePerBlobGas", count, _GREATEST_BLOB_BASE_FEE))
    except InvalidValueError as error:
        raise UpstreamError(node.alias, "invalid_answer", node.redacted(str(error))) from None
    return [WeiPerGas(fee) for fee in fees], blob_fees


def _history(answer: object, first: BlockNumber) -> Mapping[str, object]:
    if not isinstance(answer, Mapping):
        raise InvalidValueError("eth_feeHistory", type(answer).__name__, "an object")
    decode_quantity("oldestBlock", answer.get("oldestBlock"), least=first, greatest=first)
    return answer


def _quantities(answer: Mapping[str, object], name: str, count: int, greatest: int) -> list[int]:
    """The first `count` of a list that has one more, of the block after them."""
    listed = answer.get(name)
    if not isinstance(listed, Sequence) or isinstance(listed, str) or len(listed) != count + 1:
        raise InvalidValueError(name, type(listed).__name__, f"a list of {count + 1}")
    return [decode_quantity(name, value, least=0, greatest=greatest) for value in listed[:count]]
