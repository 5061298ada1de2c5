"""The JSON of the answers: camelCase, prices as integers, balances as decimal strings, ratios as floats.

This is the edge: only here does an exact ratio become a float, and a time a text.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Final

from app.domain.formula import Components
from app.domain.freshness import Freshness, QuoteStatus
from app.domain.governance import ParameterChange, VaultReport
from app.domain.quote import Quote
from app.domain.units import MILLIS_PER_SECOND, SAFE_INTEGER_LIMIT, UnixMillis, UnixSeconds, Wei, rounded_ratio
from app.domain.vault import VaultState

JsonObject = dict[str, object]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def encoded(document: Mapping[str, object]) -> bytes:
    """Compact JSON, in ASCII."""
    return json.dumps(document, separators=(",", ":"), allow_nan=False).encode("ascii")


def timestamp_text(at: UnixMillis) -> str:
    """RFC 3339 in UTC, with milliseconds."""
    moment = _EPOCH + timedelta(milliseconds=at)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def millis(at: UnixSeconds) -> UnixMillis:
    """A header's time as the clock tells it."""
    return UnixMillis(at * MILLIS_PER_SECOND)


def seconds(duration_millis: int) -> float:
    """A duration in seconds, to the millisecond."""
    return duration_millis / MILLIS_PER_SECOND


def safe_integer(value: int) -> int | None:
    """`value` where every JSON reader holds it exactly (below 2^53 in size), else None: never truncated."""
    return value if abs(value) < SAFE_INTEGER_LIMIT else None


def ratio_number(ratio: Fraction | None) -> float | None:
    """An exact ratio, already rounded, as a JSON number."""
    return None if ratio is None else float(ratio)


def amount_text(amount: int | None) -> str | None:
    """A balance in wei as a decimal string."""
    return None if amount is None else str(amount)


def optional_timestamp(at: UnixMillis | None) -> str | None:
    """RFC 3339, or None for what has not happened."""
    return None if at is None else timestamp_text(at)


def fee_object(quote: Quote) -> JsonObject:
    """The members of a quote that come before its freshness."""
    return {
        "feePerGas": quote.price.fee,
        "rawFeePerGas": safe_integer(quote.price.raw),
        "bound": quote.price.bound.value,
    }


def freshness_object(freshness: Freshness, ceiling: int | None) -> JsonObject:
    """The members that the moment decides. The ceiling is said of a quote that is not fresh."""
    return {
        "status": freshness.status.value,
        "staleReason": None if freshness.reason is None else freshness.reason.value,
        "ceilingFeePerGas": None if freshness.status is QuoteStatus.FRESH else ceiling,
    }


def evidence_object(quote: Quote, computed_at: UnixMillis, *, base_fee_verified: bool) -> JsonObject:
    """The members of a quote after its freshness, but for `staleAt` and `expiresAt`, which the moment decides."""
    header = quote.header
    return {
        "network": quote.network.name,
        "l2ChainId": quote.network.l2_chain_id,
        "quoteId": quote.quote_id,
        "parametersId": quote.parameters_id,
        "components": components_object(quote.components),
        "l1": {
            "chainId": quote.network.l1_chain_id,
            "blockNumber": header.number,
            "blockHash": header.hash,
            "parentHash": header.parent_hash,
            "timestamp": header.timestamp,
            "baseFeePerGas": safe_integer(header.base_fee_per_gas),
            "nextBaseFeePerGas": safe_integer(quote.next_base_fee),
            "baseFeeVerified": base_fee_verified,
        },
        "next": {"blockNumber": quote.next_block_number, "feePerGas": quote.next_fee},
        "vault": vault_object(quote.vault),
        "batch": batch_object(quote.batch_cost, quote.batch_revenue),
        "computedAt": timestamp_text(computed_at),
    }


def components_object(components: Components) -> JsonObject:
    """The parts of a fee, each null where it leaves 2^53."""
    return {
        "da": safe_integer(components.da),
        "proof": safe_integer(components.proof),
        "deficit": safe_integer(components.deficit),
        "base": safe_integer(components.base),
        "adjustment": safe_integer(components.adjustment),
    }


def vault_object(vault: VaultState) -> JsonObject:
    """The vault as a quote took it. Without a source there is no balance and no target."""
    return {
        "source": vault.source.value,
        "balanceWei": amount_text(vault.balance),
        "targetWei": amount_text(vault.target),
        "deficitWei": str(vault.deficit),
        "deficitRatio": ratio_number(vault.deficit_ratio),
        "condition": condition_text(vault),
    }


def first_block(decision: ParameterChange | VaultReport) -> int | None:
    """The first block that a decision may govern; None where none had been priced: whichever is the first."""
    return decision.from_block or None


def condition_text(vault: VaultState) -> str | None:
    """How far the balance can be trusted; None where there is no vault to have one."""
    return vault.condition.value if vault.is_configured else None


def batch_object(cost: Wei, revenue: Wei) -> JsonObject:
    """A modelled batch, at the head's base fee."""
    return {
        "costWei": str(cost),
        "revenueWei": str(revenue),
        "costRecoveryRatio": ratio_number(rounded_ratio(revenue, cost)),
    }
