"""The engine on fakes: the same wiring as in the program, with a chain that does what a test says."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from app.domain.formula import FeeFormula
from app.domain.parameters import Parameters
from app.domain.quote import Quote
from app.domain.units import WeiPerGas
from app.domain.vault import VaultPlan
from app.engine.oracle import Oracle
from app.engine.poller import Poller
from tests.fakes import EventLog, FakeChain, FakeVault, ManualClock, RecordingPublisher


@dataclass
class Rig:
    """The parts, and the one step that tests take."""

    chain: FakeChain
    vault: FakeVault
    clock: ManualClock
    publisher: RecordingPublisher
    events: EventLog
    oracle: Oracle
    poller: Poller

    async def poll(self) -> Quote | None:
        """One poll, and what is served after it."""
        await self.poller.poll()
        await self.oracle.settled()
        return self.publisher.quotes[-1] if self.publisher.quotes else None

    async def quote(self) -> Quote:
        """One poll after which there must be a quote."""
        quote = await self.poll()
        assert quote is not None
        return quote


@asynccontextmanager
async def running(
    chain: FakeChain,
    *,
    parameters: Parameters | None = None,
    vault: FakeVault | None = None,
    plan: VaultPlan | None = None,
    initial_fee: int = 10**9,
) -> AsyncIterator[Rig]:
    """A rig whose writer runs until the block ends."""
    clock, publisher, events = ManualClock(), RecordingPublisher(), EventLog()
    vault = vault or FakeVault()
    oracle = Oracle(formula=FeeFormula.of(parameters or Parameters()), publisher=publisher, clock=clock, observe=events)
    poller = Poller(
        source=chain,
        vault=vault,
        vault_plan=plan or VaultPlan(),
        oracle=oracle,
        publisher=publisher,
        clock=clock,
        observe=events,
        initial_fee=WeiPerGas(initial_fee),
        l2_chain_id=167000,
        interval_seconds=2,
    )
    writer = asyncio.create_task(oracle.run())
    try:
        yield Rig(chain, vault, clock, publisher, events, oracle, poller)
    finally:
        writer.cancel()
        await asyncio.gather(writer, return_exceptions=True)
