"""Where the program's tasks live and die together, and what ends them."""

import asyncio
import resource
import signal
import socket
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Protocol, cast

import structlog
import uvicorn
import uvloop

from app.adapters.logs import LOGGER
from app.api.connections import BoundedProtocol, Door
from app.domain.errors import InvalidValueError, OracleError
from app.engine.journal import Journal
from app.engine.oracle import Oracle
from app.engine.poller import Poller

EXIT_OK: Final = 0
EXIT_CRASHED: Final = 70
"""A task that should never end has ended: a bug, or a resource that went away under the process."""

_UNREADY_SECONDS: Final = 2
"""Between saying `not ready` and closing the door: load balancers need a moment to look elsewhere."""
_DRAIN_SECONDS: Final = 5
_KEEP_ALIVE_SECONDS: Final = 75
"""Longer than load balancers keep a connection, so that it is they who close it."""
_OTHER_CONNECTIONS: Final = 2048
"""Beside the readers of the stream, who may take none of these."""
_OTHER_DESCRIPTORS: Final = 512
"""For nodes, store and files, and for connections that are on their way out."""
_LEAST_CONNECTIONS: Final = 16
_ACCEPTED_AT_A_TURN: Final = 16

log = structlog.stdlib.get_logger(LOGGER)


class ServiceEndedError(RuntimeError):
    """A task that runs until it is told to stop ended by itself."""


class Runner(Protocol):
    """What works in the background."""

    async def run(self) -> None:
        """Run until cancelled."""
        ...


@dataclass(frozen=True, slots=True)
class Siblings:
    """What lives together: if one of them ends, all end."""

    oracle: Oracle
    journal: Journal
    poller: Poller
    feed: Runner
    """What keeps the providers' subscriptions."""
    alerts: Runner
    server: uvicorn.Server
    listener: socket.socket
    begin_drain: Callable[[], None]


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
    """Run until asked to stop, then drain: be unready, finish the requests, finish and journal what was observed.

    Raises an exception group holding the cause where a sibling fails or ends by itself.
    """
    async with asyncio.TaskGroup() as group:
        writer = group.create_task(endless("writer", siblings.oracle.run()))
        feed = group.create_task(endless("feed", siblings.feed.run()))
        alerts = group.create_task(endless("alerts", siblings.alerts.run()))
        poller = group.create_task(endless("poll loop", siblings.poller.run()))
        server = group.create_task(_serve_until(stop, siblings))
        await stop.asked.wait()
        siblings.begin_drain()
        await _within(_UNREADY_SECONDS, stop.hurried)
        siblings.server.should_exit = True
        await server
        poller.cancel()
        feed.cancel()
        alerts.cancel()
        await siblings.oracle.settled()
        writer.cancel()
        await siblings.journal.close()


def http_server(app: Any, door: Door | None = None) -> uvicorn.Server:  # noqa: ANN401 - uvicorn's type of an application
    """uvicorn for `app`, behind `door`, without its own signal handlers, logging or lifespan."""
    return _Server(
        uvicorn.Config(
            app,
            http=cast("type[asyncio.Protocol]", partial(BoundedProtocol, door or Door())),
            ws="none",
            interface="asgi3",
            proxy_headers=False,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            headers=[("X-Content-Type-Options", "nosniff")],
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=_DRAIN_SECONDS,
        )
    )


def connections_allowed(streams: int) -> int:
    """How many connections there may be: `streams` and some thousands, or what the file descriptors leave.

    Lifts the process's soft limit of file descriptors where the hard one lets it.
    """
    wanted = streams + _OTHER_CONNECTIONS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limits = [limit for limit in (hard, wanted + _OTHER_DESCRIPTORS) if limit != resource.RLIM_INFINITY]
    if soft != resource.RLIM_INFINITY and soft < min(limits):
        soft = min(limits)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY:
        return wanted
    return min(wanted, max(_LEAST_CONNECTIONS, soft - _OTHER_DESCRIPTORS))


def doors_of(listener: socket.socket) -> list[socket.socket]:
    """`listener` several times. The event loop takes one connection through each at a turn.

    Through a single one a crowd of connections would be taken more slowly the more there is to do, and whoever comes
    behind it would wait for all of them.
    """
    return [listener, *(listener.dup() for _ in range(_ACCEPTED_AT_A_TURN - 1))]


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


async def endless(name: str, work: Coroutine[Any, Any, None]) -> None:
    """Do `work`, whose end is a failure. Raises `ServiceEndedError`."""
    await work
    raise ServiceEndedError(f"the {name} ended by itself")


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: the process's own decide when it stops."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _signalled(work: Callable[[Stop], Coroutine[Any, Any, None]]) -> None:
    stop = Stop()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.ask)
    loop.add_signal_handler(signal.SIGINT, stop.hurry)
    await work(stop)


async def _within(seconds: float, event: asyncio.Event) -> None:
    """Wait for `event`, but no longer than `seconds`."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


async def _serve_until(stop: Stop, siblings: Siblings) -> None:
    log.info("http_listening", url=_url(siblings.listener))
    await siblings.server.serve(sockets=doors_of(siblings.listener))
    if not stop.asked.is_set():
        raise ServiceEndedError("the HTTP server ended by itself")


def _first(group: BaseExceptionGroup[OracleError]) -> OracleError:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
