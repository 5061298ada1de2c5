"""The only place where the program's objects are built, and where its tasks live and die together."""

import asyncio
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from typing import Any, Final

import structlog
import uvicorn
import uvloop

from app.adapters.clock import SystemClock
from app.adapters.l1 import L1HeaderSource
from app.adapters.logs import LOGGER, EventLog, configure_logging
from app.adapters.metrics import Metrics
from app.adapters.nodes import NodeGroup
from app.adapters.rpc import RpcClient
from app.adapters.vault import vault_reader
from app.api.app import create_app, documented_codes
from app.api.board import Board
from app.api.context import ApiContext
from app.devnet.run import Devnet, DevnetOptions
from app.domain.errors import InvalidValueError, OracleError
from app.domain.formula import FeeFormula
from app.domain.header import L1Header, block_interval_seconds
from app.domain.network import DEVNET_CHAIN_ID, Network
from app.domain.vault import VaultState
from app.engine.events import Event, Observer
from app.engine.oracle import Oracle
from app.engine.poller import Poller
from app.engine.ports import Clock, Endpoint
from app.settings import LoadedSettings, Settings

EXIT_OK: Final = 0
EXIT_CONFIGURATION: Final = 3
EXIT_CRASHED: Final = 70
"""A task that should never end has ended: a bug, or a resource that went away under the process."""

VERSION: Final = version("taiko-fee-oracle")
_DEVNET_ALIAS: Final = "devnet"
_UNREADY_SECONDS: Final = 2
"""Between saying `not ready` and closing the door: load balancers need a moment to look elsewhere."""
_DRAIN_SECONDS: Final = 5
_KEEP_ALIVE_SECONDS: Final = 75
"""Longer than load balancers keep a connection, so that it is they who close it."""
_LEAST_PULSE_SECONDS: Final = 30
_POLLS_PER_PULSE: Final = 5

log = structlog.stdlib.get_logger(LOGGER)


class ServiceEndedError(RuntimeError):
    """A task that runs until it is told to stop ended by itself."""


@dataclass(frozen=True, slots=True)
class Siblings:
    """What lives together: if one of them ends, all end."""

    oracle: Oracle
    poller: Poller
    server: uvicorn.Server
    listener: socket.socket
    begin_drain: Callable[[], None]


def serve(loaded: LoadedSettings, devnet: DevnetOptions | None) -> int:
    """Run the service until SIGTERM or SIGINT; the exit status.

    Raises `OracleError` where it cannot start: an address that cannot be had, a devnet that cannot be made.
    """
    settings = loaded.settings
    secrets = tuple(endpoint.url for endpoint in (*settings.l1_endpoints(), *settings.l2_endpoints()))
    configure_logging(settings.log_level, settings.log_format or _log_format(), sys.stderr, secrets=secrets)
    with listen(settings.http_host, settings.http_port) as listener:
        return run_until_signalled(lambda stop: _serve(settings, devnet, listener, stop))


def run_devnet(options: DevnetOptions) -> int:
    """Run the embedded L1 alone until SIGTERM or SIGINT; the exit status. Raises `OracleError` as `serve` does."""
    configure_logging("info", _log_format(), sys.stderr)
    return run_until_signalled(lambda stop: _serve_devnet(options, stop))


def fetch_head(loaded: LoadedSettings) -> tuple[Network, L1Header, VaultState, int]:
    """The L1 head now, with the vault at it and the seconds from block to block. Raises `UpstreamError`."""
    return asyncio.run(_fetch_head(loaded.settings))


@dataclass(slots=True)
class Stop:
    """Whether the process is to end, and whether in haste: at the second signal, or the first from a keyboard."""

    asked: asyncio.Event = field(default_factory=asyncio.Event)
    hurried: asyncio.Event = field(default_factory=asyncio.Event)

    def ask(self) -> None:
        """Take a request to end; a second one is in haste."""
        if self.asked.is_set():
            self.hurried.set()
        self.asked.set()

    def hurry(self) -> None:
        """Take a request to end at once."""
        self.asked.set()
        self.hurried.set()


async def supervise(siblings: Siblings, stop: Stop) -> None:
    """Run until asked to stop, then drain: be unready, finish the requests, finish what was observed.

    Raises an exception group holding the cause where a sibling fails or ends by itself.
    """
    async with asyncio.TaskGroup() as group:
        writer = group.create_task(_endless("writer", siblings.oracle.run()))
        poller = group.create_task(_endless("poll loop", siblings.poller.run()))
        server = group.create_task(_serve_until(stop, siblings))
        await stop.asked.wait()
        siblings.begin_drain()
        await _within(_UNREADY_SECONDS, stop.hurried)
        siblings.server.should_exit = True
        await server
        poller.cancel()
        await siblings.oracle.settled()
        writer.cancel()


def http_server(app: Any) -> uvicorn.Server:  # noqa: ANN401 - uvicorn's own type for an ASGI application
    """uvicorn for `app`, without its own signal handlers, logging or lifespan."""
    return _Server(
        uvicorn.Config(
            app,
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=_DRAIN_SECONDS,
        )
    )


def listen(host: str, port: int) -> socket.socket:
    """A bound TCP socket. Raises `InvalidValueError`, naming the settings, where the address cannot be had."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise InvalidValueError(
            "TAIKO_HTTP_HOST, TAIKO_HTTP_PORT",
            f"{host}:{port}",
            f"an address and port that are free on this machine ({error.strerror or error})",
        ) from None


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: the process's own decide when it stops."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _serve(settings: Settings, devnet_options: DevnetOptions | None, listener: socket.socket, stop: Stop) -> None:
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        build = partial(_siblings, settings, listener=listener, clock=clock, stack=stack)
        if devnet_options is None:
            await supervise(build(endpoints=settings.l1_endpoints(), known_chain_id=None), stop)
            return
        async with _embedded(devnet_options, clock) as url:
            endpoints = (Endpoint(_DEVNET_ALIAS, url),)
            await supervise(build(endpoints=endpoints, known_chain_id=DEVNET_CHAIN_ID), stop)


@asynccontextmanager
async def _embedded(options: DevnetOptions, clock: Clock) -> AsyncIterator[str]:
    """The devnet, running; its URL. If it ends by itself, the block ends with it."""
    devnet = Devnet(options, clock, version=VERSION, say=_say)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(_endless("devnet", devnet.run()))
        await devnet.started()
        log.info(
            "devnet_listening",
            url=devnet.url,
            web_socket_url=devnet.web_socket_url,
            chain_id=DEVNET_CHAIN_ID,
            scenario="replay" if options.replay else options.scenario,
            block_time_seconds=options.block_time_seconds,
            network="devnet",
        )
        yield devnet.url
        running.cancel()


def _siblings(
    settings: Settings,
    *,
    endpoints: tuple[Endpoint, ...],
    known_chain_id: int | None,
    listener: socket.socket,
    clock: Clock,
    stack: AsyncExitStack,
) -> Siblings:
    parameter_set = settings.parameter_set()
    plan = settings.vault_plan()
    network = None if known_chain_id is None else Network(known_chain_id, settings.l2_chain_id)
    metrics = Metrics(
        version=VERSION,
        thresholds=settings.alert_thresholds(),
        parameters=parameter_set.parameters,
        providers=tuple(endpoint.alias for endpoint in endpoints),
        l2_providers=tuple(endpoint.alias for endpoint in settings.l2_endpoints()),
        routes=documented_codes(),
        blocks_per_batch=settings.blocks_per_batch,
        vault_configured=plan.source.value != "none",
    )
    observe = _both(metrics.on_event, EventLog(None if network is None else network.name).on_event)
    l1_nodes = NodeGroup(_clients(endpoints, settings, observe, clock, stack), known_chain_id or settings.l1_chain_id)
    l2_endpoints = settings.l2_endpoints()
    l2_nodes = (
        NodeGroup(_clients(l2_endpoints, settings, observe, clock, stack), settings.l2_chain_id)
        if l2_endpoints
        else None
    )
    board = Board(
        clock=clock,
        freshness_policy=settings.freshness_policy(),
        pulse_limit_seconds=_pulse_limit_seconds(settings, len(endpoints)),
    )
    oracle = Oracle(formula=FeeFormula.of(parameter_set.parameters), publisher=board, clock=clock, observe=observe)
    poller = Poller(
        source=L1HeaderSource(l1_nodes, observe),
        vault=vault_reader(plan, l1_nodes, l2_nodes),
        vault_plan=plan,
        oracle=oracle,
        publisher=board,
        clock=clock,
        observe=observe,
        initial_fee=settings.initial_fee_gwei,
        l2_chain_id=settings.l2_chain_id,
        interval_seconds=settings.poll_interval_seconds,
    )
    app = create_app(
        ApiContext(
            board=board,
            clock=clock,
            network=network,
            l2_chain_id=settings.l2_chain_id,
            parameter_set=parameter_set,
            vault_plan=plan,
            thresholds=settings.alert_thresholds(),
            advice=settings.advice(),
            poll_interval_seconds=settings.poll_interval_seconds,
            blocks_per_batch=settings.blocks_per_batch,
            version=VERSION,
            started_at=clock.now(),
            providers=tuple(endpoint.alias for endpoint in endpoints),
            metrics=metrics.render,
            observe_request=metrics.on_request,
        )
    )
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
    )
    return Siblings(oracle, poller, http_server(app), listener, board.drain)


def _clients(
    endpoints: tuple[Endpoint, ...], settings: Settings, observe: Observer, clock: Clock, stack: AsyncExitStack
) -> list[RpcClient]:
    clients = [RpcClient(endpoint, settings.rpc_timeout_seconds, observe, clock.monotonic) for endpoint in endpoints]
    for client in clients:
        stack.push_async_callback(client.close)
    return clients


async def _within(seconds: float, event: asyncio.Event) -> None:
    """Wait for `event`, but no longer than `seconds`."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


async def _serve_until(stop: Stop, siblings: Siblings) -> None:
    log.info("http_listening", url=_url(siblings.listener))
    await siblings.server.serve(sockets=[siblings.listener])
    if not stop.asked.is_set():
        raise ServiceEndedError("the HTTP server ended by itself")


async def _serve_devnet(options: DevnetOptions, stop: Stop) -> None:
    async with _embedded(options, SystemClock()):
        await stop.asked.wait()


async def _fetch_head(settings: Settings) -> tuple[Network, L1Header, VaultState, int]:
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        l1_nodes = NodeGroup(
            _clients(settings.l1_endpoints(), settings, _unobserved, clock, stack), settings.l1_chain_id
        )
        l2_clients = _clients(settings.l2_endpoints(), settings, _unobserved, clock, stack)
        l2_nodes = NodeGroup(l2_clients, settings.l2_chain_id) if l2_clients else None
        source = L1HeaderSource(l1_nodes, _unobserved)
        header = (await source.latest()).header
        vault = await vault_reader(settings.vault_plan(), l1_nodes, l2_nodes).at(header)
        network = Network(await source.chain_id(), settings.l2_chain_id)
        parent = await source.by_hash(header.parent_hash) if header.number and not network.is_public else None
        return network, header, vault, block_interval_seconds(parent, header, public=network.is_public)


def run_until_signalled(work: Callable[[Stop], Coroutine[Any, Any, None]]) -> int:
    """Run `work` until a signal asks it to stop; the exit status. Raises what kept it from starting."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            runner.run(_signalled(work))
        except BaseExceptionGroup as group:
            expected, bugs = group.split(OracleError)
            if bugs is None and expected is not None:
                raise _first(expected) from None
            log.critical("service_crashed", exc_info=group)
            return EXIT_CRASHED
    log.info("service_stopped")
    return EXIT_OK


async def _signalled(work: Callable[[Stop], Coroutine[Any, Any, None]]) -> None:
    stop = Stop()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.ask)
    loop.add_signal_handler(signal.SIGINT, stop.hurry)
    await work(stop)


async def _endless(name: str, work: Coroutine[Any, Any, None]) -> None:
    await work
    raise ServiceEndedError(f"the {name} ended by itself")


def _first(group: BaseExceptionGroup[OracleError]) -> OracleError:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error


def _both(first: Observer, second: Observer) -> Observer:
    def observe(event: Event) -> None:
        first(event)
        second(event)

    return observe


def _unobserved(event: Event) -> None:
    """For commands that end with what they were asked."""


def _say(line: str) -> None:
    log.info("devnet_message", message=line, network="devnet")


def _pulse_limit_seconds(settings: Settings, providers: int) -> float:
    """How long one poll may take: several times what it takes when every provider is silent."""
    slowest_poll = settings.poll_interval_seconds + 2 * settings.rpc_timeout_seconds * providers
    return max(_LEAST_PULSE_SECONDS, _POLLS_PER_PULSE * slowest_poll)


def _log_format() -> str:
    return "console" if sys.stderr.isatty() else "json"


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
