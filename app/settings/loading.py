"""Values from flags, environment and file, checked one by one and together."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from app.domain.errors import InvalidValueError, OracleError
from app.settings.access import PATH
from app.settings.contents import contents
from app.settings.contradictions import contradictions, ineffective, worker_problems
from app.settings.env_file import read_env_file
from app.settings.errors import SettingsError
from app.settings.model import VARIABLES, Settings
from app.settings.names import name_warnings
from app.settings.urls import redacted_urls

_NAME: Final = re.compile(r"[A-Z0-9_]+")


class Source(StrEnum):
    """Who set a variable; an earlier one in this order wins."""

    FLAG = "flag"
    ENVIRONMENT = "environment"
    ENV_FILE = "env file"
    PRESET = "preset"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class LoadedSettings:
    """Valid settings, what is odd about them, and who set each variable."""

    settings: Settings
    warnings: tuple[str, ...]
    sources: Mapping[str, Source]


@dataclass(frozen=True, slots=True)
class _Given:
    text: str
    source: Source
    origin: str


def load_settings(flags: Mapping[str, str], environ: Mapping[str, str], env_file: Path | None) -> LoadedSettings:
    """The settings from `flags` (by variable name), over `environ`, over `env_file`; an empty text is unset.

    Raises `SettingsError` with every problem there is, and the warnings besides.
    """
    in_file, warnings = read_env_file(env_file) if env_file is not None else ({}, [])
    warnings += name_warnings(environ, "in the environment")
    warnings += name_warnings(in_file, f"in {env_file}")
    given, unread = _with_contents(_given(flags, environ, in_file, str(env_file)))
    values, invalid = _read_values(given)
    settings = Settings(**values)
    problems = [*unread.values(), *invalid.values(), *worker_problems(environ)]
    known_wrong = unread.keys() | invalid.keys()
    problems += [line for line in contradictions(settings) if known_wrong.isdisjoint(_NAME.findall(line))]
    if problems:
        raise SettingsError(tuple(problems), tuple(warnings))
    return LoadedSettings(settings, (*warnings, *ineffective(settings)), _sources(given))


def _given(
    flags: Mapping[str, str], environ: Mapping[str, str], in_file: Mapping[str, str], file_name: str
) -> dict[str, _Given]:
    given: dict[str, _Given] = {}
    for variable in VARIABLES:
        for texts, source, origin in (
            (flags, Source.FLAG, f"set by {variable.flag}"),
            (environ, Source.ENVIRONMENT, "set in the environment"),
            (in_file, Source.ENV_FILE, f"set in {file_name}"),
        ):
            text = texts.get(variable.name, "").strip()
            if text:
                given[variable.name] = _Given(text, source, origin)
                break
    return given


def _with_contents(given: Mapping[str, _Given]) -> tuple[dict[str, _Given], dict[str, str]]:
    """What was `given`, with what the named files hold; and the lines that say why one holds nothing, by whose value.

    Of a value and its file the one that was set further up counts: a flag overrides a file that the environment names.
    """
    found, unread = dict(given), {}
    order = tuple(Source)
    for variable in VARIABLES:
        name, named = variable.contents_of, given.get(variable.name)
        if name is None or named is None:
            continue
        direct = given.get(name)
        if direct is not None and direct.source is named.source:
            unread[name] = (
                f"{name} and {variable.name}: both are set ({named.source}), expected one of them, and the other empty"
            )
            continue
        if direct is not None and order.index(direct.source) < order.index(named.source):
            del found[variable.name]
            continue
        try:
            text = contents(variable.name, PATH.read(variable.name, named.text))
        except OracleError as error:
            found.pop(variable.name)
            unread[name] = f"{redacted_urls(str(error))} ({named.origin})"
        else:
            found[name] = _Given(text, named.source, f"in the file of {variable.name}, {named.origin}")
    return found, unread


def _read_values(given: Mapping[str, _Given]) -> tuple[dict[str, Any], dict[str, str]]:
    """Values by attribute, an invalid one as if it were unset; and the lines that say what is invalid, by name."""
    values: dict[str, Any] = {}
    invalid: dict[str, str] = {}
    for variable in VARIABLES:
        values[variable.attribute] = variable.default_value
        entry = given.get(variable.name)
        if entry is None:
            continue
        try:
            values[variable.attribute] = variable.kind.read(variable.name, entry.text)
        except InvalidValueError as error:
            said = str(error) if variable.holds_urls else redacted_urls(str(error))
            invalid[variable.name] = f"{said} ({entry.origin})"
    return values, invalid


def _sources(given: Mapping[str, _Given]) -> Mapping[str, Source]:
    from_preset = {"TAIKO_ALPHA_DATA", "TAIKO_DEFICIT_WEIGHT", "TAIKO_HORIZON_BATCHES"}
    sources = {}
    for variable in VARIABLES:
        if variable.name in given:
            sources[variable.name] = given[variable.name].source
        elif variable.name in from_preset and "TAIKO_PRESET" in given:
            sources[variable.name] = Source.PRESET
        else:
            sources[variable.name] = Source.DEFAULT
    return MappingProxyType(sources)
