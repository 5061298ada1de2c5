"""The nodes of one chain: asked in order of preference, and only once they prove to be on that chain."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeVar

from app.adapters.quantity import decode_quantity
from app.domain.errors import InvalidValueError
from app.domain.units import SAFE_INTEGER_LIMIT
from app.engine.ports import UpstreamError

Value = TypeVar("Value")

_MISSING_STATE: Final = (
    "missing trie node",
    "state is not available",
    "state not available",
    "state unavailable",
    "state is unavailable",
    "no state available",
    "historical state",
    "state history",
    "pruned",
    "pruning",
    "archive",
    "blockoutofrange",  # anvil's word for a block whose state it has dropped
)
_MISSING_BLOCK: Final = (
    "pruned history",
    "header not found",
    "header for hash not found",
    "block not found",
    "unknown block",
    "resource not found",
)


class Node(Protocol):
    """One JSON-RPC node."""

    @property
    def alias(self) -> str:
        """The name that people know the node by."""
        ...

    async def call(self, method: str, params: list[object]) -> object:
        """The `result` of one call. Raises `UpstreamError`; `NodeRefusedError` for an error object."""
        ...

    def redacted(self, text: str) -> str:
        """`text` from the node, short and without any part of the node's URL."""
        ...


class NodeRefusedError(UpstreamError):
    """The node answered with a JSON-RPC error object.

    `reason` is `missing_state` or `missing_block` where the node's words say so, else `rpc_error`.
    """

    def __init__(self, provider: str, method: str, code: int, message: str) -> None:
        super().__init__(provider, _refusal_reason(message), f"{method}: error {code}: {message}")
        self.code = code


def _refusal_reason(message: str) -> str:
    words = message.lower()
    if any(phrase in words for phrase in _MISSING_BLOCK):
        return "missing_block"
    if any(phrase in words for phrase in _MISSING_STATE):
        return "missing_state"
    return "rpc_error"


@dataclass(frozen=True, slots=True)
class Answer(Generic[Value]):
    """What a node answered, and how the nodes asked before it failed."""

    value: Value
    provider: str
    failures: tuple[UpstreamError, ...]


class NodeGroup:
    """The nodes of one chain in order of preference.

    A node's chain id is checked before its first use and again after each failure of it; a node on another chain is
    never asked anything else. Without an expected chain id, the first node to answer fixes it for good.
    """

    def __init__(self, nodes: Sequence[Node], expected_chain_id: int | None) -> None:
        if not nodes:
            raise InvalidValueError("nodes", nodes, "at least one")
        self._nodes = tuple(nodes)
        self._chain_id = expected_chain_id
        self._verified: set[str] = set()
        self._head_node = self._nodes[0]

    @property
    def preferred(self) -> str:
        """Alias of the node that comes first."""
        return self._nodes[0].alias

    async def chain_id(self) -> int:
        """The chain id that a node was seen to be on. Raises `UpstreamError` while there is none."""
        return (await self.ask(self._verified_chain_id)).value

    async def ask_for_head(self, question: Callable[[Node], Awaitable[Value]]) -> Answer[Value]:
        """Ask in order of preference. The node that answers is the one that `ask` then begins with.

        Raises `UpstreamError` with the first node's reason and every node's failure.
        """
        answer = await self._ask(self._nodes, question)
        self._head_node = next(node for node in self._nodes if node.alias == answer.provider)
        return answer

    async def ask(self, question: Callable[[Node], Awaitable[Value]]) -> Answer[Value]:
        """Ask the node that gave the head, then the others. Raises as `ask_for_head` does."""
        others = (node for node in self._nodes if node is not self._head_node)
        return await self._ask((self._head_node, *others), question)

    async def _ask(self, nodes: Sequence[Node], question: Callable[[Node], Awaitable[Value]]) -> Answer[Value]:
        failures: list[UpstreamError] = []
        for node in nodes:
            try:
                await self._verified_chain_id(node)
                value = await question(node)
            except UpstreamError as failure:
                self._verified.discard(node.alias)
                failures.append(failure)
            else:
                return Answer(value, node.alias, tuple(failures))
        raise _all_failed(failures)

    async def _verified_chain_id(self, node: Node) -> int:
        if self._chain_id is not None and node.alias in self._verified:
            return self._chain_id
        got = await self._read_chain_id(node)
        expected = got if self._chain_id is None else self._chain_id
        if got != expected:
            raise UpstreamError(node.alias, "wrong_chain", f"expected chain id {expected}, got {got}")
        self._chain_id = expected
        self._verified.add(node.alias)
        return expected

    @staticmethod
    async def _read_chain_id(node: Node) -> int:
        result = await node.call("eth_chainId", [])
        try:
            return decode_quantity("eth_chainId", result, least=1, greatest=SAFE_INTEGER_LIMIT - 1)
        except InvalidValueError as error:
            detail = node.redacted(str(error))
        raise UpstreamError(node.alias, "invalid_answer", detail)


def _all_failed(failures: Sequence[UpstreamError]) -> UpstreamError:
    first, *others = failures
    if not others:
        return first
    return UpstreamError(first.provider, first.reason, "; ".join((first.detail, *map(str, others))))
