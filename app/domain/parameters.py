"""The fee parameters, their ranges, and the presets."""

import hashlib
from dataclasses import dataclass, fields
from enum import StrEnum
from fractions import Fraction
from types import MappingProxyType
from typing import Final

from app.domain.errors import InvalidValueError
from app.domain.units import SAFE_INTEGER_LIMIT, Gas, WeiPerGas, decimal_text, gwei_text

GREATEST_MAX_FEE: Final = 9_007_199 * 10**9
"""The greatest `max_fee`, in wei per gas: the last whole gwei below 2^53 wei."""


class Controller(StrEnum):
    """Which formula makes the raw fee."""

    ALPHA = "alpha"
    LEGACY = "legacy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """Everything that the formulas take beside the L1 base fee, the deficit and the path.

    Ratios are exact, prices are whole wei per gas, gas is whole. Raises `InvalidValueError`, which names the
    JSON key, for a value outside its range.
    """

    controller: Controller = Controller.ALPHA
    alpha_data: Fraction = Fraction(18, 100)
    """α: L1 data-availability gas per L2 gas."""
    deficit_weight: Fraction = Fraction(2, 10)
    """ν: share of the deficit to heal over the horizon."""
    horizon_batches: int = 72
    """H: the horizon, in batches."""
    base_fee: WeiPerGas = WeiPerGas(1_500_000_000)
    """Additive operating cost, in wei per L2 gas."""
    l2_gas_per_batch: Gas = Gas(690_000)
    """G: L2 gas per batch."""
    proof_gas_per_batch: Gas = Gas(180_000)
    """P: L1 proof gas per batch."""
    min_fee: WeiPerGas = WeiPerGas(0)
    max_fee: WeiPerGas = WeiPerGas(1000 * 10**9)
    max_fee_increase: Fraction | None = None
    """κ↑: greatest relative rise per L1 block; None is no limit."""
    max_fee_decrease: Fraction | None = None
    """κ↓: greatest relative fall per L1 block; None is no limit."""
    legacy_mu: Fraction = Fraction(7, 10)
    """μ: share of the smoothed L1 cost that the legacy formula charges."""
    legacy_smoothing: Fraction = Fraction(1, 10)
    """λ: weight of the newest cost in the legacy smoothing."""

    def __post_init__(self) -> None:
        _require("alphaData", self.alpha_data, "at least 0", ok=self.alpha_data >= 0)
        _require("deficitWeight", self.deficit_weight, "0 to 1", ok=0 <= self.deficit_weight <= 1)
        _require("horizonBatches", self.horizon_batches, _COUNT, ok=1 <= self.horizon_batches < SAFE_INTEGER_LIMIT)
        _require("baseFeeGwei", gwei_text(self.base_fee), _PRICE, ok=0 <= self.base_fee <= GREATEST_MAX_FEE)
        _require("l2GasPerBatch", self.l2_gas_per_batch, _COUNT, ok=1 <= self.l2_gas_per_batch < SAFE_INTEGER_LIMIT)
        _require(
            "proofGasPerBatch",
            self.proof_gas_per_batch,
            "a whole number, at least 0 and below 2^53",
            ok=0 <= self.proof_gas_per_batch < SAFE_INTEGER_LIMIT,
        )
        _require("maxFeeGwei", gwei_text(self.max_fee), _PRICE, ok=0 <= self.max_fee <= GREATEST_MAX_FEE)
        _require(
            "minFeeGwei",
            gwei_text(self.min_fee),
            f"0 to maxFeeGwei ({gwei_text(self.max_fee)} gwei)",
            ok=0 <= self.min_fee <= self.max_fee,
        )
        rise, fall = self.max_fee_increase, self.max_fee_decrease
        _require("maxFeeIncrease", rise, "above 0, or unset", ok=rise is None or rise > 0)
        _require("maxFeeDecrease", fall, "above 0 and at most 1, or unset", ok=fall is None or 0 < fall <= 1)
        _require("legacyMu", self.legacy_mu, "at least 0", ok=self.legacy_mu >= 0)
        _require("legacySmoothing", self.legacy_smoothing, "above 0 and at most 1", ok=0 < self.legacy_smoothing <= 1)

    @property
    def has_rate_limit(self) -> bool:
        """Whether the fee depends on the parent block's fee."""
        return self.max_fee_increase is not None or self.max_fee_decrease is not None

    @property
    def depends_on_path(self) -> bool:
        """Whether the fee depends on blocks before the head: a rate limit, or the legacy smoothing."""
        return self.controller is Controller.LEGACY or self.has_rate_limit

    @property
    def parameters_id(self) -> str:
        """A digest of every value; equal parameters have equal ids."""
        lines = (f"{field.name}={getattr(self, field.name)}" for field in fields(self))
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:32]


class Preset(StrEnum):
    """Named values of α, ν and H, from the source document's configurations."""

    PRODUCTION = "production"
    CONSERVATIVE = "conservative"
    RESPONSIVE = "responsive"


@dataclass(frozen=True, slots=True)
class PresetValues:
    """What a preset sets."""

    alpha_data: Fraction
    deficit_weight: Fraction
    horizon_batches: int


PRESETS: Final = MappingProxyType(
    {
        Preset.PRODUCTION: PresetValues(Fraction(18, 100), Fraction(2, 10), 72),
        Preset.CONSERVATIVE: PresetValues(Fraction(16, 100), Fraction(2, 10), 72),
        Preset.RESPONSIVE: PresetValues(Fraction(20, 100), Fraction(3, 10), 48),
    }
)

_COUNT: Final = "a whole number, at least 1 and below 2^53"
_PRICE: Final = "0 to 9007199 gwei"


def _require(name: str, value: object, allowed: str, *, ok: bool) -> None:
    if not ok:
        raise InvalidValueError(name, decimal_text(value) if isinstance(value, Fraction) else value, allowed)
