"""Line charts and histograms as SVG. Here, at the edge to people's eyes, numbers become floats."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from math import ceil, floor, log10
from typing import Final

WIDTH: Final = 920
HEIGHT: Final = 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 12, 12, 28
_TICKS: Final = 5


@dataclass(frozen=True, slots=True)
class Line:
    """A named line; with `lower`, a band between the two. `nan`-free: a missing value is None and breaks the line."""

    name: str
    colour: int
    """Index of the series' colour in the page's palette."""
    upper: Sequence[float | None]
    lower: Sequence[float | None] | None = None
    is_dashed: bool = False


def line_chart(title: str, unit: str, times: Sequence[int], lines: Sequence[Line], *, from_zero: bool = True) -> str:
    """A chart over time; `times` are Unix seconds, one for each value. Balances need not begin at zero."""
    values = [value for line in lines for side in (line.upper, line.lower or ()) for value in side if value is not None]
    if not values:
        return ""
    ticks = _ticks(min(values) if not from_zero else min(0.0, *values), max(values))
    least, greatest = ticks[0], ticks[-1]
    span = max(1, times[-1] - times[0])
    xs = [_LEFT + (WIDTH - _LEFT - _RIGHT) * (at - times[0]) / span for at in times]

    def y(value: float) -> float:
        return HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * (value - least) / (greatest - least)

    grid = _grid((y(tick), _short(tick)) for tick in ticks)
    marks = "".join(_time_mark(xs[index], times[index]) for index in _spread(len(times)))
    shapes = "".join(_shape(line, xs, y) for line in lines)
    return _figure(title, unit, grid + marks + shapes, [(line.name, line.colour, line.is_dashed) for line in lines])


def histogram(title: str, unit: str, edges: Sequence[float], shares: Sequence[tuple[str, int, Sequence[float]]]) -> str:
    """Shares of blocks between neighbouring `edges`, as one stepped line a series."""
    percents = _ticks(0.0, 100 * max((value for _, _, values in shares for value in values), default=0.0))
    greatest = percents[-1] / 100
    span = (edges[-1] - edges[0]) or 1.0

    def x(edge: float) -> float:
        return _LEFT + (WIDTH - _LEFT - _RIGHT) * (edge - edges[0]) / span

    def y(share: float) -> float:
        return HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * share / greatest

    axis = "".join(
        f'<text class="tick" x="{x(edge):.1f}" y="{HEIGHT - 8}" text-anchor="middle">{_short(edge)}</text>'
        for edge in _ticks(edges[0], edges[-1])
        if edges[0] <= edge <= edges[-1]
    )
    grid = _grid((y(percent / 100), f"{_short(percent)} %") for percent in percents)
    steps = []
    for _, colour, values in shares:
        points = [f"{x(edges[0]):.1f},{y(0):.1f}"]
        for index, value in enumerate(values):
            points += [f"{x(edges[index]):.1f},{y(value):.1f}", f"{x(edges[index + 1]):.1f},{y(value):.1f}"]
        points.append(f"{x(edges[-1]):.1f},{y(0):.1f}")
        steps.append(f'<polyline class="line c{colour}" points="{" ".join(points)}"/>')
    return _figure(title, unit, grid + axis + "".join(steps), [(name, colour, False) for name, colour, _ in shares])


def _grid(ticks: Iterable[tuple[float, str]]) -> str:
    """A line across for each height, and what it stands for."""
    return "".join(
        f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text class="tick" x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{text}</text>'
        for y, text in ticks
    )


def _shape(line: Line, xs: Sequence[float], y: Callable[[float], float]) -> str:
    dashed = " dashed" if line.is_dashed else ""
    upper = [f"{x:.1f},{y(value):.1f}" for x, value in zip(xs, line.upper, strict=True) if value is not None]
    if line.lower is None:
        return f'<polyline class="line c{line.colour}{dashed}" points="{" ".join(upper)}"/>'
    lower = [f"{x:.1f},{y(value):.1f}" for x, value in zip(xs, line.lower, strict=True) if value is not None]
    return (
        f'<polygon class="band c{line.colour}" points="{" ".join([*upper, *reversed(lower)])}"/>'
        f'<polyline class="line c{line.colour}{dashed}" points="{" ".join(upper)}"/>'
    )


def _figure(title: str, unit: str, content: str, legend: Sequence[tuple[str, int, bool]]) -> str:
    names = "".join(
        f'<span class="key"><svg width="22" height="8"><line class="line c{colour}{" dashed" if dashed else ""}"'
        f' x1="0" x2="22" y1="4" y2="4"/></svg>{escape(name)}</span>'
        for name, colour, dashed in legend
    )
    return (
        f"<figure><figcaption>{escape(title)} <small>{escape(unit)}</small></figcaption>"
        f'<div class="wide"><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">{content}</svg>'
        f'</div><div class="legend">{names}</div></figure>'
    )


def _time_mark(x: float, at: int) -> str:
    text = datetime.fromtimestamp(at, tz=UTC).strftime("%d %b %H:%M")
    return f'<text class="tick" x="{x:.1f}" y="{HEIGHT - 8}" text-anchor="middle">{text}</text>'


def _spread(count: int) -> list[int]:
    """Indices of a few places, evenly apart and away from the edges."""
    return sorted({count * part // (2 * _TICKS) for part in range(1, 2 * _TICKS, 2)})


def _ticks(least: float, greatest: float) -> list[float]:
    """Round numbers that enclose both ends."""
    step = _round_step((greatest - least) / _TICKS or 1.0)
    first, last = floor(least / step), max(ceil(greatest / step), floor(least / step) + 1)
    return [index * step for index in range(first, last + 1)]


def _round_step(rough: float) -> float:
    scale = 10.0 ** floor(log10(rough))
    return next(factor * scale for factor in (1, 2, 5, 10) if factor * scale >= rough)


def _short(value: float) -> str:
    return f"{value:.6g}"
