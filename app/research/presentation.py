"""A scorecard for people and for programs. Ratios are exact to six decimals; only here do they become texts."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from fractions import Fraction
from types import MappingProxyType
from typing import Final

from app.domain.scorecard import AlertScore, Scorecard, VaultScore
from app.domain.scorecard_members import scorecard_members
from app.domain.units import decimal_text, ether_text, gwei_text
from app.research.compare import Figure

Row = tuple[str, str]

_HOUR_SECONDS: Final = 3_600
_DAY_SECONDS: Final = 86_400
_WEI_PER_ETHER: Final = 10**18
_SCALES: Final = MappingProxyType(
    {
        "gwei": Fraction(10**9),
        "ETH": Fraction(_WEI_PER_ETHER),
        "ETH·h": Fraction(_WEI_PER_ETHER * _HOUR_SECONDS),
        "%": Fraction(1, 100),
        "s": Fraction(1),
        "blocks": Fraction(1),
        "": Fraction(1),
    }
)
"""What one of each unit is in wei, wei·seconds, or as a share."""


def scorecard_object(card: Scorecard) -> dict[str, object]:
    """As JSON: camelCase, prices in wei as integers, amounts in wei as decimal strings, ratios as decimal strings."""
    return scorecard_members(card, ratio_text)


def scorecard_rows(card: Scorecard) -> Iterator[Row]:
    """As label and value, in gwei and ether."""
    yield "blocks", f"{card.blocks} ({card.first_block} to {card.last_block}, {duration_text(card.seconds)})"
    if card.missing_blocks:
        yield "missing blocks", f"{card.missing_blocks}, not filled"
    fee = card.fee
    yield "mean fee", f"{_gwei(fee.mean)} gwei"
    yield "fee p50 / p95 / p99", f"{gwei_text(fee.p50)} / {gwei_text(fee.p95)} / {gwei_text(fee.p99)} gwei"
    yield "least and greatest fee", f"{gwei_text(fee.least)} and {gwei_text(fee.greatest)} gwei"
    yield "variation, overall", _or_none(fee.variation, decimal_text)
    yield (
        "variation within 1 h / 6 h",
        " / ".join(_or_none(value, decimal_text) for value in (fee.hourly_variation, fee.six_hourly_variation)),
    )
    yield "step from block to block, p95", _or_none(fee.p95_step, percent_text)
    yield "blocks at a bound", ", ".join(f"{bound.value} {count}" for bound, count in fee.blocks_at_bound.items())
    yield "L1 cost", f"{_ether(card.cost)} ETH"
    yield "revenue", f"{_ether(card.revenue)} ETH"
    yield "cost recovery", _or_none(card.cost_recovery, decimal_text)
    if card.vault is None:
        yield "vault", "none: the deficit is taken as 0"
    else:
        yield from _vault_rows(card.vault)
    for alert, score in card.alerts.items():
        yield alert.value, alert_text(score)


def alert_text(score: AlertScore) -> str:
    """What an alert would have done."""
    if not score.fired or score.first_at is None:
        return "quiet"
    first = datetime.fromtimestamp(score.first_at, tz=UTC).strftime("%Y-%m-%d %H:%M:%S")
    times = "once" if score.fired == 1 else f"{score.fired} times"
    return f"fires {times}, for {duration_text(score.firing_seconds)}, first at {first}"


def figure_text(figure: Figure, card: Scorecard) -> str:
    """A figure of a comparison in its unit; a dash where there is none."""
    value = figure.of(card)
    if value is None:
        return "–"
    return decimal_text(round(Fraction(value) / _SCALES[figure.unit], 6))


def duration_text(seconds: int) -> str:
    """A duration in its two greatest units."""
    if seconds >= _DAY_SECONDS:
        return f"{seconds // _DAY_SECONDS} d {seconds % _DAY_SECONDS // _HOUR_SECONDS} h"
    if seconds >= _HOUR_SECONDS:
        return f"{seconds // _HOUR_SECONDS} h {seconds % _HOUR_SECONDS // 60} min"
    return f"{seconds // 60} min {seconds % 60} s" if seconds >= 60 else f"{seconds} s"  # noqa: PLR2004 - a minute


def ratio_text(ratio: Fraction | None) -> str | None:
    """A ratio that was rounded to six decimals, as a decimal string."""
    return None if ratio is None else decimal_text(ratio)


def percent_text(share: Fraction) -> str:
    """A share in percent."""
    return f"{decimal_text(share * 100)} %"


def _vault_rows(vault: VaultScore) -> Iterator[Row]:
    yield "vault at the end", f"{_ether(vault.final_balance)} ETH (least {_ether(vault.least_balance)})"
    yield "greatest deficit", f"{_ether(vault.greatest_deficit)} ETH"
    yield "time underfunded", _or_none(vault.underfunded_share, percent_text)
    yield "longest underfunded", duration_text(vault.longest_underfunded_seconds)
    ether_hours = Fraction(vault.deficit_wei_seconds, _WEI_PER_ETHER * _HOUR_SECONDS)
    yield "deficit × time", f"{decimal_text(round(ether_hours, 6))} ETH·h"
    yield "blocks it could not pay", f"{vault.insolvent_blocks} ({_ether(vault.unpaid)} ETH unpaid)"


def _or_none(value: Fraction | None, text: Callable[[Fraction], str]) -> str:
    return "–" if value is None else text(value)


def _gwei(wei: Fraction) -> str:
    return gwei_text(round(wei))


def _ether(wei: int) -> str:
    return decimal_text(round(Fraction(wei, _WEI_PER_ETHER), 6)) if wei else ether_text(0)
