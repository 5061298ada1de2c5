"""Events and requests turned into samples. The only place where wei become gwei and ether."""

import platform
from collections.abc import Mapping
from fractions import Fraction

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import choose_encoder

from app.adapters.metrics.accept import OPENMETRICS, prefers_openmetrics
from app.adapters.metrics.series import SeriesCollector
from app.adapters.metrics.table import METRICS, SUBSCRIPTION_LOSS
from app.domain.alerts import AlertThresholds, satisfiable_over_sides
from app.domain.formula import FeeFormula
from app.domain.host_clock import CLOCK_TOLERANCE_MILLIS
from app.domain.parameter_set import ParameterSet, parameter_texts
from app.domain.parameters import Controller
from app.domain.quote import Quote
from app.domain.units import MILLIS_PER_SECOND, WEI_PER_ETHER, WEI_PER_GWEI, UnixMillis
from app.domain.vault import VaultCondition, VaultState
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
    VaultReported,
    VaultUnreadable,
)
from app.engine.provider_health import ProviderHealth


class Metrics:
    """The service's metrics. `on_event` is an engine observer; nothing here does I/O or waits."""

    def __init__(
        self,
        *,
        version: str,
        thresholds: AlertThresholds,
        stale_after_seconds: int,
        parameter_set: ParameterSet,
        providers: tuple[str, ...],
        l2_providers: tuple[str, ...],
        routes: Mapping[str, tuple[int, ...]],
        blocks_per_batch: int,
        vault_configured: bool,
    ) -> None:
        """`routes` are the templates that requests are counted by, with the codes that they are known to answer."""
        self._thresholds = thresholds
        self._environment = FeeFormula.of(parameter_set.parameters)
        self._stale_after_seconds = stale_after_seconds
        self._blocks_per_batch = blocks_per_batch
        self._priced_up_to = -1
        self._newest_change = 0
        self._is_override_known = self._is_standing_known = False
        self._health = ProviderHealth()
        self._series = SeriesCollector(METRICS, (*providers, *l2_providers))
        self._registry = CollectorRegistry()
        self._registry.register(self._series)
        ProcessCollector(registry=self._registry)
        self._series.set("build_info", 1, version, platform.python_version())
        self._series.set("vault_configured", int(vault_configured))
        if not vault_configured:
            self._series.clear("vault_reports_total")
        self._show_thresholds()
        self._show_parameters(parameter_set)
        self._begin_routes(routes)
        self._begin_providers(providers, l2_providers)
        self._series.set("journal_degraded", 0)
        self._series.set("journal_spooled_entries", 0)
        self._series.set("stream_clients", 0)

    def on_event(self, event: Event) -> None:
        """Take one event of the engine."""
        for provider, is_up in self._health.told(event):
            self._series.set("provider_up", int(is_up), provider)
        match event:
            case QuoteMade():
                self._count_quote(event.quote)
                self._show_quote(event.quote, event.at)
            case PollSucceeded():
                self._poll_succeeded(event)
            case PollFailed():
                self._series.add("poll_failures_total", 1, event.reason)
            case RpcFinished():
                self._rpc_finished(event)
            case VaultUnreadable():
                self._series.set("vault_unreadable", 1)
            case _:
                self._provider_event(event)
                self._chain_event(event)
                self._journal_event(event)
                self._decision(event)

    def _provider_event(self, event: Event) -> None:
        match event:
            case HeadSeen():
                self._series.set("provider_head_block", event.block_number, event.provider)
            case ProviderOpened():
                self._series.set("provider_breaker_open", 1, event.provider)
            case ProviderClosed():
                self._series.set("provider_breaker_open", 0, event.provider)
            case DissentBegan():
                self._series.set("provider_dissenting", 1, event.provider)
                self._series.add("provider_dissents_total", 1, event.provider)
            case DissentEnded():
                self._series.set("provider_dissenting", 0, event.provider)
            case SubscriptionBegan():
                self._show_subscription(event.provider, is_on=True)
            case SubscriptionEnded():
                self._show_subscription(event.provider, is_on=False)
                self._series.add("provider_subscription_losses_total", 1, event.provider, event.reason)
            case _:
                pass

    def _chain_event(self, event: Event) -> None:
        match event:
            case HeaderRejected():
                self._series.add("header_rejections_total", 1, event.reason)
            case ReorgFollowed():
                self._series.add("l1_reorgs_total", 1)
            case PathRebuilt(reason="replaced"):
                # A chain that begins anew below the heights that were priced is counted from there on.
                self._priced_up_to = min(self._priced_up_to, event.head_number - 1)
            case HeadWentBack():
                self._series.add("l1_head_anomalies_total", 1, "went_back")
            case HeadInFuture():
                self._series.add("l1_head_anomalies_total", 1, "in_future")
            case HeadStood():
                self._series.add("l1_head_anomalies_total", 1, "stood_still")
                self._show_standing(is_standing=True)
            case HeadMoved():
                self._show_standing(is_standing=False)
            case ClockMeasured() | ClockSkewed():
                self._series.set("clock_offset_seconds", Fraction(event.offset_millis, MILLIS_PER_SECOND))
            case _:
                pass

    def _journal_event(self, event: Event) -> None:
        match event:
            case JournalRestored():
                self._restored(event)
            case JournalSpooled():
                self._series.set("journal_spooled_entries", event.entries)
            case JournalDegraded():
                self._series.set("journal_degraded", 1)
                self._series.add("journal_failures_total", 1, event.fault)
            case JournalRecovered():
                self._series.set("journal_degraded", 0)
                self._series.set("journal_spooled_entries", 0)
                self._series.add("journal_divergences_total", event.divergences)
            case EntriesLost():
                self._series.add("journal_lost_entries_total", event.entries)
            case QuoteDecided():
                self._series.add("quotes_decided_elsewhere_total", 1)
            case QuoteContested():
                self._series.add("quotes_contested_total", 1)
                self._series.add("journal_divergences_total", 1)
            case QuoteReplaced():
                self._show_quote(event.quote, event.computed_at)
            case _:
                pass

    def _decision(self, event: Event) -> None:
        """What was in force before this process began is shown, and not counted."""
        match event:
            case ParametersChanged():
                self._show_parameters(event.change.parameter_set)
                self._show_override(is_active=event.change.parameter_set.is_overridden)
                self._count_changes(event)
            case VaultReported():
                self._series.add("vault_reports_total", int(event.is_new))
            case _:
                pass

    def on_request(self, route: str, code: int, seconds: float) -> None:
        """Take one answered request. `route` is a route's template, never a path as it came."""
        self._series.add("http_requests_total", 1, route, str(code))
        self._series.observe("http_request_duration_seconds", seconds, route)

    def on_connection_cut(self, reason: str) -> None:
        """Count an HTTP connection that was refused or cut."""
        self._series.add("http_connections_cut_total", 1, reason)

    def on_stream_clients(self, readers: int) -> None:
        """Take how many readers of the stream there are now."""
        self._series.set("stream_clients", readers)

    def render(self, accept: str | None = None) -> tuple[bytes, str]:
        """The exposition and its content type: OpenMetrics where `accept` likes it best, else Prometheus's text."""
        encode, content_type = choose_encoder(OPENMETRICS if prefers_openmetrics(accept or "") else "")
        return encode(self._registry), content_type

    def _begin_routes(self, routes: Mapping[str, tuple[int, ...]]) -> None:
        for route, codes in routes.items():
            self._series.begin("http_request_duration_seconds", route)
            for code in codes:
                self._series.begin("http_requests_total", route, str(code))

    def _begin_providers(self, l1: tuple[str, ...], l2: tuple[str, ...]) -> None:
        for provider in l1:
            self._series.set("provider_dissenting", 0, provider)
            self._series.begin("provider_dissents_total", provider)
        for provider in (*l1, *l2):
            self._series.set("provider_breaker_open", 0, provider)

    def _show_subscription(self, provider: str, *, is_on: bool) -> None:
        self._series.set("provider_subscribed", int(is_on), provider)
        for reason in SUBSCRIPTION_LOSS.values:
            self._series.begin("provider_subscription_losses_total", provider, reason)

    def _restored(self, event: JournalRestored) -> None:
        """Show what is served again; the run that made it has counted it."""
        self._series.add("restored_entries_discarded_total", event.discarded)
        if event.head_number is not None:
            self._priced_up_to = max(self._priced_up_to, event.head_number)
        if event.quote is not None and event.computed_at is not None:
            self._show_quote(event.quote, event.computed_at)

    def _show_standing(self, *, is_standing: bool) -> None:
        self._is_standing_known = True
        self._series.set("l1_head_standing", int(is_standing))

    def _poll_succeeded(self, event: PollSucceeded) -> None:
        if not self._is_standing_known:
            self._show_standing(is_standing=False)
        self._series.set("last_observation_timestamp_seconds", _seconds(event.at))
        self._series.set("provider_head_block", event.head_number, event.provider)

    def _rpc_finished(self, event: RpcFinished) -> None:
        self._series.add("rpc_requests_total", 1, event.provider, event.method, event.result)
        self._series.observe("rpc_request_duration_seconds", event.seconds, event.provider, event.method)

    def _show_override(self, *, is_active: bool) -> None:
        self._is_override_known = True
        self._series.set("parameter_override_active", int(is_active))

    def _count_quote(self, quote: Quote) -> None:
        if not self._is_override_known:
            self._show_override(is_active=False)  # no journal could be read, so the environment's are in force
        self._series.add("quotes_total", 1, quote.price.bound)
        if quote.header.number > self._priced_up_to:
            # A height that a reorg fills anew has had its share of a batch.
            self._priced_up_to = quote.header.number
            share = WEI_PER_ETHER * self._blocks_per_batch
            self._series.add("modelled_revenue_ether_total", Fraction(quote.batch_revenue, share))
            self._series.add("modelled_l1_cost_ether_total", Fraction(quote.batch_cost, share))

    def _show_quote(self, quote: Quote, at: UnixMillis) -> None:
        header, price, parts = quote.header, quote.price, quote.components
        show = self._series.set
        show("recommended_fee_gwei", _gwei(price.fee))
        show("raw_fee_gwei", _gwei(price.raw))
        show("next_fee_gwei", _gwei(quote.next_fee))
        for component, wei in (
            ("da", parts.da),
            ("proof", parts.proof),
            ("deficit", parts.deficit),
            ("base", parts.base),
            ("adjustment", parts.adjustment),
        ):
            show("fee_component_gwei", _gwei(wei), component)
        show("l1_basefee_gwei", _gwei(header.base_fee_per_gas))
        show("l1_next_basefee_gwei", _gwei(quote.next_base_fee))
        show("l1_block_number", header.number)
        show("l1_block_timestamp_seconds", header.timestamp)
        show("last_quote_timestamp_seconds", _seconds(at))
        show("cost_recovery_ratio", quote.cost_recovery_ratio)
        self._show_satisfiable(quote)
        self._show_vault(quote.vault)
        network = quote.network
        self._series.clear("network_info")
        show("network_info", 1, network.name, str(network.l1_chain_id), str(network.l2_chain_id))

    def _show_vault(self, vault: VaultState) -> None:
        ratio = vault.deficit_ratio
        show = self._series.set
        show("vault_balance_ether", _ether(vault.balance))
        show("vault_target_ether", _ether(vault.target))
        show("vault_deficit_ether", _ether(vault.deficit) if vault.is_configured else None)
        show("vault_deficit_ratio", ratio)
        show("vault_underfunded", None if ratio is None else int(ratio > self._thresholds.vault_deficit))
        show("vault_unreadable", int(vault.condition is not VaultCondition.CURRENT) if vault.is_configured else None)

    def _show_satisfiable(self, quote: Quote) -> None:
        kept = satisfiable_over_sides(self._thresholds, quote.formula, quote.header.base_fee_per_gas, self._environment)
        self._series.set("alert_satisfiable", int(kept.fee), "FeeOutOfRange")
        self._series.set("alert_satisfiable", int(kept.recovery), "CostRecoveryDrift")

    def _show_thresholds(self) -> None:
        limits = self._thresholds
        for alert, bound, value in (
            ("FeeOutOfRange", "min", _gwei(limits.fee_min)),
            ("FeeOutOfRange", "max", _gwei(limits.fee_max)),
            ("CostRecoveryDrift", "min", limits.recovery_low),
            ("CostRecoveryDrift", "max", limits.recovery_high),
            ("CostRecoveryLoss", "min", limits.recovery_min),
            ("CostRecoveryValidation", "min", limits.recovery_min),
            ("CostRecoveryValidation", "max", limits.recovery_max),
            ("VaultDeficit", "max", limits.vault_deficit),
            ("VaultUnderfunded", "max", limits.underfunded_share),
            ("QuoteStale", "max", self._stale_after_seconds),
            ("ClockSkew", "max", Fraction(CLOCK_TOLERANCE_MILLIS, MILLIS_PER_SECOND)),
        ):
            self._series.set("alert_threshold", value, alert, bound)

    def _count_changes(self, event: ParametersChanged) -> None:
        """Changes at other instances may come to light together: the newest alone is told."""
        if event.is_new:
            self._series.add("parameter_changes_total", max(0, event.change.number - self._newest_change))
        self._newest_change = event.change.number

    def _show_parameters(self, parameter_set: ParameterSet) -> None:
        self._series.clear("parameter")
        for name, text in parameter_texts(parameter_set.parameters).items():
            if text is not None and text not in tuple(Controller):
                self._series.set("parameter", Fraction(text), name)
        parameters = parameter_set.parameters
        self._series.clear("parameters_info")
        self._series.set("parameters_info", 1, parameter_set.preset, parameters.controller, parameters.parameters_id)


def _gwei(wei_per_gas: int) -> Fraction:
    return Fraction(wei_per_gas, WEI_PER_GWEI)


def _ether(wei: int | None) -> Fraction | None:
    return None if wei is None else Fraction(wei, WEI_PER_ETHER)


def _seconds(at: UnixMillis) -> Fraction:
    return Fraction(at, MILLIS_PER_SECOND)
