"""An oracle's HTTP room with a clock, a board and an app of its own, and the worked example of the contract."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction

import httpx
from starlette.types import ASGIApp

from app.api.alerts import AlertBoard
from app.api.app import create_app
from app.api.board import Board
from app.api.context import ApiContext
from app.api.reading import ReadingRoom
from app.api.tokens import AdminTokens
from app.devnet.demand import scenario_blocks
from app.domain.advance import OracleState
from app.domain.advice import Advice
from app.domain.alert_states import AlertReport, AlertState, AlertStatus
from app.domain.alert_table import FIRST_RULES, IN_MILLIS, Alert
from app.domain.alerts import AlertThresholds
from app.domain.amendment import Amended, Amendment, outlook
from app.domain.errors import OracleError
from app.domain.formula import FeeFormula
from app.domain.freshness import FreshnessPolicy, Witnesses
from app.domain.governance import Governance, ParameterChange, VaultReport, environment_id_of, judged_report
from app.domain.header import L1Header
from app.domain.network import Network
from app.domain.parameter_set import ParameterSet
from app.domain.parameters import Parameters
from app.domain.quote import Quote, make_quote
from app.domain.units import BlockNumber, Gas, UnixMillis, UnixSeconds, Wei, WeiPerGas
from app.domain.vault import VaultAddress, VaultLayer, VaultPlan, VaultReading, VaultSource, VaultState
from app.engine.ports import (
    Clock,
    DecisionDesk,
    FeedStatus,
    FeedView,
    JournalState,
    JournalStatus,
    ProviderStatus,
    StoreFault,
)
from tests.fakes_store import FakeStore

HEAD_TIME = 1_764_157_403
BORN = UnixMillis(HEAD_TIME * 1000)
BLOCK_HASH = "0x5b3f6d0e1c2a49788f7e6d5c4b3a29180f1e2d3c4b5a69788796a5b4c3d2e1f0"
PARENT_HASH = "0x9a8b7c6d5e4f30211203f4e5d6c7b8a90f1e2d3c4b5a69788796a5b4c3d2e1f0"
MAINNET = Network(l1_chain_id=1, l2_chain_id=167000)
TREASURY = "0x1670000000000000000000000000000000010001"
TEN_ETHER = Wei(10 * 10**18)
FULL_VAULT = VaultState(
    VaultSource.ONCHAIN,
    balance=TEN_ETHER,
    target=TEN_ETHER,
    observed_at=UnixSeconds(HEAD_TIME),
    readings=(VaultReading(VaultLayer.L2, TREASURY, BlockNumber(12_367_835), TEN_ETHER),),
)
ONCHAIN_PLAN = VaultPlan(
    source=VaultSource.ONCHAIN, target=TEN_ETHER, addresses=(VaultAddress(VaultLayer.L2, TREASURY),)
)
FIRST_VIEW = FeedView(
    2,
    tuple(
        ProviderStatus(alias=alias, transport=transport, subscribed=subscribed)
        for alias, transport, subscribed in (("p1", "websocket", False), ("p2", "http", None), ("p3", "http", None))
    ),
)
PUSH_PLAN = VaultPlan(source=VaultSource.PUSH, target=TEN_ETHER)
TOKEN = "the-token-of-this-house-has-many-characters"  # noqa: S105 - of this house alone
BEARER = {"Authorization": f"Bearer {TOKEN}"}
JOURNALED = JournalStatus(state=JournalState.OK, last_entry_at=UnixMillis(BORN + 1_512))
FULL_DISK = JournalStatus(
    state=JournalState.DEGRADED,
    reason=StoreFault.FULL,
    detail="the disk is full",
    since=UnixMillis(BORN + 1_000),
    spooled=3,
    lost=2,
    divergences=1,
    last_entry_at=UnixMillis(BORN),
)
TWO_WITNESSES = FeedStatus(witnesses=Witnesses(2), provider="p1")
ONE_WITNESS = FeedStatus(witnesses=Witnesses(1), provider="p1")
NO_WITNESS = FeedStatus(consecutive_failures=3, failure_reason="timeout")


class FakeDesk(DecisionDesk):
    """Takes decisions by the domain's rules, or fails as told."""

    def __init__(self, clock: Clock, board: Board, environment: ParameterSet) -> None:
        self._clock = clock
        self._board = board
        self._environment = environment
        self.report: VaultReport | None = None
        self.failure: OracleError | None = None

    async def report_vault(self, balance: Wei, sequence: int, actor: str) -> VaultReport:
        if self.failure is not None:
            raise self.failure
        pushed = VaultReport(
            sequence=sequence,
            balance=balance,
            from_block=BlockNumber(23_882_698),
            at=self._clock.now(),
            actor=actor,
        )
        self.report = judged_report(pushed, self.report)
        return self.report

    async def change_parameters(self, amendment: Amendment, *, dry_run: bool = False) -> Amended:
        if self.failure is not None:
            raise self.failure
        change, published = self._board.governance.change, self._board.published
        before = self._environment if change is None else change.parameter_set
        after = amendment.applied_to(before, self._environment, self._board.governance.revision.change)
        if after != before and not dry_run:
            change = ParameterChange(
                number=1 if change is None else change.number + 1,
                parameter_set=after,
                environment_id=environment_id_of(self._environment),
                from_block=BlockNumber(0 if published is None else published.quote.next_block_number),
                at=self._clock.now(),
                actor=amendment.actor,
                reason=amendment.reason,
            )
            self._board.govern(Governance(change=change))
        state = OracleState(None if published is None else published.quote)
        return Amended(before=before, after=after, change=change, outlook=outlook(state, after.parameters))


class HandClock(Clock):
    """Time moves when a test moves it."""

    def __init__(self, now: int = BORN + 1_512) -> None:
        self.wall = now
        self.elapsed = 1000.0

    def now(self) -> UnixMillis:
        return UnixMillis(self.wall)

    def monotonic(self) -> float:
        return self.elapsed

    async def sleep(self, seconds: float) -> None:
        self.pass_seconds(seconds)

    def pass_seconds(self, seconds: float) -> None:
        self.wall += round(seconds * 1000)
        self.elapsed += seconds


def sample_header(*, base_fee: int = 25 * 10**9, timestamp: int = HEAD_TIME) -> L1Header:
    """The head of the contract's example: its use raises 25 gwei to 25.1."""
    return L1Header(
        number=BlockNumber(23_882_697),
        hash=BLOCK_HASH,
        parent_hash=PARENT_HASH,
        timestamp=UnixSeconds(timestamp),
        base_fee_per_gas=WeiPerGas(base_fee),
        gas_limit=Gas(36_000_000),
        gas_used=Gas(18_576_000),
    )


def sample_quote(
    *,
    header: L1Header | None = None,
    vault: VaultState = FULL_VAULT,
    parameters: Parameters | None = None,
    network: Network = MAINNET,
    block_interval_seconds: int = 12,
) -> Quote:
    """The quote of the contract's example, or one beside it."""
    return make_quote(
        network=network,
        header=sample_header() if header is None else header,
        vault=vault,
        formula=FeeFormula.of(Parameters() if parameters is None else parameters),
        block_interval_seconds=block_interval_seconds,
    )


def sample_report() -> AlertReport:
    """One alert in each of the states, with values of every kind."""
    since = UnixMillis(BORN - 60_000)
    statuses = (
        AlertStatus(
            rule=FIRST_RULES[Alert.FEE_OUT_OF_RANGE],
            state=AlertState.FIRING,
            since=since,
            value=51_234_567_891,
            least=10**9,
            greatest=50 * 10**9,
        ),
        AlertStatus(
            rule=FIRST_RULES[Alert.COST_RECOVERY_DRIFT],
            state=AlertState.UNSATISFIABLE,
            value=Fraction("46.364915"),
            least=Fraction("0.8"),
            greatest=Fraction("1.3"),
            detail="the parameters alone put recovery above 1.3 within the window",
        ),
        AlertStatus(
            rule=FIRST_RULES[Alert.VAULT_DEFICIT],
            state=AlertState.UNKNOWN,
            greatest=Fraction("0.2"),
            detail="no vault is configured",
        ),
        AlertStatus(rule=FIRST_RULES[Alert.QUOTE_STALE], state=AlertState.OK, value=Fraction("1.512"), greatest=48),
        AlertStatus(
            rule=FIRST_RULES[Alert.PROVIDER_DOWN],
            state=AlertState.PENDING,
            since=since,
            value=2,
            greatest=0,
            subjects=("p2", "p3"),
        ),
    )
    return AlertReport(UnixMillis(BORN + 1_512), statuses)


@dataclass
class House:
    """The room under test."""

    clock: HandClock
    board: Board
    alerts: AlertBoard
    context: ApiContext
    app: ASGIApp
    desk: FakeDesk
    store: FakeStore
    """What the archive reads from."""
    observed: list[tuple[str, int, float]] = field(default_factory=list)
    stream_clients: list[int] = field(default_factory=list)
    """How many readers the stream had, after each that came or left."""

    def client(self, *, raise_app_exceptions: bool = True) -> httpx.AsyncClient:
        """A client that speaks to the app without a socket."""
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=raise_app_exceptions)
        return httpx.AsyncClient(transport=transport, base_url="http://oracle.test")

    async def get(self, path: str, headers: dict[str, str] | None = None) -> httpx.Response:
        """GET over a client of its own."""
        return await self.request("GET", path, headers=headers)

    async def request(
        self, method: str, path: str, *, headers: dict[str, str] | None = None, content: bytes | None = None
    ) -> httpx.Response:
        """One request over a client of its own."""
        async with self.client() as client:
            return await client.request(method, path, headers=headers, content=content)

    async def push(self, body: object, headers: dict[str, str] | None = None) -> httpx.Response:
        """PUT /v1/vault with `body` as JSON, by whoever holds the house's token unless `headers` say otherwise."""
        async with self.client() as client:
            return await client.put("/v1/vault", json=body, headers=BEARER if headers is None else headers)

    async def patch(self, body: object, headers: dict[str, str] | None = None, *, query: str = "") -> httpx.Response:
        """PATCH /v1/parameters with `body` as JSON, by whoever holds the house's token and with `headers`."""
        async with self.client() as client:
            given = BEARER | {"Content-Type": "application/json"} | (headers or {})
            return await client.patch(f"/v1/parameters{query}", content=json.dumps(body).encode(), headers=given)

    async def simulate(self, body: object) -> httpx.Response:
        """POST /v1/simulate with `body` as JSON."""
        async with self.client() as client:
            return await client.post("/v1/simulate", json=body)

    async def what_if(self, body: object) -> httpx.Response:
        """POST /v1/quote with `body` as JSON."""
        async with self.client() as client:
            return await client.post("/v1/quote", json=body)


def _exposition(_accept: str | None) -> tuple[bytes, str]:
    return b"up 1\n", "text/plain; version=1.0.0; charset=utf-8"


def build_house(
    *,
    quote: Quote | None = None,
    network: Network | None = MAINNET,
    parameter_set: ParameterSet | None = None,
    vault_plan: VaultPlan | None = None,
    policy: FreshnessPolicy | None = None,
    advice: tuple[Advice, ...] = (),
    tokens: AdminTokens | None = None,
    journal_required: bool = False,
    json_rpc_allow_stale: bool = False,
    metrics: Callable[[str | None], tuple[bytes, str]] = _exposition,
    body_timeout_seconds: float = 10.0,
    stream_clients_max: int = 2000,
    clock: HandClock | None = None,
    store: FakeStore | None = None,
) -> House:
    """A house over `quote`, published half a second after the head's time; without a quote where it is None."""
    clock = HandClock() if clock is None else clock
    board = Board(
        clock=clock,
        freshness_policy=FreshnessPolicy() if policy is None else policy,
        pulse_limit_seconds=30.0,
    )
    observed: list[tuple[str, int, float]] = []
    store = FakeStore() if store is None else store
    stream_clients: list[int] = []
    environment = ParameterSet() if parameter_set is None else parameter_set
    desk = FakeDesk(clock, board, environment)
    board.journal(JOURNALED)
    alerts = AlertBoard(IN_MILLIS, lambda: context.network_name)
    context = ApiContext(
        board=board,
        clock=clock,
        network=network,
        l2_chain_id=167000,
        parameter_set=environment,
        vault_plan=ONCHAIN_PLAN if vault_plan is None else vault_plan,
        thresholds=AlertThresholds(),
        advice=lambda _in_force: advice,
        poll_interval_seconds=2.0,
        blocks_per_batch=1,
        version="0.1.0",
        started_at=UnixMillis(BORN - 60_000),
        first_view=FIRST_VIEW,
        store_kind="postgresql",
        journal_required=journal_required,
        json_rpc_allow_stale=json_rpc_allow_stale,
        desk=desk,
        tokens=tokens,
        metrics=metrics,
        body_timeout_seconds=body_timeout_seconds,
        observe_request=lambda route, code, elapsed: observed.append((route, code, elapsed)),
        observe_stream_clients=stream_clients.append,
        stream_clients_max=stream_clients_max,
        alerts=lambda: alerts.body,
        archive=ReadingRoom(store),
        scenario_blocks=scenario_blocks,
    )
    alerts.show(sample_report())
    if quote is not None:
        board.publish(quote, UnixMillis(BORN + 1_512), True)  # noqa: FBT003 - as the engine calls it
        board.feed(ONE_WITNESS)
    return House(
        clock=clock,
        board=board,
        alerts=alerts,
        context=context,
        app=create_app(context),
        desk=desk,
        store=store,
        observed=observed,
        stream_clients=stream_clients,
    )
