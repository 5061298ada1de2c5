"""The fee vault: absent, a fixed balance, or the balances of addresses on L1 and L2."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final, TypeVar

from app.adapters.headers import BlockPosition, decode_header, decode_position
from app.adapters.nodes import Node, NodeGroup, NodeRefusedError
from app.adapters.quantity import decode_quantity
from app.domain.errors import InvalidHeaderError, InvalidValueError
from app.domain.header import L1Header
from app.domain.units import BlockNumber, UnixSeconds, Wei
from app.domain.vault import NO_VAULT, VaultLayer, VaultPlan, VaultReading, VaultSource, VaultState
from app.engine.ports import UpstreamError, VaultReader

Value = TypeVar("Value")

GREATEST_BALANCE: Final = 2**128 - 1
CONCURRENT_READS: Final = 8
EXPECTED_L2_BLOCK_SECONDS: Final = 2
"""Only where the search for an L2 block begins; what it finds does not depend on it."""
MOST_L2_LOOKUPS: Final = 64

_FORM_REFUSALS: Final = frozenset({-32600, -32602, -32603, -32000})
"""Error codes with which nodes refuse a block given by hash (EIP-1898)."""


def vault_reader(
    plan: VaultPlan, l1_nodes: NodeGroup, l2_nodes: NodeGroup | None, *, l1_quorum: int = 1
) -> VaultReader:
    """The reader that `plan` asks for; an L1 balance counts when `l1_quorum` nodes give it, as a header does.

    Raises `InvalidValueError` for a source without what it needs, and for `push`, which nothing reads.
    """
    if plan.source is VaultSource.NONE:
        return NoVaultReader()
    if plan.source is VaultSource.STATIC:
        return StaticVaultReader(plan)
    if plan.source is VaultSource.ONCHAIN:
        return OnchainVaultReader(plan, l1_nodes, l2_nodes, l1_quorum)
    raise InvalidValueError("vault source", plan.source.value, "none, static or onchain")


class NoVaultReader:
    """No vault is configured."""

    async def at(self, header: L1Header) -> VaultState:  # noqa: ARG002 - the port's signature
        """The absence of a vault, at every header."""
        return NO_VAULT


class StaticVaultReader:
    """A vault whose balance the settings fix."""

    def __init__(self, plan: VaultPlan) -> None:
        """Raises `InvalidValueError` for a plan without a balance or a target."""
        self._plan = _with_target(plan)
        if plan.balance is None:
            raise InvalidValueError("vault balance", plan.balance, "a balance for the static vault")

    async def at(self, header: L1Header) -> VaultState:
        """The plan's balance, whatever the header."""
        plan = self._plan
        return VaultState(
            source=VaultSource.STATIC,
            balance=plan.balance,
            target=plan.target,
            surplus_discount=plan.surplus_discount,
            observed_at=header.timestamp,
        )


class OnchainVaultReader:
    """A vault that is the sum of the balances of its addresses.

    Each layer is read at one block: L1 at the header's block by hash, so that no reorg can mix two branches, from as
    many nodes as must agree; L2 from one node, at the newest block whose timestamp is not above the header's. One
    unreadable balance makes the whole vault unreadable.
    """

    def __init__(self, plan: VaultPlan, l1_nodes: NodeGroup, l2_nodes: NodeGroup | None, l1_quorum: int = 1) -> None:
        """Raises `InvalidValueError` for a plan without addresses or target, or with L2 ones but no L2 nodes."""
        self._plan = _with_target(plan)
        if not plan.addresses:
            raise InvalidValueError("vault addresses", plan.addresses, "at least one address")
        self._layers: list[_L1Balances | _L2Balances] = []
        if l1_addresses := _on(VaultLayer.L1, plan):
            self._layers.append(_L1Balances(l1_nodes, l1_addresses, l1_quorum))
        if l2_addresses := _on(VaultLayer.L2, plan):
            if l2_nodes is None:
                raise InvalidValueError("L2 nodes", None, "at least one, since the vault has addresses on L2")
            self._layers.append(_L2Balances(l2_nodes, l2_addresses))

    async def at(self, header: L1Header) -> VaultState:
        """The sum of the balances at `header`. Raises `UpstreamError` where any of them cannot be read."""
        layers = await _together([partial(layer.at, header) for layer in self._layers])
        by_address = {(reading.layer, reading.address): reading for readings in layers for reading in readings}
        plan = self._plan
        readings = tuple(by_address[address.layer, address.address] for address in plan.addresses)
        return VaultState(
            source=VaultSource.ONCHAIN,
            balance=Wei(sum(reading.balance for reading in readings)),
            target=plan.target,
            surplus_discount=plan.surplus_discount,
            observed_at=header.timestamp,
            readings=readings,
        )


class _L1Balances:
    def __init__(self, nodes: NodeGroup, addresses: Sequence[str], quorum: int) -> None:
        self._nodes = nodes
        self._addresses = addresses
        self._quorum = quorum

    async def at(self, header: L1Header) -> Sequence[VaultReading]:
        async def question(node: Node) -> Sequence[VaultReading]:
            balances = await self._balances(node, header)
            return _readings(VaultLayer.L1, self._addresses, header.number, balances)

        return (await self._nodes.ask_agreeing(question, self._quorum)).value

    async def _balances(self, node: Node, header: L1Header) -> Sequence[Wei]:
        by_hash = {"blockHash": header.hash, "requireCanonical": False}
        try:
            return await _balances(node, self._addresses, by_hash)
        except NodeRefusedError as refusal:
            if refusal.reason != "rpc_error" or refusal.code not in _FORM_REFUSALS:
                raise
        balances = await _balances(node, self._addresses, hex(header.number))
        await _check_on_chain(node, header)
        return balances


class _L2Balances:
    def __init__(self, nodes: NodeGroup, addresses: Sequence[str]) -> None:
        self._nodes = nodes
        self._addresses = addresses

    async def at(self, header: L1Header) -> Sequence[VaultReading]:
        async def question(node: Node) -> Sequence[VaultReading]:
            number = await _newest_block_not_after(node, header.timestamp)
            balances = await _balances(node, self._addresses, hex(number))
            return _readings(VaultLayer.L2, self._addresses, number, balances)

        return (await self._nodes.ask_for_head(question)).value


async def _newest_block_not_after(node: Node, moment: UnixSeconds) -> BlockNumber:
    """Number of the newest block of `node`'s chain whose timestamp is at most `moment`.

    Raises `UpstreamError`: `missing_block` where even block 0 is later.
    """
    before: BlockPosition | None = None
    after = await _position(node, "latest")
    if after.timestamp <= moment:
        return after.number
    for lookup in range(MOST_L2_LOOKUPS):
        if after.number == 0:
            break
        found = await _position(node, hex(_guess(before, after, moment, lookup)))
        if found.timestamp <= moment:
            before = found
        else:
            after = found
        if before is not None and after.number - before.number == 1:
            return before.number
    raise UpstreamError(node.alias, "missing_block", f"no L2 block found at or before {moment}")


def _guess(before: BlockPosition | None, after: BlockPosition, moment: UnixSeconds, lookup: int) -> int:
    """A block number below `after` and, where there is one, above `before`.

    Steps back by ever more of the expected blocks until there is a block before; then proportion and halving by turns.
    """
    if before is None:
        blocks_late = -(-(after.timestamp - moment) // EXPECTED_L2_BLOCK_SECONDS)
        return max(0, after.number - (blocks_late << lookup))
    span = after.number - before.number
    if lookup % 2 == 0:
        return before.number + span // 2
    proportional = span * (moment - before.timestamp) // (after.timestamp - before.timestamp)
    return before.number + min(span - 1, max(1, proportional))


async def _position(node: Node, block: str) -> BlockPosition:
    result = await _block(node, block)
    try:
        position = decode_position(result)
    except InvalidHeaderError as error:
        detail = node.redacted(str(error))
    else:
        if block in ("latest", hex(position.number)):
            return position
        detail = f"asked for block {block}, got {hex(position.number)}"
    raise UpstreamError(node.alias, "invalid_answer", detail)


async def _check_on_chain(node: Node, header: L1Header) -> None:
    """Raise `UpstreamError` unless the canonical block at the header's height is that header."""
    result = await _block(node, hex(header.number))
    try:
        got = decode_header(result).hash
    except InvalidHeaderError as error:
        detail = node.redacted(str(error))
    else:
        if got == header.hash:
            return
        detail = f"block {header.number} is {got} there, expected {header.hash}"
    raise UpstreamError(node.alias, "missing_block", detail)


async def _block(node: Node, block: str) -> object:
    result = await node.call("eth_getBlockByNumber", [block, False])
    if result is None:
        raise UpstreamError(node.alias, "missing_block", f"eth_getBlockByNumber {block}: the node has no such block")
    return result


async def _balances(node: Node, addresses: Sequence[str], block: object) -> Sequence[Wei]:
    return await _together([partial(_balance, node, address, block) for address in addresses])


async def _balance(node: Node, address: str, block: object) -> Wei:
    result = await node.call("eth_getBalance", [address, block])
    if result is None:
        raise UpstreamError(node.alias, "missing_state", f"eth_getBalance {address}: the node has no state there")
    try:
        return Wei(decode_quantity(f"balance of {address}", result, least=0, greatest=GREATEST_BALANCE))
    except InvalidValueError as error:
        detail = node.redacted(str(error))
    raise UpstreamError(node.alias, "invalid_answer", detail)


async def _together(reads: Sequence[Callable[[], Awaitable[Value]]]) -> Sequence[Value]:
    """All results, in order, a bounded number of reads at a time. Raises the first failure once all have ended."""
    places = asyncio.Semaphore(CONCURRENT_READS)

    async def in_turn(read: Callable[[], Awaitable[Value]]) -> Value:
        async with places:
            return await read()

    # Not a TaskGroup: one that is cancelled just as a child fails, whose error is then handled, loses the cancellation.
    outcomes = await asyncio.gather(*map(in_turn, reads), return_exceptions=True)
    results: list[Value] = []
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
        results.append(outcome)
    return results


def _readings(
    layer: VaultLayer, addresses: Sequence[str], number: BlockNumber, balances: Sequence[Wei]
) -> Sequence[VaultReading]:
    pairs = zip(addresses, balances, strict=True)
    return [VaultReading(layer, address, number, balance) for address, balance in pairs]


def _on(layer: VaultLayer, plan: VaultPlan) -> Sequence[str]:
    return [address.address for address in plan.addresses if address.layer is layer]


def _with_target(plan: VaultPlan) -> VaultPlan:
    if plan.target is None:
        raise InvalidValueError("vault target", plan.target, "a target for the vault")
    return plan
