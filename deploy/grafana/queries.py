"""The queries that several panels share, and how replicas become one series."""

from typing import Final

ONE: Final = 'job="$job", instance=~"$instance"'
OUR_ALERTS: Final = 'alertname=~"TaikoFeeOracle.+", alertname!="TaikoFeeOracleWatchdog", job=~"$job|"'
"""Absence has no labels, so an alert on it may have no job."""


def series(name: str, *matchers: str) -> str:
    """A selector of the chosen job's and instances' series of one of our metrics."""
    return f"taiko_fee_oracle_{name}{{{', '.join((ONE, *matchers))}}}"


def any_replica(expression: str) -> str:
    """One series for all replicas: the greatest value."""
    return f"max without (instance, pod) ({expression})"


def every_replica(expression: str) -> str:
    """One series for all replicas: the least value."""
    return f"min without (instance, pod) ({expression})"


def all_replicas(expression: str) -> str:
    """One series for all replicas: what they did together."""
    return f"sum without (instance, pod) ({expression})"


def at_head(selector: str, own_label: str = "") -> str:
    """One series for all replicas: that of those at the highest head, since one that lags quotes an older block."""
    head = series("l1_block_number")
    matching = f"and ignoring ({own_label})" if own_label else "and"
    return any_replica(f"{selector} {matching} ({head} == ignoring (instance, pod) group_left {any_replica(head)})")


def threshold(alert: str, bound: str) -> str:
    """What TAIKO_ALERT_* says, as the service exports it: the dashboard has no threshold of its own."""
    return any_replica(series("alert_threshold", f'alert="{alert}"', f'bound="{bound}"'))


def side(value: str, alert: str, *, has_min: bool = True, satisfiable: bool = False) -> str:
    """1 above the alert's max, 2 above it where the parameters alone put it there, −1 below its min, else 0."""
    above = f"({value} > bool ignoring (alert, bound) {threshold(alert, 'max')})"
    if satisfiable:
        kept = at_head(series("alert_satisfiable", f'alert="{alert}"'), "alert")
        above = f"{above} * ignoring (alert) (2 - {kept})"
    return f"{above} - ({value} < bool ignoring (alert, bound) {threshold(alert, 'min')})" if has_min else above


def rate(selector: str) -> str:
    return f"rate({selector}[$__rate_interval])"


def increase(selector: str) -> str:
    return f"increase({selector}[$__rate_interval])"


def quantile(of: float, name: str, label: str) -> str:
    """A quantile of a histogram for each value of a label, over all replicas."""
    buckets = rate(series(f"{name}_bucket"))
    return f"histogram_quantile({of}, sum by (le, {label}) ({buckets}))"


FEE: Final = at_head(series("recommended_fee_gwei"))
AGE: Final = f"time() - {any_replica(series('l1_block_timestamp_seconds'))}"
REVENUE_1H: Final = any_replica(f"increase({series('modelled_revenue_ether_total')}[1h])")
COST_1H: Final = any_replica(f"increase({series('modelled_l1_cost_ether_total')}[1h])")
RECOVERY_1H: Final = f"{REVENUE_1H} / {COST_1H}"
FAILED_CALLS: Final = series("rpc_requests_total", 'result!="ok"')
DEFICIT_RATIO: Final = at_head(series("vault_deficit_ratio"))
_UNDERFUNDED: Final = series("vault_underfunded")
UNDERFUNDED_24H: Final = (
    f"{all_replicas(f'sum_over_time({_UNDERFUNDED}[24h])')} / {all_replicas(f'count_over_time({_UNDERFUNDED}[24h])')}"
)
"""Over the samples of all replicas: one that has just begun has few, and tells little."""
