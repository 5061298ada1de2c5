"""How long there has been no fresh quote: since the head became stale, or since the start where none is known."""

from app.domain.alert_states import AlertReport, AlertState, AlertStatus
from app.domain.alert_table import IN_MILLIS, Alert
from app.domain.alerts import AlertThresholds
from app.domain.chain_alerts import ChainRules
from app.engine.alert_watch import AlertWatch
from app.engine.events import JournalRestored
from tests.api.house import sample_quote
from tests.fakes import ManualClock
from tests.fakes_store import FakeStore

QUOTE = sample_quote()
STALE_AFTER, STALE_FOR = 48, 60


def watch_on(clock: ManualClock, shown: list[AlertReport]) -> AlertWatch:
    return AlertWatch(
        rules=ChainRules(AlertThresholds(), IN_MILLIS, 180),
        stale_after_seconds=STALE_AFTER,
        l1_providers=1,
        has_vault=False,
        archive=FakeStore(),
        clock=clock,
        show=shown.append,
        tell_failure=lambda _: None,
    )


def quote_stale(watch: AlertWatch) -> AlertStatus:
    (status,) = (status for status in watch.evaluated().statuses if status.rule.alert is Alert.QUOTE_STALE)
    return status


def test_a_stale_head_that_a_start_finds_in_the_journal_counts_from_its_own_time() -> None:
    clock = ManualClock(QUOTE.header.timestamp + 600)
    watch = watch_on(clock, [])
    assert quote_stale(watch).state is AlertState.PENDING, "no quote is known yet"
    watch.on_event(JournalRestored(1, QUOTE.header.number, 0, QUOTE, clock.now()))
    found = quote_stale(watch)
    assert (found.state, found.since) == (AlertState.FIRING, (QUOTE.header.timestamp + STALE_AFTER) * 1000)


def test_without_any_quote_it_counts_from_the_start() -> None:
    clock = ManualClock(QUOTE.header.timestamp)
    watch, started = watch_on(clock, []), clock.now()
    clock.seconds += STALE_FOR - 1
    assert (quote_stale(watch).state, quote_stale(watch).since) == (AlertState.PENDING, started)
    clock.seconds += 1
    assert quote_stale(watch).state is AlertState.FIRING
