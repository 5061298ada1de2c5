"""Where what is logged goes: one stream, one line each, without secrets, from libraries and from crashes too."""

import logging
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from types import MappingProxyType, TracebackType
from typing import Final, TextIO

import structlog
from structlog.stdlib import ProcessorFormatter
from structlog.types import EventDict, Processor, WrappedLogger

from app.adapters.logs.names import LOGGER, LogEvent
from app.adapters.logs.redaction import redactor

_QUIET: Final = ("psycopg", "sqlalchemy.pool", "websockets")
"""Libraries that print a traceback for every connection that breaks, which our own events tell of once."""


def configure_logging(level: str, log_format: str, stream: TextIO, *, secrets: tuple[str, ...] = ()) -> None:
    """Send everything that is logged to `stream`, as `json` or for a `console`, from `level` up.

    Libraries are heard from warning up, uvicorn without its access log: below that they print what they do, and what
    they send. So are warnings, and exceptions that nobody catches. `secrets` never appear in a line, nor does a URL's
    user, password or query. May be called again.
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
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    logging.captureWarnings(capture=True)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.add_log_level,
            ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    _log_what_nobody_catches()


class _Handler(logging.StreamHandler[TextIO]):
    """Ours, so that a second configuration replaces the first."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self.addFilter(_is_ours_or_a_warning)


def _is_ours_or_a_warning(record: logging.LogRecord) -> bool:
    """Whatever level a library gave its own loggers."""
    return record.levelno >= logging.WARNING or record.name.partition(".")[0] == LOGGER


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


def _log_what_nobody_catches() -> None:
    """The interpreter prints such exceptions on stderr as they are, with whatever their messages hold."""
    log = structlog.stdlib.get_logger(LOGGER)

    def in_main_thread(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        log.critical(LogEvent.UNCAUGHT_EXCEPTION, where="main thread", exc_info=(kind, error, trace))

    def in_thread(args: threading.ExceptHookArgs) -> None:
        if args.exc_type is SystemExit:
            return
        where = args.thread.name if args.thread else "thread"
        log.critical(LogEvent.UNCAUGHT_EXCEPTION, where=where, exc_info=args.exc_value)

    def in_cleanup(args: "sys.UnraisableHookArgs") -> None:
        where = args.err_msg or "clean-up"
        log.error(LogEvent.UNCAUGHT_EXCEPTION, where=where, exc_info=args.exc_value)

    sys.excepthook = in_main_thread
    threading.excepthook = in_thread
    sys.unraisablehook = in_cleanup
