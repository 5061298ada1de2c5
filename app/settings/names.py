"""Names that are set and that nothing reads."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Final

from app.settings.model import VARIABLES
from app.settings.variable import PREFIX

_NAMES: Final = frozenset(variable.name for variable in VARIABLES)


def name_warnings(names: Mapping[str, str], where: str) -> list[str]:
    return [
        f"{name} {where} is unknown and has no effect{_hint(name)}"
        for name in sorted(names)
        if name.upper().startswith(PREFIX) and name not in _NAMES
    ]


def _hint(name: str) -> str:
    nearest = get_close_matches(name.upper(), _NAMES, n=1, cutoff=0.75)
    return f": did you mean {nearest[0]}?" if nearest else ""
