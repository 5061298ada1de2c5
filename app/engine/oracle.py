"""The one writer of the oracle's state: blocks, parameters and pushed vaults go into one queue, quotes come out.

What is served was journaled before, together with all that it was made from.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final, TypeVar

from app.domain.advance import Observation, OracleState, adopt, advance
from app.domain.amendment import Amended, Amendment, outlook
from app.domain.errors import OracleError
from app.domain.formula import FeeFormula, PathPoint
from app.domain.governance import (
    ENVIRONMENT_ACTOR,
    Governance,
    ParameterChange,
    VaultReport,
    environment_id_of,
    pushed_vault,
)
from app.domain.header import L1Header
from app.domain.network import Network
from app.domain.parameter_set import ParameterSet
from app.domain.parameters import Parameters
from app.domain.units import MILLIS_PER_SECOND, BlockNumber, Wei
from app.domain.vault import VaultPlan, VaultSource
from app.engine.entries import Entry, Gap, StoredEntry
from app.engine.events import (
    JournalRestored,
    Observer,
    ParametersChanged,
    QuoteContested,
    QuoteDecided,
    QuoteMade,
    QuoteReplaced,
    VaultReported,
)
from app.engine.journal import Journal
from app.engine.merging import Replacement, holds
from app.engine.ports import ChangeConflictError, Clock, DecisionDesk, History, Publisher, StoreError, StoreFault

Result = TypeVar("Result")

_MOST_CONFLICTS: Final = 10
"""After which a change is given up: blocks wait while it tries."""
_NOT_NUMBERED: Final = BlockNumber(0)
"""In place of what the store decides."""


@dataclass(frozen=True, slots=True)
class Block:
    """An observed block, and how far it can be trusted."""

    observation: Observation
    """With a pushed vault, its `vault` is put in by the writer."""
    provider: str
    base_fee_verified: bool


@dataclass(frozen=True, slots=True)
class Restart:
    """The state is to begin anew, with blocks that are priced but neither journaled, published nor counted."""

    replayed: tuple[Observation, ...] = ()
    previous: PathPoint | None = None
    """What stands in for the parent of the first block; None where that has no previous fee."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Consecutive blocks, oldest first; the last one's quote is published."""

    blocks: tuple[Block, ...]
    restart: Restart | None = None
    gap: Gap | None = None
    """Blocks before them that will have no quote."""


class Oracle(DecisionDesk):
    """Folds batches into the state, one at a time, in the order they came."""

    def __init__(
        self,
        *,
        environment: ParameterSet,
        vault_plan: VaultPlan,
        journal: Journal,
        publisher: Publisher,
        clock: Clock,
        observe: Observer,
    ) -> None:
        """`environment` is what the settings ask for; what is in force may have been changed since."""
        self._environment = environment
        self._vault_plan = vault_plan
        self._journal = journal
        self._publisher = publisher
        self._clock = clock
        self._observe = observe
        self._state = OracleState()
        self._governance = Governance()
        self._formula = FeeFormula.of(environment.parameters)
        self._has_started = False
        self._withheld: StoredEntry | None = None
        self._queue: asyncio.Queue[tuple[Callable[[], Awaitable[Any]], asyncio.Future[Any] | None]] = asyncio.Queue(1)

    @property
    def state(self) -> OracleState:
        """The state now."""
        return self._state

    @property
    def governance(self) -> Governance:
        """The decisions in force."""
        return self._governance

    @property
    def _parameter_set(self) -> ParameterSet:
        change = self._governance.change
        return self._environment if change is None else change.parameter_set

    @property
    def parameters(self) -> Parameters:
        """The parameters that govern the next block."""
        return self._formula.parameters

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            work, done = await self._queue.get()
            if done is None:
                await work()
            else:
                await _settle(work, done)
            self._queue.task_done()

    async def open(self, network: Network) -> tuple[StoredEntry, ...]:
        """Take over what the store holds of `network`: state, decisions, the quote that was served last.

        The believable entries, in the order they were quoted; none where the store fails, which stops nothing.
        """
        return await self._asked(lambda: self._open(network))

    async def accept(self, batch: Batch) -> None:
        """Queue `batch`; waits only while something else still waits."""
        await self._queue.put((lambda: self._write(batch), None))

    async def report_vault(self, balance: Wei, sequence: int, actor: str) -> VaultReport:
        """Put a pushed balance in force from the next block on; the report in force after it.

        Raises `ReportRefusedError` for a used sequence; `StoreError` where it cannot be journaled, and is not taken;
        `NoNetworkError` while the chain is not known.
        """
        return await self._asked(lambda: self._report(balance, sequence, actor))

    async def change_parameters(self, amendment: Amendment, *, dry_run: bool = False) -> Amended:
        """As `DecisionDesk.change_parameters`.

        It is judged and applied when its turn comes, to what is in force in the store then: of two amendments of
        different parameters, here or at two instances on one store, neither is lost.
        """
        return await self._asked(lambda: self._amend(amendment, is_dry_run=dry_run))

    async def confirm(self, header: L1Header) -> None:
        """Take `header` for the head that providers give now: a restored quote for it that was withheld is served."""
        if self._withheld is not None and self._withheld.observation.header == header:
            await self._queue.put((self._serve_withheld, None))

    def tend(self) -> None:
        """Look after the store, if there is nothing else to write."""
        if self._queue.empty():
            self._queue.put_nowait((self._tend, None))

    async def settled(self) -> None:
        """Return once everything that was accepted is published."""
        await self._queue.join()

    async def _asked(self, work: Callable[[], Awaitable[Result]]) -> Result:
        done: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        await self._queue.put((work, done))
        return await done

    async def _tend(self) -> None:
        await self._mend()
        await self._look_for_report()
        await self._journal.prune()

    async def _look_for_report(self) -> None:
        """A vault pushed to another instance: without one there is nothing to append, which would bring it to light."""
        if self._vault_plan.source is VaultSource.PUSH and self._governance.report is None:
            governance = await self._journal.decisions()
            if governance is not None:
                self._govern(governance, is_new=True)

    async def _write(self, batch: Batch) -> None:
        self._withheld = None
        before = self._state.quote
        state, entries = await self._journaled(batch)
        self._state = state
        newest = entries[-1]
        self._publisher.publish(newest.quote, newest.computed_at, newest.base_fee_verified)
        for entry in entries:
            self._observe(QuoteMade(entry.quote, entry.computed_at, before))
            before = entry.quote
        await self._mend()

    async def _journaled(self, batch: Batch) -> tuple[OracleState, list[Entry]]:
        """The state after `batch`, and its entries, all of which are in the journal.

        Where another instance was first with a block, its quote takes the place of ours, and what follows from it is
        folded again; so it is where decisions came to light that govern these blocks.
        """
        decided: dict[str, StoredEntry] = {}
        contested: set[str] = set()
        while True:
            state, entries = self._folded(batch, decided)
            ours = [entry for entry in entries if entry.quote.header.hash not in contested]
            appended = await self._journal.append(ours, self._governance.revision, batch.gap) if ours else None
            if appended is None or appended.is_complete:
                break
            if appended.governance is not None:
                self._govern(appended.governance, is_new=True)
            for block_hash, stored in appended.decided.items():
                if _is_believable(stored, entries):
                    decided[block_hash] = stored
                    self._observe(QuoteDecided(stored.observation.header.number, str(stored.claims["quote_id"])))
                else:
                    contested.add(block_hash)
        for entry in entries:
            if entry.quote.header.hash in contested:
                self._observe(QuoteContested(entry.quote.header.number, entry.quote.quote_id))
                await self._journal.diverge(entry)
        return state, entries

    def _folded(self, batch: Batch, decided: Mapping[str, StoredEntry]) -> tuple[OracleState, list[Entry]]:
        state = self._state if batch.restart is None else self._restarted(batch.restart, batch.blocks[0].observation)
        at = self._clock.now()
        entries = []
        for block in batch.blocks:
            stored = decided.get(block.observation.header.hash)
            if stored is None:
                state, quote = advance(state, self._with_vault(block.observation), self._formula)
                entries.append(Entry(quote, at, block.provider, block.base_fee_verified))
            else:
                quote = stored.recomputed()
                state = adopt(state, quote)
                entries.append(Entry(quote, stored.computed_at, stored.provider, stored.base_fee_verified))
        return state, entries

    def _with_vault(self, observation: Observation) -> Observation:
        report = self._governance.report
        if self._vault_plan.source is not VaultSource.PUSH or report is None:
            return observation
        return replace(observation, vault=pushed_vault(report, self._vault_plan, observation.header))

    def _restarted(self, restart: Restart, first: Observation) -> OracleState:
        oldest = restart.replayed[0] if restart.replayed else first
        seeds = {} if restart.previous is None else {oldest.header.parent_hash: restart.previous}
        state = OracleState(points=MappingProxyType(seeds))
        for observation in restart.replayed:
            state, _ = advance(state, self._with_vault(observation), self._formula)
        return state

    async def _open(self, network: Network) -> tuple[StoredEntry, ...]:
        history = await self._journal.open(network)
        if history is None:
            return ()
        await self._take_over(history)
        believed = _newest_last(tuple(filter(holds, history.entries)))
        state = self._state
        for stored in believed:
            state = adopt(state, stored.recomputed())
        self._state = state
        newest = believed[-1] if believed else None
        if newest is not None and self._is_past(newest):
            self._serve_again(newest)
        else:
            self._withheld = newest
        number = None if newest is None else newest.observation.header.number
        quoted_at = None if newest is None else newest.computed_at
        discarded = len(history.entries) - len(believed)
        self._observe(JournalRestored(len(believed), number, discarded, state.quote, quoted_at))
        return believed

    def _serve_again(self, stored: StoredEntry) -> None:
        self._publisher.publish(stored.recomputed(), stored.computed_at, stored.base_fee_verified)

    async def _serve_withheld(self) -> None:
        withheld, self._withheld = self._withheld, None
        if withheld is not None:
            self._serve_again(withheld)

    def _is_past(self, stored: StoredEntry) -> bool:
        """Whether an entry is from the past by this host's clock: otherwise nobody knows how old it is."""
        now = self._clock.now()
        return stored.computed_at <= now and stored.observation.header.timestamp * MILLIS_PER_SECOND <= now

    async def _mend(self) -> None:
        mended = await self._journal.mend()
        if mended is not None:
            self._yield_to(mended.replacements)
            await self._take_over(mended.history)

    def _yield_to(self, replacements: Sequence[Replacement]) -> None:
        """Let the quotes that took the place of ours hand on their own fees, and serve the one for the block served."""
        served = self._state.quote
        for each in replacements:
            quote = each.quote
            if quote.header.hash not in self._state.points:
                continue  # older than the window: nothing goes on from it, and it must not push out what is newer
            self._observe(QuoteDecided(quote.header.number, quote.quote_id))
            if served is not None and quote.header.hash == served.header.hash:
                served = quote
                self._publisher.publish(quote, each.computed_at, each.base_fee_verified)
                self._observe(QuoteReplaced(quote, each.computed_at))
            self._state = adopt(self._state, quote)
        self._state = replace(self._state, quote=served)

    async def _take_over(self, history: History) -> None:
        """Put the store's decisions in force, and the environment where they say nothing of the parameters.

        So it is at a start whose environment is another than theirs.
        """
        self._govern(history.governance, is_new=self._has_started)
        change = history.governance.change
        if change and (self._has_started or change.environment_id == environment_id_of(self._environment)):
            self._has_started = True
            return
        reason = None
        if change is not None:
            reason = "the environment changed, and overrides what was in force"
        elif self._has_started:
            reason = "the store has lost what was in force"
        try:
            await self._put_in_force(self._environment, ENVIRONMENT_ACTOR, reason)
        except ChangeConflictError as conflict:
            self._govern(replace(self._governance, change=conflict.newest), is_new=False)
        except StoreError as error:
            self._journal.fail(error)
            self._govern(replace(self._governance, change=None), is_new=False)
            return
        self._has_started = True

    async def _amend(self, amendment: Amendment, *, is_dry_run: bool) -> Amended:
        for _ in range(_MOST_CONFLICTS):
            self._govern(await self._journal.newest_decisions(), is_new=True)
            before = self._parameter_set
            after = amendment.applied_to(before, self._environment, self._governance.revision.change)
            change = self._governance.change
            if not is_dry_run and after != before:
                try:
                    change = await self._put_in_force(after, amendment.actor, amendment.reason)
                except ChangeConflictError:
                    continue  # another instance was first: on top of its change, not in place of it
            return Amended(before=before, after=after, change=change, outlook=outlook(self._state, after.parameters))
        raise StoreError(StoreFault.LOCKED, f"others changed the parameters {_MOST_CONFLICTS} times in the meantime")

    async def _put_in_force(self, parameter_set: ParameterSet, actor: str, reason: str | None) -> ParameterChange:
        seen = self._governance.revision.change
        change = ParameterChange(
            number=seen + 1,
            parameter_set=parameter_set,
            environment_id=self._environment_id_behind(parameter_set),
            from_block=_NOT_NUMBERED,
            at=self._clock.now(),
            actor=actor,
            reason=reason,
        )
        stored = await self._journal.change_parameters(change, seen)
        self._govern(replace(self._governance, change=stored), is_new=seen > 0)
        return stored

    def _environment_id_behind(self, parameter_set: ParameterSet) -> str:
        """Of the environment that `parameter_set` goes over: an override is put over the one that won at some start.

        That may be another instance's, which has new settings already while this one waits for its restart.
        """
        change = self._governance.change
        if change is None or parameter_set == self._environment:
            return environment_id_of(self._environment)
        return change.environment_id

    async def _report(self, balance: Wei, sequence: int, actor: str) -> VaultReport:
        report = VaultReport(
            sequence=sequence, balance=balance, from_block=_NOT_NUMBERED, at=self._clock.now(), actor=actor
        )
        stored = await self._journal.report_vault(report)
        self._govern(replace(self._governance, report=stored), is_new=True)
        return stored

    def _govern(self, governance: Governance, *, is_new: bool) -> None:
        before, self._governance = self._governance, governance
        change, report = governance.change, governance.report
        if change != before.change:
            self._formula = FeeFormula.of(self._parameter_set.parameters)
        if change is not None and change != before.change:
            self._observe(ParametersChanged(change, is_new))
        if report is not None and report != before.report:
            self._observe(VaultReported(report, is_new))
        self._publisher.govern(governance)


async def _settle(work: Callable[[], Awaitable[Any]], done: asyncio.Future[Any]) -> None:
    """Do `work` for somebody who waits for `done`; an expected failure is theirs, anything else a bug of ours."""
    try:
        result = await work()
    except OracleError as error:
        if not done.done():
            done.set_exception(error)
    else:
        if not done.done():
            done.set_result(result)


def _is_believable(stored: StoredEntry, entries: Sequence[Entry]) -> bool:
    """Whether another's entry may decide a block: it holds, and it is about the header that we know."""
    ours = {entry.quote.header for entry in entries}
    return stored.observation.header in ours and holds(stored)


def _newest_last(entries: Sequence[StoredEntry]) -> tuple[StoredEntry, ...]:
    """By append order, but for the newest: the last one that no other builds on.

    What another instance had spooled comes late into the store, but blocks have been built on it. Clocks tell nothing:
    a host's may have jumped, and a header's timestamp may have been a lie.
    """
    parents = {entry.observation.header.parent_hash for entry in entries}
    tips = [entry for entry in entries if entry.observation.header.hash not in parents]
    return (*(entry for entry in entries if entry is not tips[-1]), tips[-1]) if tips else tuple(entries)
