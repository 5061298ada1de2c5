"""The answer of a what-if, made without a web framework: the route and the command line both give it."""

from dataclasses import dataclass, fields

from app.api.bodies import JsonObject, batch_object, components_object, timestamp_text
from app.domain.formula import NO_PATH, Components, FeeFormula, PathPoint, Price
from app.domain.header import L1Header, next_base_fee
from app.domain.network import Network
from app.domain.parameters import Parameters
from app.domain.units import UnixMillis, WeiDelta, WeiPerGas, safe_or_refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What the fee is made from, and for which chains."""

    l1_base_fee: WeiPerGas
    deficit: WeiDelta
    previous: PathPoint = NO_PATH
    parameters: Parameters
    head: L1Header | None = None
    """The L1 head, where its base fee is the one that is used."""
    base_fee_verified: bool | None = None
    """Of that head."""
    network: Network | None
    l2_chain_id: int


def what_if_object(inputs: Inputs, computed_at: UnixMillis) -> JsonObject:
    """A quote's members, null for what a what-if has not. Raises `NumberOutOfRangeError` from 2^53 on."""
    formula = FeeFormula.of(inputs.parameters)
    price = formula.price(inputs.l1_base_fee, inputs.deficit, inputs.previous)
    components = formula.components(price, inputs.l1_base_fee, inputs.deficit)
    require_safe(price, components)
    network = inputs.network
    return {
        "feePerGas": price.fee,
        "rawFeePerGas": price.raw,
        "bound": price.bound.value,
        "status": None,
        "staleReason": None,
        "ceilingFeePerGas": None,
        "network": None if network is None else network.name,
        "l2ChainId": inputs.l2_chain_id,
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
        "computedAt": timestamp_text(computed_at),
        "staleAt": None,
        "expiresAt": None,
    }


def require_safe(price: Price, components: Components) -> None:
    """Raise `NumberOutOfRangeError` where a part of the fee would leave the integers of every JSON reader."""
    safe_or_refused("rawFeePerGas", price.raw)
    for part in fields(components):
        safe_or_refused(f"components.{part.name}", getattr(components, part.name))


def _l1(inputs: Inputs) -> JsonObject:
    head = inputs.head
    return {
        "blockNumber": None if head is None else head.number,
        "blockHash": None if head is None else head.hash,
        "parentHash": None if head is None else head.parent_hash,
        "timestamp": None if head is None else head.timestamp,
        "baseFeePerGas": safe_or_refused("l1.baseFeePerGas", inputs.l1_base_fee),
        "nextBaseFeePerGas": None if head is None else safe_or_refused("l1.nextBaseFeePerGas", next_base_fee(head)),
        "baseFeeVerified": inputs.base_fee_verified,
    }


def _next(formula: FeeFormula, price: Price, inputs: Inputs) -> JsonObject:
    if inputs.head is None:
        return {"blockNumber": None, "feePerGas": None}
    following = formula.price(next_base_fee(inputs.head), inputs.deficit, price.point)
    return {"blockNumber": inputs.head.number + 1, "feePerGas": following.fee}
