"""The source document's controllers: stateful faces over the program's one formula.

Numbers come in as people write them in Python. A float that is a ratio counts as its shortest decimal text (0.18 is
exactly 18/100); an amount of wei is rounded to the nearest whole wei, half to even. Every result is whole wei.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from math import isfinite
from types import MappingProxyType
from typing import Final

from app.domain.errors import InvalidValueError, NumberOutOfRangeError
from app.domain.formula import NO_PATH, FeeFormula
from app.domain.parameters import Controller, Parameters
from app.domain.units import SAFE_INTEGER_LIMIT, WEI_PER_GWEI, Gas, Wei, WeiDelta, WeiPerGas

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


class _StatefulController:
    """What both controllers share: a formula, and what one call hands on to the next."""

    def __init__(self, parameters: Parameters) -> None:
        self._formula = FeeFormula.of(parameters)
        self._path = NO_PATH
        self._vault_balance: Wei | None = None

    @property
    def previous_fee(self) -> WeiPerGas | None:
        """The last fee, in wei per L2 gas; None before the first. Without a rate limit it changes no fee."""
        return self._path.fee

    @previous_fee.setter
    def previous_fee(self, wei_per_gas: float | None) -> None:
        fee = None if wei_per_gas is None else _price("previous_fee", wei_per_gas)
        self._path = replace(self._path, fee=fee)

    @property
    def vault_balance(self) -> Wei | None:
        """The vault's balance in wei, kept for the caller; None is unknown. The fee takes a deficit instead."""
        return self._vault_balance

    @vault_balance.setter
    def vault_balance(self, wei: float | None) -> None:
        self._vault_balance = None if wei is None else Wei(_at_least_zero("vault_balance", wei))

    def calculate_fee(self, l1_basefee_wei: float, deficit_wei: float = 0) -> WeiPerGas:
        """The fee in wei per L2 gas at an L1 base fee in wei per gas; a negative deficit is a surplus.

        The fee becomes `previous_fee`. Raises `InvalidValueError`, which names the argument.
        """
        base_fee = _price("l1_basefee_wei", l1_basefee_wei)
        deficit = WeiDelta(_whole_wei("deficit_wei", deficit_wei))
        price = self._formula.price(base_fee, deficit, self._path)
        self._path = price.point
        return price.fee

    def calculate_expected_l1_cost(self, l1_basefee_wei: float) -> Wei:
        """The modelled L1 cost of a batch, (α·G + P)·B, in wei, rounded up."""
        return self._formula.batch_cost(_price("l1_basefee_wei", l1_basefee_wei))

    def calculate_revenue(self, fee_wei: float) -> Wei:
        """What a batch earns at a fee in wei per L2 gas, in wei."""
        return self._formula.batch_revenue(_price("fee_wei", fee_wei))


class AlphaFeeController(_StatefulController):
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
        with _naming_arguments(_ALPHA_ARGUMENTS):
            parameters = Parameters(
                controller=Controller.ALPHA,
                alpha_data=_ratio("alpha_data", alpha_data),
                deficit_weight=_ratio("nu", nu),
                horizon_batches=_count("horizon_h", horizon_h),
                l2_gas_per_batch=Gas(_count("l2_gas_per_batch", l2_gas_per_batch)),
                proof_gas_per_batch=Gas(_count("proof_gas_per_batch", proof_gas_per_batch)),
                base_fee=WeiPerGas(round(_ratio("base_fee_gwei", base_fee_gwei) * WEI_PER_GWEI)),
            )
        super().__init__(parameters)


class FeeController(_StatefulController):
    """The legacy formula, whose L1 cost is smoothed over the calls: each call of `calculate_fee` is one L1 block.

    Raises `InvalidValueError`, which names the argument.
    """

    def __init__(self, mu: float = 0.7, nu: float = 0.2, horizon_h: int = 72, q_bar: int = 690000) -> None:
        with _naming_arguments(_LEGACY_ARGUMENTS):
            parameters = Parameters(
                controller=Controller.LEGACY,
                legacy_mu=_ratio("mu", mu),
                deficit_weight=_ratio("nu", nu),
                horizon_batches=_count("horizon_h", horizon_h),
                l2_gas_per_batch=Gas(_count("q_bar", q_bar)),
            )
        super().__init__(parameters)


@contextmanager
def _naming_arguments(argument_of_key: Mapping[str, str]) -> Iterator[None]:
    """Let a refused parameter be named as the caller wrote it."""
    try:
        yield
    except InvalidValueError as error:
        name = argument_of_key.get(error.name, error.name)
        raise InvalidValueError(name, error.value, error.allowed) from None


def _number(name: str, value: object, allowed: str) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise InvalidValueError(name, value, allowed)
    return value


def _ratio(name: str, value: object) -> Fraction:
    number = _number(name, value, "a finite number")
    return Fraction(number) if isinstance(number, int) else Fraction(float.__repr__(number))


def _count(name: str, value: object) -> int:
    number = _number(name, value, "a whole number")
    if number != int(number):
        raise InvalidValueError(name, value, "a whole number")
    return int(number)


def _whole_wei(name: str, value: object) -> int:
    return round(_number(name, value, "a finite number of wei"))


def _at_least_zero(name: str, value: object) -> int:
    wei = _whole_wei(name, value)
    if wei < 0:
        raise InvalidValueError(name, value, "at least 0 wei")
    return wei


def _price(name: str, value: object) -> WeiPerGas:
    wei = _at_least_zero(name, value)
    if wei >= SAFE_INTEGER_LIMIT:
        raise NumberOutOfRangeError(name, value, "below 2^53 wei per gas")
    return WeiPerGas(wei)
