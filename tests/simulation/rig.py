"""The real engine, adapters and board in a simulated world: replicas that live, die and come back in virtual time."""

import asyncio
import traceback
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from random import Random
from typing import Any, Final

from app.adapters.l1 import L1HeaderSource
from app.adapters.nodes import NodeGroup
from app.adapters.vault import vault_reader
from app.api.board import Board
from app.domain.amendment import Amendment
from app.domain.errors import OracleError
from app.domain.freshness import FreshnessPolicy
from app.domain.governance import Governance
from app.domain.parameter_set import ParameterSet
from app.domain.quorum import quorum_of
from app.domain.quote import Quote
from app.domain.units import MILLIS_PER_SECOND, UnixMillis, Wei
from app.domain.vault import VaultAddress, VaultLayer, VaultPlan, VaultSource
from app.engine.entries import StoredEntry
from app.engine.events import Event as EngineEvent
from app.engine.events import RpcFinished
from app.engine.journal import Journal
from app.engine.oracle import Oracle
from app.engine.poller import Poller, PollPolicy
from app.engine.ports import FeedStatus, JournalStatus, Publisher, Store
from app.engine.vault_watch import PushedVaultReader, VaultWatch
from app.engine.verify import Verifier
from tests.fakes_store import FakeStore
from tests.simulation.invariants import (
    INITIAL_FEE,
    VAULT_ADDRESSES,
    VAULT_TARGET,
    Referee,
    Violation,
    Witness,
    judge_agreement,
    judge_recovery,
    missing_from,
)
from tests.simulation.providers import CHAIN_ID, Provider, SimulatedNode, SimulatedPushingNode
from tests.simulation.schedule import (
    FAULTS_SECONDS,
    PARAMETERS,
    Action,
    Change,
    Demand,
    Drag,
    Kill,
    Mine,
    Plan,
    Push,
    Reorganise,
    Return,
    Sicken,
    Skew,
    Start,
    Stop,
    StoreTrouble,
    Tell,
    Trouble,
)
from tests.simulation.stores import Ledger, TroubledStore
from tests.simulation.world import GENESIS_TIME, SLOT_SECONDS, World
from tests.virtual_time import VirtualClock, run_in_virtual_time

RECOVERY_SECONDS: Final = 150
L2_CHAIN_ID: Final = 167_000
HISTORY_DAYS: Final = 30
PULSE_LIMIT_SECONDS: Final = 60
_AUDIT_EVERY_SECONDS: Final = 60
_UNTIL_ALL_IS_QUIET_SECONDS: Final = 0.5

Tracer = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Parts:
    """What a run is made of; tests put in parts that misbehave, to see that they are found out."""

    store: Callable[[], Store] = FakeStore
    board: type[Board] = Board
    quorum: int | None = None
    """As the setting: None chooses by the number of providers."""


class Stage(Publisher):
    """The board, watched."""

    def __init__(self, board: Board, witness: Witness, trace: Tracer) -> None:
        self._board = board
        self._witness = witness
        self._trace = trace

    def publish(self, quote: Quote, computed_at: UnixMillis, base_fee_verified: bool) -> None:  # noqa: FBT001 - the port's
        self._board.publish(quote, computed_at, base_fee_verified)
        self._trace(f"serves block {quote.header.number} {quote.header.hash[:10]} for {quote.price.fee} wei")
        self._witness.on_publish(quote)

    def feed(self, status: FeedStatus) -> None:
        self._board.feed(status)

    def journal(self, status: JournalStatus) -> None:
        self._board.journal(status)
        self._witness.on_journal(status)

    def govern(self, governance: Governance) -> None:
        self._board.govern(governance)


@dataclass(frozen=True, slots=True)
class Life:
    """One process from its start to its end."""

    board: Board
    witness: Witness
    source: L1HeaderSource
    oracle: Oracle
    journal: Journal
    writer: asyncio.Task[None]
    others: tuple[asyncio.Task[None], ...]
    errands: set[asyncio.Task[None]]
    """Requests that people make of it."""


class Host:
    """A machine: its clock goes on while processes come and go."""

    def __init__(self, run: "Simulation", index: int, store: Store, ledger: Ledger) -> None:
        self._run = run
        self.name = f"host {index}"
        self.clock = VirtualClock(UnixMillis(GENESIS_TIME * MILLIS_PER_SECOND))
        self.store = TroubledStore(store, ledger, Random(f"store of {index} in {run.plan.seed}"))  # noqa: S311 - repeatable
        self.ledger = ledger
        self.life: Life | None = None

    def start(self) -> None:
        """A process begins, unless one runs."""
        if self.life is not None:
            return
        run, clock, plan = self._run, self.clock, _vault_plan(self._run.plan)
        board = run.parts.board(
            clock=clock, freshness_policy=FreshnessPolicy(), pulse_limit_seconds=PULSE_LIMIT_SECONDS
        )
        witness = Witness(run.referee, self.name, clock, self.ledger, board)
        stage = Stage(board, witness, self._trace)

        def observe(event: EngineEvent) -> None:
            if not isinstance(event, RpcFinished):
                self._trace(str(event))
            witness.on_event(event)

        nodes = NodeGroup(
            [
                (SimulatedPushingNode if provider.pushes else SimulatedNode)(provider, clock)
                for provider in run.providers
            ],
            CHAIN_ID if run.plan.expects_chain else None,
        )
        source = L1HeaderSource(
            nodes,
            observe,
            clock=clock,
            quorum=run.parts.quorum,
            poll_interval_seconds=run.plan.interval_seconds,
        )
        journal = Journal(store=self.store, publisher=stage, clock=clock, observe=observe, history_days=HISTORY_DAYS)
        oracle = Oracle(
            environment=ParameterSet(PARAMETERS[run.plan.parameters]),
            vault_plan=plan,
            journal=journal,
            publisher=stage,
            clock=clock,
            observe=observe,
        )
        quorum = quorum_of(run.plan.providers, run.parts.quorum)
        reader = (
            PushedVaultReader(oracle, plan)
            if plan.source is VaultSource.PUSH
            else vault_reader(plan, nodes, None, l1_quorum=quorum)
        )
        poller = Poller(
            source=source,
            vault=VaultWatch(reader, plan, observe),
            oracle=oracle,
            publisher=stage,
            clock=clock,
            observe=observe,
            policy=PollPolicy(
                interval_seconds=run.plan.interval_seconds,
                stale_after_seconds=board.freshness_policy.stale_after_seconds,
                initial_fee=INITIAL_FEE,
                l2_chain_id=L2_CHAIN_ID,
                known_l1_chain_id=CHAIN_ID if run.plan.expects_chain else None,
            ),
        )
        self._trace("starts")
        self.life = Life(
            board,
            witness,
            source,
            oracle,
            journal,
            self._endless(oracle.run()),
            (self._endless(source.run()), self._endless(poller.run())),
            set(),
        )

    async def kill(self) -> None:
        """The process dies where it stands."""
        if (life := self._ended()) is not None:
            self._trace("is killed")
            await _cancelled((*life.errands, *life.others, life.writer))
            await life.source.close()
            life.witness.end()

    async def stop(self) -> None:
        """The process ends as it does when it is asked to."""
        if (life := self._ended()) is not None:
            self._trace("stops")
            await _cancelled((*life.errands, *life.others))
            await life.source.close()
            await life.oracle.settled()
            await _cancelled((life.writer,))
            await life.journal.close()
            life.witness.end()

    def ask(self, errand: Callable[[Oracle], Coroutine[Any, Any, object]], what: str) -> None:
        """Ask something of the process, if one runs. That it is refused is all right; that it breaks is not."""
        if (life := self.life) is None:
            return

        async def asked() -> None:
            with suppress(OracleError):
                await errand(life.oracle)
                self._trace(what)

        task = asyncio.create_task(asked())
        life.errands.add(task)
        task.add_done_callback(life.errands.discard)
        task.add_done_callback(self._judge_end)

    def _ended(self) -> Life | None:
        life, self.life = self.life, None
        return life

    def _endless(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        async def endless() -> None:
            await work
            raise RuntimeError("a task that is to run for ever has ended")

        task = asyncio.create_task(endless())
        task.add_done_callback(self._judge_end)
        return task

    def _judge_end(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._trace("".join(traceback.format_exception(error)))
            self._run.referee.demand(False, self.clock.monotonic(), self.name, "alive", repr(error))  # noqa: FBT003

    def _trace(self, what: str) -> None:
        if self._run.trace is not None:
            self._run.trace(f"[{self.clock.monotonic():8.3f}] {self.name}: {what}")


@dataclass(frozen=True, slots=True)
class Report:
    """What came of one run."""

    plan: Plan
    violations: tuple[Violation, ...]
    seen: dict[str, int]
    """How often what was seen or judged."""

    def __str__(self) -> str:
        found = "\n".join(map(str, self.violations[:10])) or "nothing to object to"
        return f"{self.plan}\n{found}\npython -m tests.simulation --seed {self.plan.seed} --verbose"


class Simulation:
    """One run."""

    def __init__(self, plan: Plan, parts: Parts, trace: Tracer | None) -> None:
        self.plan = plan
        self.parts = parts
        self.trace = trace
        self.world = World(plan.seed)
        self.referee = Referee(plan, self.world)
        self.providers = [
            Provider(f"p{index + 1}", self.world, Random(f"provider {index} of {plan.seed}"), pushes=pushes)  # noqa: S311 - repeatable
            for index, pushes in enumerate(plan.pushing)
        ]
        self._last_tip = self.world.head
        self._sequence = 0
        self.hosts: list[Host] = []

    async def run(self) -> Report:
        """Faults, recovery, judgement."""
        self._build_hosts()
        ticking = asyncio.create_task(self._tick())
        for event in self.plan.events:
            await self._until(event.at)
            await self._do(event.action)
        await self._until(FAULTS_SECONDS)
        await self._heal()
        await self._until(FAULTS_SECONDS + RECOVERY_SECONDS)
        for host in self.hosts:
            if host.life is not None:
                judge_recovery(self.referee, host.clock, host.name, host.life.witness, host.life.board)
        for host in self.hosts:
            await host.stop()
        await _cancelled((ticking,))
        await self._audit(finally_=True)
        return Report(self.plan, tuple(self.referee.violations), dict(self.referee.seen))

    def _build_hosts(self) -> None:
        shared_store, shared_ledger = self.parts.store(), Ledger()
        for index in range(self.plan.replicas):
            store, ledger = (shared_store, shared_ledger) if self.plan.shared_store else (self.parts.store(), Ledger())
            self.hosts.append(Host(self, index, store, ledger))
        self.hosts[0].start()

    async def _do(self, action: Action) -> None:  # noqa: C901, PLR0912 - one line for each kind
        if self.trace is not None and not isinstance(action, Mine):
            self.trace(f"[{self._now():8.3f}] {action}")
        self.referee.seen[type(action).__name__] += 1
        match action:
            case Mine():
                self._mine()
            case Reorganise(depth):
                self._last_tip = self.world.head
                self.world.reorganise(self._now(), depth)
            case Return():
                self._return()
            case Demand(mode):
                self.world.mode = mode
            case Sicken(indices, ailment):
                for index in indices:
                    self.providers[index].fall_ill(ailment, self._now())
                self.referee.seen[f"ailment {ailment.value}"] += 1
            case Drag(index, lag, latency):
                self.providers[index].lag, self.providers[index].latency = lag, latency
            case Tell(lie):
                self._liar().begin_to_lie(lie)
                self.referee.seen[f"lie {lie.value}"] += 1
            case Trouble(indices, trouble):
                for index in indices:
                    self.hosts[index].store.trouble = trouble
                self.referee.seen[f"store {trouble.value}"] += 1
            case Skew(index, millis):
                self.hosts[index].clock.skew_millis = millis
            case Kill(index):
                await self.hosts[index].kill()
            case Stop(index):
                await self.hosts[index].stop()
            case Start(index):
                self.hosts[index].start()
            case Push(index, balance):
                self._push(index, Wei(balance))
            case Change(index, base_fee):
                self._change(index, base_fee)

    def _mine(self) -> None:
        self.world.mine(self._now())
        for provider in self.providers:
            if provider.own_chain is not None:
                provider.own_chain.mine(self._now())

    def _return(self) -> None:
        if self._last_tip.hash != self.world.head.hash and self._last_tip.number >= self.world.head.number - 1:
            left, self._last_tip = self._last_tip, self.world.head
            self.world.return_to(self._now(), left)
        else:
            self._mine()

    def _push(self, index: int, balance: Wei) -> None:
        self._sequence += 1
        sequence = self._sequence
        self.referee.pushed.add(balance)
        for host in self.hosts[index : index + 1] if self.plan.shared_store else self.hosts:
            host.ask(
                lambda oracle: oracle.report_vault(balance, sequence, "keeper"),
                f"takes vault report {sequence}: {balance}",
            )

    def _change(self, index: int, base_fee: str) -> None:
        changes = {"baseFeeGwei": base_fee}
        self.referee.parameters.append(ParameterSet(PARAMETERS[self.plan.parameters]).changed(changes).parameters)
        amendment = Amendment(changes=changes, actor="economist")
        self.hosts[index].ask(
            lambda oracle: oracle.change_parameters(amendment), f"takes a base fee of {base_fee} gwei"
        )

    def _liar(self) -> Provider:
        return self.providers[self.plan.liar or 0]

    async def _heal(self) -> None:
        """Everything is well from now on, and the chain goes on."""
        if self.trace is not None:
            self.trace(f"[{self._now():8.3f}] everything is well from now on")
        self.world.mode = 0
        for provider in self.providers:
            provider.recover()
        for host in self.hosts:
            host.store.trouble = StoreTrouble.NONE
            host.clock.skew_millis = 0
            host.start()
        while self._now() < FAULTS_SECONDS + RECOVERY_SECONDS - SLOT_SECONDS:
            self._mine()
            if self.plan.vault is VaultSource.PUSH and self._now() < FAULTS_SECONDS + RECOVERY_SECONDS / 2:
                await asyncio.sleep(_UNTIL_ALL_IS_QUIET_SECONDS)
                self._push(0, Wei(50 * 10**18))
            await self._until((self._now() // SLOT_SECONDS + 1) * SLOT_SECONDS + 1)

    async def _tick(self) -> None:
        """Judge every second."""
        while True:
            await asyncio.sleep(1)
            lives = [host.life for host in self.hosts if host.life is not None]
            for life in lives:
                life.witness.tick()
            if self.plan.shared_store:
                judge_agreement(self.referee, self._now(), [life.witness for life in lives])
            if int(self._now()) % _AUDIT_EVERY_SECONDS == 0:
                await self._audit(finally_=False)

    async def _audit(self, *, finally_: bool) -> None:
        """What the stores reported as kept is there, in an unbroken sequence; at the end, it verifies too."""
        at = self._now()
        for host in self.hosts[:1] if self.plan.shared_store else self.hosts:
            confirmed = dict(host.ledger.quote_ids)
            stored = [entry async for entry in host.store.entries(None, 0, None)]
            sequences = [entry.sequence for entry in stored]
            self.referee.demand(
                sequences == list(range(1, len(stored) + 1)), at, host.name, "sequence", f"{sequences[:20]}…"
            )
            claims = {
                entry.observation.header.hash: str(entry.claims["quote_id"])
                for entry in stored
                if isinstance(entry, StoredEntry)
            }
            lost = missing_from(claims, confirmed)
            self.referee.demand(not lost, at, host.name, "nothing_lost", f"{lost[:3]}")
            for what in host.ledger.misgoverned:
                self.referee.demand(False, at, host.name, "governed", what)  # noqa: FBT003
            if finally_ and self.plan.truth_prevails:
                findings = [finding async for finding in Verifier(host.store).findings(None, 0, None, _unheeded)]
                self.referee.demand(not findings, at, host.name, "verified", f"{findings[:3]}")

    async def _until(self, moment: float) -> None:
        await asyncio.sleep(max(0.0, moment - self._now()))

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


def simulate(plan: Plan, parts: Parts | None = None, trace: Tracer | None = None) -> Report:
    """Run `plan` to its end."""

    async def work() -> Report:
        return await Simulation(plan, parts or Parts(), trace).run()

    return run_in_virtual_time(work())


def _vault_plan(plan: Plan) -> VaultPlan:
    if plan.vault is VaultSource.NONE:
        return VaultPlan()
    addresses = tuple(VaultAddress(VaultLayer.L1, address) for address in VAULT_ADDRESSES)
    whole = VaultPlan(source=plan.vault, target=VAULT_TARGET, addresses=addresses)
    return whole if plan.vault is VaultSource.ONCHAIN else replace(whole, addresses=())


def _unheeded(entries: int) -> None:
    """How far the verification is."""


async def _cancelled(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
