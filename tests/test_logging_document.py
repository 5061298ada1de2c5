"""docs/logging.md lists every event that the process logs of itself, with its fields, and no other."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
_, _, OF_THE_PROCESS = (ROOT / "docs" / "logging.md").read_text(encoding="utf-8").partition("## The process itself")
LEVELS = {"debug", "info", "warning", "error", "critical", "exception"}


def logged() -> Iterator[tuple[str, set[str]]]:
    """The events that are logged by a name in place, with the fields that stand there."""
    for path in sorted((ROOT / "app").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(
                    func=ast.Attribute(value=ast.Name(id="log"), attr=level), args=[ast.Constant(value=str(event))]
                ) if level in LEVELS:
                    yield event, {keyword.arg for keyword in node.keywords if keyword.arg is not None}


def documented() -> dict[str, set[str]]:
    rows = re.findall(r"^\| [^|]+ \| `(\w+)` \| \w+ \|([^|]*)\|$", OF_THE_PROCESS, re.MULTILINE)
    return {event: set(re.findall(r"`(\w+)`", fields)) for event, fields in rows}


def test_every_event_of_the_process_is_listed_and_no_other() -> None:
    assert {event for event, _ in logged()} == set(documented())


def test_every_field_of_an_event_is_listed() -> None:
    fields = documented()
    for event, given in logged():
        given.discard("network")  # is in every line, as soon as it is known
        shown = {"exception" if name == "exc_info" else name for name in given}
        assert shown <= fields[event], event
