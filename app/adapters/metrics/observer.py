"""Events and requests turned into samples. The only place where wei become gwei and ether."""

import platform
from fractions import Fraction
from typing import Final

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import choose_encoder

from app.adapters.metrics.series import SeriesCollector
from app.adapters.metrics.table import METRICS
from app.domain.alerts import AlertThresholds
from app.domain.parameter_set import parameter_texts
from app.domain.parameters import Controller, Parameters
from app.domain.quote import Quote
from app.domain.units import MILLIS_PER_SECOND, WEI_PER_ETHER, WEI_PER_GWEI, UnixMillis
from app.domain.vault import VaultState
from app.engine.events import Event, HeaderRejected, PollFailed, PollSucceeded, QuoteMade, ReorgFollowed, RpcFinished

OPENMETRICS: Final = "application/openmetrics-text"
ANSWERS: Final = frozenset({"ok", "missing_block", "missing_state"})
"""Results of a node that answers: one that lacks an old block or its state is up."""


class Metrics:
    """The service's metrics. `on_event` is an engine observer; nothing here does I/O or waits."""

    def __init__(
        self,
        *,
        version: str,
        thresholds: AlertThresholds,
        parameters: Parameters,
        providers: tuple[str, ...],
        blocks_per_batch: int,
        vault_configured: bool,
    ) -> None:
        self._thresholds = thresholds
        self._blocks_per_batch = blocks_per_batch
        self._priced_up_to = -1
        self._series = SeriesCollector(METRICS, providers)
        self._registry = CollectorRegistry()
        self._registry.register(self._series)
        ProcessCollector(registry=self._registry)
        self._series.set("build_info", 1, version, platform.python_version())
        self._series.set("vault_configured", int(vault_configured))
        self._show_thresholds()
        self._show_parameters(parameters)

    def on_event(self, event: Event) -> None:
        """Take one event of the engine."""
        match event:
            case QuoteMade():
                self._count_quote(event.quote)
                self._show_quote(event.quote, event.at)
            case PollSucceeded():
                self._series.set("last_observation_timestamp_seconds", _seconds(event.at))
                self._series.set("provider_head_block", event.head_number, event.provider)
                self._series.set("provider_up", 1, event.provider)
            case PollFailed():
                self._series.add("poll_failures_total", 1, event.reason)
            case RpcFinished():
                self._series.add("rpc_requests_total", 1, event.provider, event.method, event.result)
                self._series.observe("rpc_request_duration_seconds", event.seconds, event.provider, event.method)
                self._series.set("provider_up", int(event.result in ANSWERS), event.provider)
            case HeaderRejected():
                self._series.add("header_rejections_total", 1, event.reason)
            case ReorgFollowed():
                self._series.add("l1_reorgs_total", 1)
            case _:
                pass  # told by the log alone

    def on_request(self, route: str, code: int, seconds: float) -> None:
        """Take one answered request. `route` is a route's template, never a path as it came."""
        self._series.add("http_requests_total", 1, route, str(code))
        self._series.observe("http_request_duration_seconds", seconds, route)

    def render(self, accept: str | None = None) -> tuple[bytes, str]:
        """The exposition and its content type: OpenMetrics where `accept` names it, else Prometheus's text."""
        wanted = OPENMETRICS if accept is not None and OPENMETRICS in accept.lower() else ""
        encode, content_type = choose_encoder(wanted)
        return encode(self._registry), content_type

    def _count_quote(self, quote: Quote) -> None:
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

    def _show_thresholds(self) -> None:
        limits = self._thresholds
        for alert, bound, value in (
            ("FeeOutOfRange", "min", _gwei(limits.fee_min)),
            ("FeeOutOfRange", "max", _gwei(limits.fee_max)),
            ("CostRecoveryDrift", "min", limits.recovery_low),
            ("CostRecoveryDrift", "max", limits.recovery_high),
            ("CostRecoveryLoss", "min", limits.recovery_min),
            ("CostRecoveryLoss", "max", limits.recovery_max),
            ("VaultDeficit", "max", limits.vault_deficit),
            ("VaultUnderfunded", "max", limits.underfunded_share),
        ):
            self._series.set("alert_threshold", value, alert, bound)

    def _show_parameters(self, parameters: Parameters) -> None:
        for name, text in parameter_texts(parameters).items():
            if text is not None and text not in tuple(Controller):
                self._series.set("parameter", Fraction(text), name)


def _gwei(wei_per_gas: int) -> Fraction:
    return Fraction(wei_per_gas, WEI_PER_GWEI)


def _ether(wei: int | None) -> Fraction | None:
    return None if wei is None else Fraction(wei, WEI_PER_ETHER)


def _seconds(at: UnixMillis) -> Fraction:
    return Fraction(at, MILLIS_PER_SECOND)
