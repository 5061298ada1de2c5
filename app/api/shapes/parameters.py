"""The fee parameters, and what follows from them."""

from typing import Literal

from pydantic import Field

from app.api.shapes.wire import Wire


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
    parameters_id: str
    parameters: ParametersShape
    sources: dict[str, Literal["default", "preset", "environment", "override"]]
    legacy: LegacyShape
    derived: DerivedShape
    advice: list[AdviceShape]
