"""A service of which one sibling dies, run by `test_service` as a process of its own."""

import asyncio
import sys
from collections.abc import Callable
from dataclasses import dataclass

from starlette.responses import PlainTextResponse

from app.adapters.clock import SystemClock
from app.adapters.logs import configure_logging
from app.bootstrap.supervision import Siblings, Stop, http_server, listen, run_until_signalled, supervise
from app.domain.parameter_set import ParameterSet
from app.domain.quote import Quote
from app.domain.units import UnixMillis, WeiPerGas
from app.domain.vault import VaultPlan
from app.engine.journal import Journal
from app.engine.oracle import Oracle
from app.engine.poller import Poller, PollPolicy
from app.engine.ports import HeadSighting
from app.engine.vault_watch import VaultWatch
from tests.fakes import EventLog, FakeChain, FakeVault, RecordingPublisher
from tests.fakes_store import FakeStore


class PollerDiesChain(FakeChain):
    """A node adapter with a bug: an error that nobody expects."""

    async def latest(self) -> HeadSighting:
        if len(self.calls) > 3:
            raise KeyError("a bug")
        self.grow()
        return await super().latest()


class WriterDiesPublisher(RecordingPublisher):
    """A publisher with a bug."""

    def publish(self, quote: Quote, computed_at: UnixMillis, base_fee_verified: bool) -> None:  # noqa: FBT001
        super().publish(quote, computed_at, base_fee_verified)
        if len(self.quotes) > 1:
            raise KeyError("a bug")


class QuietFeed:
    """A feed without subscriptions."""

    async def run(self) -> None:
        await asyncio.Event().wait()


@dataclass
class Case:
    """The parts of which one is bad, and what makes the server end by itself."""

    chain: FakeChain
    publisher: RecordingPublisher
    server_ends: bool = False


CASES: dict[str, Callable[[], Case]] = {
    "poller": lambda: Case(PollerDiesChain(), RecordingPublisher()),
    "writer": lambda: Case(FakeChain(), WriterDiesPublisher()),
    "server": lambda: Case(FakeChain(), RecordingPublisher(), server_ends=True),
}


async def _serve(case: Case, stop: Stop) -> None:
    clock, events = SystemClock(), EventLog()
    journal = Journal(store=FakeStore(), publisher=case.publisher, clock=clock, observe=events, history_days=30)
    oracle = Oracle(
        environment=ParameterSet(),
        vault_plan=VaultPlan(),
        journal=journal,
        publisher=case.publisher,
        clock=clock,
        observe=events,
    )
    poller = Poller(
        source=case.chain,
        vault=VaultWatch(FakeVault(), VaultPlan(), events),
        oracle=oracle,
        publisher=case.publisher,
        clock=clock,
        observe=events,
        policy=PollPolicy(
            interval_seconds=0.1, stale_after_seconds=48, initial_fee=WeiPerGas(10**9), l2_chain_id=167000
        ),
    )
    server = http_server(PlainTextResponse("alive"))
    siblings = Siblings(oracle, journal, poller, QuietFeed(), QuietFeed(), server, listen("127.0.0.1", 0), lambda: None)
    await asyncio.gather(supervise(siblings, stop), _meddle(case, siblings))


async def _meddle(case: Case, siblings: Siblings) -> None:
    clock = SystemClock()
    while not case.publisher.quotes:
        await clock.sleep(0.05)
    case.chain.grow()
    siblings.server.should_exit = case.server_ends


def main(victim: str) -> int:
    """Run until the victim's death; the exit status."""
    configure_logging("info", "json", sys.stderr)
    case = CASES[victim]()
    case.chain.grow()
    return run_until_signalled(lambda stop: _serve(case, stop))
