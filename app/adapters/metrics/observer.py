"""Events and requests turned into samples. The only place where wei become gwei and ether."""

import platform
import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Final

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import choose_encoder

from app.adapters.metrics.series import SeriesCollector
from app.adapters.metrics.table import METRICS
from app.domain.alerts import AlertThresholds, satisfiable_over_sides
from app.domain.parameter_set import parameter_texts
from app.domain.parameters import Controller, Parameters
from app.domain.quote import Quote
from app.domain.units import MILLIS_PER_SECOND, WEI_PER_ETHER, WEI_PER_GWEI, UnixMillis
from app.domain.vault import VaultCondition, VaultState
from app.engine.events import (
    Event,
    HeaderRejected,
    PathRebuilt,
    PollFailed,
    PollSucceeded,
    ProviderChanged,
    QuoteMade,
    ReorgFollowed,
    RpcFinished,
    VaultUnreadable,
)

OPENMETRICS: Final = "application/openmetrics-text"
_QUALITY: Final = re.compile(r"[01](\.\d{0,3})?")
ANSWERS: Final = frozenset({"ok", "missing_block", "missing_state"})
"""Results of a node that answers: one that lacks an old block or its state is up."""
TOLD_BY_THE_CALL: Final = frozenset({"timeout", "unreachable", "http_status", "rpc_error", "recovered"})
"""Reasons to leave a provider that say nothing against what it answers: its calls tell whether it is up."""


class Metrics:
    """The service's metrics. `on_event` is an engine observer; nothing here does I/O or waits."""

    def __init__(
        self,
        *,
        version: str,
        thresholds: AlertThresholds,
        parameters: Parameters,
        providers: tuple[str, ...],
        l2_providers: tuple[str, ...],
        routes: Mapping[str, tuple[int, ...]],
        blocks_per_batch: int,
        vault_configured: bool,
    ) -> None:
        """`routes` are the templates that requests are counted by, with the codes that they are known to answer."""
        self._thresholds = thresholds
        self._blocks_per_batch = blocks_per_batch
        self._priced_up_to = -1
        self._unusable: set[str] = set()
        self._series = SeriesCollector(METRICS, (*providers, *l2_providers))
        self._registry = CollectorRegistry()
        self._registry.register(self._series)
        ProcessCollector(registry=self._registry)
        self._series.set("build_info", 1, version, platform.python_version())
        self._series.set("vault_configured", int(vault_configured))
        self._show_thresholds()
        self._show_parameters(parameters)
        self._begin_routes(routes)

    def on_event(self, event: Event) -> None:  # noqa: C901 - one flat case for each event reads best in one place
        """Take one event of the engine."""
        match event:
            case QuoteMade():
                self._count_quote(event.quote)
                self._show_quote(event.quote, event.at)
            case PollSucceeded():
                self._poll_succeeded(event)
            case PollFailed():
                self._series.add("poll_failures_total", 1, event.reason)
                self._doubt(event.provider, event.reason)
            case ProviderChanged():
                if event.instead_of is not None:
                    self._doubt(event.instead_of, event.reason)
            case RpcFinished():
                self._rpc_finished(event)
            case PathRebuilt():
                # A chain that begins anew below the heights that were priced is counted from there on.
                self._priced_up_to = min(self._priced_up_to, event.head_number - 1)
            case VaultUnreadable():
                self._series.set("vault_unreadable", 1)
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
        """The exposition and its content type: OpenMetrics where `accept` likes it best, else Prometheus's text."""
        encode, content_type = choose_encoder(OPENMETRICS if _prefers_openmetrics(accept or "") else "")
        return encode(self._registry), content_type

    def _begin_routes(self, routes: Mapping[str, tuple[int, ...]]) -> None:
        for route, codes in routes.items():
            self._series.begin("http_request_duration_seconds", route)
            for code in codes:
                self._series.begin("http_requests_total", route, str(code))

    def _poll_succeeded(self, event: PollSucceeded) -> None:
        self._unusable.discard(event.provider)
        self._series.set("last_observation_timestamp_seconds", _seconds(event.at))
        self._series.set("provider_head_block", event.head_number, event.provider)
        self._series.set("provider_up", 1, event.provider)

    def _rpc_finished(self, event: RpcFinished) -> None:
        self._series.add("rpc_requests_total", 1, event.provider, event.method, event.result)
        self._series.observe("rpc_request_duration_seconds", event.seconds, event.provider, event.method)
        is_up = event.result in ANSWERS and event.provider not in self._unusable
        self._series.set("provider_up", int(is_up), event.provider)

    def _doubt(self, provider: str, reason: str) -> None:
        """Show a provider as down until it gives a usable head, where it is what it answers that is of no use."""
        if reason not in TOLD_BY_THE_CALL:
            self._unusable.add(provider)
            self._series.set("provider_up", 0, provider)

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
        kept = satisfiable_over_sides(self._thresholds, quote.formula, quote.header.base_fee_per_gas)
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
        ):
            self._series.set("alert_threshold", value, alert, bound)

    def _show_parameters(self, parameters: Parameters) -> None:
        for name, text in parameter_texts(parameters).items():
            if text is not None and text not in tuple(Controller):
                self._series.set("parameter", Fraction(text), name)


def _prefers_openmetrics(accept: str) -> bool:
    """Whether `accept` names OpenMetrics and prefers nothing that Prometheus's text answers.

    prometheus-client's own negotiation knows no qualities, and fails on a version that is no number.
    """
    qualities: dict[str, float] = {}
    for media_range in accept.lower().split(","):
        name, *parameters = (part.strip() for part in media_range.split(";"))
        qualities[name] = max(qualities.get(name, 0.0), _quality(parameters))
    wanted = qualities.get(OPENMETRICS, 0.0)
    return wanted > 0 and wanted >= max(qualities.get(text, 0.0) for text in ("text/plain", "text/*", "*/*"))


def _quality(parameters: list[str]) -> float:
    """The `q` of a media range: 1 where there is none, 0 where it is no quality."""
    texts = [parameter[2:] for parameter in parameters if parameter.startswith("q=")]
    if not texts:
        return 1.0
    return float(texts[0]) if _QUALITY.fullmatch(texts[0]) else 0.0


def _gwei(wei_per_gas: int) -> Fraction:
    return Fraction(wei_per_gas, WEI_PER_GWEI)


def _ether(wei: int | None) -> Fraction | None:
    return None if wei is None else Fraction(wei, WEI_PER_ETHER)


def _seconds(at: UnixMillis) -> Fraction:
    return Fraction(at, MILLIS_PER_SECOND)
