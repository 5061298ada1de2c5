"""A quote, live or under inputs of the caller's own."""

from typing import Annotated, Literal

from pydantic import Field

from app.api.shapes.parameters import ParameterChanges
from app.api.shapes.wire import DEFICIT_TEXT, WEI_TEXT, Wire, without_default


class ComponentsShape(Wire):
    """The fee's parts in wei per L2 gas, floored to whole wei each. They sum to the fee."""

    da: int | None = Field(description="data availability: α·B")
    proof: int | None = Field(description="proofs: P·B/G")
    deficit: int | None = Field(description="healing the vault's deficit: ν·D/(H·G); negative is a discount")
    base: int | None = Field(description="additive operating cost")
    adjustment: int | None = Field(description="what rounding, the bounds and the rate limit did")


class L1Shape(Wire):
    """The L1 head that the quote is made at."""

    chain_id: int | None
    block_number: int | None
    block_hash: str | None
    parent_hash: str | None
    timestamp: int | None = Field(description="Unix seconds")
    base_fee_per_gas: int | None = Field(description="wei per L1 gas")
    next_base_fee_per_gas: int | None = Field(description="of the next block, exact (EIP-1559)")
    base_fee_verified: bool | None = Field(
        description="whether the head's base fee was derived anew from its parent's header"
    )


class NextShape(Wire):
    """The fee for who posts in the next L1 block."""

    block_number: int | None
    fee_per_gas: int | None


class VaultInQuoteShape(Wire):
    """The vault as the quote took it. With source none there is no vault and the deficit is 0."""

    source: Literal["none", "static", "onchain", "push"] | None
    balance_wei: str | None = Field(pattern=WEI_TEXT)
    target_wei: str | None = Field(pattern=WEI_TEXT)
    deficit_wei: str = Field(pattern=WEI_TEXT, description="target − balance; negative is a surplus")
    deficit_ratio: float | None = Field(description="deficit / target, six decimals")
    condition: Literal["current", "held", "expired"] | None = Field(
        description="held: the last reading failed and the last known balance is kept; expired: for too long"
    )


class BatchShape(Wire):
    """A modelled batch at the head's base fee."""

    cost_wei: str = Field(pattern=WEI_TEXT, description="L1 cost, (α·G + P)·B, rounded up")
    revenue_wei: str = Field(pattern=WEI_TEXT, description="fee·G")
    cost_recovery_ratio: float | None = Field(description="revenue / cost, six decimals")


class QuoteShape(Wire):
    """The members that a live quote and a what-if share."""

    fee_per_gas: int = Field(ge=0, lt=2**53, description="the whole price of one L2 gas sold now, in wei")
    raw_fee_per_gas: int | None = Field(description="before the bounds and the rate limit; null where it leaves 2^53")
    bound: Literal["none", "min", "max", "rate_up", "rate_down"] = Field(
        description="the last rule that changed the number"
    )
    l2_chain_id: int
    parameters_id: str
    components: ComponentsShape
    l1: L1Shape
    next: NextShape
    vault: VaultInQuoteShape
    batch: BatchShape
    computed_at: str = Field(description="RFC 3339")


class ExplanationStep(Wire):
    """One term of a quote's derivation."""

    term: str = Field(description="a stable name")
    text: str = Field(description="the term in words, with its numbers and units")
    value: str | None = Field(description="what it comes to, a decimal number; null where it is not known")
    unit: Literal["wei per L1 gas", "wei per L2 gas", "wei", "ratio", "Unix milliseconds"]


class FeeQuote(QuoteShape):
    """The L2 fee to charge now, and everything that explains it."""

    status: Literal["fresh", "stale", "expired"]
    stale_reason: Literal["l1_late", "l1_unreachable"] | None
    ceiling_fee_per_gas: int | None = Field(
        description="of a stale quote: the greatest fee possible by now if blocks were missed"
    )
    max_fee_per_gas: int = Field(
        default=0,
        description="only with `?blocks=k`: the greatest fee at the quote's head or in the k blocks after it",
        json_schema_extra=without_default,
    )
    explanation: list[ExplanationStep] = Field(
        default=[],
        description="only with `?explain=true`: how the fee came about, step by step, from the same numbers",
        json_schema_extra=without_default,
    )
    network: str
    quote_id: str = Field(description="digest of everything that the quote is made from")
    stale_at: str = Field(description="RFC 3339; fresh until then")
    expires_at: str = Field(description="RFC 3339; served until then")


class WhatIfQuote(QuoteShape):
    """The quote's members under the request's inputs; null is what a what-if has not."""

    status: None
    stale_reason: None
    ceiling_fee_per_gas: None
    network: str | None
    quote_id: None
    stale_at: None
    expires_at: None


class WhatIfRequest(Wire):
    """Inputs of a what-if."""

    l1_base_fee_per_gas: int | None = Field(
        default=None, ge=0, lt=2**53, description="wei per L1 gas; left out: the head's"
    )
    deficit_wei: Annotated[int, Field(gt=-(10**30), lt=10**30)] | Annotated[str, Field(pattern=DEFICIT_TEXT)] | None = (
        Field(
            default=None,
            description="wei, negative is a surplus, taken as given; left out: what the current quote prices",
        )
    )
    previous_fee_per_gas: int | None = Field(
        default=None, ge=0, lt=2**53, description="wei per L2 gas; left out: no previous fee, so no rate limit"
    )
    parameters: ParameterChanges | None = None
