"""Every metric that the service exports, described once: the collectors and the documentation come from here."""

from dataclasses import dataclass
from enum import StrEnum
from itertools import product
from typing import Final

from app.domain.formula import Bound
from app.engine.ports import StoreFault

PREFIX: Final = "taiko_fee_oracle_"


class Kind(StrEnum):
    """Prometheus's metric types."""

    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Label:
    """A label, and the values that are exported from the start."""

    name: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric. A gauge without a known value has no sample; counters and histograms start at 0."""

    name: str
    """Without the prefix."""
    kind: Kind
    help: str
    unit: str
    """What one unit of the value is; where the name ends with it, the exposition says it too."""
    labels: tuple[Label, ...] = ()
    buckets: tuple[float, ...] = ()
    """Upper bounds, in the unit; of a histogram only."""

    @property
    def full_name(self) -> str:
        """The name that Prometheus sees."""
        return PREFIX + self.name

    def initial_labels(self, providers: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
        """The label values to start with: every combination of known ones; none while a label has no known value."""
        known = (providers if label is PROVIDER else label.values for label in self.labels)
        return tuple(product(*known))


_CALL_FAILURES: Final = (
    "timeout",
    "unreachable",
    "http_status",
    "invalid_answer",
    "rpc_error",
    "missing_block",
    "missing_state",
)
PROVIDER: Final = Label("provider")
"""A node's alias, never its URL; the values are the configured aliases, L1's and L2's."""
L1_PROVIDER: Final = Label("provider")
"""An L1 node's alias; the configured ones are begun by the observer."""
PUSHING_PROVIDER: Final = Label("provider")
"""The alias of an L1 node that can push its heads, which shows when it is asked to."""
METHOD: Final = Label("method", ("eth_chainId", "eth_getBalance", "eth_getBlockByHash", "eth_getBlockByNumber"))
RESULT: Final = Label("result", ("ok", *_CALL_FAILURES))
POLL_FAILURE: Final = Label(
    "reason",
    (
        *_CALL_FAILURES,
        "invalid_header",
        "wrong_chain",
        "inconsistent_chain",
        "rejected_header",
        "no_quorum",
        "timestamp_in_future",
    ),
)
COMPONENT: Final = Label("component", ("da", "proof", "deficit", "base", "adjustment"))
BOUND: Final = Label("bound", tuple(Bound))
REJECTION: Final = Label(
    "reason",
    ("parent_hash_mismatch", "number_not_consecutive", "timestamp_before_parent", "impossible_base_fee"),
)
HEAD_ANOMALY: Final = Label("kind", ("went_back", "stood_still", "in_future"))
SUBSCRIPTION_LOSS: Final = Label("reason", ("closed", "frozen", "silent", "refused"))
STORE_FAULT: Final = Label("fault", tuple(fault.value for fault in StoreFault))
CUT: Final = Label(
    "reason",
    (
        "malformed",
        "target_too_long",
        "head_too_large",
        "body_too_large",
        "slow_head",
        "slow_reader",
        "unread_answers",
        "pipeline",
        "too_many_connections",
    ),
)
"""What a connection is cut for; a test holds it to what cuts them."""
RPC_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0)
HTTP_BUCKETS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)


def _gauge(name: str, unit: str, help_text: str, *labels: Label) -> Metric:
    return Metric(name=name, kind=Kind.GAUGE, help=help_text, unit=unit, labels=labels)


def _counter(name: str, unit: str, help_text: str, *labels: Label) -> Metric:
    return Metric(name=name, kind=Kind.COUNTER, help=help_text, unit=unit, labels=labels)


METRICS: Final = (
    _gauge("recommended_fee_gwei", "gwei", "Recommended fee per L2 gas at the L1 head, in gwei."),
    _gauge("raw_fee_gwei", "gwei", "Fee per L2 gas before the bounds and the rate limit, in gwei; may be negative."),
    _gauge("next_fee_gwei", "gwei", "Recommended fee per L2 gas at the next L1 block's base fee, in gwei."),
    _gauge(
        "fee_component_gwei",
        "gwei",
        "Parts of the recommended fee, in gwei per L2 gas; they sum to it. May be negative.",
        COMPONENT,
    ),
    _gauge("l1_basefee_gwei", "gwei", "Base fee of the L1 head, in gwei per L1 gas."),
    _gauge("l1_next_basefee_gwei", "gwei", "Base fee of the L1 block after the head, in gwei per L1 gas (EIP-1559)."),
    _gauge("l1_block_number", "block", "Number of the L1 head that the recommended fee is for."),
    _gauge("l1_block_timestamp_seconds", "seconds", "Timestamp of that L1 head, in Unix seconds."),
    _gauge(
        "last_observation_timestamp_seconds",
        "seconds",
        "Wall-clock time of the last poll that got an L1 head, new or not, in Unix seconds.",
    ),
    _gauge("last_quote_timestamp_seconds", "seconds", "Wall-clock time of the last new quote, in Unix seconds."),
    _counter("quotes_total", "quotes", "Quotes made, by the bound that last changed the fee.", BOUND),
    _counter(
        "modelled_revenue_ether_total",
        "ether",
        "Modelled revenue of the batches so far, in ether: a batch's share for each L1 block that was priced.",
    ),
    _counter(
        "modelled_l1_cost_ether_total",
        "ether",
        "Modelled L1 cost of the batches so far, in ether: a batch's share for each L1 block that was priced.",
    ),
    _gauge("cost_recovery_ratio", "ratio", "Revenue over modelled L1 cost of a batch at the head; 1 breaks even."),
    _gauge("vault_configured", "boolean", "Whether a fee vault is configured: 1 or 0."),
    _gauge("vault_balance_ether", "ether", "Last known balance of the fee vault, in ether."),
    _gauge("vault_target_ether", "ether", "Balance that the fee vault should hold, in ether."),
    _gauge("vault_deficit_ether", "ether", "Target minus balance of the fee vault, in ether; negative is a surplus."),
    _gauge("vault_deficit_ratio", "ratio", "Deficit over target of the fee vault; negative is a surplus."),
    _gauge("vault_underfunded", "boolean", "Whether the deficit ratio is above the VaultDeficit threshold: 1 or 0."),
    _gauge(
        "alert_threshold",
        "as the alert's condition",
        "Thresholds of the alerts: fees in gwei, times in seconds, all others as ratios. The rules compare with these.",
        Label("alert"),
        Label("bound"),
    ),
    _gauge(
        "alert_satisfiable",
        "boolean",
        "Whether the parameters alone keep the alert's upper threshold at this L1 price: 1 or 0; at 0 it is silenced.",
        Label("alert"),
    ),
    _gauge(
        "parameter",
        "as the parameter",
        "Numeric fee parameters in force, by their API names; an unset rate limit has no series.",
        Label("name"),
    ),
    _gauge(
        "provider_up",
        "boolean",
        "Whether the provider answers, and with what can be used: 1 or 0; absent until asked.",
        PROVIDER,
    ),
    _gauge("provider_head_block", "block", "Number of the last L1 head that the provider gave.", PROVIDER),
    _counter("rpc_requests_total", "calls", "Calls to a provider, by method and result.", PROVIDER, METHOD, RESULT),
    Metric(
        name="rpc_request_duration_seconds",
        kind=Kind.HISTOGRAM,
        help="Duration of calls to a provider, failed ones too, in seconds.",
        unit="seconds",
        labels=(PROVIDER, METHOD),
        buckets=RPC_BUCKETS,
    ),
    _counter(
        "header_rejections_total",
        "headers",
        "L1 headers that contradicted their parents, whether that was enforced or only counted.",
        REJECTION,
    ),
    _counter("l1_reorgs_total", "reorgs", "L1 reorgs that were followed."),
    _counter("http_requests_total", "requests", "HTTP requests answered.", Label("route"), Label("code")),
    Metric(
        name="http_request_duration_seconds",
        kind=Kind.HISTOGRAM,
        help="Duration of HTTP requests, in seconds; of a stream, until it starts.",
        unit="seconds",
        labels=(Label("route"),),
        buckets=HTTP_BUCKETS,
    ),
    _counter(
        "http_connections_cut_total",
        "connections",
        "HTTP connections that were refused or cut before or beside any route, by the bound that they broke.",
        CUT,
    ),
    _gauge("stream_clients", "readers", "Readers of the fee's stream that are connected."),
    _gauge("build_info", "constant 1", "The running build, always 1.", Label("version"), Label("python")),
    _gauge(
        "network_info",
        "constant 1",
        "The network that is priced, always 1; devnet says so here.",
        Label("network"),
        Label("l1_chain_id"),
        Label("l2_chain_id"),
    ),
    _counter(
        "poll_failures_total", "polls", "Polls that got no usable L1 head, by what was wrong first.", POLL_FAILURE
    ),
    _gauge(
        "vault_unreadable",
        "boolean",
        "Whether the vault's balance could not be read and the last known one is held: 1 or 0.",
    ),
    _gauge(
        "parameter_override_active",
        "boolean",
        "Whether any fee parameter in force was set over the environment's, through the API: 1 or 0; absent"
        " until that is known.",
    ),
    _gauge(
        "parameters_info",
        "constant 1",
        "The set of fee parameters in force, always 1; a switch of the controller is seen here.",
        Label("preset"),
        Label("controller"),
        Label("parameters_id"),
    ),
    _counter("parameter_changes_total", "changes", "Changes of the fee parameters while this process ran."),
    _counter("vault_reports_total", "reports", "Vault balances that were pushed and stored while this process ran."),
    _gauge(
        "clock_offset_seconds",
        "seconds",
        "How far this host's clock is ahead of what L1 providers and heads say, in seconds; negative is behind.",
    ),
    _counter(
        "l1_head_anomalies_total",
        "anomalies",
        "L1 heads that went back, stood still until they were stale, or claimed a time in the future.",
        HEAD_ANOMALY,
    ),
    _gauge(
        "l1_head_standing",
        "boolean",
        "Whether polls succeeded and the L1 head became stale all the same, and no other followed yet: 1 or 0; absent"
        " until a poll succeeded.",
    ),
    _gauge(
        "provider_dissenting",
        "boolean",
        "Whether the L1 provider gives another header than the others at their common height: 1 or 0.",
        L1_PROVIDER,
    ),
    _counter(
        "provider_dissents_total",
        "dissents",
        "Times that the L1 provider began to give another header than the others.",
        L1_PROVIDER,
    ),
    _gauge(
        "provider_breaker_open",
        "boolean",
        "Whether the provider failed so often that it is left alone for a while: 1 or 0.",
        PROVIDER,
    ),
    _gauge(
        "provider_subscribed",
        "boolean",
        "Whether the L1 provider pushes its heads now: 1 or 0; absent where it cannot push.",
        PUSHING_PROVIDER,
    ),
    _counter(
        "provider_subscription_losses_total",
        "losses",
        "Times that the L1 provider's heads stopped being pushed, or could not begin to be.",
        PUSHING_PROVIDER,
        SUBSCRIPTION_LOSS,
    ),
    _gauge(
        "journal_degraded",
        "boolean",
        "Whether the store fails and quotes are served that are not in it yet: 1 or 0.",
    ),
    _gauge("journal_spooled_entries", "entries", "Entries that wait in memory for the store to be back."),
    _counter(
        "journal_failures_total",
        "failures",
        "Times that the store began to fail, or to fail in another way.",
        STORE_FAULT,
    ),
    _counter(
        "journal_lost_entries_total",
        "entries",
        "Entries of quotes that were served and are in no store, since they did not fit the spool.",
    ),
    _counter(
        "journal_divergences_total",
        "entries",
        "Spooled entries that found another instance's in their place, and are kept as divergences.",
    ),
    _counter(
        "quotes_decided_elsewhere_total",
        "quotes",
        "Quotes that another instance on the same store had made first, with another result; they are served.",
    ),
    _counter(
        "quotes_contested_total",
        "quotes",
        "Quotes that are served although another instance's entry, which does not hold, is in their place.",
    ),
    _counter(
        "restored_entries_discarded_total",
        "entries",
        "Entries found in the store at the start that do not hold: their digest or their arithmetic is wrong.",
    ),
)
