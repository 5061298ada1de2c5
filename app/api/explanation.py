"""`?explain=true`: the derivation of the quote that is served, in plain words."""

import json
from collections.abc import Iterator
from types import MappingProxyType
from typing import Final

from app.api.board import Published
from app.api.bodies import JsonObject, millis, timestamp_text
from app.domain.derivation import (
    Derivation,
    Step,
    Unit,
    part_step,
    parts_of,
    price_steps,
    recovery_step,
    smoothing_steps,
    vault_step,
)
from app.domain.freshness import Freshness, QuoteStatus, StaleReason
from app.domain.quote import Quote
from app.domain.units import decimal_text, gwei_text

_REASONS: Final = MappingProxyType(
    {
        StaleReason.L1_LATE: "the L1 answers, and no newer block is there",
        StaleReason.L1_UNREACHABLE: "no L1 provider could be read",
    }
)


def explained(body: bytes, published: Published, freshness: Freshness, blocks: int | None = None) -> bytes:
    """`body`, the answer for this moment, with the member `explanation` at its end."""
    steps = [_step_object(step) for step in explanation_steps(published, freshness, blocks)]
    text = json.dumps({"explanation": steps}, separators=(",", ":"), ensure_ascii=False)
    return body[:-1] + b"," + text.encode()[1:]


def explanation_steps(published: Published, freshness: Freshness, blocks: int | None) -> Iterator[Step]:
    """Every term of the quote: its inputs, its parts, what shaped the fee, how old it may be, and what follows from it.

    The words hold for as long as the quote has this status; no step says how old it is now.
    """
    quote = published.quote
    derivation = Derivation.of(quote)
    yield _base_fee_step(published)
    yield vault_step(quote.vault)
    yield from smoothing_steps(derivation)
    yield from map(part_step, parts_of(derivation))
    yield from price_steps(derivation)
    yield _freshness_step(quote, freshness)
    if freshness.status is not QuoteStatus.FRESH:
        yield _ceiling_step(published, freshness)
    yield _next_step(quote)
    if blocks is not None:
        greatest = published.ceilings[blocks]
        text = f"Greatest fee possible at this head or in the {blocks} blocks after it, with the vault unchanged"
        yield Step("maxFee", f"{text}: {gwei_text(greatest)} gwei", greatest, Unit.L2_PRICE)
    yield recovery_step(derivation)


def _step_object(step: Step) -> JsonObject:
    value = step.value
    text = None if value is None else str(value) if isinstance(value, int) else decimal_text(value)
    return {"term": step.term, "text": step.text, "value": text, "unit": step.unit.value}


def _base_fee_step(published: Published) -> Step:
    header = published.quote.header
    trust = "derived anew from its parent" if published.base_fee_verified else "not derived anew from its parent"
    return Step(
        "l1BaseFee",
        f"L1 base fee: {gwei_text(header.base_fee_per_gas)} gwei at block {header.number}, {trust}",
        header.base_fee_per_gas,
        Unit.L1_PRICE,
    )


def _freshness_step(quote: Quote, freshness: Freshness) -> Step:
    head = timestamp_text(millis(quote.header.timestamp))
    stale_at, expires_at = timestamp_text(freshness.stale_at), timestamp_text(freshness.expires_at)
    if freshness.reason is None:
        until, words = freshness.stale_at, f"fresh until {stale_at}, then stale, and served until {expires_at}"
    else:
        until = freshness.expires_at
        words = f"{freshness.status} since {stale_at}: {_REASONS[freshness.reason]}; served until {expires_at}"
    return Step("freshness", f"Freshness: the L1 head is of {head}; {words}", until, Unit.TIME)


def _ceiling_step(published: Published, freshness: Freshness) -> Step:
    ceiling = published.ceiling(freshness)
    shown = "beyond what is prepared" if ceiling is None else f"{gwei_text(ceiling)} gwei"
    return Step("ceiling", f"Greatest fee possible by now, had blocks been missed: {shown}", ceiling, Unit.L2_PRICE)


def _next_step(quote: Quote) -> Step:
    return Step(
        "next",
        f"Next block, {quote.next_block_number}: the L1 base fee is exactly {gwei_text(quote.next_base_fee)} gwei,"
        f" the fee {gwei_text(quote.next_fee)} gwei",
        quote.next_fee,
        Unit.L2_PRICE,
    )
