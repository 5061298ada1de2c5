"""The log: one event a line, transitions only. Counters carry the rest."""

import json
import logging
import re
from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final, TextIO
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import structlog
from structlog.stdlib import ProcessorFormatter
from structlog.types import EventDict, Processor, WrappedLogger

from app.domain.quote import Quote
from app.domain.units import gwei_text
from app.domain.vault import VaultCondition
from app.engine.events import (
    Event,
    HeaderRejected,
    HeadWentBack,
    PathRebuilt,
    PollFailed,
    PollSucceeded,
    ProviderChanged,
    QuoteMade,
    ReorgFollowed,
    RpcFinished,
    VaultReadable,
    VaultUnreadable,
)

LOGGER: Final = "app"
"""Our loggers are this one and those below it; only they follow a level below warning."""
HIDDEN: Final = "***"


class LogEvent(StrEnum):
    """The stable names of what is logged here."""

    FIRST_QUOTE = "first_quote"
    QUOTE_MADE = "quote_made"
    BOUND_CHANGED = "bound_changed"
    POLL_FAILED = "poll_failed"
    POLL_RECOVERED = "poll_recovered"
    PROVIDER_CHANGED = "provider_changed"
    HEADER_REJECTED = "header_rejected"
    HEAD_WENT_BACK = "head_went_back"
    REORG_FOLLOWED = "reorg_followed"
    PATH_REBUILT = "path_rebuilt"
    VAULT_UNREADABLE = "vault_unreadable"
    VAULT_READABLE = "vault_readable"
    VAULT_EXPIRED = "vault_expired"
    LIBRARY_MESSAGE = "library_message"


class EventLog:
    """Logs the engine's events: a failure's first occurrence and each new reason, the recovery, and what changed."""

    def __init__(self, network: str | None = None) -> None:
        """Without `network` its name is learned from the first quote; from then on every line has it."""
        self._network = network
        self._log = structlog.stdlib.get_logger(LOGGER)
        if network is not None:
            self._log = self._log.bind(network=network)
        self._poll_failures: set[str] = set()
        self._vault_failures: set[str] = set()
        self._tolerated_rejections: set[str] = set()
        self._last_rejection: str | None = None
        self._providers_behind: set[str] = set()

    def on_event(self, event: Event) -> None:  # noqa: C901 - one flat case for each event reads best in one place
        """Take one event of the engine."""
        match event:
            case QuoteMade():
                self._quote_made(event.quote, event.previous)
            case PollFailed():
                self._poll_failed(event)
            case PollSucceeded():
                self._poll_succeeded(event)
            case ProviderChanged():
                self._provider_changed(event)
            case HeaderRejected():
                self._header_rejected(event)
            case HeadWentBack():
                self._head_went_back(event)
            case ReorgFollowed():
                self._log.warning(LogEvent.REORG_FOLLOWED, depth=event.depth, block=event.head_number)
            case PathRebuilt():
                self._path_rebuilt(event)
            case VaultUnreadable():
                self._vault_unreadable(event)
            case VaultReadable():
                self._vault_failures.clear()
                self._log.info(LogEvent.VAULT_READABLE, failures=event.failures_before)
            case RpcFinished():
                pass  # counted and timed by the metrics

    def _quote_made(self, quote: Quote, previous: Quote | None) -> None:
        self._providers_behind.clear()
        if self._network is None:
            self._network = quote.network.name
            self._log = self._log.bind(network=self._network)
        shown = {
            "block": quote.header.number,
            "fee_gwei": gwei_text(quote.price.fee),
            "bound": quote.price.bound.value,
        }
        if previous is None:
            self._log.info(
                LogEvent.FIRST_QUOTE,
                **shown,
                l1_basefee_gwei=gwei_text(quote.header.base_fee_per_gas),
                l1_chain_id=quote.network.l1_chain_id,
                l2_chain_id=quote.network.l2_chain_id,
                vault=quote.vault.source.value,
            )
        else:
            self._log.debug(LogEvent.QUOTE_MADE, **shown)
            if previous.price.bound is not quote.price.bound:
                self._log.info(LogEvent.BOUND_CHANGED, **shown, bound_before=previous.price.bound.value)
        if _has_expired(quote) and not _has_expired(previous):
            self._log.error(LogEvent.VAULT_EXPIRED, block=quote.header.number, observed_at=quote.vault.observed_at)

    def _poll_failed(self, event: PollFailed) -> None:
        if event.reason not in self._poll_failures:
            self._poll_failures.add(event.reason)
            self._log.warning(
                LogEvent.POLL_FAILED, reason=event.reason, detail=event.detail, failures=event.consecutive
            )

    def _poll_succeeded(self, event: PollSucceeded) -> None:
        if event.failures_before:
            self._poll_failures.clear()
            self._log.info(
                LogEvent.POLL_RECOVERED,
                provider=event.provider,
                block=event.head_number,
                failures=event.failures_before,
            )

    def _provider_changed(self, event: ProviderChanged) -> None:
        self._log.warning(
            LogEvent.PROVIDER_CHANGED, provider=event.provider, instead_of=event.instead_of, reason=event.reason
        )

    def _header_rejected(self, event: HeaderRejected) -> None:
        """One line for a header that is asked for again and again; one for each reason where nothing is enforced."""
        if event.enforced:
            repeated = event.detail == self._last_rejection
            self._last_rejection = event.detail
        else:
            repeated = event.reason in self._tolerated_rejections
            self._tolerated_rejections.add(event.reason)
        if not repeated:
            self._log.warning(
                LogEvent.HEADER_REJECTED, reason=event.reason, detail=event.detail, enforced=event.enforced
            )

    def _head_went_back(self, event: HeadWentBack) -> None:
        if event.provider not in self._providers_behind:
            self._providers_behind.add(event.provider)
            self._log.warning(
                LogEvent.HEAD_WENT_BACK, provider=event.provider, block=event.got_number, held_block=event.held_number
            )

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

    def _vault_unreadable(self, event: VaultUnreadable) -> None:
        if event.reason not in self._vault_failures:
            self._vault_failures.add(event.reason)
            self._log.warning(
                LogEvent.VAULT_UNREADABLE, reason=event.reason, detail=event.detail, failures=event.consecutive
            )


def _has_expired(quote: Quote | None) -> bool:
    return quote is not None and quote.vault.condition is VaultCondition.EXPIRED


def configure_logging(level: str, log_format: str, stream: TextIO, *, secrets: tuple[str, ...] = ()) -> None:
    """Send everything that is logged to `stream`, as `json` or for a `console`, from `level` up.

    Libraries are heard from warning up, uvicorn without its access log: below that they print what they do, and what
    they send. `secrets` never appear in a line, nor does a URL's user, password or query. May be called again.
    """
    threshold = logging.getLevelNamesMapping()[level.upper()]
    renderer = _RENDERERS[log_format](stream)
    handler = _Handler(stream)
    handler.setFormatter(_RedactingFormatter(renderer, secrets))
    root = logging.getLogger()
    for old in [existing for existing in root.handlers if isinstance(existing, _Handler)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(max(threshold, logging.WARNING))
    logging.getLogger(LOGGER).setLevel(threshold)
    _adopt_uvicorn(max(threshold, logging.WARNING))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.add_log_level,
            ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )


class _Handler(logging.StreamHandler[TextIO]):
    """Ours, so that a second configuration replaces the first."""


class _RedactingFormatter(ProcessorFormatter):
    """Renders a record whose values, tracebacks included, have lost what must not be seen; names of ours stay."""

    def __init__(self, renderer: Processor, secrets: tuple[str, ...]) -> None:
        super().__init__(
            foreign_pre_chain=[_as_library_message, structlog.stdlib.add_log_level],
            processors=[_in_order, structlog.processors.format_exc_info, _redaction(redactor(secrets)), renderer],
        )


def _redaction(redact: Callable[[str], str]) -> Processor:
    def redacted(value: object) -> object:
        match value:
            case None | bool() | int() | float():
                return value
            case dict():
                return {name: redacted(inner) for name, inner in value.items()}
            case list() | tuple() | set() | frozenset():
                return [redacted(inner) for inner in value]
            case _:
                return redact(str(value))

    def process(_: WrappedLogger, __: str, event_dict: EventDict) -> EventDict:
        return {name: value if name in _NEVER_SECRET else redacted(value) for name, value in event_dict.items()}

    return process


_NEVER_SECRET: Final = frozenset({"timestamp", "level"})


def redactor(secrets: tuple[str, ...]) -> Callable[[str], str]:
    """What hides `secrets`, and the user, password and query of every URL, in a text.

    Of a secret that is a URL, its user, password, query values and the parts of its path that are no words are secrets
    by themselves; its host is none. A short secret, and a whole URL, is hidden where it is not part of a longer word
    or URL.
    """
    forms = {form for secret in secrets for part in _parts(secret) for form in _written_forms(part)}
    longest_first = sorted(forms - {""}, key=len, reverse=True)
    secret_text = re.compile("|".join(map(_pattern, longest_first))) if longest_first else None

    def redact(text: str) -> str:
        hidden = secret_text.sub(HIDDEN, text) if secret_text else text
        return _URL.sub(_without_credentials, hidden)

    return redact


_URL: Final = re.compile(
    r"""(?P<scheme>\b[a-z][a-z0-9+.-]*://)(?P<user>[^\s"'<>\\/?#]*@)?(?P<place>[^\s"'<>\\?#]*)(?P<query>\?[^\s"'<>\\#]*)?""",
    re.IGNORECASE,
)
_SHORTEST_PART: Final = 6
"""Characters below which a part of a URL is hidden only within it."""
_SHORTEST_LONG_PART: Final = 16
"""Characters from which on a text is no word that may stand in any line, such as `ethereum`."""
_WORD_STARTS: Final = r"(?:(?<!\w)|(?<=%[0-9A-Fa-f]{2})|(?<=\\[nrt]))"
"""Before a word; the last character of an escaped one is not part of it."""


def _without_credentials(url: re.Match[str]) -> str:
    user = f"{HIDDEN}@" if url["user"] else ""
    query = f"?{HIDDEN}" if url["query"] else ""
    return f"{url['scheme']}{user}{url['place']}{query}"


def _parts(secret: str) -> set[str]:
    if "://" not in secret:
        return {secret}
    url = urlsplit(secret)
    texts = (url.username or "", url.password or "", *(value for _, value in parse_qsl(url.query)))
    parts = {text for text in texts if len(text) >= _SHORTEST_PART}
    segments = {segment for segment in url.path.split("/") if _is_no_word(segment)}
    return {secret, secret.rstrip("/"), *parts, *segments}


def _is_no_word(segment: str) -> bool:
    has_digit = any(character.isdigit() for character in segment)
    return len(segment) >= (_SHORTEST_PART if has_digit else _SHORTEST_LONG_PART)


def _pattern(form: str) -> str:
    text = re.escape(form)
    if "://" in unquote(form):
        return rf"{text}/?(?![\w/%]|[:.@?#-]\w)"
    return text if len(form) >= _SHORTEST_LONG_PART else rf"{_WORD_STARTS}{text}(?!\w)"


def _written_forms(text: str) -> set[str]:
    """`text` plain, percent-encoded and decoded, and as JSON and Python write it between quotes."""
    return {text, quote(text, safe=""), unquote(text), json.dumps(text)[1:-1], repr(text)[1:-1]}


def _as_library_message(_: WrappedLogger, __: str, event_dict: EventDict) -> EventDict:
    """A library's free text becomes a field, so that `event` stays a stable name."""
    message = event_dict["event"]
    name = event_dict["_record"].name
    return {**event_dict, "event": LogEvent.LIBRARY_MESSAGE, "logger": name, "message": message}


def _in_order(_: WrappedLogger, __: str, event_dict: EventDict) -> EventDict:
    record: logging.LogRecord = event_dict.pop("_record")
    event_dict.pop("_from_structlog")
    written_at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
    level, event = event_dict.pop("level"), str(event_dict.pop("event"))
    return {"timestamp": written_at.replace("+00:00", "Z"), "level": level, "event": event, **event_dict}


def _json_lines(_: TextIO) -> Processor:
    return structlog.processors.JSONRenderer(default=str)


def _console_lines(stream: TextIO) -> Processor:
    return structlog.dev.ConsoleRenderer(
        colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback, sort_keys=False
    )


_RENDERERS: Final = MappingProxyType({"json": _json_lines, "console": _console_lines})


def _adopt_uvicorn(threshold: int) -> None:
    """Let uvicorn's loggers write through ours; `uvicorn.Config` must be given `log_config=None`."""
    for name in ("uvicorn", "uvicorn.error", "uvicorn.asgi"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        logger.setLevel(threshold if name == "uvicorn" else logging.NOTSET)
    logging.getLogger("uvicorn.access").disabled = True
