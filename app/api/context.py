"""What the routes are built from; `bootstrap` fills it in."""

from collections.abc import Callable
from dataclasses import dataclass

from app.api.board import Board
from app.domain.advice import Advice
from app.domain.alerts import AlertThresholds
from app.domain.network import Network
from app.domain.parameter_set import ParameterSet
from app.domain.units import UnixMillis
from app.domain.vault import VaultPlan
from app.engine.ports import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiContext:
    """Everything that an answer may say. No URL and no secret is in here."""

    board: Board
    clock: Clock
    network: Network | None
    """The network where it is known before the first quote; else the feed's, and the quote's own from then on."""
    l2_chain_id: int
    parameter_set: ParameterSet
    vault_plan: VaultPlan
    thresholds: AlertThresholds
    advice: tuple[Advice, ...]
    poll_interval_seconds: float
    blocks_per_batch: int
    version: str
    started_at: UnixMillis
    providers: tuple[str, ...]
    """Aliases of the L1 providers, in order of preference."""
    metrics: Callable[[str | None], tuple[bytes, str]]
    """Takes the request's Accept; the exposition for Prometheus, and its content type."""
    observe_request: Callable[[str, int, float], None]
    """Takes the route's template, the status code and the seconds it took."""
    body_timeout_seconds: float = 10.0
    """How long a request's body may take to come."""

    @property
    def known_network(self) -> Network | None:
        """The network of the answers; None until the chain is known."""
        published = self.board.published
        if published is not None:
            return published.quote.network
        return self.board.feed_status.network or self.network

    @property
    def network_name(self) -> str | None:
        """Its name, by which every answer is labelled."""
        network = self.known_network
        return None if network is None else network.name
