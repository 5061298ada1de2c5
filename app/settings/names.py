"""Names that are set and that nothing reads."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Final

from app.settings.model import VARIABLES
from app.settings.variable import PREFIX

LATER_VARIABLES: Final = frozenset(
    {
        "TAIKO_L1_QUORUM",
        "TAIKO_STATE_URL",
        "TAIKO_HISTORY_DAYS",
        "TAIKO_ADMIN_TOKEN",
        "TAIKO_ADMIN_TOKENS_FILE",
        "TAIKO_JOURNAL_REQUIRED",
    }
)
"""Known names that nothing reads in this version."""
_NAMES: Final = frozenset(variable.name for variable in VARIABLES)


def name_warnings(names: Mapping[str, str], where: str) -> list[str]:
    warnings = []
    for name in sorted(names):
        if name in LATER_VARIABLES and names[name].strip():
            warnings.append(f"{name} {where} has no effect in this version")
        elif name.upper().startswith(PREFIX) and name not in _NAMES and name not in LATER_VARIABLES:
            warnings.append(f"{name} {where} is unknown and has no effect{_hint(name)}")
    return warnings


def _hint(name: str) -> str:
    nearest = get_close_matches(name.upper(), _NAMES, n=1, cutoff=0.75)
    return f": did you mean {nearest[0]}?" if nearest else ""
