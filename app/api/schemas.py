"""The shapes of the answers, as OpenAPI shows them. The tests hold every answer to these."""

from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel
from pydantic.json_schema import models_json_schema

REFERENCE: Final = "#/components/schemas/{model}"
_WEI_TEXT: Final = r"^-?[0-9]+$"


def _title(name: str, _info: object) -> str:
    return to_camel(name)


class Wire(BaseModel):
    """A JSON object. A key with a default may be left out; every other is always there."""

    model_config = ConfigDict(alias_generator=to_camel, field_title_generator=_title, extra="forbid", frozen=True)


def _without_default(schema: dict[str, Any]) -> None:
    """A key that is only there on request has no default value."""
    del schema["default"]


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
    balance_wei: str | None = Field(pattern=_WEI_TEXT)
    target_wei: str | None = Field(pattern=_WEI_TEXT)
    deficit_wei: str = Field(pattern=_WEI_TEXT, description="target − balance; negative is a surplus")
    deficit_ratio: float | None = Field(description="deficit / target, six decimals")
    condition: Literal["current", "held", "expired"] | None = Field(
        description="held: the last reading failed and the last known balance is kept; expired: for too long"
    )


class BatchShape(Wire):
    """A modelled batch at the head's base fee."""

    cost_wei: str = Field(pattern=_WEI_TEXT, description="L1 cost, (α·G + P)·B, rounded up")
    revenue_wei: str = Field(pattern=_WEI_TEXT, description="fee·G")
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
        json_schema_extra=_without_default,
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


class ParametersShape(Wire):
    """The fee parameters: ratios and gwei as decimal strings, gas and batches as integers."""

    preset: Literal["production", "conservative", "responsive"]
    controller: Literal["alpha", "legacy"]
    alpha_data: str
    deficit_weight: str
    horizon_batches: int
    base_fee_gwei: str
    l2_gas_per_batch: int
    proof_gas_per_batch: int
    min_fee_gwei: str
    max_fee_gwei: str
    max_fee_increase: str | None
    max_fee_decrease: str | None


class ParameterChanges(Wire):
    """Parameters to change; what is left out keeps its present value, null unsets."""

    preset: Literal["production", "conservative", "responsive"] | None = None
    controller: Literal["alpha", "legacy"] | None = None
    alpha_data: str | None = None
    deficit_weight: str | None = None
    horizon_batches: int | None = None
    base_fee_gwei: str | None = None
    l2_gas_per_batch: int | None = None
    proof_gas_per_batch: int | None = None
    min_fee_gwei: str | None = None
    max_fee_gwei: str | None = None
    max_fee_increase: str | None = None
    max_fee_decrease: str | None = None


class WhatIfRequest(Wire):
    """Inputs of a what-if."""

    l1_base_fee_per_gas: int | None = Field(
        default=None, ge=0, lt=2**53, description="wei per L1 gas; left out: the head's"
    )
    deficit_wei: int | str | None = Field(
        default=None, description="wei, negative is a surplus, taken as given; left out: what the current quote prices"
    )
    previous_fee_per_gas: int | None = Field(
        default=None, ge=0, lt=2**53, description="wei per L2 gas; left out: no previous fee, so no rate limit"
    )
    parameters: ParameterChanges | None = None


class AdviceShape(Wire):
    """A configuration that is allowed and dangerous."""

    code: str
    message: str


class HeadShape(Wire):
    """The L1 head that the quote is made at."""

    number: int
    hash: str
    timestamp: int
    age_seconds: float
    base_fee_verified: bool


class QuoteSummary(Wire):
    """The quote that is served."""

    quote_id: str
    status: Literal["fresh", "stale", "expired"]
    stale_reason: Literal["l1_late", "l1_unreachable"] | None
    age_seconds: float
    fee_per_gas: int
    bound: str
    computed_at: str
    stale_at: str
    expires_at: str


class FeedShape(Wire):
    """What the poll loop is doing."""

    provider: str | None = Field(description="alias of the provider that gave the last head")
    agreeing_providers: int
    quorum: int = Field(description="how many distinct providers have to agree on a head")
    dissenting_providers: list[str] = Field(description="aliases of those whose header at the head's height differs")
    clock_offset_seconds: float | None = Field(
        description="how far this host's clock is ahead of what providers and heads say"
    )
    polls: int
    consecutive_failures: int
    failure_reason: str | None
    last_poll_at: str | None
    last_success_at: str | None
    last_pulse_age_seconds: float


class ProviderShape(Wire):
    """One L1 provider."""

    alias: str
    transport: Literal["http", "websocket"]
    state: Literal["closed", "open", "half_open"] = Field(
        description="of its breaker: closed is asked at every poll, open is left alone for a while"
    )
    head_number: int | None
    failure_reason: str | None
    dissenting: bool
    subscribed: bool | None = Field(description="whether its heads are pushed now; null where it cannot push")


class StoreShape(Wire):
    """What keeps the journal."""

    kind: Literal["sqlite", "postgresql"]
    required: bool = Field(description="whether nothing is served that the journal does not hold")
    reason: str | None = Field(description="what is wrong with it")
    detail: str | None
    degraded_since: str | None
    spooled: int = Field(description="entries that wait for the store")
    lost: int = Field(description="entries that are in no store and never will be, since the start")
    divergences: int = Field(description="entries that lost against another's for the same block, since the start")
    last_entry_at: str | None


class VaultSummary(Wire):
    """The vault, in short."""

    source: str
    condition: str | None
    failure_reason: str | None


class SettingsSummary(Wire):
    """Settings that explain the answers."""

    poll_interval_seconds: float
    pulse_limit_seconds: float
    stale_after_seconds: int
    expires_after_seconds: int
    vault_max_age_seconds: int
    blocks_per_batch: int


class Status(Wire):
    """What the oracle is doing."""

    network: str | None
    l2_chain_id: int
    version: str
    started_at: str
    uptime_seconds: float
    draining: bool
    head: HeadShape | None
    quote: QuoteSummary | None
    feed: FeedShape
    vault: VaultSummary
    journal: Literal["opening", "ok", "degraded"]
    store: StoreShape
    parameters_id: str
    advice: list[AdviceShape]
    providers: list[ProviderShape]
    settings: SettingsSummary


class LegacyShape(Wire):
    """What only the legacy controller takes."""

    mu: str
    smoothing: str


class DerivedShape(Wire):
    """What follows from the parameters, the vault's target and the alert thresholds."""

    deficit_sensitivity_gwei_per_eth: str = Field(description="fee per L2 gas for each ether of deficit, rounded up")
    deficit_sensitivity_wei_per_eth: int | None
    l1_gas_per_batch: str = Field(description="α·G + P")
    effective_l1_gas_per_l2_gas: str = Field(alias="effectiveL1GasPerL2Gas", description="α + P/G, six decimals")
    deficit_fee_gwei_at_empty_vault: str | None = Field(description="what an empty vault adds to the fee")
    recovery_high_threshold: str
    l1_base_fee_gwei_below_which_recovery_exceeds_high_threshold: str | None = Field(
        description="below it base_fee alone puts the cost recovery above the alert's upper threshold, six decimals"
    )


class ParametersAnswer(Wire):
    """The parameters in force, where each comes from, and what follows from them."""

    network: str | None
    parameters_id: str
    parameters: ParametersShape
    sources: dict[str, Literal["default", "preset", "environment", "override"]]
    legacy: LegacyShape
    derived: DerivedShape
    advice: list[AdviceShape]


class AddressShape(Wire):
    """An address whose balance counts."""

    layer: Literal["l1", "l2"]
    address: str


class ReadingShape(AddressShape):
    """One address's balance, and the block it was read at."""

    block_number: int
    balance_wei: str = Field(pattern=_WEI_TEXT)


class VaultAnswer(Wire):
    """The vault as the current quote takes it, and how it is read."""

    network: str | None
    configured: bool
    explanation: str | None
    source: Literal["none", "static", "onchain", "push"]
    condition: Literal["current", "held", "expired"] | None
    failure_reason: str | None
    observed_at: str | None = Field(description="time of the L1 head that the balance belongs to")
    balance_wei: str | None = Field(pattern=_WEI_TEXT)
    target_wei: str | None = Field(pattern=_WEI_TEXT)
    deficit_wei: str | None = Field(pattern=_WEI_TEXT)
    deficit_ratio: float | None
    priced_deficit_wei: str | None = Field(pattern=_WEI_TEXT, description="the deficit that enters the formula")
    surplus_discount: bool
    max_age_seconds: int
    sequence: int | None = Field(description="of the balance that was pushed last; null unless the source is push")
    reported_at: str | None
    from_block: int | None = Field(description="the first L1 block that it may govern")
    reported_by: str | None
    addresses: list[AddressShape]
    readings: list[ReadingShape]


class VaultReportRequest(Wire):
    """A balance to push."""

    balance_wei: str | int = Field(description="wei, below 10^30")
    sequence: int = Field(ge=1, lt=2**53, description="above the last one's; an identical repeat is no error")


class VaultReportAnswer(Wire):
    """The balance in force."""

    balance_wei: str = Field(pattern=_WEI_TEXT)
    sequence: int
    from_block: int | None = Field(description="the first L1 block that it may govern; null: the first to be priced")
    reported_at: str = Field(description="RFC 3339")
    actor: str = Field(description="the name of the token's holder")
    network: str | None


class Liveness(Wire):
    """The poll loop turns."""

    status: Literal["ok"]
    network: str | None
    last_pulse_age_seconds: float


class Readiness(Wire):
    """There is a quote to answer with."""

    status: Literal["ready"]
    network: str | None
    journal: Literal["opening", "ok", "degraded"]


class InvalidValueShape(Wire):
    """A value that is not allowed."""

    name: str
    value: str
    allowed: str


class ProblemDetails(Wire):
    """RFC 9457 problem details. Further members depend on the type."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="stable, urn:taiko-fee-oracle:problem:…")
    title: str
    status: int
    detail: str
    network: str | None
    errors: list[InvalidValueShape] = Field(
        default=[], description="of invalid-value: each value that is not allowed, by name"
    )


SHAPES: Final[tuple[type[Wire], ...]] = (
    FeeQuote,
    WhatIfQuote,
    WhatIfRequest,
    Status,
    ParametersAnswer,
    VaultAnswer,
    VaultReportRequest,
    VaultReportAnswer,
    Liveness,
    Readiness,
    ProblemDetails,
)


def components() -> dict[str, Any]:
    """Every shape as JSON Schema, by name."""
    _, document = models_json_schema([(shape, "validation") for shape in SHAPES], ref_template=REFERENCE)
    schemas: dict[str, Any] = document["$defs"]
    return schemas
