"""The devnet as one thing to run: options in, a URL out."""

import asyncio
import ipaddress
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final

from app.devnet.cadence import Cadence, checked_block_time, produce
from app.devnet.chain import WINDOW_BLOCKS, BlockSource
from app.devnet.demand import Demand
from app.devnet.node import MOST_ACCOUNTS, Node, account_address
from app.devnet.replay import read_replay
from app.devnet.rpc import Rpc, checked_scenario
from app.devnet.server import EmbeddedServer, make_app
from app.domain.errors import InvalidValueError, OracleError
from app.domain.network import ETHEREUM_SLOT_SECONDS
from app.domain.units import (
    MILLIS_PER_SECOND,
    SAFE_INTEGER_LIMIT,
    BlockNumber,
    UnixSeconds,
    Wei,
    WeiPerGas,
    wei_from_gwei,
)
from app.engine.ports import Clock

SCENARIO_HISTORY_BLOCKS: Final = 128
MOST_HISTORY_BLOCKS: Final = WINDOW_BLOCKS - 1
GREATEST_PORT: Final = 65_535


class DevnetBindError(OracleError):
    """The devnet could not listen where it was told to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DevnetOptions:
    """What the devnet is to be. Raises `InvalidValueError` naming the option, its value and what is allowed."""

    scenario: str = "calm"
    seed: int = 1
    replay: Path | None = None
    """A history file to play instead of a scenario."""
    recorded_timestamps: bool = False
    """Whether a replay's blocks carry the times in the file; else the time at which they are produced."""
    block_time_seconds: float = 12
    """0 mines on request only."""
    host: str = "127.0.0.1"
    port: int = 8545
    """0 takes a free one."""
    allow_remote: bool = False
    """Whether `host` may be other than loopback. Anyone who reaches the port controls the chain."""
    start_base_fee_gwei: str = "25"
    """The first block's base fee, and the level that demand goes back to; a replay has its own."""
    history_blocks: int | None = None
    """Blocks below the head at the start, a block time apart; 128 for a scenario and none for a replay, unless set."""
    balances: Mapping[str, Wei] = field(default_factory=lambda: MappingProxyType({}))
    """Wei by address, from the first block on."""

    def __post_init__(self) -> None:
        checked_scenario(self.scenario)
        checked_block_time(self.block_time_seconds, "block_time_seconds")
        if not 0 <= self.port <= GREATEST_PORT:
            raise InvalidValueError("port", self.port, f"0 to {GREATEST_PORT}")
        if not self.allow_remote and not _is_loopback(self.host):
            raise InvalidValueError("host", self.host, "a loopback address such as 127.0.0.1, unless remote is allowed")
        base_fee = wei_from_gwei(self.start_base_fee_gwei, "start_base_fee_gwei")
        if not 1 <= base_fee < SAFE_INTEGER_LIMIT:
            raise InvalidValueError("start_base_fee_gwei", self.start_base_fee_gwei, "1 wei or more, below 2^53 wei")
        if self.history_blocks is not None and not 0 <= self.history_blocks <= MOST_HISTORY_BLOCKS:
            raise InvalidValueError("history_blocks", self.history_blocks, f"0 to {MOST_HISTORY_BLOCKS}")
        if len(self.balances) > MOST_ACCOUNTS:
            raise InvalidValueError("balances", len(self.balances), f"at most {MOST_ACCOUNTS} accounts")
        for address, balance in self.balances.items():
            account_address(address, "balances")
            if balance < 0:
                raise InvalidValueError(f"balances {address}", balance, "0 wei or more")

    @property
    def blocks_at_start(self) -> int:
        """Blocks below the head at the start."""
        if self.history_blocks is not None:
            return self.history_blocks
        return 0 if self.replay else SCENARIO_HISTORY_BLOCKS


class Devnet:
    """The embedded L1. `run` serves it; `url` is where, once `started` has returned."""

    def __init__(
        self, options: DevnetOptions, clock: Clock, *, version: str, say: Callable[[str], None] = lambda _: None
    ) -> None:
        """`say` takes a line when something is worth one.

        Raises `ReplayFileError` where the history file cannot be replayed.
        """
        self._options = options
        self._clock = clock
        self._say = say
        self._cadence = Cadence(options.block_time_seconds)
        self._node = _node_with_history(options, UnixSeconds(clock.now() // MILLIS_PER_SECOND))
        self._rpc = Rpc(self._node, self._cadence, clock.now, version)
        self._started = asyncio.Event()
        self._url = ""

    @property
    def url(self) -> str:
        """The HTTP URL; with `ws` for `http` the WebSocket one. Empty before the start."""
        return self._url

    @property
    def web_socket_url(self) -> str:
        """The WebSocket URL. Empty before the start."""
        return self._url.replace("http", "ws", 1)

    async def started(self) -> None:
        """Return once connections are accepted. A start that fails is raised by `run`."""
        await self._started.wait()

    async def run(self) -> None:
        """Serve and produce blocks until cancelled. If either ends by an error, both end and it is raised.

        Raises `DevnetBindError` where the address is taken or not this machine's.
        """
        with _listening(self._options.host, self._options.port) as listener:
            self._url = _url(listener)
            server = EmbeddedServer(make_app(self._rpc, self._node), self._started.set)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(server.serve([listener]))
                tasks.create_task(self._produce())

    async def _produce(self) -> None:
        await self._started.wait()
        await produce(self._node, self._cadence, self._clock)
        self._say(f"the replay is over: block {self._node.chain.head.header.number} was its last, and the head stands")


def _node_with_history(options: DevnetOptions, now: UnixSeconds) -> Node:
    history = options.blocks_at_start
    spacing = options.block_time_seconds or ETHEREUM_SLOT_SECONDS
    times = [UnixSeconds(max(0, int(now - below * spacing))) for below in range(history, -1, -1)]
    node = Node(_source(options, history), seed=options.seed, now=times[0], balances=_balances(options))
    for time in times[1:]:
        node.mine(time)
    return node


def _source(options: DevnetOptions, history: int) -> BlockSource:
    if options.replay is None:
        level = WeiPerGas(wei_from_gwei(options.start_base_fee_gwei, "start_base_fee_gwei"))
        return Demand(checked_scenario(options.scenario), options.seed, level, since=BlockNumber(history))
    replay = read_replay(options.replay, recorded_timestamps=options.recorded_timestamps)
    if history >= len(replay.base_fees):
        allowed = f"fewer than the {len(replay.base_fees)} blocks of {options.replay}"
        raise InvalidValueError("history_blocks", history, allowed)
    return replay


def _balances(options: DevnetOptions) -> dict[str, Wei]:
    return {account_address(address, "balances"): balance for address, balance in options.balances.items()}


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise DevnetBindError(f"the devnet cannot listen on {host} port {port}: {error.strerror}") from error


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
