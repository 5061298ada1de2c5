"""The file of settings, in the syntax of python-dotenv, without its interpolation."""

import re
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Final

from app.settings.errors import SettingsError

if TYPE_CHECKING:
    from dotenv.parser import Binding

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def read_env_file(path: Path) -> tuple[dict[str, str], list[str]]:
    """The `NAME=value` lines of `path`, and warnings about those that are not or that are overridden further down.

    Raises `SettingsError` where the file cannot be read. No text of a line is repeated: it may hold a secret.
    """
    from dotenv.parser import parse_stream  # noqa: PLC0415 - most commands have no such file

    found: dict[str, str] = {}
    lines: dict[str, int] = {}
    warnings = []
    for binding in parse_stream(StringIO(_text(path))):
        line = _line(binding)
        name = binding.key
        if binding.error or (name is not None and (binding.value is None or not _NAME.fullmatch(name))):
            warnings.append(f"{path} line {line} is not NAME=value and has no effect")
        elif name is not None:
            if name in found:
                warnings.append(f"{path} line {line} overrides {name} of line {lines[name]}")
            found[name] = "" if _is_comment(binding) else binding.value or ""
            lines[name] = line
    return found, warnings


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise SettingsError((f"{path}: cannot be read (not UTF-8 text)",)) from None
    except OSError as error:
        raise SettingsError((f"{path}: cannot be read ({error.strerror})",)) from None


def _line(binding: "Binding") -> int:
    """Where the binding itself begins: the parser counts the blank lines above it as its own."""
    text = binding.original.string
    blank = text[: len(text) - len(text.lstrip())]
    return binding.original.line + blank.count("\n")


def _is_comment(binding: "Binding") -> bool:
    """Whether all that follows the name is a comment; the parser takes one right after the `=` for a value."""
    return binding.original.string.partition("=")[2].lstrip().startswith("#")
