"""What must hold in every run, whatever happens; the referee says what did not, when, and of whom."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from app.api.board import Board
from app.domain.formula import NO_PATH, PathPoint
from app.domain.freshness import STANDING_HEAD_PATIENCE, FreshnessPolicy, QuoteStatus
from app.domain.header import L1Header
from app.domain.parameters import Controller, Parameters
from app.domain.quote import Quote
from app.domain.units import MILLIS_PER_SECOND, Wei, WeiPerGas
from app.domain.vault import VaultCondition, VaultSource
from app.engine.events import Event, JournalRestored, PathRebuilt, QuoteDecided, QuoteMade, ReorgFollowed
from app.engine.ports import JournalState, JournalStatus
from tests.domain import reference
from tests.simulation.providers import true_balance
from tests.simulation.schedule import PARAMETERS, Plan
from tests.simulation.stores import Ledger
from tests.simulation.world import SLOT_SECONDS, World
from tests.virtual_time import VirtualClock

VAULT_ADDRESSES: Final = ("0x" + "a1" * 20, "0x" + "b2" * 20)
VAULT_TARGET: Final = Wei(100 * 10**18)
INITIAL_FEE: Final = WeiPerGas(10**9)
LONGEST_PATH: Final = 64


@dataclass(frozen=True, slots=True)
class Violation:
    """Something that must never be."""

    at: float
    host: str
    rule: str
    detail: str

    def __str__(self) -> str:
        return f"[{self.at:8.3f}] {self.host}: {self.rule}: {self.detail}"


class Referee:
    """Keeps the violations of one run."""

    def __init__(self, plan: Plan, world: World) -> None:
        self.plan = plan
        self.world = world
        self.violations: list[Violation] = []
        self.seen: Counter[str] = Counter()
        """What happened how often, so that nobody takes an idle run for a good one."""
        self.parameters = [PARAMETERS[plan.parameters]]
        """Every set that was ever asked for."""
        self.pushed: set[int] = set()
        """Balances that somebody pushed."""

    def demand(self, met: bool, at: float, host: str, rule: str, detail: str) -> None:  # noqa: FBT001 - the thing asked
        """Note a violation of `rule` unless it is met."""
        self.seen[rule] += 1
        if not met:
            self.violations.append(Violation(at, host, rule, detail))


class Witness:
    """Watches one life of one replica: what it publishes, what it says happened, and what it would answer now."""

    def __init__(self, referee: Referee, host: str, clock: VirtualClock, ledger: Ledger, board: Board) -> None:
        self._referee = referee
        self._host = host
        self._clock = clock
        self._ledger = ledger
        self._board = board
        self._journal = JournalStatus()
        self._published: Quote | None = None
        self._points: dict[str, PathPoint] = {}
        self._made: set[L1Header] = set()
        self._decided: set[str] = set()
        self._rebuilds = 0
        self._unexplained = 0
        self._policy: FreshnessPolicy = board.freshness_policy

    @property
    def published(self) -> Quote | None:
        """What is served."""
        return self._published

    @property
    def journal(self) -> JournalStatus:
        """What was last said of the journal."""
        return self._journal

    def on_publish(self, quote: Quote) -> None:
        """A quote is served from now on."""
        before, self._published = self._published, quote
        self._judge_quote(quote)
        self._judge_journal(quote)
        if before is not None and before.header.number > quote.header.number and self._referee.plan.truth_prevails:
            on_same_branch = self._referee.world.ancestor(before.header, quote.header.number) == quote.header
            self._demand(not on_same_branch, "no_way_back", f"{_named(before)}, then its ancestor {_named(quote)}")

    def on_journal(self, status: JournalStatus) -> None:
        """The journal is said to be so from now on."""
        self._journal = status
        self._referee.seen[f"journal {status.state.value}"] += 1

    def on_event(self, event: Event) -> None:
        """Something is said to have happened."""
        self._referee.seen[type(event).__name__] += 1
        if isinstance(event, PathRebuilt):
            self._made.clear()
            self._rebuilds += 1
        if isinstance(event, ReorgFollowed):
            self._made.clear()
        if isinstance(event, QuoteDecided):
            self._decided.add(event.quote_id)
        if isinstance(event, QuoteMade):
            self._judge_made(event.quote)
        if isinstance(event, JournalRestored):
            self._judge_restored(event.quote)

    def tick(self) -> None:
        """Judge what a reader would get now."""
        published = self._board.published
        if published is None or self._published is None:
            self._referee.seen["nothing"] += 1
            return
        quote = published.quote
        self._demand(quote is self._published, "served_is_published", _named(quote))
        freshness = self._board.freshness(published)
        self._referee.seen[freshness.status.value] += 1
        held_millis = (self._clock.monotonic() - published.held_since) * MILLIS_PER_SECOND
        age_millis = self._clock.true_now() - quote.header.timestamp * MILLIS_PER_SECOND
        limit = self._policy.stale_after_seconds * MILLIS_PER_SECOND
        if freshness.status is QuoteStatus.FRESH:
            self._demand(held_millis <= limit, "fresh_while_held", f"fresh after {held_millis} ms of being held")
            clock_is_right = self._clock.skew_millis == 0
            self._demand(
                age_millis <= limit or not clock_is_right, "fresh_by_age", f"fresh at an age of {age_millis} ms"
            )
        if freshness.status is not QuoteStatus.EXPIRED:
            longest = self._policy.expires_after_seconds * STANDING_HEAD_PATIENCE * MILLIS_PER_SECOND
            self._demand(held_millis <= longest, "expiry", f"served after {held_millis} ms of being held")
        self._judge_journal(quote)

    def end(self) -> None:
        """This life is over."""
        explained = self._unexplained == 0 or self._rebuilds > 0
        self._demand(explained, "path", f"{self._unexplained} quotes whose parent was never priced")

    def _judge_restored(self, quote: Quote | None) -> None:
        """A process goes on where the last one ended. With several on a store, that may be ahead of what is merged."""
        if self._referee.plan.replicas == 1 or not self._referee.plan.shared_store:
            newest = next(reversed(self._ledger.quote_ids.values()), None)
            got = None if quote is None else quote.quote_id
            is_newest = got == newest or got in self._ledger.tips()  # blocks below a tip may be priced after it
            self._demand(is_newest, "restored", f"{got}, where the newest that was kept is {newest}")

    def _judge_made(self, quote: Quote) -> None:
        block_hash = quote.header.hash
        is_new = quote.header not in self._made or not self._referee.plan.truth_prevails
        self._demand(is_new, "counted_once", f"block {quote.header.number} twice")
        self._made.add(quote.header)
        self._judge_quote(quote)
        if self._referee.plan.truth_prevails:
            self._judge_path(quote)
        self._points[block_hash] = quote.price.point

    def _judge_quote(self, quote: Quote) -> None:
        """The quote is what an independent computation makes of the true block and the true vault."""
        header = quote.header
        if self._referee.plan.truth_prevails:
            true = self._referee.world.blocks.get(header.hash)
            self._demand(header == true, "true_header", f"{header}, the truth being {true}")
            self._judge_vault(quote)
        expected = expected_fee(quote.formula.parameters, header, quote.vault.priced_deficit, quote.previous)
        self._demand(quote.price.point == expected, "right_fee", f"{quote.price}, expected {expected}")

    def _judge_vault(self, quote: Quote) -> None:
        vault, header = quote.vault, quote.header
        if vault.source is VaultSource.ONCHAIN:
            possible = (
                {header.hash: header} if vault.condition is VaultCondition.CURRENT else self._referee.world.blocks
            )
            sums = {_true_vault(block) for block in possible.values() if block.timestamp == vault.observed_at}
            self._demand(
                vault.balance in sums, "true_vault", f"{vault.condition.value} {vault.balance} at {_named(quote)}"
            )
        if vault.source is VaultSource.PUSH:
            self._demand(vault.balance in self._referee.pushed, "true_vault", f"{vault.balance}, never pushed")

    def _judge_path(self, quote: Quote) -> None:
        """The previous fee is the parent's, as this replica or the store had it, or a rebuilt path made it."""
        parent = quote.header.parent_hash
        possible = [points[parent] for points in (self._points, self._ledger.points) if parent in points]
        if any(quote.formula.used_path(point) == quote.previous for point in possible):
            return
        is_rebuilt = any(quote.formula.used_path(point) == quote.previous for point in self._rebuilt(quote))
        self._demand(is_rebuilt, "path", f"{_named(quote)} after {quote.previous}; known {possible}")
        self._unexplained += quote.quote_id not in self._decided

    def _rebuilt(self, quote: Quote) -> Iterator[PathPoint]:
        """What a path that was rebuilt from 64 or fewer blocks, with any parameters of this run, may hand on to it."""
        yield PathPoint(INITIAL_FEE)
        yield NO_PATH
        path: list[L1Header] = []
        block = self._referee.world.blocks.get(quote.header.parent_hash)
        while block is not None and len(path) < LONGEST_PATH:
            path.append(block)
            block = self._referee.world.blocks.get(block.parent_hash)
        path.reverse()
        for parameters in self._referee.parameters:
            for deficit_at in self._deficits(quote):
                for first in range(len(path)):
                    point = NO_PATH
                    for header in path[first:]:
                        point = expected_fee(parameters, header, deficit_at(header), point)
                    yield point

    def _deficits(self, quote: Quote) -> Iterator[Callable[[L1Header], int]]:
        """What the deficit may have been along a rebuilt path: by block on chain, else as of any report."""
        if quote.vault.source is VaultSource.ONCHAIN:
            yield lambda header: max(0, VAULT_TARGET - _true_vault(header))
        elif quote.vault.source is VaultSource.PUSH:
            yield from (_always(max(0, VAULT_TARGET - balance)) for balance in self._referee.pushed)
        else:
            yield _always(0)

    def _judge_journal(self, quote: Quote) -> None:
        is_contested = self._ledger.headers.get(quote.header.hash, quote.header) != quote.header
        if is_contested and not self._referee.plan.truth_prevails:
            return  # a lie about this very block came first; what is served now is kept as a divergence
        if self._journal.state is JournalState.OK:
            stored = self._ledger.quote_ids.get(quote.header.hash)
            self._demand(stored == quote.quote_id, "journaled", f"{_named(quote)} served, {stored} in the store")

    def _demand(self, met: bool, rule: str, detail: str) -> None:  # noqa: FBT001 - as the referee's
        self._referee.demand(met, self._clock.monotonic(), self._host, rule, detail)


def judge_agreement(referee: Referee, at: float, witnesses: Sequence[Witness]) -> None:
    """Replicas on one store that are well serve the same quote for the same block."""
    well = [witness.published for witness in witnesses if witness.journal.state is JournalState.OK]
    quotes = [quote for quote in well if quote is not None]
    for quote in quotes[1:]:
        if quote.header == quotes[0].header:
            same = quote.quote_id == quotes[0].quote_id
            referee.demand(same, at, "replicas", "agreement", f"{_named(quote)} and {_named(quotes[0])}")


def judge_recovery(referee: Referee, clock: VirtualClock, host: str, witness: Witness, board: Board) -> None:
    """Once the faults are over, a replica is as if there had been none."""
    published = board.published
    at = clock.monotonic()
    feed = board.feed_status
    served = "nothing" if published is None else _named(published.quote)
    told = f"serves {served}; head {referee.world.head.number}; {feed.failure_reason}: {feed.failure_detail}"
    if published is None:
        referee.demand(False, at, host, "recovery", told)  # noqa: FBT003
        return
    freshness = board.freshness(published)
    referee.demand(freshness.status is QuoteStatus.FRESH, at, host, "recovery", f"{freshness.status.value}; {told}")
    header = published.quote.header
    is_true = referee.world.ancestor(referee.world.head, header.number) == header
    is_new = header.timestamp >= referee.world.head.timestamp - SLOT_SECONDS
    referee.demand(is_true and is_new, at, host, "recovery", told)
    referee.demand(feed.failure_reason is None, at, host, "recovery", told)
    journal = witness.journal
    is_well = journal.state is JournalState.OK and journal.spooled == 0
    referee.demand(is_well, at, host, "recovery", f"the journal: {journal}")


def expected_fee(p: Parameters, header: L1Header, deficit: int, previous: PathPoint) -> PathPoint:
    """What a block hands on, computed by the tests' own reference."""
    if p.controller is Controller.LEGACY:
        cost = reference.batch_cost(p, header.base_fee_per_gas)
        smoothed = Wei(reference.smoothed_cost(p, previous.smoothed_cost, cost))
        raw = reference.legacy_raw(p, smoothed, deficit)
        return PathPoint(WeiPerGas(reference.fee(p, raw, previous.fee)), smoothed)
    raw = reference.alpha_raw(p, header.base_fee_per_gas, deficit)
    return PathPoint(WeiPerGas(reference.fee(p, raw, previous.fee)), None)


def missing_from(stored: Mapping[str, str], confirmed: Mapping[str, str]) -> list[str]:
    """Blocks whose quote a store reported as kept, and that it does not hold."""
    return [block_hash for block_hash, quote_id in confirmed.items() if stored.get(block_hash) != quote_id]


def _always(deficit: int) -> Callable[[L1Header], int]:
    return lambda _: deficit


def _true_vault(header: L1Header) -> int:
    return sum(true_balance(address, header) for address in VAULT_ADDRESSES)


def _named(quote: Quote) -> str:
    return f"block {quote.header.number} {quote.header.hash[:10]} as {quote.quote_id[:8]} ({quote.price.fee} wei)"
