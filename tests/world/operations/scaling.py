"""Rules and configurations whose time runs faster: every duration divided by one factor, so that their ratios stay."""

import re
from fractions import Fraction

_SECONDS = {
    "ms": Fraction(1, 1000),
    "s": Fraction(1),
    "m": Fraction(60),
    "h": Fraction(3600),
    "d": Fraction(86_400),
    "w": Fraction(604_800),
    "y": Fraction(31_536_000),
}
_UNITS = "|".join(_SECONDS)
_PART = re.compile(rf"(\d+)({_UNITS})")
_DURATION = re.compile(rf"(?<![\w.])(?:\d+(?:{_UNITS}))+(?![\w.])")


def seconds(duration: str) -> Fraction:
    """What a duration of Prometheus or Alertmanager lasts: `1h30m` is 5400."""
    if not _DURATION.fullmatch(duration):
        raise ValueError(f"no duration: {duration!r}")
    return sum((int(count) * _SECONDS[unit] for count, unit in _PART.findall(duration)), Fraction(0))


def scaled_duration(duration: str, factor: float) -> str:
    """The duration divided by `factor`, to the nearest millisecond, the finest that there is: `10m` by 60 is `10s`."""
    milliseconds = round(seconds(duration) * 1000 / Fraction(factor))
    if milliseconds == 0 and seconds(duration) > 0:
        raise ValueError(f"{duration} by {factor} is less than a millisecond")
    return f"{milliseconds}ms" if milliseconds % 1000 else f"{milliseconds // 1000}s"


def scaled(text: str, factor: float) -> str:
    """YAML or PromQL with every duration divided by `factor`. Numbers without a unit, and names such as `avg10m`, stay.

    Windows, `for`, the groups' intervals and waits keep their ratios, so a number of samples that a window must hold
    stays right too. Plain numbers of seconds, such as thresholds that the service exports, are not scaled.
    """
    return _DURATION.sub(lambda found: scaled_duration(found.group(), factor), text)
