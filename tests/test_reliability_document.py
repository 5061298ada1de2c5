"""docs/reliability.md names tests that exist, and leaves out none that injects a fault."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.adapters.metrics.table import METRICS
from tests.world.reliability.watched import GOOD_VALUES

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "reliability.md").read_text()
FAULTS = "tests/world/reliability"
NODE_ID = re.compile(r"`(tests/[\w/]+\.py)::([\w:]+)(?:\[([^`]*)\])?`")
NO_TROUBLE = {"vault_configured", "vault_underfunded", "alert_satisfiable", "parameter_override_active"}
"""What shows a state that no fault brings about."""


def names_in(path: Path) -> Iterator[str]:
    """The tests of one file, as pytest names them, without parameters."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ClassDef):
            yield from (f"{node.name}::{name}" for name in _test_functions(node.body))
        else:
            yield from _test_functions([node])


def _test_functions(body: list[ast.stmt]) -> Iterator[str]:
    functions = (node for node in body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return (function.name for function in functions if function.name.startswith("test_"))


def texts_in(folder: Path) -> set[str]:
    """Every text that the Python files of a folder hold, and so every case's name."""
    nodes = (node for path in folder.glob("*.py") for node in ast.walk(ast.parse(path.read_text())))
    return {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}


@pytest.mark.parametrize("path", sorted({path for path, _, _ in NODE_ID.findall(TEXT)}))
def test_every_test_that_is_named_exists(path: str) -> None:
    named = {name for found, name, _ in NODE_ID.findall(TEXT) if found == path}
    assert named <= set(names_in(ROOT / path))


def test_every_case_that_is_named_exists() -> None:
    named = {case for _, _, case in NODE_ID.findall(TEXT) if case}
    assert named
    assert named <= texts_in(ROOT / FAULTS)


@pytest.mark.parametrize("path", sorted((ROOT / FAULTS).glob("test_*_faults.py")), ids=lambda path: path.stem)
def test_every_fault_that_is_injected_has_a_row(path: Path) -> None:
    named = {name for found, name, _ in NODE_ID.findall(TEXT) if found == f"{FAULTS}/{path.name}"}
    assert set(names_in(path)) <= named


def test_every_metric_that_shows_a_state_is_watched_for_its_way_back() -> None:
    states = {metric.name for metric in METRICS if metric.unit == "boolean"}
    assert states - NO_TROUBLE <= set(GOOD_VALUES)
