"""The texts that are made from the variables: `.env.example`, the documents' tables, the flags' help."""

from pathlib import Path
from typing import Final

from app.settings.errors import SettingsError
from app.settings.model import VARIABLES
from app.settings.variable import GROUPS, Variable

TABLE_BEGIN: Final = "<!-- settings:begin -->"
TABLE_END: Final = "<!-- settings:end -->"
_KEYS_IN_FLAGS: Final = " A key or password in a flag is visible in the process list: with one, use the environment."


def env_example() -> str:
    """The text of `.env.example`: every variable, commented out, at its default or with an example."""
    lines = [
        "# Settings of the Taiko fee oracle. Copy to .env and uncomment what you change.",
        "# Flags override the environment, which overrides this file. Made by: python -m app.settings",
    ]
    for group in GROUPS:
        lines += ["", f"# --- {group} ---"]
        for variable in VARIABLES:
            if variable.group == group:
                lines += ["", f"# {variable.description}", f"# Default: {variable.default_text}"]
                lines.append(f"# {variable.name}={variable.example or variable.default_text}")
    return "\n".join(lines) + "\n"


def settings_table() -> str:
    """The Markdown table of every variable."""
    rows = ["| variable | default | meaning |", "|---|---|---|"]
    for group in GROUPS:
        rows.append(f"| **{group}** | | |")
        rows += [
            f"| `{variable.name}` | {variable.default_text} | {variable.description} |"
            for variable in VARIABLES
            if variable.group == group
        ]
    return "\n".join(rows) + "\n"


def flag_help(variable: Variable) -> str:
    """What `--help` says of a variable's flag."""
    warning = _KEYS_IN_FLAGS if variable.holds_urls else ""
    return f"{variable.description}{warning} [{variable.name}, default {variable.default_text}]"


def documents(root: Path) -> dict[Path, str]:
    """The files of the repository at `root` that are made from the variables, with what they should hold.

    Raises `SettingsError` where a document has lost the markers of its table.
    """
    made = {root / ".env.example": env_example()}
    for path in (root / "README.md", root / "docs" / "configuration.md"):
        text = path.read_text(encoding="utf-8")
        before, begin, rest = text.partition(TABLE_BEGIN)
        _, end, after = rest.partition(TABLE_END)
        if not begin or not end:
            raise SettingsError((f"{path}: expected the lines {TABLE_BEGIN} and {TABLE_END}",))
        made[path] = f"{before}{TABLE_BEGIN}\n{settings_table()}{TABLE_END}{after}"
    return made
