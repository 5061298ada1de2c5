"""What the routes are built from; `bootstrap` fills it in."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from app.api.board import Board, Published
from app.api.cors import Cors
from app.api.reading import ReadingRoom
from app.api.simulating import SimulationRoom
from app.api.tokens import AdminTokens
from app.api.turnstile import Turnstile
from app.domain.advice import Advice
from app.domain.alerts import AlertThresholds
from app.domain.amendment import tag_of
from app.domain.network import Network
from app.domain.parameter_set import ParameterSet
from app.domain.simulation import SeriesBlock
from app.domain.units import UnixMillis
from app.domain.vault import VaultPlan
from app.engine.ports import Clock, DecisionDesk, FeedView, JournalState

_UNKNOWN_NETWORK: Final = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiContext:
    """Everything that an answer may say. No URL and no secret is in here."""

    board: Board
    clock: Clock
    network: Network | None
    """The network where it is known before the first quote; else the feed's, and the quote's own from then on."""
    l2_chain_id: int
    parameter_set: ParameterSet
    """The one of the settings; a change that somebody made governs in its place."""
    vault_plan: VaultPlan
    thresholds: AlertThresholds
    advice: Callable[[ParameterSet], tuple[Advice, ...]]
    """What is dangerous under these parameters."""
    poll_interval_seconds: float
    blocks_per_batch: int
    version: str
    started_at: UnixMillis
    first_view: FeedView
    """The L1 providers in order of preference, as they are before the first poll."""
    store_kind: str
    """`sqlite` or `postgresql`."""
    journal_required: bool
    """Whether nothing is served that the journal does not hold."""
    json_rpc_allow_stale: bool
    """Whether `eth_gasPrice` gives a stale fee, of which it cannot say that it is stale."""
    desk: DecisionDesk
    """Where pushed balances and changes of the parameters go."""
    tokens: AdminTokens | None
    """Who may administer; None where no token is configured, and then there is no administration."""
    metrics: Callable[[str | None], tuple[bytes, str]]
    """Takes the request's Accept; the exposition for Prometheus, and its content type."""
    observe_request: Callable[[str, int, float], None]
    """Takes the route's template, the status code and the seconds it took."""
    observe_stream_clients: Callable[[int], None]
    """Takes how many readers of the stream there are now."""
    stream_clients_max: int
    """How many there may be."""
    alerts: Callable[[], bytes]
    """What `GET /v1/alerts` says: a body that is ready."""
    archive: ReadingRoom
    """What looks back is read here."""
    scenario_blocks: Callable[[str, int, int, int], Iterator[SeriesBlock]]
    """Takes a scenario's name, a seed, a base fee in wei and a number of blocks. Raises `InvalidValueError`."""
    cors: Cors | None = None
    """Which pages of other origins are let in; None where CORS is not spoken at all."""
    body_timeout_seconds: float = 10.0
    """How long a request's body may take to come."""
    turnstile: Turnstile = field(default_factory=Turnstile)
    """Where those go through who ask for work and carry no token."""
    simulations: SimulationRoom = field(default_factory=SimulationRoom)
    scrapes: Turnstile = field(default_factory=Turnstile)
    """Where those go through who ask for metrics, whatever else is asked for."""

    @property
    def known_network(self) -> Network | None:
        """The network of the answers; None until the chain is known."""
        published = self.board.published
        if published is not None:
            return published.quote.network
        return self.board.feed_status.network or self.network

    @property
    def is_chain_verified(self) -> bool:
        """Whether the L1 was seen and is the right one. A quote of an earlier run does not show that."""
        return (self.board.feed_status.network or self.network) is not None

    @property
    def parameters_in_force(self) -> ParameterSet:
        """Those that the next block is priced with."""
        change = self.board.governance.change
        return self.parameter_set if change is None else change.parameter_set

    @property
    def parameters_tag(self) -> str:
        """What names them, as the newest change put them in force."""
        return tag_of(self.parameters_in_force, self.board.governance.revision.change)

    @property
    def feed_view(self) -> FeedView:
        """The L1 providers, as the last poll saw them."""
        view = self.board.feed_status.view
        return view if view.providers else self.first_view

    @property
    def journaled(self) -> Published | None:
        """The quote that is served; none where the journal is required, and fails."""
        return None if self.is_journal_missing else self.board.published

    @property
    def is_journal_missing(self) -> bool:
        """Whether the journal is required, and fails."""
        return self.journal_required and self.board.journal_status.state is not JournalState.OK

    @property
    def network_label(self) -> tuple[bytes, bytes]:
        """The header by which every answer names its network."""
        return b"taiko-network", (self.network_name or _UNKNOWN_NETWORK).encode("ascii")

    @property
    def network_name(self) -> str | None:
        """Its name, by which every answer is labelled."""
        network = self.known_network
        return None if network is None else network.name
