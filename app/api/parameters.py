"""`/v1/parameters`: what is in force, and who may change it."""

from collections.abc import Iterable
from fractions import Fraction
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from app.api.administration import actor_of
from app.api.answers import uncached_json
from app.api.bodies import JsonObject, first_block, optional_timestamp, safe_integer
from app.api.context import ApiContext
from app.api.problems import (
    chain_unknown,
    change_not_journaled,
    invalid_values,
    parameters_changed,
)
from app.api.requests import expected_of, flag, json_object_of, none_match, query_of, require_match, require_no_body
from app.domain.advice import Advice, base_fee_at_recovery, deficit_fee, deficit_sensitivity
from app.domain.amendment import (
    Amended,
    Amendment,
    AmendmentRefusedError,
    FeeOutlook,
    OtherParametersError,
    reason_of,
    tag_of,
)
from app.domain.errors import InvalidValueError
from app.domain.formula import FeeFormula
from app.domain.governance import ParameterChange
from app.domain.parameter_set import PARAMETER_KEYS, PRESET_KEY, ParameterSet, differences
from app.domain.quote import Quote
from app.domain.units import WEI_PER_GWEI, WeiPerGas, decimal_text, gwei_text
from app.engine.ports import NoNetworkError, StoreError, UpstreamError

_DECIMALS_SHOWN: Final = 6
_REASON_KEY: Final = "reason"
_DRY_RUN: Final = "dryRun"
_KEYS: Final = ", ".join((PRESET_KEY, *(entry.key for entry in PARAMETER_KEYS)))


async def get_parameters(context: ApiContext, request: Request) -> Response:
    """The parameters in force, where each comes from, and what follows from them."""
    query_of(request)
    tag = context.parameters_tag
    require_match(request, context.parameters_in_force.parameters.parameters_id, tag)
    if not none_match(request, _entity_tag(tag)):
        return Response(status_code=304, headers=_headers(tag))
    return uncached_json(_parameters(context), _headers(tag))


async def patch_parameters(context: ApiContext, request: Request) -> Response:
    """Put the body's parameters in force from the next block on."""
    actor = actor_of(context, request)
    dry_run = flag(query_of(request, (_DRY_RUN,)), _DRY_RUN)
    changes = await json_object_of(request, context.body_timeout_seconds)
    reason = _reason_taken_from(changes, context)
    amendment = Amendment(changes=changes, actor=actor, reason=reason, expected=expected_of(request))
    return await _changed(context, amendment, dry_run=dry_run)


async def delete_parameters(context: ApiContext, request: Request) -> Response:
    """Drop every override from the next block on."""
    actor = actor_of(context, request)
    query = query_of(request, (_DRY_RUN, _REASON_KEY))
    dry_run = flag(query, _DRY_RUN)
    require_no_body(request, f"no body: ?{_REASON_KEY}= gives the reason")
    try:
        reason = reason_of(query.get(_REASON_KEY))
    except InvalidValueError as error:
        raise invalid_values(error) from None
    amendment = Amendment(changes=None, actor=actor, reason=reason, expected=expected_of(request))
    return await _changed(context, amendment, dry_run=dry_run)


def advice_objects(found: Iterable[Advice]) -> list[JsonObject]:
    """What is dangerous, as the answers say it."""
    return [{"code": each.code, "message": each.message} for each in found]


def difference_objects(before: ParameterSet, after: ParameterSet) -> JsonObject:
    """What a change changed, by parameter: the old and the new value, and who set each."""
    return {
        each.key: {
            "old": each.old,
            "oldSource": each.old_source.value,
            "new": each.new,
            "newSource": each.new_source.value,
        }
        for each in differences(before, after)
    }


def _reason_taken_from(document: JsonObject, context: ApiContext) -> str | None:
    """Take the reason out of the body. Raises a `ProblemError` where it is not allowed, or nothing else is there."""
    errors = []
    reason = None
    try:
        reason = reason_of(document.pop(_REASON_KEY, None))
    except InvalidValueError as error:
        errors = [error, *context.parameters_in_force.problems(document, context.parameter_set)]
    if not document:
        errors.append(InvalidValueError("body", document, f"at least one of {_KEYS}"))
    if errors:
        raise invalid_values(*errors)
    return reason


async def _changed(context: ApiContext, amendment: Amendment, *, dry_run: bool) -> Response:
    try:
        amended = await context.desk.change_parameters(amendment, dry_run=dry_run)
    except OtherParametersError as error:
        raise parameters_changed(", ".join(error.expected), error.found) from None
    except AmendmentRefusedError as error:
        raise invalid_values(*error.problems) from None
    except StoreError as error:
        raise change_not_journaled(error, context.poll_interval_seconds) from None
    except UpstreamError as error:
        raise chain_unknown(error.reason, context.poll_interval_seconds) from None
    except NoNetworkError:
        reason = context.board.feed_status.failure_reason
        raise chain_unknown(reason, context.poll_interval_seconds) from None
    tag = tag_of(amended.before if dry_run else amended.after, 0 if amended.change is None else amended.change.number)
    return uncached_json(_amended(context, amendment, amended, dry_run=dry_run), _headers(tag))


def _amended(context: ApiContext, amendment: Amendment, amended: Amended, *, dry_run: bool) -> JsonObject:
    change, outlook = amended.change, None if context.is_journal_missing else amended.outlook
    return {
        "network": context.network_name,
        "dryRun": dry_run,
        **(_prospect(amendment, amended.outlook) if dry_run or change is None else _change(change)),
        "changed": difference_objects(amended.before, amended.after),
        "previousParametersId": amended.before.parameters.parameters_id,
        **_set_object(amended.after),
        "fee": None if outlook is None else _fee(outlook),
        "advice": advice_objects(context.advice(amended.after)),
    }


def _change(change: ParameterChange) -> JsonObject:
    return {
        "number": change.number,
        "fromBlock": first_block(change),
        "at": optional_timestamp(change.at),
        "actor": change.actor,
        "reason": change.reason,
    }


def _prospect(amendment: Amendment, outlook: FeeOutlook | None) -> JsonObject:
    """In place of a change that was not made."""
    return {
        "number": None,
        "fromBlock": None if outlook is None else outlook.quote.next_block_number,
        "at": None,
        "actor": amendment.actor,
        "reason": amendment.reason,
    }


def _set_object(chosen: ParameterSet) -> JsonObject:
    return {
        "parametersId": chosen.parameters.parameters_id,
        "parameters": chosen.texts(),
        "sources": {key: source.value for key, source in chosen.sources.items()},
    }


def _fee(outlook: FeeOutlook) -> JsonObject:
    quote = outlook.quote
    return {
        "l1": {
            "blockNumber": quote.header.number,
            "baseFeePerGas": safe_integer(quote.header.base_fee_per_gas),
            "nextBaseFeePerGas": safe_integer(quote.next_base_fee),
        },
        "before": _priced(quote, quote.next_fee),
        "after": _priced(outlook.amended, outlook.next_fee),
    }


def _priced(quote: Quote, next_fee: WeiPerGas) -> JsonObject:
    return {
        "feePerGas": quote.price.fee,
        "rawFeePerGas": safe_integer(quote.price.raw),
        "bound": quote.price.bound.value,
        "next": {"blockNumber": quote.next_block_number, "feePerGas": next_fee},
    }


def _parameters(context: ApiContext) -> JsonObject:
    chosen = context.parameters_in_force
    change = context.board.governance.change
    return {
        "network": context.network_name,
        "number": None if change is None else change.number,
        "fromBlock": None if change is None else first_block(change),
        "at": None if change is None else optional_timestamp(change.at),
        **_set_object(chosen),
        "legacy": {
            "mu": decimal_text(chosen.parameters.legacy_mu),
            "smoothing": decimal_text(chosen.parameters.legacy_smoothing),
        },
        "derived": _derived(context),
        "advice": advice_objects(context.advice(chosen)),
    }


def _derived(context: ApiContext) -> JsonObject:
    parameters = context.parameters_in_force.parameters
    l1_gas = FeeFormula.of(parameters).l1_gas_per_batch
    sensitivity = deficit_sensitivity(parameters)
    target = context.vault_plan.target
    threshold = base_fee_at_recovery(parameters, context.thresholds.recovery_high)
    return {
        "deficitSensitivityGweiPerEth": gwei_text(sensitivity),
        "deficitSensitivityWeiPerEth": safe_integer(sensitivity),
        "l1GasPerBatch": _rounded_text(l1_gas),
        "effectiveL1GasPerL2Gas": _rounded_text(l1_gas / parameters.l2_gas_per_batch),
        "deficitFeeGweiAtEmptyVault": None if target is None else gwei_text(deficit_fee(parameters, target)),
        "recoveryHighThreshold": decimal_text(context.thresholds.recovery_high),
        "l1BaseFeeGweiBelowWhichRecoveryExceedsHighThreshold": (
            None if threshold is None else _rounded_text(threshold / WEI_PER_GWEI)
        ),
    }


def _rounded_text(value: Fraction) -> str:
    return decimal_text(round(value, _DECIMALS_SHOWN))


def _entity_tag(tag: str) -> str:
    return f'"{tag}"'


def _headers(tag: str) -> dict[str, str]:
    """The tag that If-Match takes; strong: whoever sets the same values again makes another one."""
    return {"ETag": _entity_tag(tag), "Cache-Control": "no-store"}
