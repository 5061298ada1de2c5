"""`GET /v1/status`, `/v1/parameters` and `/v1/vault`: what the oracle is doing, with what, and why."""

from fractions import Fraction
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from app.api.answers import uncached_json
from app.api.board import Published
from app.api.bodies import (
    JsonObject,
    amount_text,
    condition_text,
    millis,
    optional_timestamp,
    ratio_number,
    safe_integer,
    seconds,
    timestamp_text,
)
from app.api.context import ApiContext
from app.api.requests import query_of
from app.domain.advice import base_fee_at_recovery, deficit_fee, deficit_sensitivity
from app.domain.formula import FeeFormula
from app.domain.units import WEI_PER_GWEI, decimal_text, gwei_text
from app.domain.vault import VaultReading, VaultSource

_DECIMALS_SHOWN: Final = 6
_NO_VAULT_EXPLANATION: Final = (
    "No fee vault is configured: the deficit is taken as 0 and the fee heals nothing. Set TAIKO_VAULT_ADDRESSES (read"
    " on chain) or TAIKO_VAULT_BALANCE_ETH (static), and TAIKO_VAULT_TARGET_ETH."
)
_UNKNOWN_VAULT_EXPLANATION: Final = (
    "The vault is configured and has not been read yet: nothing is assumed of its balance."
)


async def get_status(context: ApiContext, request: Request) -> Response:
    """What the oracle is doing."""
    query_of(request)
    return uncached_json(_status(context))


async def get_parameters(context: ApiContext, request: Request) -> Response:
    """The parameters in force, where each comes from, and what follows from them."""
    query_of(request)
    return uncached_json(_parameters(context))


async def get_vault(context: ApiContext, request: Request) -> Response:
    """The vault as the current quote takes it, and how it is read."""
    query_of(request)
    return uncached_json(_vault(context))


def _status(context: ApiContext) -> JsonObject:
    board = context.board
    published = board.published
    return {
        "network": context.network_name,
        "l2ChainId": context.l2_chain_id,
        "version": context.version,
        "startedAt": timestamp_text(context.started_at),
        "uptimeSeconds": round(board.uptime_seconds, 3),
        "draining": board.draining,
        "head": None if published is None else _head(context, published),
        "quote": None if published is None else _quote(context, published),
        "feed": _feed(context),
        "vault": _vault_summary(context, published),
        "parametersId": context.parameter_set.parameters.parameters_id,
        "advice": _advice(context),
        "providers": list(context.providers),
        "settings": {
            "pollIntervalSeconds": context.poll_interval_seconds,
            "pulseLimitSeconds": board.pulse_limit_seconds,
            "staleAfterSeconds": board.freshness_policy.stale_after_seconds,
            "expiresAfterSeconds": board.freshness_policy.expires_after_seconds,
            "vaultMaxAgeSeconds": context.vault_plan.max_age_seconds,
            "blocksPerBatch": context.blocks_per_batch,
        },
    }


def _head(context: ApiContext, published: Published) -> JsonObject:
    header = published.quote.header
    return {
        "number": header.number,
        "hash": header.hash,
        "timestamp": header.timestamp,
        "ageSeconds": seconds(context.board.freshness(published).age_millis),
    }


def _quote(context: ApiContext, published: Published) -> JsonObject:
    freshness = context.board.freshness(published)
    return {
        "quoteId": published.quote.quote_id,
        "status": freshness.status.value,
        "staleReason": None if freshness.reason is None else freshness.reason.value,
        "ageSeconds": seconds(freshness.age_millis),
        "feePerGas": published.quote.price.fee,
        "bound": published.quote.price.bound.value,
        "computedAt": timestamp_text(published.computed_at),
        "staleAt": timestamp_text(freshness.stale_at),
        "expiresAt": timestamp_text(freshness.expires_at),
    }


def _feed(context: ApiContext) -> JsonObject:
    feed = context.board.feed_status
    return {
        "provider": feed.provider,
        "agreeingProviders": feed.witnesses.agreeing,
        "polls": feed.polls,
        "consecutiveFailures": feed.consecutive_failures,
        "failureReason": feed.failure_reason,
        "lastPollAt": optional_timestamp(feed.last_poll_at),
        "lastSuccessAt": optional_timestamp(feed.last_success_at),
        "lastPulseAgeSeconds": round(context.board.pulse_age_seconds, 3),
    }


def _vault_summary(context: ApiContext, published: Published | None) -> JsonObject:
    return {
        "source": context.vault_plan.source.value,
        "condition": None if published is None else condition_text(published.quote.vault),
        "failureReason": context.board.feed_status.vault_failure_reason,
    }


def _advice(context: ApiContext) -> list[JsonObject]:
    return [{"code": found.code, "message": found.message} for found in context.advice]


def _parameters(context: ApiContext) -> JsonObject:
    chosen = context.parameter_set
    return {
        "network": context.network_name,
        "parametersId": chosen.parameters.parameters_id,
        "parameters": chosen.texts(),
        "sources": {key: source.value for key, source in chosen.sources.items()},
        "legacy": {
            "mu": decimal_text(chosen.parameters.legacy_mu),
            "smoothing": decimal_text(chosen.parameters.legacy_smoothing),
        },
        "derived": _derived(context),
        "advice": _advice(context),
    }


def _derived(context: ApiContext) -> JsonObject:
    parameters = context.parameter_set.parameters
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


def _vault(context: ApiContext) -> JsonObject:
    plan = context.vault_plan
    published = context.board.published
    state = None if published is None else published.quote.vault
    observed_at = None if state is None or state.observed_at is None else millis(state.observed_at)
    return {
        "network": context.network_name,
        "configured": plan.source is not VaultSource.NONE,
        "explanation": _explanation(context),
        "source": plan.source.value,
        "condition": None if state is None else condition_text(state),
        "failureReason": context.board.feed_status.vault_failure_reason,
        "observedAt": optional_timestamp(observed_at),
        "balanceWei": None if state is None else amount_text(state.balance),
        "targetWei": amount_text(plan.target),
        "deficitWei": None if state is None else str(state.deficit),
        "deficitRatio": None if state is None else ratio_number(state.deficit_ratio),
        "pricedDeficitWei": None if state is None else str(state.priced_deficit),
        "surplusDiscount": plan.surplus_discount,
        "maxAgeSeconds": plan.max_age_seconds,
        "addresses": [{"layer": listed.layer.value, "address": listed.address} for listed in plan.addresses],
        "readings": [] if state is None else [_reading(reading) for reading in state.readings],
    }


def _explanation(context: ApiContext) -> str | None:
    if context.vault_plan.source is VaultSource.NONE:
        return _NO_VAULT_EXPLANATION
    return _UNKNOWN_VAULT_EXPLANATION if context.board.published is None else None


def _reading(reading: VaultReading) -> JsonObject:
    return {
        "layer": reading.layer.value,
        "address": reading.address,
        "blockNumber": reading.block_number,
        "balanceWei": str(reading.balance),
    }
