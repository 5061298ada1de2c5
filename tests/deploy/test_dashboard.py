import itertools
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.adapters.metrics import METRICS, PREFIX, Kind
from deploy.grafana.dashboard import DESTINATION, rendered
from tests.deploy.dashboards import DASHBOARD, FILE, GRAFANA, QUERIES, Query, panels, row_of
from tests.deploy.rules import ALERTS, RECORDED, RULES
from tests.promql import metrics_of

ROOT = Path(__file__).parents[2]
RUNBOOKS = ROOT / "deploy" / "runbooks"
PROMETHEUS = ROOT / "deploy" / "prometheus"
EXPORTED = {
    name
    for metric in METRICS
    for name in (
        [f"{metric.full_name}_{part}" for part in ("bucket", "count", "sum")]
        if metric.kind is Kind.HISTOGRAM
        else [metric.full_name]
    )
}
OF_THE_PROCESS = {
    f"process_{name}"
    for name in (
        "cpu_seconds_total",
        "max_fds",
        "open_fds",
        "resident_memory_bytes",
        "start_time_seconds",
        "virtual_memory_bytes",
    )
}
OF_PROMETHEUS = {"ALERTS", "ALERTS_FOR_STATE", "up"}
KNOWN = EXPORTED | OF_THE_PROCESS | OF_PROMETHEUS | RECORDED
MONEY_ROWS = {"Now", "Fee", "Cost recovery", "Fee vault"}
WRITTEN = sorted(
    path
    for path in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "deploy").rglob("*"))
    if path.suffix in {".md", ".yml", ".yaml", ".json"}
)


def test_the_file_is_what_the_code_makes() -> None:
    assert DESTINATION == FILE
    assert FILE.read_text(encoding="utf-8") == rendered(), "run: .venv/bin/python -m deploy.grafana"


class TestLayout:
    def test_no_panel_covers_another_or_leaves_the_grid(self) -> None:
        taken: dict[tuple[int, int], str] = {}
        for panel in DASHBOARD["panels"]:
            place = panel["gridPos"]
            assert place["x"] + place["w"] <= 24, panel["title"]
            for cell in itertools.product(
                range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"])
            ):
                assert cell not in taken, f"{panel['title']} covers {taken[cell]}"
                taken[cell] = panel["title"]

    def test_every_shelf_is_filled_from_edge_to_edge(self) -> None:
        rows = [panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in DASHBOARD["panels"]]
        cells = sum(panel["gridPos"]["w"] * panel["gridPos"]["h"] for panel in DASHBOARD["panels"])
        assert cells == 24 * max(rows)

    def test_ids_and_titles_are_unique(self) -> None:
        ids = [panel["id"] for panel in DASHBOARD["panels"]]
        titles = [panel["title"] for panel in panels()]
        assert len(set(ids)) == len(ids)
        assert len(set(titles)) == len(titles)

    def test_the_first_row_is_what_a_look_is_for(self) -> None:
        first = [panel["title"] for panel in panels() if row_of(panel) == "Now"]
        assert first == [
            "Recommended fee",
            "Quote age",
            "L1 base fee",
            "Cost recovery, 1 h",
            "Fee vault",
            "Firing alerts",
            "Network",
        ]


@pytest.mark.parametrize("panel", panels(), ids=lambda panel: panel["title"])
class TestEachPanel:
    def test_says_what_it_means_and_where_to_read_on(self, panel: Mapping[str, Any]) -> None:
        assert len(panel["description"]) > 60
        for link in panel["links"]:
            name = re.fullmatch(r"\$\{runbooks\}/(\w+)\.md", link["url"])
            assert name, link
            assert name.group(1) in ALERTS
            assert not RUNBOOKS.exists() or (RUNBOOKS / f"{name.group(1)}.md").is_file()

    def test_asks_the_chosen_datasource_and_names_each_query_once(self, panel: Mapping[str, Any]) -> None:
        chosen = {"type": "prometheus", "uid": "${datasource}"}
        assert panel["datasource"] == chosen
        assert [target["datasource"] for target in panel["targets"]] == [chosen] * len(panel["targets"])
        ids = [target["refId"] for target in panel["targets"]]
        assert len(set(ids)) == len(ids)

    def test_says_what_it_means_when_there_is_no_value(self, panel: Mapping[str, Any]) -> None:
        assert panel["fieldConfig"]["defaults"]["noValue"]

    def test_overrides_only_series_that_it_has(self, panel: Mapping[str, Any]) -> None:
        steps = [step["options"]["renameByName"] for step in panel.get("transformations", ())]
        headings = [heading for columns in steps for heading in columns.values()]
        names = {*headings, *(target["legendFormat"] for target in panel["targets"])}
        for override in panel["fieldConfig"]["overrides"]:
            if override["matcher"]["id"] == "byName":
                assert override["matcher"]["options"] in names
            for setting in override["properties"]:
                if setting["id"] == "custom.fillBelowTo":
                    assert setting["value"] in names

    def test_shows_money_once_however_many_replicas_there_are(self, panel: Mapping[str, Any]) -> None:
        for target in panel["targets"]:
            if row_of(panel) in MONEY_ROWS and PREFIX in target["expr"]:
                assert "without (instance, pod" in target["expr"]

    def test_has_no_threshold_of_its_own(self, panel: Mapping[str, Any]) -> None:
        colours = [panel["fieldConfig"]["defaults"].get("thresholds", {"steps": []})]
        for override in panel["fieldConfig"]["overrides"]:
            colours += [setting["value"] for setting in override["properties"] if setting["id"] == "thresholds"]
        levels = {step["value"] for colour in colours for step in colour["steps"]}
        assert levels <= ({None, 1} if panel["title"] == "Firing alerts" else {None})


class TestNames:
    @pytest.mark.parametrize("query", QUERIES, ids=str)
    def test_each_query_reads_what_is_exported(self, query: Query) -> None:
        assert not metrics_of(query.expression) - KNOWN

    @pytest.mark.parametrize("path", WRITTEN, ids=lambda path: str(path.relative_to(ROOT)))
    def test_no_page_names_a_metric_that_is_not_exported(self, path: Path) -> None:
        text = path.read_text(encoding="utf-8")
        named = {name.rstrip(":") for name in re.findall(r"(?<![\w:])(?:\w+:)?taiko_fee_oracle_[\w:]+", text)}
        whole = {metric.full_name for metric in METRICS}
        assert not named - EXPORTED - whole - RECORDED

    @pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.get("record") or rule["alert"])
    def test_each_rule_reads_what_is_exported_or_recorded(self, rule: Mapping[str, Any]) -> None:
        assert not metrics_of(rule["expr"]) - KNOWN

    def test_every_alert_has_a_panel_that_leads_to_its_runbook(self) -> None:
        linked = {Path(link["url"]).stem for panel in panels() for link in panel["links"]}
        assert linked == ALERTS - {"TaikoFeeOracleWatchdog"}

    def test_every_metric_that_is_exported_is_on_the_dashboard(self) -> None:
        read = {name for query in QUERIES for name in metrics_of(query.expression)}
        missing = {
            metric.full_name for metric in METRICS if not {metric.full_name, f"{metric.full_name}_bucket"} & read
        }
        assert not missing

    def test_every_threshold_of_an_alert_that_a_value_has_is_shown(self) -> None:
        text = " ".join(query.expression for query in QUERIES)
        shown = set(re.findall(r'alert_threshold\{[^}]*alert="(\w+)", bound="(\w+)"', text))
        page = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
        documented = re.findall(r"^\| `(\w+)` \| (.*?) \| (.*?) \|$", page, re.MULTILINE)
        bounds = {
            (alert, bound)
            for alert, least, most in documented
            for bound, setting in (("min", least), ("max", most))
            if setting.strip().startswith("`TAIKO_")
        }
        assert bounds
        assert bounds <= shown


class TestProvisioning:
    def test_the_datasource_is_the_one_that_the_dashboard_chooses_first(self) -> None:
        (datasource,) = loaded("datasources/prometheus.yml")["datasources"]
        first = DASHBOARD["templating"]["list"][0]
        assert first["type"] == "datasource"
        assert (datasource["type"], datasource["uid"]) == (first["query"], first["current"]["value"])
        assert datasource["url"] == "http://prometheus:9090"

    def test_a_rate_covers_enough_scrapes(self) -> None:
        (datasource,) = loaded("datasources/prometheus.yml")["datasources"]
        assert datasource["jsonData"]["timeInterval"] == prometheus()["global"]["scrape_interval"]

    def test_the_runbooks_are_where_the_alerts_say(self) -> None:
        (box,) = (variable for variable in DASHBOARD["templating"]["list"] if variable["name"] == "runbooks")
        assert box["current"]["value"] == prometheus()["global"]["external_labels"]["runbooks"]

    def test_nothing_secret_is_provisioned(self) -> None:
        for path in (GRAFANA / "provisioning").rglob("*.yml"):
            assert not re.search(r"password|secure|token|basicAuth", path.read_text(encoding="utf-8"), re.IGNORECASE)

    def test_the_dashboards_are_read_from_files_and_stay_as_they_are(self) -> None:
        (provider,) = loaded("dashboards/taiko-fee-oracle.yml")["providers"]
        assert provider["type"] == "file"
        assert provider["options"]["path"] == "/etc/grafana/dashboards"
        assert provider["allowUiUpdates"] is False


def prometheus() -> dict[str, Any]:
    """Prometheus's own configuration."""
    content: dict[str, Any] = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text(encoding="utf-8"))
    return content


def loaded(name: str) -> dict[str, Any]:
    """One provisioning file."""
    content: dict[str, Any] = yaml.safe_load((GRAFANA / "provisioning" / name).read_text(encoding="utf-8"))
    return content
