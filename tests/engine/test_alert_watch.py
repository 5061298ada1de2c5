"""The alerts in the service: each at its edge, and what a restart makes of the journal."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

import pytest

from app.domain.alert_states import AlertReport, AlertState, AlertStatus
from app.domain.alert_table import FROM_OUTSIDE, IN_MILLIS, Alert, Severity
from app.domain.alerts import AlertThresholds
from app.domain.chain_alerts import CHAIN_ALERTS, ChainRules
from app.domain.parameters import Parameters
from app.domain.units import UnixMillis, Wei, WeiPerGas
from app.domain.vault import VaultCondition, VaultSource, VaultState
from app.engine.alert_watch import AlertWatch
from app.engine.events import (
    ClockMeasured,
    DissentBegan,
    DissentEnded,
    EntriesLost,
    Event,
    HeaderRejected,
    HeadMoved,
    HeadStood,
    JournalDegraded,
    JournalRecovered,
    ParametersChanged,
    PollFailed,
    PollSucceeded,
    QuoteMade,
    RpcFinished,
    VaultUnreadable,
)
from app.engine.ports import Clock, StoreError, StoreFault
from tests.adapters.store_contract import a_change
from tests.api.house import FULL_VAULT, sample_header, sample_quote
from tests.engine.rig import running
from tests.fakes import FakeChain, FakeVault, ManualClock
from tests.fakes_store import FakeDatabase, FakeStore
from tests.virtual_time import VirtualClock, run_in_virtual_time

START = sample_header().timestamp
ETHER = 10**18
RULES = ChainRules(AlertThresholds(), IN_MILLIS, 180)
POLLED = PollSucceeded("p1", 1, UnixMillis(START * 1000), 0)
QUOTED = QuoteMade(sample_quote(), UnixMillis(START * 1000), None)


@dataclass
class TwoClocks(Clock):
    """A wall clock that can be set, and one that cannot."""

    wall: int = START * 1000
    elapsed: int = 1_000_000

    def now(self) -> UnixMillis:
        return UnixMillis(self.wall)

    def monotonic(self) -> float:
        return self.elapsed / 1000

    async def sleep(self, seconds: float) -> None:
        self.go_on(seconds)

    def go_on(self, seconds: float) -> None:
        self.wall += round(seconds * 1000)
        self.elapsed += round(seconds * 1000)


@dataclass
class Watched:
    """A watch with a clock of its own, over a journal."""

    clock: TwoClocks = field(default_factory=TwoClocks)
    reports: list[AlertReport] = field(default_factory=list)
    store: FakeStore = field(default_factory=FakeStore)
    has_vault: bool = True
    l1_providers: int = 3

    def __post_init__(self) -> None:
        self.watch = a_watch(self.clock, self.store, self.reports, has_vault=self.has_vault, l1=self.l1_providers)

    def tell(self, *events: Event) -> None:
        for event in events:
            self.watch.on_event(event)

    def of(self, alert: Alert) -> AlertStatus:
        return next(status for status in self.watch.evaluated().statuses if status.rule.alert is alert)

    def state_of(self, alert: Alert) -> AlertState:
        return self.of(alert).state


def a_watch(
    clock: Clock, store: FakeStore, reports: list[AlertReport], *, has_vault: bool = True, l1: int = 3
) -> AlertWatch:
    return AlertWatch(
        rules=RULES,
        stale_after_seconds=48,
        l1_providers=l1,
        has_vault=has_vault,
        archive=store,
        clock=clock,
        show=reports.append,
        tell_failure=unexpected,
    )


def unexpected(failure: Exception) -> None:
    raise failure


def quoted(**changes: VaultState) -> QuoteMade:
    return replace(QUOTED, quote=sample_quote(**changes))  # type: ignore[arg-type]


HELD = replace(FULL_VAULT, condition=VaultCondition.HELD)
OVERRIDE = ParametersChanged(replace(a_change(alphaData="0.16"), at=UnixMillis(START * 1000)), is_new=True)
NO_OVERRIDE = ParametersChanged(replace(a_change(), at=UnixMillis(START * 1000)), is_new=True)


@pytest.mark.parametrize(
    ("alert", "begins", "ends", "seconds", "subjects"),
    [
        (Alert.FEED_FROZEN, HeadStood(1, 60), HeadMoved(2, 72), 180, ()),
        (Alert.PROVIDER_DOWN, RpcFinished("p2", "m", "timeout", 1), RpcFinished("p2", "m", "ok", 1), 300, ("p2",)),
        (Alert.PROVIDER_DISSENT, DissentBegan("p3", 1, ("hash",)), DissentEnded("p3"), 120, ("p3",)),
        (Alert.VAULT_UNREADABLE, VaultUnreadable("timeout", "late", 1), QUOTED, 300, ()),
        (Alert.VAULT_UNREADABLE, quoted(vault=HELD), QUOTED, 300, ()),
        (Alert.JOURNAL_DEGRADED, JournalDegraded("full", "disk"), JournalRecovered(1, 0, 0), 60, ("degraded",)),
        (Alert.CLOCK_SKEW, ClockMeasured(15_001), ClockMeasured(15_000), 120, ()),
        (Alert.CLOCK_SKEW, ClockMeasured(-15_001), ClockMeasured(0), 120, ()),
        (Alert.OVERRIDE_ACTIVE, OVERRIDE, NO_OVERRIDE, 3_600, ()),
    ],
)
def test_it_is_pending_then_fires_at_its_time_and_resolves(
    alert: Alert, begins: Event, ends: Event, seconds: int, subjects: tuple[str, ...]
) -> None:
    it = Watched()
    it.tell(POLLED, ends)
    assert it.state_of(alert) is AlertState.OK
    began = it.clock.now()
    it.tell(begins)
    it.clock.go_on(seconds - 0.001)
    it.tell(begins)
    assert (it.state_of(alert), it.of(alert).since) == (AlertState.PENDING, began)
    it.clock.go_on(0.001)
    told = it.of(alert)
    assert (told.state, told.since, told.subjects) == (AlertState.FIRING, began, subjects)
    assert told.value is not None
    assert told.greatest is not None
    assert told.value > told.greatest
    it.tell(ends)
    assert (it.state_of(alert), it.of(alert).since, it.of(alert).subjects) == (AlertState.OK, None, ())


def test_a_wall_clock_that_is_set_hurries_no_alert() -> None:
    it = Watched()
    it.tell(POLLED, HeadStood(1, 60))
    it.clock.wall += 86_400_000
    assert it.state_of(Alert.FEED_FROZEN) is AlertState.PENDING
    it.clock.go_on(180)
    it.clock.wall -= 2 * 86_400_000
    assert it.state_of(Alert.FEED_FROZEN) is AlertState.FIRING


def test_one_provider_of_several_tells_for_itself() -> None:
    it = Watched()
    it.tell(POLLED, RpcFinished("p2", "m", "timeout", 1))
    it.clock.go_on(200)
    it.tell(RpcFinished("p3", "m", "timeout", 1))
    it.clock.go_on(100)
    told = it.of(Alert.PROVIDER_DOWN)
    assert (told.state, told.subjects, told.value) == (AlertState.FIRING, ("p2",), 2)
    it.tell(RpcFinished("p2", "m", "ok", 1))
    assert (it.state_of(Alert.PROVIDER_DOWN), it.of(Alert.PROVIDER_DOWN).subjects) == (AlertState.PENDING, ("p3",))


def test_a_provider_whose_answers_are_of_no_use_is_down() -> None:
    it = Watched()
    it.tell(POLLED, PollFailed("p1", "wrong_chain", "it is on chain 5", 1), RpcFinished("p1", "m", "ok", 1))
    assert it.of(Alert.PROVIDER_DOWN).subjects == ("p1",)


def test_a_rejected_header_fires_at_once_and_for_ten_minutes() -> None:
    it = Watched()
    it.tell(POLLED, HeaderRejected("impossible_base_fee", "", enforced=False))
    it.clock.go_on(300)
    it.tell(HeaderRejected("parent_hash_mismatch", "", enforced=True))
    told = it.of(Alert.HEADERS_REJECTED)
    assert (told.state, told.value) == (AlertState.FIRING, 2)
    assert (told.subjects, told.since) == (("impossible_base_fee", "parent_hash_mismatch"), START * 1000)
    it.clock.go_on(300)
    assert it.of(Alert.HEADERS_REJECTED).subjects == ("parent_hash_mismatch",)
    it.clock.go_on(299.999)
    assert it.state_of(Alert.HEADERS_REJECTED) is AlertState.FIRING
    it.clock.go_on(0.001)
    assert it.state_of(Alert.HEADERS_REJECTED) is AlertState.OK


def test_lost_entries_are_critical_at_once_and_for_ten_minutes() -> None:
    it = Watched()
    it.tell(JournalDegraded("unavailable", ""))
    assert (it.state_of(Alert.JOURNAL_DEGRADED), it.of(Alert.JOURNAL_DEGRADED).rule.severity) == (
        AlertState.PENDING,
        Severity.WARNING,
    )
    it.tell(EntriesLost(3), EntriesLost(4))
    told = it.of(Alert.JOURNAL_DEGRADED)
    assert (told.state, told.rule.severity, told.subjects) == (
        AlertState.FIRING,
        Severity.CRITICAL,
        ("degraded", "lost_entries"),
    )
    assert told.detail is not None
    assert told.detail.startswith("7 entries")
    it.tell(JournalRecovered(1, 0, 7))
    assert it.of(Alert.JOURNAL_DEGRADED).subjects == ("lost_entries",)
    it.clock.go_on(600)
    assert (it.state_of(Alert.JOURNAL_DEGRADED), it.of(Alert.JOURNAL_DEGRADED).rule.severity) == (
        AlertState.OK,
        Severity.WARNING,
    )


def test_a_quote_is_stale_past_its_age_and_fires_a_minute_later() -> None:
    it = Watched()
    it.tell(QUOTED)
    it.clock.go_on(48)
    assert (it.state_of(Alert.QUOTE_STALE), it.of(Alert.QUOTE_STALE).value) == (AlertState.OK, Fraction(48))
    it.clock.go_on(59.999)
    told = it.of(Alert.QUOTE_STALE)
    assert (told.state, told.since) == (AlertState.PENDING, (START + 48) * 1000)
    it.clock.go_on(0.001)
    assert it.state_of(Alert.QUOTE_STALE) is AlertState.FIRING
    it.tell(replace(QUOTED, quote=sample_quote(header=sample_header(timestamp=START + 100))))
    assert it.state_of(Alert.QUOTE_STALE) is AlertState.OK


def test_without_any_quote_it_is_stale_from_the_start() -> None:
    it = Watched()
    it.clock.go_on(59.999)
    assert (it.state_of(Alert.QUOTE_STALE), it.of(Alert.QUOTE_STALE).since) == (AlertState.PENDING, START * 1000)
    it.clock.go_on(0.001)
    told = it.of(Alert.QUOTE_STALE)
    assert (told.state, told.value, told.detail) == (AlertState.FIRING, None, "no quote has been made yet")


def test_what_does_not_exist_or_was_never_seen_is_unknown() -> None:
    it = Watched(has_vault=False, l1_providers=1)
    known = {Alert.QUOTE_STALE}
    for status in it.watch.evaluated().statuses:
        assert (status.state is AlertState.UNKNOWN) == (status.rule.alert not in known)
        assert status.detail
    it.tell(
        POLLED, ClockMeasured(0), NO_OVERRIDE, JournalRecovered(0, 0, 0), quoted(vault=VaultState(VaultSource.NONE))
    )
    unknown = {status.rule.alert for status in it.watch.evaluated().statuses if status.state is AlertState.UNKNOWN}
    assert {Alert.VAULT_UNREADABLE, Alert.PROVIDER_DISSENT, Alert.VAULT_DEFICIT, Alert.VAULT_UNDERFUNDED} <= unknown


def test_every_alert_but_those_from_outside_is_told_once_in_the_order_of_the_table() -> None:
    it = Watched()
    assert [status.rule.alert for status in it.watch.evaluated().statuses] == [
        alert for alert in Alert if alert not in FROM_OUTSIDE
    ]


async def test_a_poll_and_a_block_each_make_a_report() -> None:
    reports = asyncio.Queue[AlertReport]()
    watch = AlertWatch(
        rules=RULES,
        stale_after_seconds=48,
        l1_providers=1,
        has_vault=False,
        archive=FakeStore(),
        clock=TwoClocks(),
        show=reports.put_nowait,
        tell_failure=unexpected,
    )
    task = asyncio.create_task(watch.run())
    at_the_start = await asyncio.wait_for(reports.get(), 5)
    watch.on_event(POLLED)
    after_the_poll = await asyncio.wait_for(reports.get(), 5)
    watch.on_event(QUOTED)
    after_the_block = await asyncio.wait_for(reports.get(), 5)
    stale = [
        next(status.value for status in report.statuses if status.rule.alert is Alert.QUOTE_STALE)
        for report in (at_the_start, after_the_poll, after_the_block)
    ]
    assert stale == [None, None, 0]
    task.cancel()


# --- the journal


EXPENSIVE = Parameters(min_fee=WeiPerGas(60 * 10**9))
POOR = FakeVault(VaultState(VaultSource.ONCHAIN, balance=Wei(7 * ETHER), target=Wei(10 * ETHER)))


def of_the_chain(statuses: Sequence[AlertStatus]) -> list[AlertStatus]:
    return [status for status in statuses if status.rule.alert in CHAIN_ALERTS]


async def lived(store: FakeStore, clock: ManualClock, *, blocks: int = 100) -> AlertWatch:
    """A watch that saw so many blocks come one by one, with reorgs and catching up, all in the journal."""
    watch = a_watch(clock, store, [])
    chain = FakeChain()
    async with running(chain, store=store, clock=clock, parameters=EXPENSIVE, vault=POOR, also=watch.on_event) as rig:
        for index in range(blocks):
            chain.grow(3 if index % 17 == 0 else 1, branch="a" if index < 40 else "b")
            if index % 10 == 9:
                chain.reorganise(2, branch=f"r{index}")
            clock.seconds = chain.head.timestamp + 1
            await rig.quote()
        await watch.read_journal()
    return watch


async def test_after_a_restart_the_alerts_of_the_chain_are_as_without_it() -> None:
    store, clock = FakeStore(), ManualClock()
    unbroken = await lived(store, clock)
    told = unbroken.evaluated().statuses
    assert {status.state for status in told} >= {AlertState.FIRING, AlertState.UNKNOWN}
    restarted = a_watch(clock, FakeStore(store.database), [])
    async with running(
        FakeChain(), store=FakeStore(store.database), clock=clock, parameters=EXPENSIVE, vault=POOR,
        known_l1_chain_id=1, also=restarted.on_event,
    ) as rig:  # fmt: skip
        await rig.poller._open(store.database.entries[0].observation.network)
        await restarted.read_journal()
    assert of_the_chain(restarted.evaluated().statuses) == of_the_chain(told)
    stale = next(status for status in restarted.evaluated().statuses if status.rule.alert is Alert.QUOTE_STALE)
    assert stale.state is AlertState.OK


async def test_until_the_journal_is_read_the_alerts_of_the_chain_are_unknown() -> None:
    it = Watched()
    it.tell(QUOTED)
    told = of_the_chain(it.watch.evaluated().statuses)
    assert {(status.state, status.detail) for status in told} == {
        (AlertState.UNKNOWN, "the blocks of the last day are being read from the journal")
    }


async def test_entries_that_do_not_hold_are_not_covered_and_break_nothing() -> None:
    store, clock = FakeStore(), ManualClock()
    await lived(store, clock)
    entries = store.database.entries
    for index in range(len(entries) - 20, len(entries) - 5):
        entries[index] = replace(entries[index], is_intact=False)
    for index in range(len(entries) - 5, len(entries) - 3):
        entries[index] = replace(entries[index], claims={**entries[index].claims, "fee_per_gas": "many"})
    watch = a_watch(clock, store, [])
    watch.on_event(QuoteMade(entries[-1].recomputed(), clock.now(), None))
    await watch.read_journal()
    states = {status.rule.alert: status.state for status in watch.evaluated().statuses}
    assert states[Alert.FEE_OUT_OF_RANGE] is AlertState.UNKNOWN
    assert states[Alert.VAULT_DEFICIT] in (AlertState.PENDING, AlertState.FIRING)


async def test_blocks_that_come_while_the_journal_is_read_are_not_lost() -> None:
    store, clock = FakeStore(), ManualClock()
    unbroken = await lived(store, clock)
    watch = a_watch(clock, store, [])
    *_, before, last = (entry.recomputed() for entry in store.database.entries)
    watch.on_event(QuoteMade(before, clock.now(), None))
    reading = asyncio.create_task(watch.read_journal())
    await asyncio.sleep(0)
    assert not reading.done()
    watch.on_event(QuoteMade(last, clock.now(), before))
    await reading
    assert of_the_chain(watch.evaluated().statuses) == of_the_chain(unbroken.evaluated().statuses)


async def test_an_override_counts_from_the_first_change_that_left_one_in_force() -> None:
    database, clock = FakeDatabase(), TwoClocks()
    network = QUOTED.quote.network
    changes = [a_change("environment"), a_change(alphaData="0.16"), a_change(alphaData="0.17")]
    database.changes[network] = [
        replace(change, number=number, at=UnixMillis((START - 5_000 + 1_000 * number) * 1000))
        for number, change in enumerate(changes)
    ]
    it = Watched(clock=clock, store=FakeStore(database))
    it.tell(QUOTED, ParametersChanged(database.changes[network][-1], is_new=False))
    await it.watch.read_journal()
    told = it.of(Alert.OVERRIDE_ACTIVE)
    assert (told.state, told.since) == (AlertState.FIRING, (START - 4_000) * 1000)


def test_a_journal_that_cannot_be_read_is_tried_again_and_the_alerts_begin_with_the_process() -> None:
    async def story() -> None:
        store, reports = FakeStore(fault=StoreError(StoreFault.UNAVAILABLE, "away")), list[AlertReport]()
        watch = a_watch(VirtualClock(UnixMillis(START * 1000)), store, reports)
        task = asyncio.create_task(watch.run())
        watch.on_event(QUOTED)
        watch.on_event(POLLED)
        await asyncio.sleep(1)
        tries = len(store.calls)
        assert {status.detail for status in of_the_chain(reports[-1].statuses)} & {
            "less than nine tenths of the last 600 s are known"
        }
        store.fault = None
        await asyncio.sleep(30)
        assert len(store.calls) > tries
        task.cancel()

    run_in_virtual_time(story())


def test_when_the_store_is_back_the_journal_is_read_anew() -> None:
    async def story() -> None:
        store = FakeStore()
        watch = a_watch(VirtualClock(UnixMillis(START * 1000)), store, [])
        task = asyncio.create_task(watch.run())
        watch.on_event(QUOTED)
        watch.on_event(POLLED)
        await asyncio.sleep(1)
        tries = len(store.calls)
        watch.on_event(JournalRecovered(5, 2, 0))
        await asyncio.sleep(1)
        assert len(store.calls) > tries
        task.cancel()

    run_in_virtual_time(story())
