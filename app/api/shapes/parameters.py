"""The fee parameters, and what follows from them."""

from typing import Annotated, Literal

from pydantic import Field

from app.api.shapes.wire import ABOVE_ZERO, GWEI_TEXT, RATIO_TEXT, SHARE_TEXT, Wire


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
    """Parameters to change; what is left out keeps its present value.

    Null unsets: a rate limit becomes no limit, anything else goes back to what the environment asks for, `preset`
    together with its alphaData, deficitWeight and horizonBatches.
    """

    preset: Literal["production", "conservative", "responsive"] | None = None
    controller: Literal["alpha", "legacy"] | None = None
    alpha_data: str | None = Field(default=None, pattern=RATIO_TEXT, description="at least 0")
    deficit_weight: str | None = Field(default=None, pattern=SHARE_TEXT, description="0 to 1")
    horizon_batches: int | None = Field(default=None, ge=1, lt=2**53)
    base_fee_gwei: str | None = Field(default=None, pattern=GWEI_TEXT, description="0 to 9007199")
    l2_gas_per_batch: int | None = Field(default=None, ge=1, lt=2**53)
    proof_gas_per_batch: int | None = Field(default=None, ge=0, lt=2**53)
    min_fee_gwei: str | None = Field(default=None, pattern=GWEI_TEXT, description="0 to maxFeeGwei")
    max_fee_gwei: str | None = Field(default=None, pattern=GWEI_TEXT, description="minFeeGwei to 9007199")
    max_fee_increase: Annotated[str, Field(pattern=RATIO_TEXT, json_schema_extra=ABOVE_ZERO)] | None = Field(
        default=None, description="above 0"
    )
    max_fee_decrease: Annotated[str, Field(pattern=SHARE_TEXT, json_schema_extra=ABOVE_ZERO)] | None = Field(
        default=None, description="above 0 and at most 1"
    )


SourceShape = Literal["default", "preset", "environment", "override"]


class AdviceShape(Wire):
    """A configuration that is allowed and dangerous."""

    code: str
    message: str


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
    number: int | None = Field(description="of the change that put them in force; null until the journal is open")
    from_block: int | None = Field(description="the first L1 block that they govern; null: the first to be priced")
    at: str | None = Field(description="RFC 3339: when they were put in force")
    parameters_id: str
    parameters: ParametersShape
    sources: dict[str, SourceShape]
    legacy: LegacyShape
    derived: DerivedShape
    advice: list[AdviceShape]
