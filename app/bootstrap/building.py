"""The service's objects, each built once from the settings and handed to those that need it."""

import socket
from contextlib import AsyncExitStack
from typing import Final

from app.adapters.l1 import L1HeaderSource
from app.adapters.logs import EventLog
from app.adapters.metrics import Metrics
from app.adapters.node_client import node_client
from app.adapters.nodes import NodeGroup
from app.adapters.store import SqlStore
from app.adapters.vault import vault_reader
from app.api.alerts import AlertBoard
from app.api.app import create_app, documented_codes
from app.api.board import Board
from app.api.connections import Bounds, Door
from app.api.context import ApiContext
from app.api.cors import Cors
from app.api.reading import ReadingRoom
from app.api.tokens import AdminTokens
from app.bootstrap.supervision import Siblings, connections_allowed, http_server, log
from app.bootstrap.version import VERSION
from app.devnet.demand import scenario_blocks
from app.domain.alert_table import AlertTiming
from app.domain.chain_alerts import ChainRules
from app.domain.formula import FeeFormula
from app.domain.network import Network
from app.domain.parameter_set import ParameterSet
from app.domain.quorum import quorum_of
from app.domain.vault import VaultPlan, VaultSource
from app.engine.alert_watch import AlertWatch
from app.engine.events import Event, Observer
from app.engine.journal import Journal
from app.engine.oracle import Oracle
from app.engine.poller import Poller, PollPolicy
from app.engine.ports import Clock, Endpoint, VaultReader
from app.engine.vault_watch import PushedVaultReader, VaultWatch
from app.settings import Settings

_LEAST_PULSE_SECONDS: Final = 30
_POLLS_PER_PULSE: Final = 5


def build_siblings(
    settings: Settings,
    endpoints: tuple[Endpoint, ...],
    known_chain_id: int | None,
    *,
    listener: socket.socket,
    clock: Clock,
    stack: AsyncExitStack,
    alert_timing: AlertTiming,
) -> Siblings:
    """Everything that `serve` runs. What has to be closed is closed by `stack`."""
    parameter_set, plan = settings.parameter_set(), settings.vault_plan()
    network = None if known_chain_id is None else Network(known_chain_id, settings.l2_chain_id)
    metrics = _metrics(settings, endpoints, parameter_set, plan)
    network_name = None if network is None else network.name
    archive = existing_store_of(settings)
    stack.push_async_callback(archive.close)
    alert_board = AlertBoard(alert_timing, lambda: context.network_name)
    alerts = AlertWatch(
        rules=ChainRules(
            settings.alert_thresholds(),
            alert_timing,
            settings.quote_expires_after_seconds,
            FeeFormula.of(parameter_set.parameters),
        ),
        stale_after_seconds=settings.quote_stale_after_seconds,
        l1_providers=len(endpoints),
        has_vault=plan.source is not VaultSource.NONE,
        archive=archive,
        clock=clock,
        show=alert_board.show,
        tell_failure=lambda error: log.error("alerts_failed", exc_info=error),
    )
    observe = _each(metrics.on_event, EventLog(network_name).on_event, alerts.on_event)
    l1_nodes = node_group(
        endpoints, known_chain_id or settings.l1_chain_id, settings, observe=observe, clock=clock, stack=stack
    )
    source = l1_source(l1_nodes, settings, observe, clock)
    stack.push_async_callback(source.close)
    board = Board(
        clock=clock,
        freshness_policy=settings.freshness_policy(),
        pulse_limit_seconds=_pulse_limit_seconds(settings, len(endpoints)),
    )
    journal = Journal(
        store=store_of(settings), publisher=board, clock=clock, observe=observe, history_days=settings.history_days
    )
    oracle = Oracle(
        environment=parameter_set, vault_plan=plan, journal=journal, publisher=board, clock=clock, observe=observe
    )
    quorum = quorum_of(len(l1_nodes.nodes), settings.l1_quorum)
    reader = _vault_reader(plan, oracle, l1_nodes, l2_group(settings, observe, clock, stack), quorum)
    poller = Poller(
        source=source,
        vault=VaultWatch(reader, plan, observe),
        oracle=oracle,
        publisher=board,
        clock=clock,
        observe=observe,
        policy=PollPolicy(
            interval_seconds=settings.poll_interval_seconds,
            stale_after_seconds=settings.quote_stale_after_seconds,
            initial_fee=settings.initial_fee_gwei,
            l2_chain_id=settings.l2_chain_id,
            known_l1_chain_id=known_chain_id or settings.l1_chain_id,
        ),
    )
    context = ApiContext(
        board=board,
        clock=clock,
        network=network,
        l2_chain_id=settings.l2_chain_id,
        parameter_set=parameter_set,
        vault_plan=plan,
        thresholds=settings.alert_thresholds(),
        advice=settings.advice,
        poll_interval_seconds=settings.poll_interval_seconds,
        blocks_per_batch=settings.blocks_per_batch,
        version=VERSION,
        started_at=clock.now(),
        first_view=source.view,
        store_kind=settings.state_url.kind.value,
        journal_required=settings.journal_required,
        json_rpc_allow_stale=settings.json_rpc_allow_stale,
        desk=oracle,
        tokens=_tokens(settings),
        metrics=metrics.render,
        observe_request=metrics.on_request,
        observe_stream_clients=metrics.on_stream_clients,
        stream_clients_max=settings.stream_clients_max,
        alerts=lambda: alert_board.body,
        archive=ReadingRoom(archive),
        scenario_blocks=scenario_blocks,
        cors=_cors(settings),
    )
    door = Door(
        Bounds(connections=connections_allowed(settings.stream_clients_max)),
        network_name=lambda: context.network_name,
        observe_cut=metrics.on_connection_cut,
    )
    _announce(settings, endpoints, network, parameter_set, plan)
    return Siblings(
        oracle, journal, poller, source, alerts, http_server(create_app(context), door), listener, board.drain
    )


def node_group(
    endpoints: tuple[Endpoint, ...],
    chain_id: int | None,
    settings: Settings,
    *,
    observe: Observer,
    clock: Clock,
    stack: AsyncExitStack,
) -> NodeGroup:
    """The nodes of one chain. Their connections are closed by `stack`."""
    nodes = [node_client(endpoint, settings.rpc_timeout_seconds, observe, clock.monotonic) for endpoint in endpoints]
    for node in nodes:
        stack.push_async_callback(node.close)
    return NodeGroup(nodes, chain_id)


def l2_group(settings: Settings, observe: Observer, clock: Clock, stack: AsyncExitStack) -> NodeGroup | None:
    """The L2 nodes; None where none is configured."""
    endpoints = settings.l2_endpoints()
    if not endpoints:
        return None
    return node_group(endpoints, settings.l2_chain_id, settings, observe=observe, clock=clock, stack=stack)


def l1_source(nodes: NodeGroup, settings: Settings, observe: Observer, clock: Clock) -> L1HeaderSource:
    """The L1 chain over `nodes`."""
    return L1HeaderSource(
        nodes,
        observe,
        clock=clock,
        quorum=settings.l1_quorum,
        poll_interval_seconds=settings.poll_interval_seconds,
    )


def store_of(settings: Settings) -> SqlStore:
    """The journal's store, which opens nothing before its first call."""
    return SqlStore(settings.state_url.url)


def existing_store_of(settings: Settings) -> SqlStore:
    """The journal's store for who only reads: a missing one is an error, and none is made."""
    return SqlStore(settings.state_url.url, must_exist=True)


def _metrics(
    settings: Settings, endpoints: tuple[Endpoint, ...], parameter_set: ParameterSet, plan: VaultPlan
) -> Metrics:
    return Metrics(
        version=VERSION,
        thresholds=settings.alert_thresholds(),
        stale_after_seconds=settings.quote_stale_after_seconds,
        parameter_set=parameter_set,
        providers=tuple(endpoint.alias for endpoint in endpoints),
        l2_providers=tuple(endpoint.alias for endpoint in settings.l2_endpoints()),
        routes=documented_codes(),
        blocks_per_batch=settings.blocks_per_batch,
        vault_configured=plan.source is not VaultSource.NONE,
    )


def _cors(settings: Settings) -> Cors | None:
    if settings.cors_origins is None:
        return None
    return Cors(settings.cors_origins, has_administration=settings.has_administration())


def _tokens(settings: Settings) -> AdminTokens | None:
    if not settings.has_administration():
        return None
    token = settings.admin_token
    return AdminTokens(None if token is None else token.text, settings.admin_tokens_file)


def _vault_reader(
    plan: VaultPlan, oracle: Oracle, l1_nodes: NodeGroup, l2_nodes: NodeGroup | None, quorum: int
) -> VaultReader:
    if plan.source is VaultSource.PUSH:
        return PushedVaultReader(oracle, plan)
    return vault_reader(plan, l1_nodes, l2_nodes, l1_quorum=quorum)


def _announce(
    settings: Settings,
    endpoints: tuple[Endpoint, ...],
    network: Network | None,
    parameter_set: ParameterSet,
    plan: VaultPlan,
) -> None:
    log.info(
        "service_starting",
        version=VERSION,
        network=None if network is None else network.name,
        providers=[endpoint.alias for endpoint in endpoints],
        parameters=parameter_set.texts(),
        parameters_id=parameter_set.parameters.parameters_id,
        vault=plan.source.value,
        l2_chain_id=settings.l2_chain_id,
        poll_interval_seconds=settings.poll_interval_seconds,
        store=settings.state_url.kind.value,
    )


def _each(*observers: Observer) -> Observer:
    def observe(event: Event) -> None:
        for observer in observers:
            observer(event)

    return observe


def _pulse_limit_seconds(settings: Settings, providers: int) -> float:
    """How long one poll may take: several times what it takes when every provider is silent."""
    slowest_poll = settings.poll_interval_seconds + 2 * settings.rpc_timeout_seconds * providers
    return max(_LEAST_PULSE_SECONDS, _POLLS_PER_PULSE * slowest_poll)
