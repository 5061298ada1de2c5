import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from prometheus_client.samples import Sample

from app.adapters.metrics import METRICS, PREFIX, Kind, Metrics
from app.domain.alerts import AlertThresholds
from app.domain.formula import FeeFormula
from app.domain.governance import ParameterChange, VaultReport
from app.domain.header import L1Header
from app.domain.network import DEVNET_CHAIN_ID, Network
from app.domain.parameter_set import ParameterSet, ParameterSource
from app.domain.parameters import Parameters
from app.domain.quote import Quote, make_quote
from app.domain.units import BlockNumber, Gas, UnixMillis, Wei, WeiPerGas
from app.domain.vault import NO_VAULT, VaultCondition, VaultSource, VaultState
from app.engine.events import (
    ClockMeasured,
    ClockSkewed,
    DissentBegan,
    DissentEnded,
    EntriesLost,
    Event,
    HeaderRejected,
    HeadInFuture,
    HeadMoved,
    HeadSeen,
    HeadStood,
    HeadWentBack,
    JournalDegraded,
    JournalRecovered,
    JournalRestored,
    JournalSpooled,
    ParametersChanged,
    PathRebuilt,
    PollFailed,
    PollSucceeded,
    ProviderChanged,
    ProviderClosed,
    ProviderOpened,
    QuoteContested,
    QuoteDecided,
    QuoteMade,
    QuoteReplaced,
    ReorgFollowed,
    RpcFinished,
    SubscriptionBegan,
    SubscriptionEnded,
    VaultReadable,
    VaultReported,
    VaultUnreadable,
)
from app.engine.ports import StoreFault
from tests.fakes import child_of, genesis

DOCUMENTATION = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8")
AT = UnixMillis(1_764_157_404_123)
PROMETHEUS_3_ACCEPTS = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
ETHER = 10**18
SECTION_6 = [
    "recommended_fee_gwei",
    "raw_fee_gwei",
    "next_fee_gwei",
    "fee_component_gwei",
    "l1_basefee_gwei",
    "l1_next_basefee_gwei",
    "l1_block_number",
    "l1_block_timestamp_seconds",
    "last_observation_timestamp_seconds",
    "last_quote_timestamp_seconds",
    "quotes_total",
    "modelled_revenue_ether_total",
    "modelled_l1_cost_ether_total",
    "cost_recovery_ratio",
    "vault_configured",
    "vault_balance_ether",
    "vault_target_ether",
    "vault_deficit_ether",
    "vault_deficit_ratio",
    "vault_underfunded",
    "alert_threshold",
    "alert_satisfiable",
    "parameter_override_active",
    "journal_degraded",
    "clock_offset_seconds",
    "parameter",
    "parameter_changes_total",
    "provider_up",
    "provider_head_block",
    "rpc_requests_total",
    "rpc_request_duration_seconds",
    "header_rejections_total",
    "l1_reorgs_total",
    "http_requests_total",
    "http_request_duration_seconds",
    "build_info",
]


def make_metrics(
    *,
    thresholds: AlertThresholds | None = None,
    stale_after_seconds: int = 48,
    parameters: Parameters | None = None,
    blocks_per_batch: int = 1,
    vault_configured: bool = False,
    l2_providers: tuple[str, ...] = (),
    routes: Mapping[str, tuple[int, ...]] | None = None,
) -> Metrics:
    return Metrics(
        version="0.1.0",
        thresholds=thresholds or AlertThresholds(),
        stale_after_seconds=stale_after_seconds,
        parameter_set=ParameterSet(parameters or Parameters()),
        providers=("main", "spare"),
        l2_providers=l2_providers,
        routes=routes or {},
        blocks_per_batch=blocks_per_batch,
        vault_configured=vault_configured,
    )


def quote_at(
    header: L1Header, vault: VaultState = NO_VAULT, parameters: Parameters | None = None, l1_chain_id: int = 1
) -> Quote:
    return make_quote(
        network=Network(l1_chain_id, 167000),
        header=header,
        vault=vault,
        formula=FeeFormula.of(parameters or Parameters()),
        block_interval_seconds=12,
    )


def made(quote: Quote) -> QuoteMade:
    return QuoteMade(quote, AT, None)


def vault_with(balance: int, target: int = 10 * ETHER) -> VaultState:
    return VaultState(VaultSource.ONCHAIN, balance=Wei(balance), target=Wei(target))


def samples(metrics: Metrics) -> Iterator[Sample]:
    body, _ = metrics.render()
    for family in parse_text(body.decode()):
        yield from family.samples


def value(metrics: Metrics, name: str, /, **labels: str) -> float | None:
    """The sample's value; None where there is no such sample."""
    found = [s.value for s in samples(metrics) if s.name == PREFIX + name and s.labels == labels]
    assert len(found) <= 1
    return found[0] if found else None


def names(metrics: Metrics) -> set[str]:
    return {s.name.removeprefix(PREFIX) for s in samples(metrics)}


def test_the_table_has_every_metric_of_the_design_that_has_a_source_and_each_once() -> None:
    listed = [metric.name for metric in METRICS]
    assert set(SECTION_6) <= set(listed)
    assert len(set(listed)) == len(listed)


def test_each_metric_says_what_it_is_and_in_which_unit() -> None:
    for metric in METRICS:
        assert metric.help.endswith(".")
        assert len(metric.help) > 20
        assert metric.unit
        assert bool(metric.buckets) == (metric.kind is Kind.HISTOGRAM)
        assert metric.name.endswith("_total") == (metric.kind is Kind.COUNTER)


def test_the_documentation_lists_every_metric_with_its_type_labels_and_help() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| ([^|]*) \| ([^|]*) \| (.*) \|$", DOCUMENTATION, flags=re.MULTILINE)
    assert rows == [
        (m.name, str(m.kind), ", ".join(f"`{label.name}`" for label in m.labels) or "–", m.unit, m.help)
        for m in METRICS
    ]


def test_every_metric_is_described_before_anything_happened() -> None:
    text = make_metrics().render()[0].decode()
    for metric in METRICS:
        assert f"# HELP {metric.full_name} {metric.help}\n" in text
        assert f"# TYPE {metric.full_name} {metric.kind}\n" in text


def test_no_quote_means_no_price_and_not_a_price_of_zero() -> None:
    metrics = make_metrics(vault_configured=True)
    exported = {name for name in names(metrics) if name in SECTION_6}
    assert exported == {
        "quotes_total",
        "modelled_revenue_ether_total",
        "modelled_l1_cost_ether_total",
        "vault_configured",
        "alert_threshold",
        "journal_degraded",
        "parameter",
        "parameter_changes_total",
        "rpc_requests_total",
        "header_rejections_total",
        "l1_reorgs_total",
        "build_info",
    }
    assert value(metrics, "vault_configured") == 1


def test_what_a_start_does_not_know_yet_is_not_denied() -> None:
    """A 0 between start and journal, or start and first poll, would end alerts that a restart has to leave alone."""
    metrics = make_metrics()
    assert value(metrics, "parameter_override_active") is None
    assert value(metrics, "l1_head_standing") is None
    metrics.on_event(HeadStood(1000, 60))
    metrics.on_event(PollSucceeded("main", 1000, AT, failures_before=0))
    assert value(metrics, "l1_head_standing") == 1
    metrics = make_metrics()
    metrics.on_event(PollSucceeded("main", 1000, AT, failures_before=0))
    assert value(metrics, "l1_head_standing") == 0


def test_a_quote_tells_that_the_environments_parameters_are_in_force_where_no_journal_does() -> None:
    metrics = make_metrics()
    metrics.on_event(made(quote_at(genesis())))
    assert value(metrics, "parameter_override_active") == 0
    metrics.on_event(changed_to(ParameterSet().changed({"alphaData": "0.2"})))
    metrics.on_event(made(quote_at(genesis())))
    assert value(metrics, "parameter_override_active") == 1


def test_known_labels_count_from_zero() -> None:
    metrics = make_metrics()
    for bound in ("none", "min", "max", "rate_up", "rate_down"):
        assert value(metrics, "quotes_total", bound=bound) == 0
    assert value(metrics, "header_rejections_total", reason="impossible_base_fee") == 0
    for provider in ("main", "spare"):
        labels = {"provider": provider, "method": "eth_getBlockByNumber"}
        assert value(metrics, "rpc_requests_total", result="timeout", **labels) == 0
        assert value(metrics, "rpc_request_duration_seconds_count", **labels) == 0
    assert value(metrics, "modelled_revenue_ether_total") == 0
    assert value(metrics, "l1_reorgs_total") == 0


def test_the_providers_of_l2_count_from_zero_too() -> None:
    metrics = make_metrics(l2_providers=("rollup", "spare"))
    for provider in ("rollup", "spare"):
        labels = {"provider": provider, "method": "eth_getBalance"}
        assert value(metrics, "rpc_requests_total", result="ok", **labels) == 0
        assert value(metrics, "rpc_request_duration_seconds_count", **labels) == 0


def test_the_routes_of_the_api_count_from_zero_with_their_codes() -> None:
    metrics = make_metrics(routes={"/v1/fee": (200, 503), "unmatched": (404,)})
    found = {
        (s.labels["route"], s.labels["code"]): s.value
        for s in samples(metrics)
        if s.name == f"{PREFIX}http_requests_total"
    }
    assert found == {("/v1/fee", "200"): 0, ("/v1/fee", "503"): 0, ("unmatched", "404"): 0}
    assert value(metrics, "http_request_duration_seconds_count", route="/v1/fee") == 0
    assert value(metrics, "http_request_duration_seconds_bucket", route="unmatched", le="+Inf") == 0


def test_a_quote_is_shown_in_gwei() -> None:
    metrics = make_metrics()
    header = replace(genesis(), gas_used=Gas(30_000_000))
    metrics.on_event(made(quote_at(header)))
    assert value(metrics, "recommended_fee_gwei") == 12.521739131
    assert value(metrics, "raw_fee_gwei") == 12.521739131
    assert value(metrics, "next_fee_gwei") == 13.899456522
    assert value(metrics, "l1_basefee_gwei") == 25
    assert value(metrics, "l1_next_basefee_gwei") == 28.125
    assert value(metrics, "l1_block_number") == header.number
    assert value(metrics, "l1_block_timestamp_seconds") == header.timestamp
    assert value(metrics, "last_quote_timestamp_seconds") == 1764157404.123
    assert value(metrics, "cost_recovery_ratio") == 1.136095
    parts = {"da": 4.5, "proof": 6.52173913, "deficit": 0, "base": 1.5, "adjustment": 1e-9}
    for component, gwei in parts.items():
        assert value(metrics, "fee_component_gwei", component=component) == gwei


def test_the_next_quote_takes_the_place_of_the_last() -> None:
    metrics = make_metrics()
    parent = genesis(base_fee=100 * 10**9)
    metrics.on_event(made(quote_at(parent)))
    metrics.on_event(made(quote_at(child_of(parent))))
    assert value(metrics, "l1_block_number") == parent.number + 1
    assert value(metrics, "quotes_total", bound="none") == 2


def test_a_bound_is_counted_by_name() -> None:
    metrics = make_metrics()
    metrics.on_event(made(quote_at(genesis(), parameters=Parameters(max_fee=WeiPerGas(10**9)))))
    assert value(metrics, "quotes_total", bound="max") == 1
    assert value(metrics, "quotes_total", bound="none") == 0


def test_a_batch_without_a_cost_has_no_recovery() -> None:
    metrics = make_metrics()
    metrics.on_event(made(quote_at(genesis())))
    metrics.on_event(made(quote_at(genesis(base_fee=0))))
    assert value(metrics, "cost_recovery_ratio") is None


def test_modelled_totals_add_a_block_s_share_of_a_batch_and_stay_exact() -> None:
    metrics = make_metrics(blocks_per_batch=3)
    header = genesis()
    for _ in range(9):
        metrics.on_event(made(quote_at(header)))
        header = child_of(header)
    assert value(metrics, "modelled_revenue_ether_total") == 3 * 8_640_000_000_390_000 / ETHER
    assert value(metrics, "modelled_l1_cost_ether_total") == 3 * 7_605_000_000_000_000 / ETHER


def test_a_height_that_a_reorg_fills_anew_is_paid_for_once() -> None:
    metrics = make_metrics()
    parent = genesis()
    for header in (parent, child_of(parent, branch="a"), child_of(parent, branch="b")):
        metrics.on_event(made(quote_at(header)))
    metrics.on_event(ReorgFollowed(depth=1, head_number=parent.number + 1))
    assert value(metrics, "modelled_l1_cost_ether_total") == 2 * 7_605_000_000_000_000 / ETHER
    assert value(metrics, "l1_reorgs_total") == 1


def chain(*numbers: int, start: str) -> list[L1Header]:
    """Headers of these heights, `start` telling one chain from another."""
    first = replace(genesis(number=numbers[0]), hash=f"0x{start}")
    headers = [first]
    for _ in numbers[1:]:
        headers.append(child_of(headers[-1], branch=start))
    return headers


@pytest.mark.parametrize(("order", "counted"), [("announced before its quote", 6), ("after it", 5)])
def test_a_chain_begun_anew_at_lower_heights_is_counted_on(order: str, counted: int) -> None:
    metrics = make_metrics()
    for header in chain(1000, 1001, start="old"):
        metrics.on_event(made(quote_at(header)))
    first, *others = chain(3, 4, 5, 6, start="new")
    events: list[Event] = [PathRebuilt("replaced", 4, 3, 0), made(quote_at(first))]
    for event in events if order == "announced before its quote" else reversed(events):
        metrics.on_event(event)
    for header in others:
        metrics.on_event(made(quote_at(header)))
    assert value(metrics, "modelled_l1_cost_ether_total") == counted * 7_605_000_000_000_000 / ETHER


def test_a_path_that_is_rebuilt_over_a_gap_counts_no_height_twice() -> None:
    metrics = make_metrics()
    old, *later = chain(1000, 1001, 1002, start="one")
    metrics.on_event(made(quote_at(old)))
    metrics.on_event(PathRebuilt("gap", 1, 1002, 1))
    for header in (later[-1], *later):
        metrics.on_event(made(quote_at(header)))
    assert value(metrics, "modelled_l1_cost_ether_total") == 2 * 7_605_000_000_000_000 / ETHER


def test_without_a_vault_there_is_no_vault_series() -> None:
    metrics = make_metrics()
    metrics.on_event(made(quote_at(genesis())))
    assert {name for name in names(metrics) if name.startswith("vault")} == {"vault_configured"}
    assert value(metrics, "vault_configured") == 0


def test_the_vault_is_shown_in_ether() -> None:
    metrics = make_metrics(vault_configured=True)
    metrics.on_event(made(quote_at(genesis(), vault_with(7_500_000_000_000_000_001))))
    assert value(metrics, "vault_balance_ether") == 7.5
    assert value(metrics, "vault_target_ether") == 10
    assert value(metrics, "vault_deficit_ether") == 2.5
    assert value(metrics, "vault_deficit_ratio") == 0.25
    assert value(metrics, "vault_underfunded") == 1


def test_underfunded_is_above_the_threshold_and_has_a_way_back() -> None:
    metrics = make_metrics(thresholds=AlertThresholds(vault_deficit=Fraction(1, 4)), vault_configured=True)
    header = genesis()
    for balance, underfunded in ((7, 1), (Fraction(15, 2), 0), (5, 1), (12, 0)):
        metrics.on_event(made(quote_at(header, vault_with(int(balance * ETHER)))))
        assert value(metrics, "vault_underfunded") == underfunded
    assert value(metrics, "vault_deficit_ether") == -2


def test_a_vault_that_cannot_be_read_is_said_to_be_so_from_the_first_attempt_until_a_reading() -> None:
    metrics = make_metrics(vault_configured=True)
    assert value(metrics, "vault_unreadable") is None
    metrics.on_event(VaultUnreadable("missing_state", "main: missing_state", 1))
    assert value(metrics, "vault_unreadable") == 1
    for condition, unreadable in (
        (VaultCondition.CURRENT, 0),
        (VaultCondition.HELD, 1),
        (VaultCondition.EXPIRED, 1),
        (VaultCondition.CURRENT, 0),
    ):
        vault = replace(vault_with(ETHER), condition=condition)
        metrics.on_event(made(quote_at(genesis(), vault)))
        assert value(metrics, "vault_unreadable") == unreadable


def test_a_target_of_zero_leaves_no_ratio_and_an_old_one_is_taken_away() -> None:
    metrics = make_metrics(vault_configured=True)
    metrics.on_event(made(quote_at(genesis(), vault_with(ETHER))))
    metrics.on_event(made(quote_at(genesis(), vault_with(ETHER, target=0))))
    assert value(metrics, "vault_deficit_ratio") is None
    assert value(metrics, "vault_underfunded") is None
    assert value(metrics, "vault_deficit_ether") == -1


def test_the_thresholds_of_the_alerts_are_exported() -> None:
    metrics = make_metrics(thresholds=AlertThresholds(fee_max=WeiPerGas(42_500_000_000)), stale_after_seconds=60)
    found = {
        (s.labels["alert"], s.labels["bound"]): s.value
        for s in samples(metrics)
        if s.name == f"{PREFIX}alert_threshold"
    }
    assert found == {
        ("FeeOutOfRange", "min"): 1,
        ("FeeOutOfRange", "max"): 42.5,
        ("CostRecoveryDrift", "min"): 0.8,
        ("CostRecoveryDrift", "max"): 1.3,
        ("CostRecoveryLoss", "min"): 0.7,
        ("CostRecoveryValidation", "min"): 0.7,
        ("CostRecoveryValidation", "max"): 1.5,
        ("VaultDeficit", "max"): 0.2,
        ("VaultUnderfunded", "max"): 0.15,
        ("QuoteStale", "max"): 60,
        ("ClockSkew", "max"): 15,
    }


@pytest.mark.parametrize(
    ("base_fee_wei", "fee", "recovery"), [(75_000_000, 1, 0), (25 * 10**9, 1, 1), (200 * 10**9, 0, 1)]
)
def test_each_quote_tells_which_upper_thresholds_the_parameters_keep_at_its_base_fee(
    base_fee_wei: int, fee: int, recovery: int
) -> None:
    metrics = make_metrics()
    assert value(metrics, "alert_satisfiable", alert="FeeOutOfRange") is None
    metrics.on_event(made(quote_at(genesis(base_fee=base_fee_wei))))
    assert value(metrics, "alert_satisfiable", alert="FeeOutOfRange") == fee
    assert value(metrics, "alert_satisfiable", alert="CostRecoveryDrift") == recovery


def test_a_mistaken_override_makes_no_threshold_unsatisfiable() -> None:
    metrics = make_metrics()
    metrics.on_event(made(quote_at(genesis(), parameters=Parameters(base_fee=WeiPerGas(90 * 10**9)))))
    assert value(metrics, "alert_satisfiable", alert="FeeOutOfRange") == 1
    assert value(metrics, "alert_satisfiable", alert="CostRecoveryDrift") == 1


def test_a_deficit_makes_no_threshold_unsatisfiable() -> None:
    metrics = make_metrics(vault_configured=True)
    metrics.on_event(made(quote_at(genesis(), vault_with(0, target=100 * ETHER))))
    assert value(metrics, "recommended_fee_gwei") == pytest.approx(415.1, abs=0.1)
    assert value(metrics, "alert_satisfiable", alert="FeeOutOfRange") == 1


def test_parameters_are_exported_by_their_api_names_and_an_unset_rate_limit_is_absent() -> None:
    metrics = make_metrics(parameters=Parameters(max_fee_increase=Fraction(125, 1000)))
    found = {s.labels["name"]: s.value for s in samples(metrics) if s.name == f"{PREFIX}parameter"}
    assert found == {
        "alphaData": 0.18,
        "deficitWeight": 0.2,
        "horizonBatches": 72,
        "baseFeeGwei": 1.5,
        "l2GasPerBatch": 690000,
        "proofGasPerBatch": 180000,
        "minFeeGwei": 0,
        "maxFeeGwei": 1000,
        "maxFeeIncrease": 0.125,
    }


def test_a_provider_is_down_after_a_failed_call_and_up_after_a_good_one() -> None:
    metrics = make_metrics()
    assert value(metrics, "provider_up", provider="main") is None
    for result, up in (("ok", 1), ("timeout", 0), ("ok", 1), ("rpc_error", 0), ("missing_state", 1)):
        metrics.on_event(RpcFinished("main", "eth_getBalance", result, 0.02))
        assert value(metrics, "provider_up", provider="main") == up
    assert value(metrics, "provider_up", provider="spare") is None
    assert value(metrics, "rpc_requests_total", provider="main", method="eth_getBalance", result="ok") == 2


@pytest.mark.parametrize("reason", ["wrong_chain", "invalid_header", "rejected_header", "missing_block"])
def test_a_provider_whose_answers_are_of_no_use_is_down_until_it_gives_a_head(reason: str) -> None:
    metrics = make_metrics()
    for _ in range(2):
        metrics.on_event(RpcFinished("main", "eth_chainId", "ok", 0.02))
        metrics.on_event(PollFailed("main", reason, f"main: {reason}", 1))
        assert value(metrics, "provider_up", provider="main") == 0
    metrics.on_event(RpcFinished("main", "eth_chainId", "ok", 0.02))
    metrics.on_event(RpcFinished("spare", "eth_chainId", "ok", 0.02))
    assert value(metrics, "provider_up", provider="main") == 0
    assert value(metrics, "provider_up", provider="spare") == 1
    metrics.on_event(PollSucceeded("main", 123, AT, failures_before=2))
    metrics.on_event(RpcFinished("main", "eth_getBlockByNumber", "ok", 0.02))
    assert value(metrics, "provider_up", provider="main") == 1


def test_a_provider_that_another_took_over_from_is_down_though_the_polls_succeed() -> None:
    metrics = make_metrics()
    metrics.on_event(RpcFinished("main", "eth_chainId", "ok", 0.02))
    metrics.on_event(ProviderChanged("spare", "main", "wrong_chain"))
    metrics.on_event(PollSucceeded("spare", 123, AT, failures_before=0))
    metrics.on_event(RpcFinished("main", "eth_chainId", "ok", 0.02))
    assert value(metrics, "provider_up", provider="main") == 0
    metrics.on_event(ProviderChanged("main", "spare", "recovered"))
    metrics.on_event(PollSucceeded("main", 124, AT, failures_before=0))
    assert value(metrics, "provider_up", provider="main") == 1
    assert value(metrics, "provider_up", provider="spare") == 1


def test_a_provider_whose_calls_failed_is_up_as_soon_as_one_succeeds() -> None:
    metrics = make_metrics()
    metrics.on_event(RpcFinished("main", "eth_getBlockByNumber", "timeout", 2.0))
    metrics.on_event(ProviderChanged("spare", "main", "timeout"))
    assert value(metrics, "provider_up", provider="main") == 0
    metrics.on_event(RpcFinished("main", "eth_getBalance", "ok", 0.02))
    assert value(metrics, "provider_up", provider="main") == 1


def test_a_poll_shows_its_time_and_the_provider_s_head() -> None:
    metrics = make_metrics()
    metrics.on_event(RpcFinished("main", "eth_chainId", "unreachable", 0.001))
    metrics.on_event(PollSucceeded("main", 123, AT, failures_before=1))
    assert value(metrics, "last_observation_timestamp_seconds") == 1764157404.123
    assert value(metrics, "provider_head_block", provider="main") == 123
    assert value(metrics, "provider_up", provider="main") == 1


def test_durations_fall_into_their_buckets() -> None:
    metrics = make_metrics()
    for seconds in (0.004, 0.005, 0.3, 60):
        metrics.on_event(RpcFinished("main", "eth_chainId", "ok", seconds))
    labels = {"provider": "main", "method": "eth_chainId"}
    counts = {
        le: value(metrics, "rpc_request_duration_seconds_bucket", le=le, **labels)
        for le in ("0.005", "0.25", "0.5", "5.0", "+Inf")
    }
    assert counts == {"0.005": 2, "0.25": 2, "0.5": 3, "5.0": 3, "+Inf": 4}
    assert value(metrics, "rpc_request_duration_seconds_sum", **labels) == pytest.approx(60.309)


def test_rejections_are_counted_by_reason_enforced_or_not() -> None:
    metrics = make_metrics()
    for enforced in (True, False):
        metrics.on_event(HeaderRejected("impossible_base_fee", "block 2", enforced=enforced))
    assert value(metrics, "header_rejections_total", reason="impossible_base_fee") == 2


def test_failed_polls_are_counted_by_reason() -> None:
    metrics = make_metrics()
    for consecutive in (1, 2):
        metrics.on_event(PollFailed("main", "wrong_chain", "main: wrong_chain", consecutive))
    assert value(metrics, "poll_failures_total", reason="wrong_chain") == 2
    assert value(metrics, "poll_failures_total", reason="timeout") == 0


def test_requests_are_counted_and_timed_by_route() -> None:
    metrics = make_metrics()
    metrics.on_request("/v1/fee", 200, 0.0004)
    metrics.on_request("/v1/fee", 304, 0.002)
    assert value(metrics, "http_requests_total", route="/v1/fee", code="304") == 1
    assert value(metrics, "http_request_duration_seconds_bucket", route="/v1/fee", le="0.0005") == 1
    assert value(metrics, "http_request_duration_seconds_count", route="/v1/fee") == 2


def test_devnet_is_named() -> None:
    metrics = make_metrics()
    metrics.on_event(made(quote_at(genesis(), l1_chain_id=DEVNET_CHAIN_ID)))
    labels = {"network": "devnet", "l1_chain_id": str(DEVNET_CHAIN_ID), "l2_chain_id": "167000"}
    assert value(metrics, "network_info", **labels) == 1


def test_only_the_network_of_the_last_quote_is_named() -> None:
    metrics = make_metrics()
    for l1_chain_id in (DEVNET_CHAIN_ID, 1):
        metrics.on_event(made(quote_at(genesis(), l1_chain_id=l1_chain_id)))
    assert [s.labels["network"] for s in samples(metrics) if s.name == f"{PREFIX}network_info"] == ["mainnet"]


def changed_to(parameter_set: ParameterSet, *, number: int = 2, is_new: bool = True) -> ParametersChanged:
    change = ParameterChange(
        number=number,
        parameter_set=parameter_set,
        environment_id="e",
        from_block=BlockNumber(1001),
        at=AT,
        actor="ana",
    )
    return ParametersChanged(change, is_new)


def test_changed_parameters_are_shown_counted_and_named_as_an_override_until_it_is_dropped() -> None:
    metrics = make_metrics(parameters=Parameters(max_fee_increase=Fraction(1, 8)))
    metrics.on_event(changed_to(ParameterSet(), number=1, is_new=False))
    assert value(metrics, "parameter_override_active") == 0
    metrics.on_event(changed_to(ParameterSet().changed({"alphaData": "0.2"})))
    assert value(metrics, "parameter", name="alphaData") == 0.2
    assert value(metrics, "parameter", name="maxFeeIncrease") is None
    assert value(metrics, "parameter_override_active") == 1
    lowered = ParameterSet().changed({"alphaData": "0.16"}, ParameterSource.ENVIRONMENT)
    metrics.on_event(changed_to(lowered, number=3))
    assert value(metrics, "parameter", name="alphaData") == 0.16
    assert value(metrics, "parameter_override_active") == 0
    assert value(metrics, "parameter_changes_total") == 2


def test_changes_that_came_to_light_together_are_all_counted() -> None:
    """Two changes at another instance between two blocks: the newest tells of both."""
    metrics = make_metrics()
    metrics.on_event(changed_to(ParameterSet(), number=4, is_new=False))
    metrics.on_event(changed_to(ParameterSet().changed({"alphaData": "0.2"}), number=6))
    assert value(metrics, "parameter_changes_total") == 2


def test_only_the_set_in_force_is_named_with_its_preset_and_its_controller() -> None:
    metrics = make_metrics()
    legacy = ParameterSet().changed({"preset": "responsive", "controller": "legacy"})
    metrics.on_event(changed_to(legacy))
    (info,) = (sample for sample in samples(metrics) if sample.name == f"{PREFIX}parameters_info")
    assert info.labels == {
        "preset": "responsive",
        "controller": "legacy",
        "parameters_id": legacy.parameters.parameters_id,
    }


def test_decisions_of_an_earlier_run_are_in_force_and_not_counted_again() -> None:
    metrics = make_metrics(vault_configured=True)
    metrics.on_event(changed_to(ParameterSet().changed({"alphaData": "0.2"}), is_new=False))
    report = VaultReport(sequence=7, balance=Wei(1), from_block=BlockNumber(1001), at=AT, actor="ana")
    metrics.on_event(VaultReported(report, is_new=False))
    assert value(metrics, "parameter_override_active") == 1
    assert value(metrics, "parameter_changes_total") == 0
    assert value(metrics, "vault_reports_total") == 0
    metrics.on_event(VaultReported(report, is_new=True))
    assert value(metrics, "vault_reports_total") == 1


def test_a_dissenting_provider_is_shown_until_it_agrees_again_and_its_dissents_are_counted() -> None:
    metrics = make_metrics(l2_providers=("rollup",))
    assert value(metrics, "provider_dissenting", provider="spare") == 0
    for _ in range(2):
        metrics.on_event(DissentBegan("spare", 1000, ("base_fee_per_gas",)))
        assert value(metrics, "provider_dissenting", provider="spare") == 1
        metrics.on_event(DissentEnded("spare"))
        assert value(metrics, "provider_dissenting", provider="spare") == 0
    assert value(metrics, "provider_dissents_total", provider="spare") == 2
    assert value(metrics, "provider_dissents_total", provider="main") == 0
    assert value(metrics, "provider_dissenting", provider="rollup") is None


def test_an_open_breaker_is_shown_until_it_closes() -> None:
    metrics = make_metrics(l2_providers=("rollup",))
    for provider in ("main", "rollup"):
        assert value(metrics, "provider_breaker_open", provider=provider) == 0
        metrics.on_event(ProviderOpened(provider, "timeout", 5.0))
        assert value(metrics, "provider_breaker_open", provider=provider) == 1
        metrics.on_event(ProviderClosed(provider))
        assert value(metrics, "provider_breaker_open", provider=provider) == 0


def test_a_provider_that_is_left_alone_for_what_it_answers_is_down_until_its_breaker_closes() -> None:
    metrics = make_metrics()
    metrics.on_event(ProviderOpened("main", "rejected_header", 5.0))
    metrics.on_event(RpcFinished("main", "eth_getBlockByNumber", "ok", 0.02))
    assert value(metrics, "provider_up", provider="main") == 0
    metrics.on_event(ProviderClosed("main"))
    assert value(metrics, "provider_up", provider="main") == 1


def test_a_quorum_that_fails_says_nothing_against_the_provider_that_was_asked_first() -> None:
    metrics = make_metrics()
    metrics.on_event(RpcFinished("main", "eth_getBlockByNumber", "ok", 0.02))
    metrics.on_event(PollFailed("main", "no_quorum", "main: no_quorum", 1))
    assert value(metrics, "provider_up", provider="main") == 1
    assert value(metrics, "poll_failures_total", reason="no_quorum") == 1
    assert value(metrics, "poll_failures_total", reason="timestamp_in_future") == 0


def test_each_provider_s_head_is_shown_whoever_s_is_used() -> None:
    metrics = make_metrics()
    metrics.on_event(HeadSeen("spare", 122))
    metrics.on_event(PollSucceeded("main", 123, AT, failures_before=0))
    assert value(metrics, "provider_head_block", provider="spare") == 122
    assert value(metrics, "provider_head_block", provider="main") == 123


def test_a_subscription_has_series_only_where_a_provider_can_push() -> None:
    metrics = make_metrics()
    assert value(metrics, "provider_subscribed", provider="main") is None
    metrics.on_event(SubscriptionBegan("main"))
    assert value(metrics, "provider_subscribed", provider="main") == 1
    losses = {"provider": "main", "reason": "frozen"}
    assert value(metrics, "provider_subscription_losses_total", **losses) == 0
    metrics.on_event(SubscriptionEnded("main", "frozen"))
    assert value(metrics, "provider_subscribed", provider="main") == 0
    assert value(metrics, "provider_subscription_losses_total", **losses) == 1
    metrics.on_event(SubscriptionBegan("main"))
    assert value(metrics, "provider_subscribed", provider="main") == 1
    assert value(metrics, "provider_subscription_losses_total", **losses) == 1
    assert value(metrics, "provider_subscribed", provider="spare") is None
    assert value(metrics, "provider_subscription_losses_total", provider="spare", reason="closed") is None


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        (HeadWentBack("main", 2, 1), "went_back"),
        (HeadStood(1000, 49), "stood_still"),
        (HeadInFuture("main", 1000, 16), "in_future"),
    ],
)
def test_an_odd_head_is_counted_by_what_is_odd_about_it(event: Event, kind: str) -> None:
    metrics = make_metrics()
    metrics.on_event(event)
    found = {s.labels["kind"]: s.value for s in samples(metrics) if s.name == f"{PREFIX}l1_head_anomalies_total"}
    assert found == {"went_back": 0, "stood_still": 0, "in_future": 0} | {kind: 1}


def test_a_head_that_stands_is_shown_until_another_follows() -> None:
    metrics = make_metrics()
    metrics.on_event(PollSucceeded("main", 1000, AT, failures_before=0))
    assert value(metrics, "l1_head_standing") == 0
    metrics.on_event(HeadStood(1000, 49))
    assert value(metrics, "l1_head_standing") == 1
    metrics.on_event(HeadMoved(1001, 61))
    assert value(metrics, "l1_head_standing") == 0


def test_the_clock_s_offset_is_unknown_until_it_is_measured() -> None:
    metrics = make_metrics()
    assert value(metrics, "clock_offset_seconds") is None
    metrics.on_event(ClockMeasured(-250))
    assert value(metrics, "clock_offset_seconds") == -0.25
    metrics.on_event(ClockSkewed(16_500, is_skewed=True))
    assert value(metrics, "clock_offset_seconds") == 16.5
    metrics.on_event(ClockSkewed(0, is_skewed=False))
    assert value(metrics, "clock_offset_seconds") == 0


def test_a_journal_that_is_degraded_shows_what_waits_and_has_a_way_back() -> None:
    metrics = make_metrics()
    assert value(metrics, "journal_degraded") == 0
    assert value(metrics, "journal_spooled_entries") == 0
    metrics.on_event(JournalDegraded("unavailable", "no connection"))
    metrics.on_event(JournalSpooled(3))
    assert value(metrics, "journal_degraded") == 1
    assert value(metrics, "journal_spooled_entries") == 3
    metrics.on_event(JournalRecovered(merged=3, divergences=1, lost=0))
    assert value(metrics, "journal_degraded") == 0
    assert value(metrics, "journal_spooled_entries") == 0
    assert value(metrics, "journal_divergences_total") == 1


def test_each_way_in_which_a_store_can_fail_is_counted_from_zero() -> None:
    metrics = make_metrics()
    metrics.on_event(JournalDegraded("full", "disk full"))
    metrics.on_event(JournalDegraded("unavailable", "no connection"))
    metrics.on_event(JournalDegraded("full", "disk full"))
    found = {s.labels["fault"]: s.value for s in samples(metrics) if s.name == f"{PREFIX}journal_failures_total"}
    assert found == {fault.value: 0 for fault in StoreFault} | {"full": 2, "unavailable": 1}


def test_what_was_lost_is_counted_once_though_the_recovery_tells_it_again() -> None:
    metrics = make_metrics()
    metrics.on_event(EntriesLost(2))
    metrics.on_event(EntriesLost(1))
    metrics.on_event(JournalRecovered(merged=10, divergences=0, lost=3))
    assert value(metrics, "journal_lost_entries_total") == 3


def test_quotes_that_met_another_instance_s_are_counted_by_who_won() -> None:
    metrics = make_metrics()
    metrics.on_event(QuoteDecided(1000, "theirs"))
    metrics.on_event(QuoteDecided(1001, "theirs"))
    metrics.on_event(QuoteContested(1002, "ours"))
    assert value(metrics, "quotes_decided_elsewhere_total") == 2
    assert value(metrics, "quotes_contested_total") == 1
    assert value(metrics, "journal_divergences_total") == 1


def test_a_quote_that_takes_the_place_of_ours_is_shown_and_not_counted_again() -> None:
    metrics = make_metrics()
    ours = quote_at(genesis())
    metrics.on_event(made(ours))
    theirs = quote_at(genesis(base_fee=100 * 10**9))
    metrics.on_event(QuoteReplaced(theirs, AT))
    assert value(metrics, "recommended_fee_gwei") == 45.586956522
    assert value(metrics, "quotes_total", bound="none") == 1


def test_a_restored_quote_is_shown_and_moves_no_counter() -> None:
    metrics = make_metrics()
    restored = quote_at(genesis())
    metrics.on_event(JournalRestored(256, restored.header.number, 0, restored, AT))
    assert value(metrics, "recommended_fee_gwei") == 12.521739131
    assert value(metrics, "l1_block_timestamp_seconds") == restored.header.timestamp
    assert value(metrics, "last_quote_timestamp_seconds") == 1764157404.123
    assert value(metrics, "quotes_total", bound="none") == 0
    assert value(metrics, "modelled_l1_cost_ether_total") == 0


def test_a_height_that_the_earlier_run_priced_is_not_paid_for_again() -> None:
    metrics = make_metrics()
    held, again, fresh = chain(1000, 1001, 1002, start="one")
    metrics.on_event(JournalRestored(2, again.number, 0))
    for header in (held, again, fresh):
        metrics.on_event(made(quote_at(header)))
    assert value(metrics, "modelled_l1_cost_ether_total") == 7_605_000_000_000_000 / ETHER
    assert value(metrics, "quotes_total", bound="none") == 3


def test_an_empty_journal_restores_nothing_and_what_it_discards_is_counted() -> None:
    metrics = make_metrics()
    metrics.on_event(JournalRestored(0, None, 4))
    metrics.on_event(made(quote_at(genesis())))
    assert value(metrics, "restored_entries_discarded_total") == 4
    assert value(metrics, "modelled_l1_cost_ether_total") == 7_605_000_000_000_000 / ETHER


def test_events_without_a_metric_change_nothing_of_ours() -> None:
    metrics = make_metrics()
    before = [s for s in samples(metrics) if s.name.startswith(PREFIX)]
    metrics.on_event(VaultReadable(3))
    assert [s for s in samples(metrics) if s.name.startswith(PREFIX)] == before


@pytest.mark.parametrize(
    "accept",
    [
        None,
        "",
        "*/*",
        "text/plain;version=banana",
        "text/html, */*;q=0.1",
        "application/openmetrics-text;q=0",
        "application/openmetrics-text;q=0.1, text/plain;q=0.5",
        "application/openmetrics-text;q=0.1, */*",
        "application/openmetrics-text;q=banana",
        "application/openmetrics-text;q=NaN",
        "application/openmetrics-textual",
        ";,;q=;=,",
    ],
)
def test_prometheus_text_is_the_default_format(accept: str | None) -> None:
    assert make_metrics().render(accept)[1] == "text/plain; version=0.0.4; charset=utf-8"


@pytest.mark.parametrize(
    "accept",
    [
        "application/openmetrics-text",
        "Application/OpenMetrics-Text; Q=0.5, */*;q=0.1",
        "application/openmetrics-text;version=banana",
        PROMETHEUS_3_ACCEPTS,
    ],
)
def test_openmetrics_is_given_where_it_is_named_and_nothing_is_preferred(accept: str) -> None:
    assert make_metrics().render(accept)[1] == "application/openmetrics-text; version=1.0.0; charset=utf-8"


def test_openmetrics_is_given_to_who_asks_for_it_and_parses() -> None:
    metrics = make_metrics(vault_configured=True)
    metrics.on_event(made(quote_at(genesis(), vault_with(ETHER))))
    metrics.on_request("/v1/fee", 200, 0.001)
    body, content_type = metrics.render("application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5")
    assert content_type.startswith("application/openmetrics-text; version=1.0.0")
    families = {family.name: family for family in parse_openmetrics(body.decode())}  # type: ignore[no-untyped-call]
    assert families[f"{PREFIX}recommended_fee_gwei"].unit == "gwei"
    assert families[f"{PREFIX}modelled_revenue_ether"].unit == "ether"
    assert families[f"{PREFIX}rpc_request_duration_seconds"].unit == "seconds"
    assert families[f"{PREFIX}vault_underfunded"].unit == ""


def test_the_registry_is_its_own_and_tells_of_the_process_too() -> None:
    first, second = make_metrics(), make_metrics()
    first.on_event(ReorgFollowed(1, 2))
    assert value(second, "l1_reorgs_total") == 0
    assert not [family.name for family in REGISTRY.collect() if family.name.startswith(PREFIX)]
    assert "process_resident_memory_bytes" in {s.name for s in samples(first)}
