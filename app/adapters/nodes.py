"""The nodes of one chain: asked in order of preference, and only once they prove to be on that chain."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeVar, runtime_checkable

from app.adapters.quantity import decode_quantity
from app.domain.errors import InvalidValueError
from app.domain.header import L1Header
from app.domain.units import SAFE_INTEGER_LIMIT, UnixSeconds
from app.engine.ports import UpstreamError

Value = TypeVar("Value")

PATIENCE_SECONDS: Final = 0.5
"""How long to wait for a silent node before the next one is asked beside it."""

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


@dataclass(frozen=True, slots=True)
class Dated:
    """What time a node said it is, and between which seconds of the monotonic clock it said so."""

    date: UnixSeconds
    sent: float
    received: float


@runtime_checkable
class TimeTeller(Protocol):
    """A node whose answers say what time it is."""

    @property
    def dated(self) -> Dated | None:
        """What its newest answer says; None before the first that says so."""
        ...


class HeadListener(Protocol):
    """Who is told of pushed heads. Nothing here may raise or block."""

    def subscribed(self) -> None:
        """Heads are pushed from now on."""
        ...

    def pushed(self, header: L1Header) -> None:
        """A head came."""
        ...

    def push_failed(self, failure: UpstreamError) -> None:
        """What was pushed cannot be used."""
        ...

    def unsubscribed(self, reason: str) -> None:
        """Heads are no longer pushed: `closed`, `frozen`, `silent` or `refused`."""
        ...


@runtime_checkable
class PushingNode(Protocol):
    """A node that can push its heads."""

    async def run(self, listener: HeadListener) -> None:
        """Keep a subscription alive until cancelled."""
        ...

    def resubscribe(self) -> None:
        """Give up the present subscription as silent, and make another."""
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
    never asked anything else. Without an expected chain id, the first node to answer fixes it for good, or as many
    nodes as `agree_on_chain_id` asks for. A connection that broke is tried once more before the next node is asked.
    """

    def __init__(self, nodes: Sequence[Node], expected_chain_id: int | None) -> None:
        if not nodes:
            raise InvalidValueError("nodes", nodes, "at least one")
        self._nodes = tuple(nodes)
        self._chain_id = expected_chain_id
        self._verified: set[str] = set()
        self._order = self._nodes

    @property
    def nodes(self) -> Sequence[Node]:
        """The nodes, the preferred one first."""
        return self._nodes

    @property
    def known_chain_id(self) -> int | None:
        """The chain id that the nodes have to be on; None before it was learned."""
        return self._chain_id

    async def chain_id(self) -> int:
        """The chain id that a node was seen to be on. Raises `UpstreamError` while there is none."""
        return (await self.ask(self._verified_chain_id)).value

    async def agree_on_chain_id(self, quorum: int) -> None:
        """Learn an unknown chain id: the first one in order of preference that `quorum` nodes are on.

        Raises `UpstreamError`: `no_quorum` where fewer agree, the first node's reason where none answers.
        """
        if self._chain_id is not None:
            return
        outcomes = await asyncio.gather(*map(self._chain_id_or_failure, self._nodes))
        given = {outcome.provider: outcome.value for outcome in outcomes if isinstance(outcome, Answer)}
        values = list(given.values())
        agreed = next((value for value in values if values.count(value) >= quorum), None)
        if agreed is None:
            raise _no_chain_id(outcomes, given, quorum)
        self._chain_id = agreed
        self._verified = {alias for alias, value in given.items() if value == agreed}

    def is_verified(self, alias: str) -> bool:
        """Whether this node was seen to be on the chain since it last failed."""
        return self._chain_id is not None and alias in self._verified

    def forget(self, alias: str) -> None:
        """Check this node's chain id again before its next use."""
        self._verified.discard(alias)

    def prefer(self, aliases: Sequence[str]) -> None:
        """Let `ask` go by this order; nodes that are not named come last."""
        places = {alias: place for place, alias in enumerate(aliases)}
        self._order = tuple(sorted(self._nodes, key=lambda node: places.get(node.alias, len(places))))

    async def ask_for_head(self, question: Callable[[Node], Awaitable[Value]]) -> Answer[Value]:
        """Ask in order of preference. The node that answers is the one that `ask` then begins with.

        Raises `UpstreamError` with the first node's reason and every node's failure.
        """
        answer = await self._ask(self._nodes, question)
        self.prefer([answer.provider])
        return answer

    async def ask(self, question: Callable[[Node], Awaitable[Value]]) -> Answer[Value]:
        """Ask the node that gave the head, then the others. Raises as `ask_for_head` does."""
        return await self._ask(self._order, question)

    async def ask_agreeing(self, question: Callable[[Node], Awaitable[Value]], quorum: int) -> Answer[Value]:
        """The value that `quorum` nodes give, asked in the order of `ask`; as many at a time as could decide.

        With a quorum of 1 the next node is asked only where the one before it failed: its answer alone decides. With a
        greater one, a silent node is not waited for: the next one is asked beside it.

        Raises `UpstreamError`: the first failure's reason where the others agree but are too few, else `no_quorum`.
        """
        waiting = list(self._order)
        given: list[Answer[Value]] = []
        failures: list[UpstreamError] = []

        async def ask(node: Node) -> None:
            try:
                given.append(Answer(await self.ask_one(node, question), node.alias, ()))
            except UpstreamError as failure:
                failures.append(failure)

        running: set[asyncio.Task[None]] = set()
        try:
            while (agreed := _agreed(given, quorum)) is None:
                while waiting and len(running) + _most_alike(given) < quorum:
                    running.add(asyncio.ensure_future(ask(waiting.pop(0))))
                if not running:
                    raise _not_agreed(given, failures, quorum)
                done, running = await asyncio.wait(
                    running,
                    timeout=PATIENCE_SECONDS if waiting and quorum > 1 else None,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                if not done:
                    running.add(asyncio.ensure_future(ask(waiting.pop(0))))
                for task in done:
                    task.result()
            return Answer(agreed.value, agreed.provider, tuple(failures))
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def ask_one(self, node: Node, question: Callable[[Node], Awaitable[Value]]) -> Value:
        """Ask one node, once more where its connection broke. Raises `UpstreamError`."""
        try:
            return await self._ask_once(node, question)
        except UpstreamError as failure:
            self.forget(node.alias)
            if failure.reason != "unreachable":
                raise
        return await self._ask_again(node, question)

    async def _ask(self, nodes: Sequence[Node], question: Callable[[Node], Awaitable[Value]]) -> Answer[Value]:
        failures: list[UpstreamError] = []
        for node in nodes:
            try:
                value = await self.ask_one(node, question)
            except UpstreamError as failure:
                failures.append(failure)
            else:
                return Answer(value, node.alias, tuple(failures))
        raise all_failed(failures)

    async def _ask_once(self, node: Node, question: Callable[[Node], Awaitable[Value]]) -> Value:
        await self._verified_chain_id(node)
        return await question(node)

    async def _ask_again(self, node: Node, question: Callable[[Node], Awaitable[Value]]) -> Value:
        try:
            return await self._ask_once(node, question)
        except UpstreamError:
            self.forget(node.alias)
            raise

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

    async def _chain_id_or_failure(self, node: Node) -> "Answer[int] | UpstreamError":
        try:
            return Answer(await self._read_chain_id(node), node.alias, ())
        except UpstreamError as failure:
            return failure

    @staticmethod
    async def _read_chain_id(node: Node) -> int:
        result = await node.call("eth_chainId", [])
        try:
            return decode_quantity("eth_chainId", result, least=1, greatest=SAFE_INTEGER_LIMIT - 1)
        except InvalidValueError as error:
            detail = node.redacted(str(error))
        raise UpstreamError(node.alias, "invalid_answer", detail)


def _most_alike(given: Sequence[Answer[Value]]) -> int:
    values = [answer.value for answer in given]
    return max(map(values.count, values), default=0)


def _agreed(given: Sequence[Answer[Value]], quorum: int) -> Answer[Value] | None:
    values = [answer.value for answer in given]
    return next((answer for answer in given if values.count(answer.value) >= quorum), None)


def _not_agreed(given: Sequence[Answer[Value]], failures: Sequence[UpstreamError], quorum: int) -> UpstreamError:
    if failures and len(given) == _most_alike(given):
        return all_failed(failures)
    detail = f"{quorum} must agree: {', '.join(answer.provider for answer in given)} give different answers"
    return UpstreamError(given[0].provider, "no_quorum", "; ".join((detail, *map(str, failures))))


def all_failed(failures: Sequence[UpstreamError]) -> UpstreamError:
    """The first failure, which names the others too."""
    first, *others = failures
    if not others:
        return first
    return UpstreamError(first.provider, first.reason, "; ".join((first.detail, *map(str, others))))


def _no_chain_id(
    outcomes: Sequence[Answer[int] | UpstreamError], given: Mapping[str, int], quorum: int
) -> UpstreamError:
    failures = [outcome for outcome in outcomes if isinstance(outcome, UpstreamError)]
    if not given:
        return all_failed(failures)
    said = [f"{alias} is on chain {value}" for alias, value in given.items()]
    detail = f"{quorum} providers must be on one chain: {'; '.join((*said, *map(str, failures)))}"
    return UpstreamError(next(iter(given)), "no_quorum", detail)
