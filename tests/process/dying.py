"""A service of which one sibling dies, run by `test_service` as a process of its own."""

import asyncio
import sys
from collections.abc import Callable
from dataclasses import dataclass

from starlette.responses import PlainTextResponse

from app.adapters.clock import SystemClock
from app.adapters.logs import configure_logging
from app.bootstrap import Siblings, Stop, http_server, listen, run_until_signalled, supervise
from app.domain.formula import FeeFormula
from app.domain.parameters import Parameters
from app.domain.quote import Quote
from app.domain.units import UnixMillis, WeiPerGas
from app.domain.vault import VaultPlan
from app.engine.oracle import Oracle
from app.engine.poller import Poller
from app.engine.ports import HeadSighting
from tests.fakes import EventLog, FakeChain, FakeVault, RecordingPublisher


class PollerDiesChain(FakeChain):
    """A node adapter with a bug: an error that nobody expects."""

    async def latest(self) -> HeadSighting:
        if len(self.calls) > 3:
            raise KeyError("a bug")
        self.grow()
        return await super().latest()


class WriterDiesPublisher(RecordingPublisher):
    """A publisher with a bug."""

    def publish(self, quote: Quote, computed_at: UnixMillis) -> None:
        super().publish(quote, computed_at)
        if len(self.quotes) > 1:
            raise KeyError("a bug")


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
    oracle = Oracle(formula=FeeFormula.of(Parameters()), publisher=case.publisher, clock=clock, observe=events)
    poller = Poller(
        source=case.chain,
        vault=FakeVault(),
        vault_plan=VaultPlan(),
        oracle=oracle,
        publisher=case.publisher,
        clock=clock,
        observe=events,
        initial_fee=WeiPerGas(10**9),
        l2_chain_id=167000,
        interval_seconds=0.1,
    )
    server = http_server(PlainTextResponse("alive"))
    siblings = Siblings(oracle, poller, server, listen("127.0.0.1", 0), lambda: None)
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
    return run_until_signalled(lambda stop: _serve(case, stop))
