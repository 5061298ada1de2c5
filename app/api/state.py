"""`GET /v1/status` and `/v1/vault`: what the oracle is doing, with what, and why."""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from app.api.answers import uncached_json
from app.api.board import Published
from app.api.bodies import (
    JsonObject,
    amount_text,
    condition_text,
    first_block,
    millis,
    optional_timestamp,
    ratio_number,
    seconds,
    timestamp_text,
)
from app.api.context import ApiContext
from app.api.parameters import advice_objects
from app.api.requests import query_of
from app.domain.vault import VaultReading, VaultSource
from app.engine.ports import ProviderStatus

_NO_VAULT_EXPLANATION: Final = (
    "No fee vault is configured: the deficit is taken as 0 and the fee heals nothing. Set TAIKO_VAULT_ADDRESSES (read"
    " on chain), TAIKO_VAULT_BALANCE_ETH (static) or TAIKO_VAULT_SOURCE=push, and TAIKO_VAULT_TARGET_ETH."
)
_UNKNOWN_VAULT_EXPLANATION: Final = (
    "The vault is configured and has not been read yet: nothing is assumed of its balance."
)

_UNPUSHED_VAULT_EXPLANATION: Final = (
    "The vault's balance is to be pushed and never was: nothing is assumed of it, and without it there is no quote."
    " PUT /v1/vault with a bearer token pushes one."
)


async def get_status(context: ApiContext, request: Request) -> Response:
    """What the oracle is doing."""
    query_of(request)
    return uncached_json(_status(context))


async def get_vault(context: ApiContext, request: Request) -> Response:
    """The vault as the current quote takes it, and how it is read."""
    query_of(request)
    return uncached_json(_vault(context))


def _status(context: ApiContext) -> JsonObject:
    board = context.board
    published = context.journaled
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
        "journal": board.journal_status.state.value,
        "store": _store(context),
        "parametersId": context.parameters_in_force.parameters.parameters_id,
        "advice": advice_objects(context.advice(context.parameters_in_force)),
        "providers": [_provider(status) for status in context.feed_view.providers],
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
        "baseFeeVerified": published.base_fee_verified,
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
    feed, view = context.board.feed_status, context.feed_view
    return {
        "provider": feed.provider,
        "agreeingProviders": feed.witnesses.agreeing,
        "quorum": view.quorum,
        "dissentingProviders": [status.alias for status in view.providers if status.dissenting],
        "clockOffsetSeconds": None if view.clock_offset_millis is None else seconds(view.clock_offset_millis),
        "polls": feed.polls,
        "consecutiveFailures": feed.consecutive_failures,
        "failureReason": feed.failure_reason,
        "lastPollAt": optional_timestamp(feed.last_poll_at),
        "lastSuccessAt": optional_timestamp(feed.last_success_at),
        "lastPulseAgeSeconds": round(context.board.pulse_age_seconds, 3),
    }


def _provider(status: ProviderStatus) -> JsonObject:
    return {
        "alias": status.alias,
        "transport": status.transport,
        "state": status.state.value,
        "headNumber": status.head_number,
        "failureReason": status.failure_reason,
        "dissenting": status.dissenting,
        "subscribed": status.subscribed,
    }


def _store(context: ApiContext) -> JsonObject:
    journal = context.board.journal_status
    return {
        "kind": context.store_kind,
        "required": context.journal_required,
        "reason": None if journal.reason is None else journal.reason.value,
        "detail": journal.detail,
        "degradedSince": optional_timestamp(journal.since),
        "spooled": journal.spooled,
        "lost": journal.lost,
        "divergences": journal.divergences,
        "lastEntryAt": optional_timestamp(journal.last_entry_at),
    }


def _vault_summary(context: ApiContext, published: Published | None) -> JsonObject:
    return {
        "source": context.vault_plan.source.value,
        "condition": None if published is None else condition_text(published.quote.vault),
        "failureReason": context.board.feed_status.vault_failure_reason,
    }


def _vault(context: ApiContext) -> JsonObject:
    plan = context.vault_plan
    published = context.journaled
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
        **_report(context),
        "addresses": [{"layer": listed.layer.value, "address": listed.address} for listed in plan.addresses],
        "readings": [] if state is None else [_reading(reading) for reading in state.readings],
    }


def _explanation(context: ApiContext) -> str | None:
    if context.vault_plan.source is VaultSource.NONE:
        return _NO_VAULT_EXPLANATION
    if context.board.published is not None:
        return None
    was_never_pushed = context.vault_plan.source is VaultSource.PUSH and context.board.governance.report is None
    return _UNPUSHED_VAULT_EXPLANATION if was_never_pushed else _UNKNOWN_VAULT_EXPLANATION


def _report(context: ApiContext) -> JsonObject:
    """The balance that was pushed last, by whom; the current quote may be older than it."""
    is_pushed = context.vault_plan.source is VaultSource.PUSH
    report = context.board.governance.report if is_pushed else None
    return {
        "sequence": None if report is None else report.sequence,
        "reportedAt": None if report is None else timestamp_text(report.at),
        "fromBlock": None if report is None else first_block(report),
        "reportedBy": None if report is None else report.actor,
    }


def _reading(reading: VaultReading) -> JsonObject:
    return {
        "layer": reading.layer.value,
        "address": reading.address,
        "blockNumber": reading.block_number,
        "balanceWei": str(reading.balance),
    }
