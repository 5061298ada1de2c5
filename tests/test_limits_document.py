"""docs/limits.md says what the constants say, and leaves out no bound of connections."""

import re
from dataclasses import fields
from importlib import import_module
from pathlib import Path

import pytest

from app.api import problems
from app.api.connections import Bounds
from app.api.problems import ProblemType

TEXT = (Path(__file__).parents[1] / "docs" / "limits.md").read_text()
ROW = re.compile(r"^\| [^|]+ \| (?P<value>[^|]+) \| [^|]+ \| `(?P<module>[\w.]+):(?P<name>[\w.]+)` \|$", re.MULTILINE)
UNITS = {"": 1, "s": 1, "KiB": 1024, "MiB": 1024 * 1024}
NOT_IN_A_ROW = {"connections"}
"""What depends on a setting and on the host is told in words."""


@pytest.mark.parametrize("row", list(ROW.finditer(TEXT)), ids=lambda row: row["name"])
def test_every_value_is_that_of_its_constant(row: re.Match[str]) -> None:
    held: object = import_module(row["module"])
    for name in row["name"].split("."):
        held = held.__dataclass_fields__[name].default if hasattr(held, "__dataclass_fields__") else getattr(held, name)
    number, _, unit = row["value"].partition(" ")
    assert held == int(number) * UNITS[unit]


def test_every_bound_of_connections_has_a_row() -> None:
    named = {row["name"].removeprefix("Bounds.") for row in ROW.finditer(TEXT)}
    assert {bound.name for bound in fields(Bounds)} - named == NOT_IN_A_ROW


def test_every_refusal_that_is_named_exists_with_its_code() -> None:
    known = {kind.name: kind.code for kind in vars(problems).values() if isinstance(kind, ProblemType)}
    named = re.findall(r"(\d{3}) `([a-z-]+)`", TEXT)
    assert len(named) > 10
    assert all(known[name] == int(code) for code, name in named)
