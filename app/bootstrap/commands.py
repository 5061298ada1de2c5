"""What the command line asks for: each builds what it needs, runs it, and ends."""

import asyncio
import gc
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any, Final

from app.adapters.clock import SystemClock
from app.adapters.fee_history import NodePastBlocks
from app.adapters.l1 import L1HeaderSource
from app.adapters.logs import configure_logging
from app.adapters.vault import vault_reader
from app.bootstrap.building import build_siblings, existing_store_of, l1_source, l2_group, node_group
from app.bootstrap.supervision import Stop, endless, listen, log, run_until_signalled, supervise
from app.bootstrap.version import VERSION
from app.devnet.run import Devnet, DevnetOptions
from app.domain.alert_table import IN_MILLIS, AlertTiming
from app.domain.header import L1Header, block_interval_seconds
from app.domain.network import DEVNET_CHAIN_ID, Network
from app.domain.quorum import quorum_of
from app.domain.units import BlockNumber
from app.domain.vault import VaultState
from app.engine.events import Event
from app.engine.ports import Clock, Endpoint
from app.engine.recorded import RecordedBlock, recorded_blocks
from app.engine.verify import Finding, Verification, Verifier
from app.research.fetching import Order, fetched
from app.settings import LoadedSettings, LogFormat, Settings, announced, withheld

_DEVNET_ALIAS: Final = "devnet"


def serve(loaded: LoadedSettings, devnet: DevnetOptions | None, alert_timing: AlertTiming = IN_MILLIS) -> int:
    """Run the service until SIGTERM or SIGINT; the exit status. Alerts go by `alert_timing`, in milliseconds.

    Raises `OracleError` where it cannot start: an address that cannot be had, a devnet that cannot be made.
    """
    settings = loaded.settings
    log_format = settings.log_format or _log_format()
    configure_logging(settings.log_level, log_format, sys.stderr, secrets=settings.secrets())
    _announce_settings(loaded, "devnet" if devnet else None, defaults=log_format != LogFormat.CONSOLE)
    with listen(settings.http_host, settings.http_port) as listener:
        return run_until_signalled(lambda stop: _serve(settings, devnet, listener, stop, alert_timing))


def run_devnet(options: DevnetOptions) -> int:
    """Run the embedded L1 alone until SIGTERM or SIGINT; the exit status. Raises `OracleError` as `serve` does."""
    configure_logging("info", _log_format(), sys.stderr)
    return run_until_signalled(lambda stop: _serve_devnet(options, stop))


def fetch_head(loaded: LoadedSettings) -> tuple[Network, L1Header, VaultState, int]:
    """The L1 head now, with the vault at it and the seconds from block to block. Raises `UpstreamError`."""
    _log_little(loaded.settings)
    return asyncio.run(_fetch_head(loaded.settings))


def fetch_header(loaded: LoadedSettings, number: int) -> L1Header:
    """The L1's header at this height. Raises `UpstreamError`."""
    _log_little(loaded.settings)
    return asyncio.run(_fetch_header(loaded.settings, BlockNumber(number)))


def fetch_history(loaded: LoadedSettings, order: Order, on_progress: Callable[[int], object]) -> dict[str, Any]:
    """Fetch a history into a file; its manifest. Raises `UpstreamError`, `FetchError` and `OSError`."""
    _log_little(loaded.settings)
    return asyncio.run(_fetch_history(loaded.settings, order, on_progress))


def verify(
    loaded: LoadedSettings,
    first: int,
    last: int | None,
    on_finding: Callable[[Finding], None],
    on_progress: Callable[[int], None],
) -> Verification:
    """Recompute the journal's blocks `first` to `last`, telling each finding as it comes. Raises `StoreError`."""
    _log_little(loaded.settings)
    return asyncio.run(_verify(loaded.settings, first, last, on_finding, on_progress))


def journaled_blocks(loaded: LoadedSettings) -> list[RecordedBlock]:
    """The chain that the journal holds. Raises `StoreError` and `UnreadableJournalError`."""
    _log_little(loaded.settings)
    return asyncio.run(_journaled_blocks(loaded.settings))


async def _serve(
    settings: Settings,
    devnet_options: DevnetOptions | None,
    listener: socket.socket,
    stop: Stop,
    alert_timing: AlertTiming,
) -> None:
    gc.freeze()  # the libraries stay as long as the process: to look for garbage in them would stop it for 0.1 s
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        build = partial(
            build_siblings, settings, listener=listener, clock=clock, stack=stack, alert_timing=alert_timing
        )
        if devnet_options is None:
            await supervise(build(settings.l1_endpoints(), None), stop)
            return
        async with _embedded(devnet_options, clock) as url:
            await supervise(build((Endpoint(_DEVNET_ALIAS, url),), DEVNET_CHAIN_ID), stop)


def _announce_settings(loaded: LoadedSettings, network: str | None, *, defaults: bool) -> None:
    """`defaults`: whether those that nobody set are shown too, which on a terminal would fill it."""
    shown, hidden = announced(loaded, defaults=defaults), withheld(loaded, defaults=defaults)
    log.info("settings_in_force", network=network, settings=shown, withheld=hidden)


@asynccontextmanager
async def _embedded(options: DevnetOptions, clock: Clock) -> AsyncIterator[str]:
    """The devnet, running; its URL. If it ends by itself, the block ends with it."""
    devnet = Devnet(options, clock, version=VERSION, say=_say)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(endless("devnet", devnet.run()))
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


async def _serve_devnet(options: DevnetOptions, stop: Stop) -> None:
    async with _embedded(options, SystemClock()):
        await stop.asked.wait()


async def _fetch_head(settings: Settings) -> tuple[Network, L1Header, VaultState, int]:
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        l1_nodes = node_group(
            settings.l1_endpoints(), settings.l1_chain_id, settings, observe=_unobserved, clock=clock, stack=stack
        )
        l2_nodes = l2_group(settings, _unobserved, clock, stack)
        source = l1_source(l1_nodes, settings, _unobserved, clock)
        stack.push_async_callback(source.close)
        header = (await source.latest()).header
        quorum = quorum_of(len(l1_nodes.nodes), settings.l1_quorum)
        vault = await vault_reader(settings.vault_plan(), l1_nodes, l2_nodes, l1_quorum=quorum).at(header)
        network = Network(await source.chain_id(), settings.l2_chain_id)
        parent = await source.by_hash(header.parent_hash) if header.number and not network.is_public else None
        return network, header, vault, block_interval_seconds(parent, header, public=network.is_public)


async def _fetch_history(settings: Settings, order: Order, on_progress: Callable[[int], object]) -> dict[str, Any]:
    async with AsyncExitStack() as stack:
        nodes = node_group(
            settings.l1_endpoints(),
            settings.l1_chain_id,
            settings,
            observe=_unobserved,
            clock=SystemClock(),
            stack=stack,
        )
        return await fetched(NodePastBlocks(nodes), order, on_progress)


async def _fetch_header(settings: Settings, number: BlockNumber) -> L1Header:
    async with AsyncExitStack() as stack:
        source = _l1_source(settings, stack)
        return await source.by_number(number)


def _l1_source(settings: Settings, stack: AsyncExitStack) -> L1HeaderSource:
    clock = SystemClock()
    nodes = node_group(
        settings.l1_endpoints(), settings.l1_chain_id, settings, observe=_unobserved, clock=clock, stack=stack
    )
    source = l1_source(nodes, settings, _unobserved, clock)
    stack.push_async_callback(source.close)
    return source


async def _verify(
    settings: Settings,
    first: int,
    last: int | None,
    on_finding: Callable[[Finding], None],
    on_progress: Callable[[int], None],
) -> Verification:
    store = existing_store_of(settings)
    try:
        verifier = Verifier(store)
        async for finding in verifier.findings(None, first, last, on_progress):
            on_finding(finding)
    finally:
        await store.close()
    return verifier.result


async def _journaled_blocks(settings: Settings) -> list[RecordedBlock]:
    store = existing_store_of(settings)
    try:
        return await recorded_blocks(store)
    finally:
        await store.close()


def _log_little(settings: Settings) -> None:
    """What libraries have to say goes through our log too, for commands that end with what they were asked."""
    configure_logging("warning", "console", sys.stderr, secrets=settings.secrets())


def _unobserved(event: Event) -> None:
    """For commands that end with what they were asked."""


def _say(line: str) -> None:
    log.info("devnet_message", message=line, network="devnet")


def _log_format() -> str:
    return "console" if sys.stderr.isatty() else "json"
