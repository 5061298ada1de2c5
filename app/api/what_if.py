"""`POST /v1/quote`: the fee under inputs of the caller's own. Reads the published quote and changes nothing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from app.api.answers import uncached_json
from app.api.bodies import JsonObject, batch_object, components_object, timestamp_text
from app.api.context import ApiContext
from app.api.fee import served
from app.api.problems import ProblemError, of_invalid_values
from app.api.requests import json_object_of
from app.domain.errors import InvalidValueError, NumberOutOfRangeError
from app.domain.formula import Components, FeeFormula, PathPoint, Price
from app.domain.header import L1Header, next_base_fee
from app.domain.parameters import Parameters
from app.domain.units import SAFE_INTEGER_LIMIT, WeiDelta, WeiPerGas
from app.domain.vault import VaultSource

GREATEST_DEFICIT: Final = 10**30
"""In wei; far above all the ether there is."""

_GREATEST_DEFICIT_CHARACTERS: Final = 32


@dataclass(frozen=True, slots=True)
class WhatIf:
    """What the caller asks; None is what the caller left out."""

    l1_base_fee: WeiPerGas | None
    deficit: WeiDelta | None
    previous_fee: WeiPerGas | None
    changes: Mapping[str, object]
    """Parameters by JSON key, not yet read."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """What the fee is made from."""

    l1_base_fee: WeiPerGas
    deficit: WeiDelta
    previous: PathPoint
    parameters: Parameters
    head: L1Header | None
    """The L1 head, where its base fee is the one that is used."""


async def post_quote(context: ApiContext, request: Request) -> Response:
    """The quote for what the request asks."""
    what_if = what_if_of(await json_object_of(request))
    return uncached_json(_answer(context, _inputs(context, what_if)))


def what_if_of(document: JsonObject) -> WhatIf:
    """The request's body, read strictly. Raises a `ProblemError` that names every value that is not allowed."""
    errors = [
        InvalidValueError(name, value, f"one of {', '.join(_READERS)}")
        for name, value in document.items()
        if name not in _READERS
    ]
    values: dict[str, Any] = {}
    for name, read in _READERS.items():
        try:
            values[name] = read(name, document.get(name))
        except InvalidValueError as error:
            errors.append(error)
    if errors:
        raise ProblemError(of_invalid_values(errors))
    return WhatIf(
        l1_base_fee=values["l1BaseFeePerGas"],
        deficit=values["deficitWei"],
        previous_fee=values["previousFeePerGas"],
        changes=values["parameters"],
    )


def _price(name: str, value: object) -> WeiPerGas | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < SAFE_INTEGER_LIMIT:
        raise InvalidValueError(name, value, "a whole number of wei, at least 0 and below 2^53")
    return WeiPerGas(value)


def _deficit(name: str, value: object) -> WeiDelta | None:
    if value is None:
        return None
    deficit = int(value) if isinstance(value, str) and _is_whole_number(value) else value
    if isinstance(deficit, bool) or not isinstance(deficit, int) or abs(deficit) >= GREATEST_DEFICIT:
        raise InvalidValueError(
            name, value, 'a whole number of wei, such as "-1000000000000000000" or 0, below 10^30 in size'
        )
    return WeiDelta(deficit)


def _is_whole_number(text: str) -> bool:
    digits = text.removeprefix("-")
    return len(text) <= _GREATEST_DEFICIT_CHARACTERS and digits.isascii() and digits.isdecimal()


def _changes(name: str, value: object) -> Mapping[str, object]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidValueError(name, value, "an object of parameters")
    return value


_READERS: Final[Mapping[str, Callable[[str, object], object]]] = MappingProxyType(
    {"l1BaseFeePerGas": _price, "deficitWei": _deficit, "previousFeePerGas": _price, "parameters": _changes}
)


def _inputs(context: ApiContext, what_if: WhatIf) -> Inputs:
    parameters = context.parameter_set.changed(what_if.changes).parameters
    head = None
    base_fee = what_if.l1_base_fee
    if base_fee is None:
        published, _ = served(context)
        head = published.quote.header
        base_fee = head.base_fee_per_gas
    return Inputs(
        l1_base_fee=base_fee,
        deficit=_current_deficit(context) if what_if.deficit is None else what_if.deficit,
        previous=PathPoint(fee=what_if.previous_fee),
        parameters=parameters,
        head=head,
    )


def _current_deficit(context: ApiContext) -> WeiDelta:
    """The deficit that the current quote prices. Without a vault it is 0; an unknown vault is not a zero vault."""
    if context.board.published is None and context.vault_plan.source is VaultSource.NONE:
        return WeiDelta(0)
    published, _ = served(context)
    return published.quote.vault.priced_deficit


def _answer(context: ApiContext, inputs: Inputs) -> JsonObject:
    formula = FeeFormula.of(inputs.parameters)
    price = formula.price(inputs.l1_base_fee, inputs.deficit, inputs.previous)
    components = formula.components(price, inputs.l1_base_fee, inputs.deficit)
    _require_safe(price, components)
    network = context.known_network
    return {
        "feePerGas": price.fee,
        "rawFeePerGas": price.raw,
        "bound": price.bound.value,
        "status": None,
        "staleReason": None,
        "ceilingFeePerGas": None,
        "network": context.network_name,
        "l2ChainId": context.l2_chain_id,
        "quoteId": None,
        "parametersId": inputs.parameters.parameters_id,
        "components": components_object(components),
        "l1": {"chainId": None if network is None else network.l1_chain_id, **_l1(inputs)},
        "next": _next(formula, price, inputs),
        "vault": {
            "source": None,
            "balanceWei": None,
            "targetWei": None,
            "deficitWei": str(inputs.deficit),
            "deficitRatio": None,
            "condition": None,
        },
        "batch": batch_object(formula.batch_cost(inputs.l1_base_fee), formula.batch_revenue(price.fee)),
        "computedAt": timestamp_text(context.clock.now()),
        "staleAt": None,
        "expiresAt": None,
    }


def _l1(inputs: Inputs) -> JsonObject:
    head = inputs.head
    return {
        "blockNumber": None if head is None else head.number,
        "blockHash": None if head is None else head.hash,
        "parentHash": None if head is None else head.parent_hash,
        "timestamp": None if head is None else head.timestamp,
        "baseFeePerGas": _safe("l1.baseFeePerGas", inputs.l1_base_fee),
        "nextBaseFeePerGas": None if head is None else _safe("l1.nextBaseFeePerGas", next_base_fee(head)),
    }


def _next(formula: FeeFormula, price: Price, inputs: Inputs) -> JsonObject:
    if inputs.head is None:
        return {"blockNumber": None, "feePerGas": None}
    following = formula.price(next_base_fee(inputs.head), inputs.deficit, price.point)
    return {"blockNumber": inputs.head.number + 1, "feePerGas": following.fee}


def _require_safe(price: Price, components: Components) -> None:
    _safe("rawFeePerGas", price.raw)
    for part in fields(components):
        _safe(f"components.{part.name}", getattr(components, part.name))


def _safe(name: str, value: int) -> int:
    if abs(value) >= SAFE_INTEGER_LIMIT:
        raise NumberOutOfRangeError(name, value, "a result below 2^53 in size")
    return value
