"""How far a long command is, on a terminal only."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import Final, TypeVar

Item = TypeVar("Item")

_ITEMS_PER_LOOK: Final = 1_000
_SECONDS_BETWEEN: Final = 0.5
_BAR: Final = 30


def shown(items: Iterable[Item], what: str, total: int | None = None) -> Iterator[Item]:
    """The same items, their progress shown on stderr where that is a terminal; with `total` as a bar with time left."""
    if not sys.stderr.isatty():
        yield from items
        return
    began = last = time.monotonic()
    count = 0
    for count, item in enumerate(items, start=1):
        yield item
        if count % _ITEMS_PER_LOOK == 0 and (now := time.monotonic()) - last >= _SECONDS_BETWEEN:
            last = now
            _say(f"\r{line(count, total, now - began)} {what}")
    _say(f"\r{line(count, total, time.monotonic() - began)} {what}\n")


def line(count: int, total: int | None, elapsed: float) -> str:
    """A count and its speed; with `total` a bar and the time that is left at this speed."""
    speed = count / elapsed if elapsed else 0.0
    if not total:
        return f"{count:,} ({speed:,.0f}/s)"
    filled = min(_BAR, _BAR * count // total)
    left = (total - count) / speed if speed else 0.0
    bar = "#" * filled + "." * (_BAR - filled)
    return f"[{bar}] {100 * count // total:3d} %, {count:,} of {total:,}, {left:.0f} s left"


def _say(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()
