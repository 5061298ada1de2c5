import copy
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.deploy.dashboards import DASHBOARD

MODULES = Path(__file__).parents[3] / "node_modules"
SCHEMA = Path(__file__).with_name("dashboard_schema.ts")
OPTIONS = ("--noEmit", "--strict", "--skipLibCheck", "--target", "es2022", "--module", "esnext")
RESOLUTION = ("--moduleResolution", "bundler")
PROGRAM = """import type {{ ByTheSchema, OurDashboard }} from "./{schema}";
const ours: OurDashboard = {dashboard};
export const grafanas: ByTheSchema = ours;
"""

KINDS = ("row", "stat", "table", "timeseries", "state-timeline")

Json = dict[str, Any]


def first(dashboard: Json, kind: str) -> Json:
    """The first panel of a kind."""
    panel: Json = next(panel for panel in dashboard["panels"] if panel["type"] == kind)
    return panel


def defaults(dashboard: Json, kind: str) -> Json:
    """The settings of all series of that panel."""
    settings: Json = first(dashboard, kind)["fieldConfig"]["defaults"]
    return settings


MISTAKES: dict[str, Callable[[Json], object]] = {
    "a_key_that_a_dashboard_has_not": lambda d: d.update(theme="dark"),
    "a_kind_of_panel_that_there_is_not": lambda d: first(d, "stat").update(type="singlestat"),
    "a_panel_without_a_description": lambda d: first(d, "stat").pop("description"),
    "an_option_that_the_panel_has_not": lambda d: first(d, "stat")["options"].update(sparkline=True),
    "an_option_that_the_panel_needs": lambda d: first(d, "state-timeline")["options"].pop("showValue"),
    "a_value_that_an_option_cannot_have": lambda d: first(d, "stat")["options"].update(textMode="both"),
    "a_setting_that_a_series_has_not": lambda d: defaults(d, "timeseries")["custom"].update(thickness=2),
    "a_value_that_a_setting_cannot_have": lambda d: defaults(d, "timeseries")["custom"].update(drawStyle="area"),
    "a_unit_that_grafana_would_show_as_it_is": lambda d: defaults(d, "timeseries").update(unit="gwei"),
    "an_override_of_nothing": lambda d: first(d, "timeseries")["fieldConfig"]["overrides"][0]["properties"].append(
        {"id": "custom.weight", "value": 1}
    ),
    "a_colour_mode_that_there_is_not": lambda d: defaults(d, "stat")["color"].update(mode="threshold"),
    "a_format_that_prometheus_has_not": lambda d: first(d, "table")["targets"][0].update(format="rows"),
    "an_annotation_without_a_colour": lambda d: d["annotations"]["list"][0].pop("iconColor"),
    "a_variable_that_is_never_asked_for": lambda d: d["templating"]["list"][1].update(refresh=3),
}


def test_the_dashboard_is_one_by_grafanas_schema_and_a_wrong_one_is_not(tmp_path: Path) -> None:
    (tmp_path / "node_modules").symlink_to(MODULES)
    (tmp_path / SCHEMA.name).write_text(SCHEMA.read_text())
    small = DASHBOARD | {"panels": [first(DASHBOARD, kind) for kind in KINDS]}
    write(tmp_path / "right.ts", DASHBOARD)
    for name, mistake in MISTAKES.items():
        wrong = copy.deepcopy(small)
        mistake(wrong)
        write(tmp_path / f"{name}.ts", wrong)
    names = ["right.ts", *(f"{name}.ts" for name in MISTAKES)]
    checked = subprocess.run(
        [str(MODULES / ".bin" / "tsc"), *OPTIONS, *RESOLUTION, *names],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    complaints = {line.split("(")[0]: line for line in checked.stdout.splitlines() if line and line[0] != " "}
    assert "right.ts" not in complaints, complaints["right.ts"]
    assert complaints.keys() == {f"{name}.ts" for name in MISTAKES}


def write(path: Path, dashboard: Json) -> None:
    """The program that has the dashboard as a constant of the schema's type."""
    path.write_text(PROGRAM.format(schema=SCHEMA.stem, dashboard=json.dumps(dashboard)))
