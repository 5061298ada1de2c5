"""The alerts in the service: what the events tell is kept, judged whenever there is news, and handed on as one report.

What follows from the blocks is read from the journal once at the start, and again where the chain or the journal came
back from somewhere else. What the process alone sees begins anew with it.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from typing import Final

from app.domain.alert_states import (
    AlertReport,
    AlertState,
    AlertStatus,
    Amount,
    Conditions,
    Instant,
)
from app.domain.alert_table import FIRST_RULES, FROM_OUTSIDE, LOST_ENTRIES_RULE, Alert, AlertRule
from app.domain.chain_alerts import ChainAlerts, ChainRules, PricedBlock, unknown_chain_alerts
from app.domain.host_clock import CLOCK_TOLERANCE_MILLIS
from app.domain.network import Network
from app.domain.quote import Quote
from app.domain.units import MILLIS_PER_SECOND
from app.domain.vault import VaultCondition
from app.engine.alert_history import folded, overridden_since, past_blocks
from app.engine.events import (
    ClockMeasured,
    ClockSkewed,
    DissentBegan,
    DissentEnded,
    EntriesLost,
    Event,
    HeaderRejected,
    HeadMoved,
    HeadStood,
    JournalDegraded,
    JournalRecovered,
    JournalRestored,
    ParametersChanged,
    PollFailed,
    PollSucceeded,
    QuoteMade,
    QuoteReplaced,
    VaultUnreadable,
)
from app.engine.ports import Archive, Clock, StoreError
from app.engine.provider_health import ProviderHealth

_IT: Final = ""
"""The subject of a condition that has but one."""
_NO_QUOTE: Final = "no_quote"
_DEGRADED: Final = "degraded"
_LOST_ENTRIES: Final = "lost_entries"
_READ_AGAIN_AFTER_SECONDS: Final = 30.0
_MARGIN_SECONDS: Final = 3_600
"""Before the longest window: so long that what began before it has begun."""
_READING: Final = "the blocks of the last day are being read from the journal"
_FAILED: Final = "judging the alerts failed; the log has it as alerts_failed"
_NO_POLL: Final = "no poll has succeeded yet"


class AlertWatch:
    """Judges every alert that a process can tell of itself. `on_event` is an observer; `run` does the work."""

    def __init__(
        self,
        *,
        rules: ChainRules,
        stale_after_seconds: int,
        l1_providers: int,
        has_vault: bool,
        archive: Archive,
        clock: Clock,
        show: Callable[[AlertReport], None],
        tell_failure: Callable[[Exception], None],
    ) -> None:
        """`show` takes each report and is short. `tell_failure` takes what was not expected to go wrong here."""
        self._rules = rules
        self._stale_after_seconds = stale_after_seconds
        self._l1_providers = l1_providers
        self._has_vault = has_vault
        self._archive = archive
        self._clock = clock
        self._show = show
        self._tell_failure = tell_failure
        self._has_failed = False
        self._is_news = asyncio.Event()
        self._is_to_read = asyncio.Event()
        self._was_asked_to_read = self._has_read = False
        self._chain = ChainAlerts(rules)
        self._network: Network | None = None
        self._health = ProviderHealth()
        self._conditions: dict[Alert, Conditions] = {alert: Conditions() for alert in Alert}
        self._lost = Conditions()
        self._polled = self._is_journal_known = self._are_parameters_known = False
        self._asked: set[str] = set()
        self._offset_millis: int | None = None
        self._rejections: deque[tuple[int, str]] = deque()
        self._losses: deque[tuple[int, int]] = deque()
        self._started = self._now()

    def on_event(self, event: Event) -> None:
        """Take one event of the engine. Raises nothing: whoever tells it makes the quotes."""
        try:
            self._take(event)
        except Exception as error:  # noqa: BLE001, what fails here must not end the quotes
            self._failed(error)
            self._is_news.set()

    def _take(self, event: Event) -> None:
        for provider, is_up in self._health.told(event):
            self._asked.add(provider)
            self._set(Alert.PROVIDER_DOWN, provider, holds=not is_up)
        match event:
            case PollSucceeded() | PollFailed():
                self._poll_ended(event)
            case QuoteMade():
                self._follow(event.quote)
                self._is_news.set()
            case QuoteReplaced():
                self._follow(event.quote)
            case _:
                self._feed_event(event)
                self._journal_event(event)

    async def run(self) -> None:
        """Judge at news and once in a slot at least, and read the journal when it is time to, until cancelled.

        What fails meanwhile is told, and does not end it.
        """
        self._judge()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep_judging())
            group.create_task(self._keep_reading())

    def evaluated(self) -> AlertReport:
        """What is said of each now."""
        if self._has_failed and self._chain.newest is None:
            return self._failure()
        now = self._now()
        is_reading = self._chain.newest is not None and not self._has_read
        chain = unknown_chain_alerts(self._rules, _READING) if is_reading else self._chain.statuses(self._clock.now())
        statuses = {**chain, **self._of_the_process(now)}
        listed = (statuses[alert] for alert in Alert if alert not in FROM_OUTSIDE)
        return AlertReport(self._clock.now(), tuple(listed))

    async def read_journal(self) -> None:
        """Take what the journal holds for the chain's past. Raises `StoreError`."""
        newest, network = self._chain.newest, self._network
        if newest is None or network is None:
            return
        since = await overridden_since(self._archive, network)
        if since is not None and self._conditions[Alert.OVERRIDE_ACTIVE].count:
            self._set(Alert.OVERRIDE_ACTIVE, _IT, holds=False)
            self._set(Alert.OVERRIDE_ACTIVE, _IT, holds=True, since=since)
        longest = self._rules.timing.lasting(FIRST_RULES[Alert.VAULT_UNDERFUNDED].window_seconds or 0)
        seconds = longest // self._rules.timing.units_per_second + _MARGIN_SECONDS
        past = await past_blocks(self._archive, network, newest, seconds)
        chain = await folded(self._rules, (*self._chain.held, *past), newest)
        _bring_up_to_date(chain, self._chain)
        self._chain, self._has_read = chain, True

    async def _keep_judging(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(float(self._rules.timing.seconds(self._rules.step))):
                    await self._is_news.wait()
            self._is_news.clear()
            self._judge()

    def _judge(self) -> None:
        try:
            self._show(self.evaluated())
        except Exception as error:  # noqa: BLE001, what fails here must not end the quotes
            self._failed(error)
            self._show(self._failure())
        else:
            self._has_failed = self._has_failed and self._chain.newest is None

    async def _keep_reading(self) -> None:
        while True:
            await self._is_to_read.wait()
            self._is_to_read.clear()
            try:
                await self.read_journal()
            except StoreError:
                await self._read_again_later()
            except Exception as error:  # noqa: BLE001, what fails here must not end the quotes
                self._tell_failure(error)
                await self._read_again_later()
            self._is_news.set()

    async def _read_again_later(self) -> None:
        self._has_read = True  # what came since is all that there is, and covers little
        self._is_news.set()
        await self._clock.sleep(_READ_AGAIN_AFTER_SECONDS)
        self._is_to_read.set()

    def _failed(self, error: Exception) -> None:
        """Begin anew with the next block and the journal: nobody knows what was kept. Told once until then."""
        if not self._has_failed:
            self._tell_failure(error)
        self._has_failed, self._was_asked_to_read, self._has_read = True, False, False
        self._chain = ChainAlerts(self._rules)

    def _failure(self) -> AlertReport:
        """What is said until then."""
        listed = (
            AlertStatus(rule=FIRST_RULES[alert], state=AlertState.UNKNOWN, detail=_FAILED)
            for alert in Alert
            if alert not in FROM_OUTSIDE
        )
        return AlertReport(self._clock.now(), tuple(listed))

    def _now(self) -> Instant:
        return Instant(self._clock.now(), int(self._clock.monotonic() * MILLIS_PER_SECOND))

    def _set(self, alert: Alert, subject: str, *, holds: bool, since: int | None = None) -> None:
        self._conditions[alert].judge(subject, self._now(), holds=holds, since=since)

    def _poll_ended(self, event: PollSucceeded | PollFailed) -> None:
        self._polled = self._polled or isinstance(event, PollSucceeded)
        if not self._was_asked_to_read and self._chain.newest is not None:
            # After the first poll, so that nothing of it holds up the first quote.
            self._was_asked_to_read = True
            self._is_to_read.set()
        self._is_news.set()

    def _follow(self, quote: Quote) -> None:
        self._network = quote.network
        is_joined = self._chain.follow(PricedBlock.of(quote))
        if not is_joined:
            self._is_to_read.set()
        self._set(Alert.VAULT_UNREADABLE, _IT, holds=quote.vault.condition is not VaultCondition.CURRENT)

    def _feed_event(self, event: Event) -> None:
        match event:
            case HeadStood() | HeadMoved():
                self._set(Alert.FEED_FROZEN, _IT, holds=isinstance(event, HeadStood))
            case DissentBegan() | DissentEnded():
                self._set(Alert.PROVIDER_DISSENT, event.provider, holds=isinstance(event, DissentBegan))
            case HeaderRejected():
                self._rejections.append((self._now().monotonic, event.reason))
                self._set(Alert.HEADERS_REJECTED, event.reason, holds=True)
            case ClockMeasured() | ClockSkewed():
                self._offset_millis = event.offset_millis
                self._set(Alert.CLOCK_SKEW, _IT, holds=abs(event.offset_millis) > CLOCK_TOLERANCE_MILLIS)
            case VaultUnreadable():
                self._set(Alert.VAULT_UNREADABLE, _IT, holds=True)
            case _:
                pass

    def _journal_event(self, event: Event) -> None:
        match event:
            case JournalRestored():
                self._is_journal_known = True
                if event.quote is not None:
                    self._follow(event.quote)
            case JournalDegraded():
                self._is_journal_known = True
                self._set(Alert.JOURNAL_DEGRADED, _IT, holds=True)
            case JournalRecovered():
                self._is_journal_known = True
                self._set(Alert.JOURNAL_DEGRADED, _IT, holds=False)
                self._is_to_read.set()
            case EntriesLost():
                now = self._now()
                self._losses.append((now.monotonic, event.entries))
                self._lost.judge(_IT, now, holds=True)
            case ParametersChanged():
                self._are_parameters_known = True
                is_overridden = event.change.parameter_set.is_overridden
                self._set(Alert.OVERRIDE_ACTIVE, _IT, holds=is_overridden, since=event.change.at)
            case _:
                pass

    def _of_the_process(self, now: Instant) -> dict[Alert, AlertStatus]:
        told = (
            self._quote_stale(now),
            self._boolean(Alert.FEED_FROZEN, now, None if self._polled else _NO_POLL),
            self._counted(
                Alert.PROVIDER_DOWN, now, None if self._asked else "no provider has been asked for anything yet"
            ),
            self._dissent(now),
            self._headers_rejected(now),
            self._boolean(Alert.VAULT_UNREADABLE, now, self._why_no_vault()),
            self._journal_degraded(now),
            self._clock_skew(now),
            self._boolean(
                Alert.OVERRIDE_ACTIVE,
                now,
                None if self._are_parameters_known else "the parameters in force have not been read yet",
            ),
        )
        return {status.rule.alert: status for status in told}

    def _quote_stale(self, now: Instant) -> AlertStatus:
        newest, limit = self._chain.newest, self._stale_after_seconds
        if newest is None:
            self._set(Alert.QUOTE_STALE, _NO_QUOTE, holds=True, since=self._started.wall)
            status = self._status(FIRST_RULES[Alert.QUOTE_STALE], now, None, limit)
            return replace(status, subjects=(), detail="no quote has been made yet")
        age = now.wall - newest.timestamp * MILLIS_PER_SECOND
        since = (newest.timestamp + limit) * MILLIS_PER_SECOND
        self._set(Alert.QUOTE_STALE, _NO_QUOTE, holds=False)
        self._set(Alert.QUOTE_STALE, _IT, holds=age > limit * MILLIS_PER_SECOND, since=since)
        return self._status(FIRST_RULES[Alert.QUOTE_STALE], now, Fraction(age, MILLIS_PER_SECOND), limit)

    def _dissent(self, now: Instant) -> AlertStatus:
        why = None if self._polled else _NO_POLL
        if self._l1_providers == 1:
            why = "there is but one L1 provider, and none for it to differ from"
        return self._counted(Alert.PROVIDER_DISSENT, now, why)

    def _headers_rejected(self, now: Instant) -> AlertStatus:
        rule = FIRST_RULES[Alert.HEADERS_REJECTED]
        _forget(self._rejections, now.monotonic - self._rules.timing.window_units(rule))
        self._conditions[rule.alert].keep(reason for _, reason in self._rejections)
        status = self._status(rule, now, len(self._rejections), 0)
        return status if self._polled or self._rejections else _unknown(status, _NO_POLL)

    def _journal_degraded(self, now: Instant) -> AlertStatus:
        rule = FIRST_RULES[Alert.JOURNAL_DEGRADED]
        _forget(self._losses, now.monotonic - self._rules.timing.window_units(LOST_ENTRIES_RULE))
        self._lost.keep((_IT,) if self._losses else ())
        degraded = self._boolean(
            rule.alert, now, None if self._is_journal_known else "the journal has not been opened yet"
        )
        if degraded.value:
            degraded = replace(degraded, subjects=(_DEGRADED,))
        lost = self._lost.standing(now, self._rules.timing.for_units(LOST_ENTRIES_RULE))
        if lost.state is AlertState.OK:
            return degraded
        return AlertStatus(
            rule=LOST_ENTRIES_RULE,
            state=lost.state,
            since=lost.since,
            value=1,
            greatest=0,
            subjects=(*degraded.subjects, _LOST_ENTRIES),
            detail=f"{sum(entries for _, entries in self._losses)} entries of quotes that were served are in no store",
        )

    def _clock_skew(self, now: Instant) -> AlertStatus:
        offset = self._offset_millis
        value = None if offset is None else Fraction(abs(offset), MILLIS_PER_SECOND)
        limit = Fraction(CLOCK_TOLERANCE_MILLIS, MILLIS_PER_SECOND)
        status = self._status(FIRST_RULES[Alert.CLOCK_SKEW], now, value, limit)
        return status if offset is not None else _unknown(status, "nobody has told the time yet")

    def _why_no_vault(self) -> str | None:
        if not self._has_vault:
            return "no vault is configured"
        return None if self._polled else _NO_POLL

    def _boolean(self, alert: Alert, now: Instant, why_unknown: str | None) -> AlertStatus:
        status = self._counted(alert, now, None)
        if status.state is AlertState.OK and why_unknown is not None:
            return _unknown(status, why_unknown)
        return replace(status, subjects=())

    def _counted(self, alert: Alert, now: Instant, why_unknown: str | None) -> AlertStatus:
        rule = FIRST_RULES[alert]
        status = self._status(rule, now, self._conditions[alert].count, 0)
        return status if why_unknown is None else _unknown(status, why_unknown)

    def _status(self, rule: AlertRule, now: Instant, value: Amount | None, greatest: Amount) -> AlertStatus:
        standing = self._conditions[rule.alert].standing(now, self._rules.timing.for_units(rule))
        return AlertStatus(
            rule=rule,
            state=standing.state,
            since=standing.since,
            value=value,
            greatest=greatest,
            subjects=tuple(subject for subject in standing.subjects if subject != _IT),
        )


def _bring_up_to_date(chain: ChainAlerts, live: ChainAlerts) -> None:
    """Let `chain` follow what `live` has seen meanwhile, and the branches that it may go back to."""
    known = {block.block_hash for block in chain.held}
    for block in live.held:
        if block.block_hash not in known and block.parent_hash in known:
            chain.follow(block)
            known.add(block.block_hash)
    if live.newest is not None and chain.newest != live.newest:
        chain.follow(live.newest)


def _unknown(status: AlertStatus, why: str) -> AlertStatus:
    return replace(status, state=AlertState.UNKNOWN, since=None, value=None, subjects=(), detail=why)


def _forget(happened: deque[tuple[int, str]] | deque[tuple[int, int]], until: int) -> None:
    while happened and happened[0][0] <= until:
        happened.popleft()
