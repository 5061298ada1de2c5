"""What a node is asked about headers, and when its answer is one to the question."""

from collections.abc import Awaitable, Callable

from app.adapters.headers import decode_header
from app.adapters.nodes import Node
from app.domain.errors import InvalidHeaderError
from app.domain.header import L1Header
from app.domain.units import BlockNumber
from app.engine.ports import UpstreamError

Question = Callable[[Node], Awaitable[L1Header]]


async def latest_header(node: Node) -> L1Header:
    """The head of `node`. Raises `UpstreamError`, as every question does."""
    return await _header(node, "eth_getBlockByNumber", "latest")


def at_height(number: BlockNumber) -> Question:
    """The block at this height of the canonical chain; another height's is an `invalid_answer`."""

    async def question(node: Node) -> L1Header:
        header = await _header(node, "eth_getBlockByNumber", hex(number))
        return _as_asked(node, header, "number", header.number, number)

    return question


def with_hash(block_hash: str) -> Question:
    """The block with this hash, on whatever branch; another one's is an `invalid_answer`."""

    async def question(node: Node) -> L1Header:
        header = await _header(node, "eth_getBlockByHash", block_hash)
        return _as_asked(node, header, "hash", header.hash, block_hash.lower())

    return question


async def nothing(_node: Node) -> None:
    """The chain id, which is checked before any question, is all that is asked."""


async def _header(node: Node, method: str, block: str) -> L1Header:
    result = await node.call(method, [block, False])
    if result is None:
        raise UpstreamError(node.alias, "missing_block", f"{method} {block}: the node has no such block")
    try:
        return decode_header(result)
    except InvalidHeaderError as error:
        detail = node.redacted(str(error))
    raise UpstreamError(node.alias, "invalid_header", detail)


def _as_asked(node: Node, header: L1Header, field: str, got: object, asked: object) -> L1Header:
    if got != asked:
        raise UpstreamError(node.alias, "invalid_answer", f"asked for the block of {field} {asked}, got {got}")
    return header
