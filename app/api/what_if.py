"""`POST /v1/quote`: the fee under inputs of the caller's own. Reads the published quote and changes nothing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from app.api.answers import uncached_json
from app.api.bodies import JsonObject
from app.api.context import ApiContext
from app.api.fee import served
from app.api.problems import invalid_values, number_out_of_range
from app.api.requests import json_object_of, query_of
from app.api.what_if_body import Inputs, what_if_object
from app.domain.errors import InvalidValueError, NumberOutOfRangeError
from app.domain.formula import PathPoint
from app.domain.parameter_set import ParameterSet
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
    parameters: Parameters
    """The present ones with what the caller changes."""


async def post_quote(context: ApiContext, request: Request) -> Response:
    """The quote for what the request asks."""
    query_of(request)
    document = await json_object_of(request, context.body_timeout_seconds, context.turnstile)
    what_if = what_if_of(document, context.parameters_in_force, context.parameter_set)
    try:
        return uncached_json(what_if_object(_inputs(context, what_if), context.clock.now()))
    except NumberOutOfRangeError as error:
        raise number_out_of_range(error) from None


def what_if_of(document: JsonObject, present: ParameterSet, environment: ParameterSet) -> WhatIf:
    """The request's body, read strictly. Raises a `ProblemError` that names every value that is not allowed.

    A parameter that is null goes back to the one of `environment`, as it would by a change.
    """
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
    changes = values.get("parameters", {})
    errors += [
        InvalidValueError(f"parameters.{problem.name}", problem.value, problem.allowed)
        for problem in present.problems(changes, environment)
    ]
    if errors:
        raise invalid_values(*errors)
    return WhatIf(
        l1_base_fee=values["l1BaseFeePerGas"],
        deficit=values["deficitWei"],
        previous_fee=values["previousFeePerGas"],
        parameters=present.changed(changes, fallback=environment).parameters,
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
    deficit = int(value) if isinstance(value, str) and is_whole_number(value) else value
    if isinstance(deficit, bool) or not isinstance(deficit, int) or abs(deficit) >= GREATEST_DEFICIT:
        raise InvalidValueError(
            name, value, 'a whole number of wei, such as "-1000000000000000000" or 0, below 10^30 in size'
        )
    return WeiDelta(deficit)


def is_whole_number(text: str) -> bool:
    """Whether `text` is a whole number as amounts of wei are written; one that is far too long is none."""
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
    head, base_fee_verified = None, None
    base_fee = what_if.l1_base_fee
    if base_fee is None:
        published, _ = served(context)
        head, base_fee_verified = published.quote.header, published.base_fee_verified
        base_fee = head.base_fee_per_gas
    return Inputs(
        l1_base_fee=base_fee,
        deficit=_current_deficit(context) if what_if.deficit is None else what_if.deficit,
        previous=PathPoint(fee=what_if.previous_fee),
        parameters=what_if.parameters,
        head=head,
        base_fee_verified=base_fee_verified,
        network=context.known_network,
        l2_chain_id=context.l2_chain_id,
    )


def _current_deficit(context: ApiContext) -> WeiDelta:
    """The deficit that the current quote prices. Without a vault it is 0; an unknown vault is not a zero vault."""
    if context.vault_plan.source is VaultSource.NONE:
        return WeiDelta(0)
    published, _ = served(context)
    return published.quote.vault.priced_deficit
