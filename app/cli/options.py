"""Options that several commands take."""

import argparse
from collections.abc import Iterable
from typing import Final

from app.cli.usage import Parser
from app.settings import GROUPS, SWITCH, VARIABLES, Variable, flag_help
from app.settings.variable import ALERTS, FEE, VAULT

_SIMULATED: Final = frozenset({FEE, VAULT, ALERTS})


def add_settings(parser: Parser, variables: Iterable[Variable]) -> None:
    """A flag for each setting. Values are read by the settings, wherever they come from."""
    chosen = tuple(variables)
    for group in GROUPS:
        section = parser.add_argument_group(group)
        for variable in chosen:
            if variable.group != group or variable.is_secret:
                continue
            section.add_argument(
                variable.flag,
                dest=variable.name,
                default=argparse.SUPPRESS,
                nargs="?" if variable.kind is SWITCH else None,
                const="true" if variable.kind is SWITCH else None,
                metavar=variable.kind.metavar,
                help=flag_help(variable).replace("%", "%%"),
            )


def settings_named(*names: str) -> tuple[Variable, ...]:
    """Those of the settings that a command takes. Raises `KeyError` for a name that is none."""
    by_name = {variable.name: variable for variable in VARIABLES}
    return tuple(by_name[name] for name in names)


def simulation_settings() -> tuple[Variable, ...]:
    """The settings that a simulation takes: fee, vault and thresholds, and where the journal is."""
    named = settings_named("TAIKO_BLOCKS_PER_BATCH", "TAIKO_STATE_URL", "TAIKO_STATE_URL_FILE")
    return (*(variable for variable in VARIABLES if variable.group in _SIMULATED), *named)
