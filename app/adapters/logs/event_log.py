"""The engine's events as lines: the first failure and each new reason, the recovery, and what changed."""

import logging

import structlog

from app.adapters.logs.names import LOGGER, LogEvent
from app.domain.network import Network
from app.domain.quote import Quote
from app.domain.units import gwei_text
from app.domain.vault import VaultCondition
from app.engine.events import (
    ClockMeasured,
    ClockSkewed,
    DissentBegan,
    DissentEnded,
    EntriesLost,
    Event,
    HeaderRejected,
    HeadInFuture,
    HeadMoved,
    HeadSeen,
    HeadStood,
    HeadWentBack,
    JournalDegraded,
    JournalRecovered,
    JournalRestored,
    JournalSpooled,
    ParametersChanged,
    PathRebuilt,
    PollFailed,
    PollSucceeded,
    ProviderChanged,
    ProviderClosed,
    ProviderOpened,
    QuoteContested,
    QuoteDecided,
    QuoteMade,
    ReorgFollowed,
    RpcFinished,
    SubscriptionBegan,
    SubscriptionEnded,
    VaultReadable,
    VaultReported,
    VaultUnreadable,
)


class _Told:
    """What was logged of each subject, until it is over."""

    def __init__(self) -> None:
        self._told: dict[str, set[str]] = {}

    def is_new(self, subject: str, what: str = "") -> bool:
        """Whether this is to be logged now: the first of its kind since `subject` was over last."""
        told = self._told.setdefault(subject, set())
        was_told = what in told
        told.add(what)
        return not was_told

    def over(self, subject: str) -> None:
        self._told.pop(subject, None)

    def all_over(self) -> None:
        self._told.clear()


class EventLog:
    """Logs the engine's events. `on_event` is an engine observer."""

    def __init__(self, network: str | None = None) -> None:
        """Without `network` its name is learned from the first quote; from then on every line has it."""
        self._network = network
        self._log = structlog.stdlib.get_logger(LOGGER)
        if network is not None:
            self._log = self._log.bind(network=network)
        self._has_quoted = False
        self._has_been_decided = False
        self._last_rejection: str | None = None
        self._future_heads: dict[str, int] = {}
        self._polls = _Told()
        self._vault = _Told()
        self._expired = _Told()
        self._tolerated_rejections = _Told()
        self._behind = _Told()
        self._breakers = _Told()
        self._subscriptions = _Told()
        self._losses = _Told()

    def on_event(self, event: Event) -> None:  # noqa: C901, PLR0912 - one flat case for each event reads best in one place
        """Take one event of the engine."""
        match event:
            case QuoteMade():
                self._quote_made(event.quote, event.previous)
            case PollFailed():
                self._poll_failed(event)
            case PollSucceeded():
                self._poll_succeeded(event)
            case ProviderChanged() | ProviderOpened() | ProviderClosed() | DissentBegan() | DissentEnded():
                self._provider_event(event)
            case SubscriptionBegan() | SubscriptionEnded():
                self._subscription_event(event)
            case HeaderRejected():
                self._header_rejected(event)
            case HeadWentBack() | HeadInFuture() | HeadStood() | HeadMoved():
                self._head_event(event)
            case ClockSkewed():
                self._clock_skewed(event)
            case ReorgFollowed():
                self._log.warning(LogEvent.REORG_FOLLOWED, depth=event.depth, block=event.head_number)
            case PathRebuilt():
                self._path_rebuilt(event)
            case VaultUnreadable() | VaultReadable() | VaultReported():
                self._vault_event(event)
            case ParametersChanged():
                self._parameters_changed(event)
            case JournalRestored():
                self._journal_restored(event)
            case JournalDegraded() | JournalRecovered() | EntriesLost():
                self._journal_event(event)
            case QuoteDecided() | QuoteContested():
                self._rival_event(event)
            case RpcFinished() | HeadSeen() | ClockMeasured() | JournalSpooled():
                pass  # shown by the metrics

    def _quote_made(self, quote: Quote, previous: Quote | None) -> None:
        self._behind.all_over()
        self._learn(quote.network)
        shown = {
            "block": quote.header.number,
            "fee_gwei": gwei_text(quote.price.fee),
            "bound": quote.price.bound.value,
        }
        if self._has_quoted:
            self._log.debug(LogEvent.QUOTE_MADE, **shown)
        else:
            self._has_quoted = True
            self._log.info(
                LogEvent.FIRST_QUOTE,
                **shown,
                l1_basefee_gwei=gwei_text(quote.header.base_fee_per_gas),
                l1_chain_id=quote.network.l1_chain_id,
                l2_chain_id=quote.network.l2_chain_id,
                vault=quote.vault.source.value,
            )
        if previous is not None and previous.price.bound is not quote.price.bound:
            self._log.info(LogEvent.BOUND_CHANGED, **shown, bound_before=previous.price.bound.value)
        self._vault_quoted(quote)

    def _vault_quoted(self, quote: Quote) -> None:
        if quote.vault.condition is not VaultCondition.EXPIRED:
            self._expired.all_over()
        elif self._expired.is_new(""):
            self._log.error(LogEvent.VAULT_EXPIRED, block=quote.header.number, observed_at=quote.vault.observed_at)

    def _learn(self, network: Network) -> None:
        if self._network is None:
            self._network = network.name
            self._log = self._log.bind(network=self._network)

    def _poll_failed(self, event: PollFailed) -> None:
        if self._polls.is_new("", event.reason):
            self._log.warning(
                LogEvent.POLL_FAILED, reason=event.reason, detail=event.detail, failures=event.consecutive
            )

    def _poll_succeeded(self, event: PollSucceeded) -> None:
        if event.head_number > self._future_heads.get(event.provider, event.head_number):
            del self._future_heads[event.provider]
        if event.failures_before:
            self._polls.all_over()
            self._log.info(
                LogEvent.POLL_RECOVERED,
                provider=event.provider,
                block=event.head_number,
                failures=event.failures_before,
            )

    def _provider_event(
        self, event: ProviderChanged | ProviderOpened | ProviderClosed | DissentBegan | DissentEnded
    ) -> None:
        log = self._log.bind(provider=event.provider)
        match event:
            case ProviderChanged():
                log.warning(LogEvent.PROVIDER_CHANGED, instead_of=event.instead_of, reason=event.reason)
            case ProviderOpened():
                if self._breakers.is_new(event.provider, event.reason):
                    log.warning(LogEvent.PROVIDER_OPENED, reason=event.reason, seconds=event.seconds)
            case ProviderClosed():
                self._breakers.over(event.provider)
                log.info(LogEvent.PROVIDER_CLOSED)
            case DissentBegan():
                log.warning(LogEvent.DISSENT_BEGAN, block=event.block_number, fields=event.fields)
            case DissentEnded():
                log.info(LogEvent.DISSENT_ENDED)

    def _subscription_event(self, event: SubscriptionBegan | SubscriptionEnded) -> None:
        """A subscription that cannot be had again is told of once for each reason, however often it is tried."""
        match event:
            case SubscriptionBegan():
                self._subscriptions.over(event.provider)
                self._log.info(LogEvent.SUBSCRIPTION_BEGAN, provider=event.provider)
            case SubscriptionEnded():
                if self._subscriptions.is_new(event.provider, event.reason):
                    self._log.warning(LogEvent.SUBSCRIPTION_ENDED, provider=event.provider, reason=event.reason)

    def _header_rejected(self, event: HeaderRejected) -> None:
        """One line for a header that is asked for again and again; one for each reason where nothing is enforced."""
        if event.enforced:
            is_new = event.detail != self._last_rejection
            self._last_rejection = event.detail
        else:
            is_new = self._tolerated_rejections.is_new("", event.reason)
        if is_new:
            self._log.warning(
                LogEvent.HEADER_REJECTED, reason=event.reason, detail=event.detail, enforced=event.enforced
            )

    def _head_event(self, event: HeadWentBack | HeadInFuture | HeadStood | HeadMoved) -> None:
        match event:
            case HeadWentBack():
                if self._behind.is_new(event.provider):
                    self._log.warning(
                        LogEvent.HEAD_WENT_BACK,
                        provider=event.provider,
                        block=event.got_number,
                        held_block=event.held_number,
                    )
            case HeadInFuture():
                self._head_in_future(event)
            case HeadStood():
                self._log.warning(LogEvent.HEAD_STOOD, block=event.block_number, age_seconds=event.age_seconds)
            case HeadMoved():
                self._log.info(LogEvent.HEAD_MOVED, block=event.block_number, stood_seconds=event.stood_seconds)

    def _head_in_future(self, event: HeadInFuture) -> None:
        """Once for a provider, until it has a later head that is not in the future."""
        if event.provider not in self._future_heads:
            self._log.warning(
                LogEvent.HEAD_IN_FUTURE,
                provider=event.provider,
                block=event.block_number,
                seconds_ahead=event.seconds_ahead,
            )
        self._future_heads[event.provider] = event.block_number

    def _clock_skewed(self, event: ClockSkewed) -> None:
        if event.is_skewed:
            self._log.warning(LogEvent.CLOCK_SKEWED, offset_millis=event.offset_millis)
        else:
            self._log.info(LogEvent.CLOCK_RIGHT, offset_millis=event.offset_millis)

    def _path_rebuilt(self, event: PathRebuilt) -> None:
        level = logging.INFO if event.reason == "start" else logging.WARNING
        self._log.log(
            level,
            LogEvent.PATH_REBUILT,
            reason=event.reason,
            blocks=event.blocks,
            block=event.head_number,
            gap_blocks=event.gap_blocks,
        )

    def _vault_event(self, event: VaultUnreadable | VaultReadable | VaultReported) -> None:
        match event:
            case VaultUnreadable():
                if self._vault.is_new("", event.reason):
                    self._log.warning(
                        LogEvent.VAULT_UNREADABLE, reason=event.reason, detail=event.detail, failures=event.consecutive
                    )
            case VaultReadable():
                self._vault.all_over()
                self._log.info(LogEvent.VAULT_READABLE, failures=event.failures_before)
            case VaultReported():
                report = event.report
                self._log.info(
                    LogEvent.VAULT_REPORTED,
                    sequence=report.sequence,
                    balance_wei=str(report.balance),
                    actor=report.actor,
                    from_block=report.from_block,
                    is_new=event.is_new,
                )

    def _parameters_changed(self, event: ParametersChanged) -> None:
        change = event.change
        self._log.info(
            LogEvent.PARAMETERS_CHANGED,
            number=change.number,
            actor=change.actor,
            reason=change.reason,
            from_block=change.from_block,
            parameters_id=change.parameter_set.parameters.parameters_id,
            parameters=change.parameter_set.texts(),
            is_new=event.is_new,
        )

    def _journal_restored(self, event: JournalRestored) -> None:
        if event.quote is not None:
            self._learn(event.quote.network)
        self._log.log(
            logging.ERROR if event.discarded else logging.INFO,
            LogEvent.JOURNAL_RESTORED,
            entries=event.entries,
            block=event.head_number,
            discarded=event.discarded,
        )

    def _journal_event(self, event: JournalDegraded | JournalRecovered | EntriesLost) -> None:
        match event:
            case JournalDegraded():
                self._log.error(LogEvent.JOURNAL_DEGRADED, fault=event.fault, detail=event.detail)
            case JournalRecovered():
                self._losses.all_over()
                self._log.info(
                    LogEvent.JOURNAL_RECOVERED, merged=event.merged, divergences=event.divergences, lost=event.lost
                )
            case EntriesLost():
                if self._losses.is_new(""):
                    self._log.error(LogEvent.ENTRIES_LOST, entries=event.entries)

    def _rival_event(self, event: QuoteDecided | QuoteContested) -> None:
        shown = {"block": event.block_number, "quote_id": event.quote_id}
        match event:
            case QuoteDecided():
                level = logging.DEBUG if self._has_been_decided else logging.INFO
                self._has_been_decided = True
                self._log.log(level, LogEvent.QUOTE_DECIDED, **shown)
            case QuoteContested():
                self._log.error(LogEvent.QUOTE_CONTESTED, **shown)
