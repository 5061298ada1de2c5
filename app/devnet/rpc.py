"""The devnet's JSON-RPC 2.0: what a message is answered with. No socket, no clock of its own.

The Ethereum methods answer as a node's do. Tags: `latest` and `pending` are the head, `safe` and `finalized` the
blocks 32 and 64 below it, `earliest` the oldest block that is kept. State changes only with a new block.

The `devnet_` methods control the chain, for tests and demonstrations:

- `devnet_mine [n]`: mine n blocks (1 unless given, at most 1024) at once; answers the head's number.
- `devnet_setBalance [address, wei]`: what the address holds from the next block on; answers that block's number.
- `devnet_setIntervalMining [seconds]`: the block time from now on (0.01 to 3600); 0 stops the chain, as an L1 that
  stands still. Answers true.
- `devnet_reorg [depth]`: replace the newest blocks by siblings (1 unless given, at most 1024); answers the new head's
  hash. The replaced blocks can still be read by their hashes. Siblings have other demand, hence other base fees.
- `devnet_setDemand [scenario]`: `calm`, `spike` or `drift` from the next block on. Answers true.

Numbers of blocks and wei are hexadecimal quantities or JSON integers.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NoReturn

from app.devnet.cadence import Cadence
from app.devnet.chain import Block, ChainRefusedError
from app.devnet.demand import Scenario
from app.devnet.node import Node, account_address
from app.devnet.wire import Json, block_json, fee_history_json, header_json, parsed_hash, parsed_quantity, quantity
from app.domain.errors import InvalidValueError, OracleError, shown
from app.domain.network import DEVNET_CHAIN_ID
from app.domain.units import MILLIS_PER_SECOND, UnixMillis, UnixSeconds, Wei

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602
SERVER_ERROR: Final = -32000

MOST_CALLS_IN_A_BATCH: Final = 100
MOST_BRACKETS: Final = 1_000
"""Bounds how deep a message nests: web3 lifts Python's recursion limit so far that deep JSON would end the process."""
MOST_BLOCKS_AT_ONCE: Final = 1_024
MOST_SUBSCRIPTIONS: Final = 64
MOST_PERCENTILES: Final = 100
SAFE_DEPTH_BLOCKS: Final = 32
FINALIZED_DEPTH_BLOCKS: Final = 64
SUGGESTED_TIP_WEI: Final = 1_000_000_000


class RpcError(OracleError):
    """A call that is answered with a JSON-RPC error."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Subscriptions:
    """The `newHeads` subscriptions of one connection."""

    def __init__(self, send: Callable[[str], None]) -> None:
        self._send = send
        self._ids: set[str] = set()
        self._made = 0

    def add(self) -> str:
        """A new subscription's id."""
        if len(self._ids) >= MOST_SUBSCRIPTIONS:
            raise RpcError(SERVER_ERROR, f"at most {MOST_SUBSCRIPTIONS} subscriptions a connection")
        self._made += 1
        subscription = f"0x{self._made:032x}"
        self._ids.add(subscription)
        return subscription

    def remove(self, subscription: str) -> bool:
        """Whether there was such a subscription."""
        found = subscription in self._ids
        self._ids.discard(subscription)
        return found

    def announce(self, block: Block) -> None:
        """Send `block` to every subscription."""
        if not self._ids:
            return
        result = header_json(block)
        for subscription in sorted(self._ids):
            params: Json = {"subscription": subscription, "result": result}
            self._send(json.dumps({"jsonrpc": "2.0", "method": "eth_subscription", "params": params}))


Params = list[object]
Handler = Callable[[Params], Json]


@dataclass(frozen=True, slots=True)
class _Method:
    least: int
    most: int
    handler: Handler


class Rpc:
    """Answers messages from the node's chain."""

    def __init__(self, node: Node, cadence: Cadence, now: Callable[[], UnixMillis], version: str) -> None:
        self._node = node
        self._chain = node.chain
        self._cadence = cadence
        self._now = now
        self._version = version
        self._methods = {
            "eth_chainId": _Method(0, 0, lambda _: quantity(DEVNET_CHAIN_ID)),
            "net_version": _Method(0, 0, lambda _: str(DEVNET_CHAIN_ID)),
            "net_listening": _Method(0, 0, lambda _: True),
            "web3_clientVersion": _Method(0, 0, lambda _: f"taiko-devnet/{version}"),
            "eth_syncing": _Method(0, 0, lambda _: False),
            "eth_accounts": _Method(0, 0, lambda _: []),
            "eth_blockNumber": _Method(0, 0, lambda _: quantity(self._chain.head.header.number)),
            "eth_gasPrice": _Method(0, 0, self._gas_price),
            "eth_maxPriorityFeePerGas": _Method(0, 0, lambda _: quantity(SUGGESTED_TIP_WEI)),
            "eth_blobBaseFee": _Method(0, 0, lambda _: "0x1"),
            "eth_feeHistory": _Method(2, 3, self._fee_history),
            "eth_getBlockByNumber": _Method(1, 2, self._block_by_number),
            "eth_getBlockByHash": _Method(1, 2, self._block_by_hash),
            "eth_getBlockTransactionCountByNumber": _Method(1, 1, self._transaction_count),
            "eth_getBalance": _Method(1, 2, self._balance),
            "devnet_mine": _Method(0, 1, self._mine),
            "devnet_setBalance": _Method(2, 2, self._set_balance),
            "devnet_setIntervalMining": _Method(1, 1, self._set_interval_mining),
            "devnet_reorg": _Method(0, 1, self._reorg),
            "devnet_setDemand": _Method(1, 1, self._set_demand),
        }

    def answer(self, message: str | bytes, subscriptions: Subscriptions | None = None) -> str | None:
        """The answer to one message, a call or a batch; None where only notifications came.

        Without `subscriptions` the transport cannot push, and `eth_subscribe` is not there.
        """
        try:
            answer = self._answered(message, subscriptions)
        except RecursionError:
            answer = _failure(None, PARSE_ERROR, "parse error: the message is nested too deep")
        return None if answer is None else json.dumps(answer)

    def _answered(self, message: str | bytes, subscriptions: Subscriptions | None) -> Json:
        text = message.encode(errors="replace") if isinstance(message, str) else message
        if text.count(b"[") + text.count(b"{") > MOST_BRACKETS:
            return _failure(None, INVALID_REQUEST, f"invalid request: over {MOST_BRACKETS} arrays and objects")
        try:
            request = json.loads(message, parse_constant=_refuse_constant)
        except ValueError:
            return _failure(None, PARSE_ERROR, "parse error: the message is not JSON")
        return self._batch(request, subscriptions) if isinstance(request, list) else self._one(request, subscriptions)

    def _batch(self, requests: list[object], subscriptions: Subscriptions | None) -> Json:
        if not 1 <= len(requests) <= MOST_CALLS_IN_A_BATCH:
            expected = f"a batch holds 1 to {MOST_CALLS_IN_A_BATCH} calls"
            return _failure(None, INVALID_REQUEST, f"invalid request: {expected}, not {len(requests)}")
        answers = [self._one(request, subscriptions) for request in requests]
        return [answer for answer in answers if answer is not None] or None

    def _one(self, request: object, subscriptions: Subscriptions | None) -> Json:
        if not isinstance(request, dict):
            return _failure(None, INVALID_REQUEST, f"invalid request: got {shown(request)}, expected an object")
        call_id = request.get("id")
        if isinstance(call_id, bool) or not isinstance(call_id, str | int | None):
            return _failure(None, INVALID_REQUEST, "invalid request: id must be a string, an integer or null")
        method, params = request.get("method"), request.get("params")
        if request.get("jsonrpc") != "2.0" or not isinstance(method, str):
            return _failure(call_id, INVALID_REQUEST, 'invalid request: expected "jsonrpc": "2.0" and a method')
        try:
            answer: Json = {"jsonrpc": "2.0", "id": call_id, "result": self._call(method, params, subscriptions)}
        except RpcError as error:
            answer = _failure(call_id, error.code, str(error))
        except InvalidValueError as error:
            answer = _failure(call_id, INVALID_PARAMS, f"invalid params: {error}")
        except ChainRefusedError as error:
            answer = _failure(call_id, SERVER_ERROR, str(error))
        return answer if "id" in request else None

    def _call(self, name: str, params: object, subscriptions: Subscriptions | None) -> Json:
        method = self._subscribing(name, subscriptions) or self._methods.get(name)
        if method is None:
            raise RpcError(METHOD_NOT_FOUND, f"the method {shown(name)} does not exist or is not available")
        given = [] if params is None else params
        if not isinstance(given, list):
            raise InvalidValueError("params", params, "an array")
        if not method.least <= len(given) <= method.most:
            raise InvalidValueError("params", given, f"{method.least} to {method.most} of them")
        return method.handler(given)

    def _subscribing(self, name: str, subscriptions: Subscriptions | None) -> _Method | None:
        if name not in {"eth_subscribe", "eth_unsubscribe"}:
            return None
        if subscriptions is None:
            raise RpcError(METHOD_NOT_FOUND, "subscriptions need a WebSocket connection")
        if name == "eth_unsubscribe":
            return _Method(1, 1, lambda params: subscriptions.remove(_text(params[0], "subscription")))
        return _Method(1, 1, lambda params: _subscribe(params[0], subscriptions))

    def _gas_price(self, _: Params) -> Json:
        return quantity(self._chain.head.header.base_fee_per_gas + SUGGESTED_TIP_WEI)

    def _block_by_number(self, params: Params) -> Json:
        _flag(params)
        block = self._chain.at(self._height(params[0]))
        return None if block is None else block_json(block)

    def _block_by_hash(self, params: Params) -> Json:
        _flag(params)
        block = self._chain.by_hash(_block_hash(params[0]))
        return None if block is None else block_json(block)

    def _transaction_count(self, params: Params) -> Json:
        return None if self._chain.at(self._height(params[0])) is None else "0x0"

    def _balance(self, params: Params) -> Json:
        address = account_address(_text(params[0], "address"))
        block = self._state(params[1] if len(params) > 1 else "latest")
        return quantity(block.balances.get(address, 0))

    def _fee_history(self, params: Params) -> Json:
        count = _number(params[0], "blockCount")
        newest = self._height(params[1])
        percentiles = params[2] if len(params) > 2 else None  # noqa: PLR2004
        if not count:
            raise InvalidValueError("blockCount", params[0], "a number of blocks, at least 1")
        if self._chain.at(newest) is None:
            raise RpcError(SERVER_ERROR, f"request beyond head block: block {newest} is not there")
        oldest = max(newest - min(count, MOST_BLOCKS_AT_ONCE) + 1, self._chain.oldest.header.number)
        blocks = [block for number in range(oldest, newest + 1) if (block := self._chain.at(number))]
        return fee_history_json(blocks, _percentiles(percentiles))

    def _mine(self, params: Params) -> Json:
        for _ in range(_count(params[0], "blocks") if params else 1):
            self._node.mine(UnixSeconds(self._now() // MILLIS_PER_SECOND))
        return quantity(self._chain.head.header.number)

    def _set_balance(self, params: Params) -> Json:
        address = account_address(_text(params[0], "address"))
        balance = _number(params[1], "wei")
        if balance is None:
            raise InvalidValueError("wei", params[1], "a hexadecimal quantity of at most 256 bits")
        return quantity(self._node.set_balance(address, Wei(balance)))

    def _set_interval_mining(self, params: Params) -> Json:
        seconds = params[0]
        if isinstance(seconds, bool) or not isinstance(seconds, int | float):
            raise InvalidValueError("seconds", seconds, "a number of seconds")
        self._cadence.change(seconds)
        return True

    def _reorg(self, params: Params) -> Json:
        self._node.reorg(_count(params[0], "depth") if params else 1)
        return self._chain.head.header.hash

    def _set_demand(self, params: Params) -> Json:
        self._node.set_demand(checked_scenario(_text(params[0], "scenario")))
        return True

    def _state(self, place: object) -> Block:
        if isinstance(place, dict) and "blockHash" in place:
            block = self._chain.by_hash(_block_hash(place["blockHash"]))
            if block is not None and place.get("requireCanonical") is True and not self._chain.is_canonical(block):
                raise RpcError(SERVER_ERROR, "hash is not currently canonical")
        else:
            number = place["blockNumber"] if isinstance(place, dict) and "blockNumber" in place else place
            block = self._chain.at(self._height(number))
        if block is None:
            raise RpcError(SERVER_ERROR, f"header not found: no state at {shown(place)}")
        return block

    def _height(self, place: object) -> int:
        head, oldest = self._chain.head.header.number, self._chain.oldest.header.number
        tags = {
            "latest": head,
            "pending": head,
            "safe": max(oldest, head - SAFE_DEPTH_BLOCKS),
            "finalized": max(oldest, head - FINALIZED_DEPTH_BLOCKS),
            "earliest": oldest,
        }
        number = tags.get(place) if isinstance(place, str) and place in tags else parsed_quantity(place)
        if number is None:
            raise InvalidValueError("block", place, f"a hexadecimal quantity, or one of {', '.join(tags)}")
        return number


def checked_scenario(name: str) -> Scenario:
    """The scenario of this name. Raises `InvalidValueError` where there is none."""
    try:
        return Scenario(name)
    except ValueError:
        raise InvalidValueError("scenario", name, ", ".join(Scenario)) from None


def _subscribe(kind: object, subscriptions: Subscriptions) -> str:
    if kind != "newHeads":
        raise InvalidValueError("subscription", kind, "newHeads")
    return subscriptions.add()


def _failure(call_id: str | int | None, code: int, message: str) -> Json:
    return {"jsonrpc": "2.0", "id": call_id, "error": {"code": code, "message": message}}


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _number(value: object, name: str) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        if not 0 <= value < 1 << 256:
            raise InvalidValueError(name, value, "0 and up, of at most 256 bits")
        return value
    return parsed_quantity(value)


def _count(value: object, name: str) -> int:
    number = _number(value, name)
    if number is None or not 1 <= number <= MOST_BLOCKS_AT_ONCE:
        raise InvalidValueError(name, value, f"a number of blocks, 1 to {MOST_BLOCKS_AT_ONCE}")
    return number


def _text(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise InvalidValueError(name, value, "a string")
    return value


def _block_hash(value: object) -> str:
    block_hash = parsed_hash(value)
    if block_hash is None:
        raise InvalidValueError("blockHash", value, "0x and 64 hex digits")
    return block_hash


def _flag(params: Params) -> None:
    if len(params) > 1 and not isinstance(params[1], bool):
        raise InvalidValueError("fullTransactions", params[1], "true or false")


def _percentiles(value: object) -> int:
    """How many percentiles are asked for; their values do not matter where no block holds a transaction."""
    if value is None:
        return 0
    if not isinstance(value, list) or len(value) > MOST_PERCENTILES:
        raise InvalidValueError("rewardPercentiles", value, f"an array of at most {MOST_PERCENTILES} numbers")
    return len(value)
