"""Every `TAIKO_*` variable, described once: `--help`, `.env.example` and the documents' tables are made from here.

Plain standard library: a what-if on the command line starts in a fraction of the time that a validation framework
takes to be imported. Decimals stay texts until they become exact ratios or whole wei.
"""

from app.settings.announced import ANNOUNCED, WITHHELD, announced, withheld
from app.settings.documents import documents, env_example, flag_help, settings_table
from app.settings.errors import SettingsError
from app.settings.kinds import SWITCH, LogFormat, LogLevel
from app.settings.loading import LoadedSettings, Source, load_settings
from app.settings.model import VARIABLES, Settings
from app.settings.state_url import StateUrl, StoreKind
from app.settings.urls import is_web_url, redacted_urls
from app.settings.variable import GROUPS, Variable

__all__ = [
    "ANNOUNCED",
    "GROUPS",
    "SWITCH",
    "VARIABLES",
    "WITHHELD",
    "LoadedSettings",
    "LogFormat",
    "LogLevel",
    "Settings",
    "SettingsError",
    "Source",
    "StateUrl",
    "StoreKind",
    "Variable",
    "announced",
    "documents",
    "env_example",
    "flag_help",
    "is_web_url",
    "load_settings",
    "redacted_urls",
    "settings_table",
    "withheld",
]
