"""The source document's controllers: stateful faces over the program's one formula."""

from dataclasses import replace
from types import MappingProxyType
from typing import Final

from app.controllers.arguments import at_least_zero, count, gas_price, naming_arguments, ratio, whole_wei
from app.domain.formula import NO_PATH, FeeFormula, PathPoint
from app.domain.parameters import Controller, Parameters
from app.domain.units import WEI_PER_GWEI, Gas, Wei, WeiDelta, WeiPerGas

_SHARED_ARGUMENTS: Final = MappingProxyType({"deficitWeight": "nu", "horizonBatches": "horizon_h"})
_ALPHA_ARGUMENTS: Final = MappingProxyType(
    {
        **_SHARED_ARGUMENTS,
        "alphaData": "alpha_data",
        "l2GasPerBatch": "l2_gas_per_batch",
        "proofGasPerBatch": "proof_gas_per_batch",
        "baseFeeGwei": "base_fee_gwei",
    }
)
_LEGACY_ARGUMENTS: Final = MappingProxyType({**_SHARED_ARGUMENTS, "legacyMu": "mu", "l2GasPerBatch": "q_bar"})


class StatefulController:
    """What both controllers share: a formula, and what one call hands on to the next."""

    def __init__(self, parameters: Parameters) -> None:
        self._formula = FeeFormula.of(parameters)
        self._path = NO_PATH
        self._vault_balance: Wei | None = None

    @property
    def formula(self) -> FeeFormula:
        """The exact formula behind the controller."""
        return self._formula

    @property
    def path(self) -> PathPoint:
        """What the last call hands on to the next: its fee, and the legacy controller's smoothed cost."""
        return self._path

    @property
    def previous_fee(self) -> WeiPerGas | None:
        """The last fee, in wei per L2 gas; None before the first. Without a rate limit it changes no fee."""
        return self._path.fee

    @previous_fee.setter
    def previous_fee(self, wei_per_gas: float | None) -> None:
        fee = None if wei_per_gas is None else gas_price("previous_fee", wei_per_gas)
        self._path = replace(self._path, fee=fee)

    @property
    def vault_balance(self) -> Wei | None:
        """The vault's balance in wei, kept for the caller; None is unknown. The fee takes a deficit instead."""
        return self._vault_balance

    @vault_balance.setter
    def vault_balance(self, wei: float | None) -> None:
        self._vault_balance = None if wei is None else Wei(at_least_zero("vault_balance", wei))

    def calculate_fee(self, l1_basefee_wei: float, deficit_wei: float = 0) -> WeiPerGas:
        """The fee in wei per L2 gas at an L1 base fee in wei per gas; a negative deficit is a surplus.

        The fee becomes `previous_fee`. Raises `InvalidValueError`, which names the argument.
        """
        base_fee = gas_price("l1_basefee_wei", l1_basefee_wei)
        deficit = WeiDelta(whole_wei("deficit_wei", deficit_wei))
        price = self._formula.price(base_fee, deficit, self._path)
        self._path = price.point
        return price.fee

    def calculate_expected_l1_cost(self, l1_basefee_wei: float) -> Wei:
        """The modelled L1 cost of a batch, (α·G + P)·B, in wei, rounded up."""
        return self._formula.batch_cost(gas_price("l1_basefee_wei", l1_basefee_wei))

    def calculate_revenue(self, fee_wei: float) -> Wei:
        """What a batch earns at a fee in wei per L2 gas, in wei."""
        return self._formula.batch_revenue(gas_price("fee_wei", fee_wei))


class AlphaFeeController(StatefulController):
    """The alpha-data formula. Raises `InvalidValueError`, which names the argument."""

    def __init__(
        self,
        alpha_data: float = 0.18,
        nu: float = 0.2,
        horizon_h: int = 72,
        l2_gas_per_batch: int = 690000,
        proof_gas_per_batch: int = 180000,
        *,
        base_fee_gwei: float = 1.5,
    ) -> None:
        with naming_arguments(_ALPHA_ARGUMENTS):
            parameters = Parameters(
                controller=Controller.ALPHA,
                alpha_data=ratio("alpha_data", alpha_data),
                deficit_weight=ratio("nu", nu),
                horizon_batches=count("horizon_h", horizon_h),
                l2_gas_per_batch=Gas(count("l2_gas_per_batch", l2_gas_per_batch)),
                proof_gas_per_batch=Gas(count("proof_gas_per_batch", proof_gas_per_batch)),
                base_fee=WeiPerGas(round(ratio("base_fee_gwei", base_fee_gwei) * WEI_PER_GWEI)),
            )
        super().__init__(parameters)


class FeeController(StatefulController):
    """The legacy formula, whose L1 cost is smoothed over the calls: each call of `calculate_fee` is one L1 block.

    Raises `InvalidValueError`, which names the argument.
    """

    def __init__(self, mu: float = 0.7, nu: float = 0.2, horizon_h: int = 72, q_bar: int = 690000) -> None:
        with naming_arguments(_LEGACY_ARGUMENTS):
            parameters = Parameters(
                controller=Controller.LEGACY,
                legacy_mu=ratio("mu", mu),
                deficit_weight=ratio("nu", nu),
                horizon_batches=count("horizon_h", horizon_h),
                l2_gas_per_batch=Gas(count("q_bar", q_bar)),
            )
        super().__init__(parameters)
