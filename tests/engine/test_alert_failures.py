"""Whatever goes wrong while alerts are judged, it is told, said of the alerts, and ends neither them nor the quotes."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from app.domain.alert_states import AlertReport, AlertState
from app.domain.alert_table import IN_MILLIS, AlertTiming
from app.domain.alerts import AlertThresholds
from app.domain.chain_alerts import ChainRules
from app.domain.network import Network
from app.domain.units import BlockNumber
from app.engine.alert_watch import AlertWatch
from app.engine.entries import Place, StoredEntry, UndecodableEntry
from app.engine.events import PollSucceeded, QuoteMade
from tests.api.house import sample_quote
from tests.fakes import ManualClock
from tests.fakes_store import FakeStore

QUOTE = sample_quote()


class SpoiltArchive(FakeStore):
    """An archive with a fault that nobody expected."""

    is_spoilt: bool = True

    async def entries_below(
        self, network: Network, place: Place | None, most: int
    ) -> Sequence[StoredEntry | UndecodableEntry]:
        if self.is_spoilt:
            raise LookupError("no such column")
        return await super().entries_below(network, place, most)


class SpoiltClock(ManualClock):
    """A clock that has a fault while it is told to."""

    is_spoilt = False

    def monotonic(self) -> float:
        if self.is_spoilt:
            raise OSError("no such clock")
        return super().monotonic()

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds)
        await asyncio.Event().wait()


@dataclass
class Watched:
    """An `AlertWatch` at work, what it shows, and what it tells."""

    clock: SpoiltClock
    archive: SpoiltArchive
    reports: list[AlertReport] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.watch = AlertWatch(
            rules=ChainRules(AlertThresholds(), IN_MILLIS, 180),
            stale_after_seconds=48,
            l1_providers=1,
            has_vault=True,
            archive=self.archive,
            clock=self.clock,
            show=self.reports.append,
            tell_failure=self.failures.append,
        )

    async def take_block(self) -> AlertReport:
        """A block, a poll, and what is shown after it."""
        at = self.clock.now()
        self.watch.on_event(QuoteMade(QUOTE, at, None))
        self.watch.on_event(PollSucceeded("p1", BlockNumber(QUOTE.header.number), at, 0))
        for _ in range(20):
            await asyncio.sleep(0)
        return self.reports[-1]


@asynccontextmanager
async def watched(archive: SpoiltArchive | None = None) -> AsyncIterator[Watched]:
    """It at work; it must be at work still when the block ends."""
    each = Watched(SpoiltClock(QUOTE.header.timestamp + 2), archive or SpoiltArchive())
    work = asyncio.create_task(each.watch.run())
    try:
        yield each
        assert not work.done()
    finally:
        work.cancel()
        with suppress(asyncio.CancelledError, ExceptionGroup):
            await work


def failed(error: Exception) -> None:
    raise error


def states(report: AlertReport) -> set[AlertState]:
    return {status.state for status in report.statuses}


async def test_a_journal_with_an_unknown_fault_is_told_and_read_again_later() -> None:
    async with watched() as each:
        report = await each.take_block()
        assert [type(failure) for failure in each.failures] == [LookupError]
        assert each.clock.slept == [30.0]
        assert AlertState.OK in states(report)


async def test_a_fault_while_an_event_is_taken_makes_every_alert_unknown_until_the_next_block() -> None:
    archive = SpoiltArchive()
    archive.is_spoilt = False
    async with watched(archive) as each:
        assert AlertState.OK in states(await each.take_block())
        each.clock.is_spoilt = True
        report = await each.take_block()
        assert states(report) == {AlertState.UNKNOWN}
        assert all(status.detail is not None and "alerts_failed" in status.detail for status in report.statuses)
        each.clock.is_spoilt = False
        assert AlertState.OK in states(await each.take_block())


async def test_a_fault_that_stays_is_told_once() -> None:
    async with watched() as each:
        each.clock.is_spoilt = True
        for _ in range(5):
            await each.take_block()
        assert [type(failure) for failure in each.failures] == [OSError]


async def test_a_poll_that_takes_long_does_not_keep_the_alerts_from_being_judged() -> None:
    reports: asyncio.Queue[AlertReport] = asyncio.Queue()
    watch = AlertWatch(
        rules=ChainRules(AlertThresholds(), AlertTiming(units_per_second=1000, hurry=600), 180),
        stale_after_seconds=48,
        l1_providers=1,
        has_vault=False,
        archive=FakeStore(),
        clock=ManualClock(),
        show=reports.put_nowait,
        tell_failure=failed,
    )
    work = asyncio.create_task(watch.run())
    try:
        for _ in range(3):
            await asyncio.wait_for(reports.get(), 5)
    finally:
        work.cancel()
        with suppress(asyncio.CancelledError, ExceptionGroup):
            await work
