"""A scorecard by the names that programs read it by: one list of them for the commands and for the HTTP interface."""

from collections.abc import Callable
from fractions import Fraction

from app.domain.scorecard import AlertScore, FeeScore, Scorecard, VaultScore

Ratio = Callable[[Fraction | None], object]
"""How a ratio of six decimals, or None, is written where it goes."""


def scorecard_members(card: Scorecard, ratio: Ratio) -> dict[str, object]:
    """As nested plain values: prices in wei as integers, amounts in wei as decimal texts, ratios as `ratio` says."""
    return {
        "blocks": card.blocks,
        "firstBlock": card.first_block,
        "lastBlock": card.last_block,
        "seconds": card.seconds,
        "missingBlocks": card.missing_blocks,
        "revenueWei": str(card.revenue),
        "costWei": str(card.cost),
        "costRecoveryRatio": ratio(card.cost_recovery),
        "fee": _fee_members(card.fee, ratio),
        "vault": None if card.vault is None else _vault_members(card.vault, ratio),
        "alerts": {alert.value: _alert_members(score) for alert, score in card.alerts.items()},
    }


def _fee_members(fee: FeeScore, ratio: Ratio) -> dict[str, object]:
    return {
        "mean": ratio(round(fee.mean, 6)),
        "p50": fee.p50,
        "p95": fee.p95,
        "p99": fee.p99,
        "least": fee.least,
        "greatest": fee.greatest,
        "variation": ratio(fee.variation),
        "hourlyVariation": ratio(fee.hourly_variation),
        "sixHourlyVariation": ratio(fee.six_hourly_variation),
        "p95Step": ratio(fee.p95_step),
        "blocksAtBound": {bound.value: count for bound, count in fee.blocks_at_bound.items()},
    }


def _vault_members(vault: VaultScore, ratio: Ratio) -> dict[str, object]:
    return {
        "finalBalanceWei": str(vault.final_balance),
        "leastBalanceWei": str(vault.least_balance),
        "greatestDeficitWei": str(vault.greatest_deficit),
        "underfundedShare": ratio(vault.underfunded_share),
        "longestUnderfundedSeconds": vault.longest_underfunded_seconds,
        "deficitWeiSeconds": str(vault.deficit_wei_seconds),
        "insolventBlocks": vault.insolvent_blocks,
        "unpaidWei": str(vault.unpaid),
    }


def _alert_members(score: AlertScore) -> dict[str, object]:
    return {"fired": score.fired, "firingSeconds": score.firing_seconds, "firstAt": score.first_at}
