"""The log: one event a line, transitions only. Counters carry the rest."""

from app.adapters.logs.event_log import EventLog
from app.adapters.logs.names import LOGGER, LogEvent
from app.adapters.logs.output import configure_logging
from app.adapters.logs.redaction import redactor

__all__ = ["LOGGER", "EventLog", "LogEvent", "configure_logging", "redactor"]
