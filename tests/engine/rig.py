"""The engine on fakes: the same wiring as in the program, with a chain that does what a test says."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from app.domain.parameter_set import ParameterSet
from app.domain.parameters import Parameters
from app.domain.quote import Quote
from app.domain.units import WeiPerGas
from app.domain.vault import VaultPlan, VaultSource
from app.engine.events import Event, Observer
from app.engine.journal import Journal
from app.engine.oracle import Oracle
from app.engine.poller import Poller, PollPolicy
from app.engine.ports import Store
from app.engine.vault_watch import PushedVaultReader, VaultWatch
from tests.fakes import EventLog, FakeChain, FakeVault, ManualClock, RecordingPublisher
from tests.fakes_store import FakeStore


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
    journal: Journal

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
    store: Store | None = None,
    clock: ManualClock | None = None,
    known_l1_chain_id: int | None = None,
    stale_after_seconds: int = 48,
    history_days: int = 30,
    publisher: RecordingPublisher | None = None,
    also: Observer | None = None,
) -> AsyncIterator[Rig]:
    """A rig whose writer runs until the block ends; it ends as a killed process does, without a word to the store."""
    clock, publisher, events = clock or ManualClock(), publisher or RecordingPublisher(), EventLog()
    observe = events if also is None else _both(events, also)
    vault = vault or FakeVault()
    plan = plan or VaultPlan(source=vault.state.source, target=vault.state.target)
    journal = Journal(
        store=store or FakeStore(), publisher=publisher, clock=clock, observe=observe, history_days=history_days
    )
    oracle = Oracle(
        environment=ParameterSet(parameters or Parameters()),
        vault_plan=plan,
        journal=journal,
        publisher=publisher,
        clock=clock,
        observe=observe,
    )
    reader = PushedVaultReader(oracle, plan) if plan.source is VaultSource.PUSH else vault
    poller = Poller(
        source=chain,
        vault=VaultWatch(reader, plan, observe),
        oracle=oracle,
        publisher=publisher,
        clock=clock,
        observe=observe,
        policy=PollPolicy(
            interval_seconds=2,
            stale_after_seconds=stale_after_seconds,
            initial_fee=WeiPerGas(initial_fee),
            l2_chain_id=167000,
            known_l1_chain_id=known_l1_chain_id,
        ),
    )
    writer = asyncio.create_task(oracle.run())
    try:
        yield Rig(chain, vault, clock, publisher, events, oracle, poller, journal)
    finally:
        writer.cancel()
        await asyncio.gather(writer, return_exceptions=True)


def _both(first: Observer, second: Observer) -> Observer:
    def observe(event: Event) -> None:
        first(event)
        second(event)

    return observe
