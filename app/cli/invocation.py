"""One run of the program."""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

from app.cli.output import say_each
from app.cli.services import Services
from app.cli.usage import Parser
from app.settings import VARIABLES, LoadedSettings, load_settings

DEFAULT_ENV_FILE: Final = ".env"
_VARIABLE_NAMES: Final = frozenset(variable.name for variable in VARIABLES)


@dataclass(frozen=True, slots=True)
class Invocation:
    """One run of the program."""

    arguments: argparse.Namespace
    environ: Mapping[str, str]
    services: Services

    @property
    def wants_json(self) -> bool:
        """Whether data is to be JSON."""
        return bool(self.arguments.json)

    def load(self) -> LoadedSettings:
        """The settings, their warnings said. Raises `SettingsError`."""
        flags = {name: text for name, text in vars(self.arguments).items() if name in _VARIABLE_NAMES}
        loaded = load_settings(flags, self.environ, _env_file(self.arguments.env_file))
        say_each("warning", loaded.warnings)
        return loaded

    def usage_error(self, message: str) -> NoReturn:
        """End with exit 2."""
        parser: Parser = self.arguments.parser
        parser.error(message)


def _env_file(named: str | None) -> Path | None:
    """The file that was named, which must exist; else the usual one, if there is one."""
    if named is not None:
        return Path(named)
    usual = Path(DEFAULT_ENV_FILE)
    return usual if usual.exists() else None
