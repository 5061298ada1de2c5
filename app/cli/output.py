"""Data goes to stdout, messages to stderr."""

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

JsonObject = dict[str, Any]


def print_line(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def print_json(document: object) -> None:
    print_line(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False))


def print_columns(rows: Sequence[tuple[str, ...]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print_line("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())


def say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def say_each(kind: str, lines: Iterable[str]) -> None:
    for line in lines:
        say(f"{kind}: {line}")
