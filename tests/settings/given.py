"""Settings from variables that a test gives."""

from pathlib import Path

import pytest

from app.settings import (
    VARIABLES,
    LoadedSettings,
    Settings,
    SettingsError,
    load_settings,
)

SECRET = "s3cretK3y"  # noqa: S105 - what must never be shown
TOKEN = f"{SECRET}-that-is-long-enough-to-be-a-token"
ADDRESS = "0x1670000000000000000000000000000000010001"
VARIABLE_OF = {variable.name: variable for variable in VARIABLES}


def load(environ: dict[str, str] | None = None, **variables: str) -> LoadedSettings:
    return load_settings({}, {**(environ or {}), **variables}, None)


def settings(**variables: str) -> Settings:
    return load(variables).settings


def problems(**variables: str) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        load(variables)
    return caught.value.problems


def env_file(directory: Path, text: str) -> Path:
    path = directory / "settings.env"
    path.write_text(text, encoding="utf-8")
    return path
