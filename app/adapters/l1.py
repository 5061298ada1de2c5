"""L1 headers from JSON-RPC nodes."""

from app.adapters.headers import decode_header
from app.adapters.nodes import Answer, Node, NodeGroup
from app.domain.errors import InvalidHeaderError
from app.domain.header import L1Header
from app.domain.units import BlockNumber
from app.engine.events import Observer, ProviderChanged
from app.engine.ports import HeadSighting, UpstreamError


class L1HeaderSource:
    """The L1 chain as its nodes give it: the first usable answer in order of preference.

    Headers by hash and by number come from the node that gave the head, where it has them.
    """

    def __init__(self, nodes: NodeGroup, observe: Observer) -> None:
        self._nodes = nodes
        self._observe = observe
        self._head_from = nodes.preferred

    async def chain_id(self) -> int:
        """The chain id that the nodes were checked against."""
        return await self._nodes.chain_id()

    async def latest(self) -> HeadSighting:
        """The newest header of the first node that gives a usable one."""
        answer = await self._nodes.ask_for_head(_latest_header)
        self._note_provider(answer)
        return HeadSighting(header=answer.value, provider=answer.provider, agreeing=1)

    async def by_hash(self, block_hash: str) -> L1Header:
        """The header with this hash, on whatever branch; another one's is refused as `invalid_answer`."""

        async def question(node: Node) -> L1Header:
            header = await _header(node, "eth_getBlockByHash", block_hash)
            return _as_asked(node, header, "hash", header.hash, block_hash.lower())

        return (await self._nodes.ask(question)).value

    async def by_number(self, number: BlockNumber) -> L1Header:
        """The header at this height of the canonical chain; another height's is refused as `invalid_answer`."""

        async def question(node: Node) -> L1Header:
            header = await _header(node, "eth_getBlockByNumber", hex(number))
            return _as_asked(node, header, "number", header.number, number)

        return (await self._nodes.ask(question)).value

    def _note_provider(self, answer: Answer[L1Header]) -> None:
        before, self._head_from = self._head_from, answer.provider
        if answer.provider != before:
            reasons = {failure.provider: failure.reason for failure in answer.failures}
            self._observe(ProviderChanged(answer.provider, before, reasons.get(before, "recovered")))


async def _latest_header(node: Node) -> L1Header:
    return await _header(node, "eth_getBlockByNumber", "latest")


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
