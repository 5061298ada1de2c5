"""The thresholds that alerts compare with, and whether the parameters leave them room."""

from dataclasses import dataclass
from fractions import Fraction

from app.domain.errors import InvalidValueError
from app.domain.formula import FeeFormula
from app.domain.units import WEI_PER_GWEI, WeiDelta, WeiPerGas, decimal_text


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertThresholds:
    """Fees in wei per L2 gas, recovery as revenue / cost, vault figures as shares.

    Raises `InvalidValueError` where a lower threshold is above its upper one, or a share is outside 0 to 1.
    """

    fee_min: WeiPerGas = WeiPerGas(1 * WEI_PER_GWEI)
    fee_max: WeiPerGas = WeiPerGas(50 * WEI_PER_GWEI)
    recovery_low: Fraction = Fraction(8, 10)
    recovery_high: Fraction = Fraction(13, 10)
    recovery_min: Fraction = Fraction(7, 10)
    recovery_max: Fraction = Fraction(15, 10)
    vault_deficit: Fraction = Fraction(20, 100)
    underfunded_share: Fraction = Fraction(15, 100)

    def __post_init__(self) -> None:
        ordered: tuple[tuple[str, Fraction | int, str, Fraction | int], ...] = (
            ("TAIKO_ALERT_FEE_MIN_GWEI", self.fee_min, "TAIKO_ALERT_FEE_MAX_GWEI", self.fee_max),
            ("TAIKO_ALERT_RECOVERY_MIN", self.recovery_min, "TAIKO_ALERT_RECOVERY_LOW", self.recovery_low),
            ("TAIKO_ALERT_RECOVERY_LOW", self.recovery_low, "TAIKO_ALERT_RECOVERY_HIGH", self.recovery_high),
            ("TAIKO_ALERT_RECOVERY_HIGH", self.recovery_high, "TAIKO_ALERT_RECOVERY_MAX", self.recovery_max),
        )
        for name, value, upper_name, upper in ordered:
            if not 0 <= value <= upper:
                scale = WEI_PER_GWEI if name.endswith("GWEI") else 1
                raise InvalidValueError(
                    name,
                    decimal_text(Fraction(value) / scale),
                    f"0 to {upper_name} ({decimal_text(Fraction(upper) / scale)})",
                )
        for name, share in (
            ("TAIKO_ALERT_VAULT_DEFICIT", self.vault_deficit),
            ("TAIKO_ALERT_UNDERFUNDED_SHARE", self.underfunded_share),
        ):
            if not 0 <= share <= 1:
                raise InvalidValueError(name, decimal_text(share), "0 to 1")


@dataclass(frozen=True, slots=True)
class OverSides:
    """Which upper thresholds a controller without any anomaly keeps; exceeding one of the others tells nothing."""

    fee: bool
    recovery: bool


def satisfiable_over_sides(
    thresholds: AlertThresholds, formula: FeeFormula, base_fee: WeiPerGas, environment: FeeFormula | None = None
) -> OverSides:
    """What the parameters alone make of fee and recovery at this L1 base fee, without a deficit and a rate limit.

    A batch that costs nothing and earns something is above every recovery. What the `environment`'s parameters would
    keep is satisfiable whatever is in force: a mistaken override silences no alert.
    """
    if environment is not None:
        kept, wanted = (satisfiable_over_sides(thresholds, each, base_fee) for each in (formula, environment))
        return OverSides(fee=kept.fee or wanted.fee, recovery=kept.recovery or wanted.recovery)
    fee = formula.price(base_fee, WeiDelta(0)).fee
    return OverSides(
        fee=fee <= thresholds.fee_max,
        recovery=formula.batch_revenue(fee) <= thresholds.recovery_high * formula.batch_cost(base_fee),
    )
