"""Configurations that are allowed and dangerous, in the words that an operator needs."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from app.domain.alerts import AlertThresholds
from app.domain.formula import FeeFormula
from app.domain.parameters import Controller, Parameters
from app.domain.units import WEI_PER_ETHER, WEI_PER_GWEI, Wei, WeiDelta, WeiPerGas, ceil_div, ether_text, gwei_text

PROTOCOL_MAX_L2_BASE_FEE: Final = WeiPerGas(1 * WEI_PER_GWEI)
"""Taiko's consensus clamps the L2 base fee to at most 1 gwei (Shasta)."""


@dataclass(frozen=True, slots=True)
class Advice:
    """A stable code, and a sentence with the numbers."""

    code: str
    message: str


def deficit_fee(parameters: Parameters, deficit: Wei) -> WeiPerGas:
    """What a deficit adds to the fee: ν·D/(H·G), in wei per L2 gas, rounded up."""
    weight = parameters.deficit_weight
    gas = weight.denominator * parameters.horizon_batches * parameters.l2_gas_per_batch
    return WeiPerGas(ceil_div(weight.numerator * deficit, gas))


def deficit_sensitivity(parameters: Parameters) -> WeiPerGas:
    """Wei of fee per L2 gas for each ether of deficit, rounded up."""
    return deficit_fee(parameters, Wei(WEI_PER_ETHER))


def base_fee_at_recovery(parameters: Parameters, recovery: Fraction) -> Fraction | None:
    """The L1 base fee, in wei, below which base_fee alone lifts the recovery above `recovery`, without a deficit.

    Recovery is 1 + base_fee/((α + P/G)·B). None for the legacy formula, for α + P/G of 0 and for a recovery up to 1:
    no base fee is the border then.
    """
    l1_gas_per_l2_gas = FeeFormula.of(parameters).l1_gas_per_batch / parameters.l2_gas_per_batch
    if parameters.controller is not Controller.ALPHA or l1_gas_per_l2_gas == 0 or recovery <= 1:
        return None
    return parameters.base_fee / (l1_gas_per_l2_gas * (recovery - 1))


def advice(
    parameters: Parameters, thresholds: AlertThresholds, vault_target: Wei | None, *, l1_providers: int = 0
) -> tuple[Advice, ...]:
    """What is dangerous in this combination; empty where nothing is. `l1_providers` are those that are configured."""
    found: list[Advice] = []
    if vault_target is not None:
        at_empty = deficit_fee(parameters, vault_target)
        if at_empty > thresholds.fee_max:
            found.append(
                Advice(
                    "deficit_term_exceeds_fee_alert",
                    f"an empty vault (target {ether_text(vault_target)} ETH) alone would add {gwei_text(at_empty)} gwei"
                    f" to the fee, above the fee alert's maximum of {gwei_text(thresholds.fee_max)} gwei: each ETH of"
                    f" deficit adds {gwei_text(deficit_sensitivity(parameters))} gwei. Lower TAIKO_DEFICIT_WEIGHT or"
                    " TAIKO_VAULT_TARGET_ETH, or raise TAIKO_HORIZON_BATCHES",
                )
            )
    if parameters.controller is Controller.ALPHA and parameters.base_fee > PROTOCOL_MAX_L2_BASE_FEE:
        found.append(
            Advice(
                "base_fee_above_protocol_maximum",
                f"TAIKO_BASE_FEE_GWEI is {gwei_text(parameters.base_fee)} gwei, above"
                f" {gwei_text(PROTOCOL_MAX_L2_BASE_FEE)} gwei, the most that Taiko's consensus lets the L2 base fee be:"
                " the rest can only be asked for as a tip",
            )
        )
    lowest = FeeFormula.of(parameters).price(WeiPerGas(0), WeiDelta(0)).fee
    if lowest > thresholds.fee_max or parameters.max_fee < thresholds.fee_min:
        found.append(
            Advice(
                "fee_always_out_of_alert_range",
                f"fees lie between {gwei_text(lowest)} and {gwei_text(parameters.max_fee)} gwei, outside the alert's"
                f" {gwei_text(thresholds.fee_min)} to {gwei_text(thresholds.fee_max)} gwei whatever L1 does",
            )
        )
    if l1_providers == 1:
        found.append(
            Advice(
                "single_provider",
                "TAIKO_L1_RPC_URLS names one L1 provider: a false chain that is consistent in itself could not be told"
                " from the true one. Name three, so that two have to agree",
            )
        )
    return tuple(found)
