"""Panels as Grafana's dashboard schema wants them; `tests/world/operations/dashboard_schema.ts` holds them to it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

Json = dict[str, Any]

ALERT_PREFIX: Final = "TaikoFeeOracle"
DATASOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
GREEN, ORANGE, RED, BLUE, PURPLE, GREY = "green", "orange", "red", "blue", "purple", "text"


@dataclass(frozen=True, kw_only=True)
class Target:
    """One query of a panel."""

    expression: str
    legend: str = ""
    instant: bool = False
    table: bool = False

    def to_json(self, ref_id: str) -> Json:
        return {
            "refId": ref_id,
            "datasource": DATASOURCE,
            "expr": self.expression,
            "legendFormat": self.legend or "__auto",
            "range": not self.instant,
            "instant": self.instant,
            "format": "table" if self.table else "time_series",
            "editorMode": "code",
        }


def over_time(expression: str, legend: str) -> Target:
    return Target(expression=expression, legend=legend)


def now(expression: str, legend: str) -> Target:
    """The value now. Where there is none, none is shown: the last one of the range would be an old quote."""
    return Target(expression=expression, legend=legend, instant=True)


def now_as_table(expression: str) -> Target:
    return Target(expression=expression, instant=True, table=True)


@dataclass(frozen=True, kw_only=True)
class Panel:
    """A panel without its place, which its row gives it."""

    kind: str
    title: str
    description: str
    width: int
    targets: Sequence[Target]
    options: Json
    defaults: Json
    overrides: Sequence[Json] = ()
    transformations: Sequence[Json] = ()
    alerts: Sequence[str] = ()
    """The alerts whose runbooks say what to do."""

    def to_json(self, number: int, x: int, y: int, height: int) -> Json:
        return {
            "id": number,
            "type": self.kind,
            "title": self.title,
            "description": self.description,
            "gridPos": {"x": x, "y": y, "w": self.width, "h": height},
            "datasource": DATASOURCE,
            "links": [runbook_link(alert) for alert in self.alerts],
            "targets": [target.to_json(chr(ord("A") + index)) for index, target in enumerate(self.targets)],
            "fieldConfig": {"defaults": self.defaults, "overrides": list(self.overrides)},
            "options": self.options,
            **({"transformations": list(self.transformations)} if self.transformations else {}),
        }


def link(title: str, url: str, tooltip: str) -> Json:
    return {
        "type": "link",
        "title": title,
        "tooltip": tooltip,
        "url": url,
        "icon": "doc",
        "tags": [],
        "asDropdown": False,
        "includeVars": False,
        "keepTime": False,
        "targetBlank": True,
    }


def runbook_link(alert: str) -> Json:
    name = ALERT_PREFIX + alert
    return link(f"Runbook {name}", f"${{runbooks}}/{name}.md", f"What to do when {name} fires")


def override(name: str, **properties: object) -> Json:
    """Settings of the series with one legend; `custom__x` is `custom.x`."""
    return {
        "matcher": {"id": "byName", "options": name},
        "properties": [{"id": key.replace("__", "."), "value": value} for key, value in properties.items()],
    }


def fixed(color: str) -> Json:
    return {"mode": "fixed", "fixedColor": color}


def texts(of: dict[int, tuple[str, str]]) -> list[Json]:
    """Values that are shown as a text in a colour."""
    shown = {str(value): {"text": text, "color": color} for value, (text, color) in of.items()}
    return [{"type": "value", "options": shown}]


NO_COLORS: Final = {"mode": "absolute", "steps": [{"color": GREY, "value": None}]}


def from_one(color: str) -> Json:
    """Green at 0, and a colour from 1 on."""
    return {"mode": "absolute", "steps": [{"color": GREEN, "value": None}, {"color": color, "value": 1}]}


BAD: Final = texts({0: ("no", GREEN), 1: ("yes", RED)})
GOOD: Final = texts({0: ("no", RED), 1: ("yes", GREEN)})
SIDES: Final = texts(
    {
        -1: ("too low", RED),
        0: ("in range", GREEN),
        1: ("too high", RED),
        2: ("high by parameters", BLUE),
    }
)


def state(name: str, mappings: list[Json]) -> Json:
    return override(name, mappings=mappings, unit="none", color={"mode": "thresholds"})


def stat(
    title: str,
    description: str,
    *targets: Target,
    width: int,
    unit: str = "none",
    no_value: str = "no quote",
    overrides: Sequence[Json] = (),
    alerts: Sequence[str] = (),
    text_mode: str = "value_and_name",
    color_mode: str = "value",
    defaults: Json | None = None,
) -> Panel:
    return Panel(
        kind="stat",
        title=title,
        description=description,
        width=width,
        targets=targets,
        defaults={
            "unit": unit,
            "noValue": no_value,
            "color": {"mode": "thresholds"},
            "thresholds": NO_COLORS,
            "mappings": [],
            **(defaults or {}),
        },
        overrides=overrides,
        alerts=alerts,
        options={
            "colorMode": color_mode,
            "graphMode": "none",
            "justifyMode": "auto",
            "orientation": "auto",
            "percentChangeColorMode": "standard",
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            "showPercentChange": False,
            "textMode": text_mode,
            "wideLayout": True,
        },
    )


def lines(
    title: str,
    description: str,
    *targets: Target,
    unit: str = "short",
    width: int = 12,
    no_value: str = "no data",
    overrides: Sequence[Json] = (),
    alerts: Sequence[str] = (),
    stacked: bool = False,
    bars: bool = False,
    steps: bool = False,
    defaults: Json | None = None,
    custom: Json | None = None,
) -> Panel:
    return Panel(
        kind="timeseries",
        title=title,
        description=description,
        width=width,
        targets=targets,
        defaults={
            "unit": unit,
            "noValue": no_value,
            "color": {"mode": "palette-classic"},
            **(defaults or {}),
            "custom": {
                "drawStyle": "bars" if bars else "line",
                "lineInterpolation": "stepAfter" if steps else "linear",
                "lineWidth": 1,
                "fillOpacity": 70 if bars else 30 if stacked else 0,
                "showPoints": "never",
                "spanNulls": False,
                "stacking": {"mode": "normal" if stacked or bars else "none", "group": "A"},
                "thresholdsStyle": {"mode": "off"},
                **(custom or {}),
            },
        },
        overrides=overrides,
        alerts=alerts,
        options={
            "legend": {"showLegend": True, "displayMode": "list", "placement": "bottom", "calcs": []},
            "tooltip": {"mode": "multi", "sort": "none"},
        },
    )


def states(
    title: str,
    description: str,
    *targets: Target,
    mappings: list[Json],
    width: int = 12,
    no_value: str = "no data",
    overrides: Sequence[Json] = (),
    alerts: Sequence[str] = (),
) -> Panel:
    return Panel(
        kind="state-timeline",
        title=title,
        description=description,
        width=width,
        targets=targets,
        defaults={
            "noValue": no_value,
            "color": {"mode": "thresholds"},
            "thresholds": NO_COLORS,
            "mappings": mappings,
            "custom": {"fillOpacity": 70, "lineWidth": 0},
        },
        overrides=overrides,
        alerts=alerts,
        options={
            "alignValue": "left",
            "legend": {"showLegend": False, "displayMode": "list", "placement": "bottom", "calcs": []},
            "mergeValues": True,
            "rowHeight": 0.8,
            "showValue": "auto",
            "tooltip": {"mode": "single", "sort": "none"},
        },
    )


def table(
    title: str,
    description: str,
    target: Target,
    *columns: tuple[str, str],
    width: int,
    no_value: str = "no data",
    hidden: Sequence[str] = ("Time",),
    overrides: Sequence[Json] = (),
) -> Panel:
    """A table of (label or Value, heading), in that order."""
    return Panel(
        kind="table",
        title=title,
        description=description,
        width=width,
        targets=(target,),
        defaults={
            "noValue": no_value,
            "color": {"mode": "thresholds"},
            "thresholds": NO_COLORS,
            "custom": {"align": "auto", "cellOptions": {"type": "auto"}, "inspect": False},
        },
        overrides=overrides,
        options={"showHeader": True, "frameIndex": 0, "cellHeight": "sm"},
        transformations=[
            {
                "id": "organize",
                "options": {
                    "excludeByName": dict.fromkeys(hidden, True),
                    "indexByName": {label: index for index, (label, _) in enumerate(columns)},
                    "renameByName": dict(columns),
                },
            }
        ],
    )


def limit(name: str, color: str = RED, **more: object) -> Json:
    """A threshold's line."""
    style = {"fill": "dash", "dash": [8, 6]}
    return override(name, color=fixed(color), custom__lineStyle=style, custom__lineWidth=1, **more)


def band(least: str, most: str, color: str = GREEN) -> list[Json]:
    """Two thresholds' lines and the range between them, shaded."""
    return [limit(least, color), limit(most, color, custom__fillBelowTo=least, custom__fillOpacity=8)]
