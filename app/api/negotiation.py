"""Which of several representations a request wants: RFC 9110 section 12.5.1."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request

from app.api.problems import not_acceptable

_NAME: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
"""RFC 9110's token."""
_QUOTED: Final = r'"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t \x21-\x7e\x80-\xff])*"'
_PARAMETER: Final = re.compile(rf"[ \t]*;(?:[ \t]*({_NAME})=({_NAME}|{_QUOTED}))?")
_RANGE: Final = re.compile(rf"[ \t]*({_NAME})/({_NAME})((?:[ \t]*;(?:[ \t]*{_NAME}=(?:{_NAME}|{_QUOTED}))?)*)[ \t]*")
_ELEMENT: Final = re.compile(rf"(?:[^,\"]|{_QUOTED})+")
_LONGEST_READ: Final = 1024
"""Characters; RFC 9110 lets a server disregard Accept, and nobody means a longer one."""
_UTF8: Final = ("charset", "utf-8")
"""What every answer here is in, whether its media type says so or has no such parameter, as JSON's."""
_WEIGHT: Final = re.compile(r"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?")


@dataclass(frozen=True, slots=True)
class MediaRange:
    """One element of Accept."""

    type: str
    subtype: str
    parameters: frozenset[tuple[str, str]]
    weight: float
    """From 0, not acceptable, to 1."""

    @property
    def precedence(self) -> tuple[bool, bool, int]:
        """The most specific range that covers a media type decides about it."""
        return self.type != "*", self.subtype != "*", len(self.parameters)

    def covers(self, media_type: "MediaRange") -> bool:
        """Whether `media_type` is one of this range."""
        return (
            self.type in ("*", media_type.type)
            and self.subtype in ("*", media_type.subtype)
            and self.parameters - {_UTF8} <= media_type.parameters
        )


def negotiated(request: Request, offered: Sequence[str]) -> str:
    """The media type of `offered` that the request wants most; of several wanted alike, the first.

    Without Accept, or where nothing in it can be read or it is over 1,024 characters, the first. Raises a
    `ProblemError` (406) where every one is refused.
    """
    accept = ",".join(request.headers.getlist("accept"))
    ranges = tuple(_ranges(accept)) if len(accept) <= _LONGEST_READ else ()
    if not ranges:
        return offered[0]
    best = max(offered, key=lambda media_type: _weight(media_type, ranges))
    if _weight(best, ranges) == 0:
        raise not_acceptable(accept, offered)
    return best


def _weight(media_type: str, ranges: Sequence[MediaRange]) -> float:
    (offered,) = _ranges(media_type)
    covering = [found for found in ranges if found.covers(offered)]
    return max(covering, key=lambda found: found.precedence).weight if covering else 0


def _ranges(accept: str) -> Iterator[MediaRange]:
    """Every media range of `accept` that can be read. What comes after a weight is none of the media type's."""
    for element in _ELEMENT.findall(accept):
        matched = _RANGE.fullmatch(element)
        if matched is None or (matched[1] == "*" and matched[2] != "*"):
            continue
        parameters = [(name.lower(), _unquoted(value)) for name, value in _PARAMETER.findall(matched[3]) if name]
        names = [name for name, _ in parameters]
        last = names.index("q") if "q" in names else len(names)
        weight = parameters[last][1] if last < len(names) else "1"
        if _WEIGHT.fullmatch(weight):
            own = frozenset((name, value.lower()) for name, value in parameters[:last])
            yield MediaRange(matched[1].lower(), matched[2].lower(), own, float(weight))


def _unquoted(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value
