"""What a PromQL expression reads. Prometheus 2 tells nobody how it parses one, so this takes the text apart."""

import re
from typing import Final

KEYWORDS: Final = frozenset(
    {"and", "or", "unless", "bool", "by", "without", "on", "ignoring", "group_left", "group_right"}
    | {"offset", "atan2", "inf", "nan", "start", "end"}
)
_STRING: Final = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'')
_GROUPING: Final = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)", re.IGNORECASE)
_RANGE: Final = re.compile(r"\[[^\]]*\]")
_SELECTOR: Final = re.compile(r"(?<![\w:.$])([a-zA-Z_:][\w:]*)(?:\s*\{[^}]*\})?(?!\s*\(|[\w:])")


def selectors_of(expression: str) -> list[str]:
    """The vector selectors of an expression, each with its matchers and without range and offset, in their order."""
    masked = expression
    for part in (_STRING, _GROUPING, _RANGE):
        masked = part.sub(lambda found: " " * len(found.group()), masked)
    found = (match for match in _SELECTOR.finditer(masked) if match.group(1).lower() not in KEYWORDS)
    return [expression[match.start() : match.end()].strip() for match in found]


def metrics_of(expression: str) -> set[str]:
    """The names of the series that an expression reads."""
    return {selector.split("{")[0].strip() for selector in selectors_of(expression)}
