"""The whole dashboard: its variables, annotations, and the place of each panel."""

import json
from pathlib import Path
from typing import Final

from deploy.grafana.panels import BLUE, DATASOURCE, PURPLE, RED, Json, Target, link
from deploy.grafana.queries import OUR_ALERTS, any_replica, series
from deploy.grafana.rows import ROWS

DESTINATION: Final = Path(__file__).parent / "dashboards" / "taiko-fee-oracle.json"
SCHEMA_VERSION: Final = 42
COLUMNS: Final = 24
RUNBOOKS: Final = "https://runbooks.example/taiko-fee-oracle"
"""Where deploy/runbooks/ is published, as in prometheus.yml until a text box of the dashboard says otherwise."""


def laid_out() -> list[Json]:
    """Every panel at its place: rows from top to bottom, panels from left to right."""
    panels: list[Json] = []
    y = 0
    for title, shelves in ROWS:
        panels.append(
            {
                "id": len(panels) + 1,
                "type": "row",
                "title": title,
                "collapsed": False,
                "gridPos": {"x": 0, "y": y, "w": COLUMNS, "h": 1},
                "panels": [],
            }
        )
        y += 1
        for height, shelf in shelves:
            x = 0
            for panel in shelf:
                panels.append(panel.to_json(len(panels) + 1, x, y, height))
                x += panel.width
            y += height
    return panels


def annotation(name: str, color: str, expression: str, title: str, text: str) -> Json:
    return {
        "name": name,
        "enable": True,
        "hide": False,
        "iconColor": color,
        "datasource": DATASOURCE,
        "target": Target(expression=expression).to_json("Anno") | {"interval": "60s"},
        "titleFormat": title,
        "textFormat": text,
        "useValueForTime": False,
    }


PARAMETERS_INFO: Final = series("parameters_info")
PARAMETER_CHANGES_1M: Final = f"increase({series('parameter_changes_total')}[1m])"
ANNOTATIONS: Final = (
    annotation(
        "Parameters changed",
        PURPLE,
        f"{any_replica(PARAMETER_CHANGES_1M)} > 0",
        "Parameters changed",
        "GET /v1/audit says who changed what.",
    ),
    annotation(
        "Parameters in force",
        BLUE,
        f"{any_replica(PARAMETERS_INFO)} unless {any_replica(f'{PARAMETERS_INFO} offset 1m')}",
        "{{controller}} {{preset}}",
        "From here on {{parameters_id}} is in force.",
    ),
    annotation(
        "Critical alerts",
        RED,
        f'max by (alertname) (ALERTS{{{OUR_ALERTS}, alertstate="firing", severity="critical"}})',
        "{{alertname}}",
        "",
    ),
)


def query_variable(name: str, label: str, description: str, query: str, *, multi: bool, regex: str = "") -> Json:
    """A variable that is asked for anew with each range, so that replaced replicas are in it."""
    return {
        "type": "query",
        "name": name,
        "label": label,
        "description": description,
        "datasource": DATASOURCE,
        "query": {"qryType": 3 if regex else 1, "query": query, "refId": f"variable-{name}"},
        "definition": query,
        "regex": regex,
        "refresh": 2,
        "sort": 1,
        "multi": multi,
        "includeAll": multi,
        "options": [],
        "current": {"text": ["All"], "value": ["$__all"]} if multi else {"text": "", "value": ""},
    }


VARIABLES: Final = (
    {
        "type": "datasource",
        "name": "datasource",
        "label": "Prometheus",
        "description": "The Prometheus that scrapes the oracle.",
        "query": "prometheus",
        "regex": "",
        "refresh": 1,
        "multi": False,
        "includeAll": False,
        "options": [],
        "current": {"text": "Prometheus", "value": "prometheus"},
    },
    query_variable(
        "job",
        "Job",
        "One deployment: the job that its replicas are scraped by.",
        "label_values(taiko_fee_oracle_build_info, job)",
        multi=False,
    ),
    query_variable(
        "network",
        "Network",
        "Only replicas that price these networks, and those that have no quote yet.",
        'label_values(taiko_fee_oracle_network_info{job="$job"}, network)',
        multi=True,
    ),
    query_variable(
        "instance",
        "Replica",
        "Replicas; those that were replaced in this range too.",
        'query_result(last_over_time(up{job="$job"}[$__range]) unless on (job, instance)'
        ' last_over_time(taiko_fee_oracle_network_info{job="$job", network!~"$network"}[$__range]))',
        multi=True,
        regex='/instance="([^"]+)"/',
    ),
    {
        "type": "textbox",
        "name": "runbooks",
        "label": "Runbooks",
        "description": "Where deploy/runbooks/ is published, without the last slash.",
        "query": RUNBOOKS,
        "options": [{"text": RUNBOOKS, "value": RUNBOOKS, "selected": True}],
        "current": {"text": RUNBOOKS, "value": RUNBOOKS},
    },
)


def dashboard() -> Json:
    """The whole dashboard."""
    return {
        "uid": "taiko-fee-oracle",
        "title": "Taiko fee oracle",
        "description": "What the oracle tells sequencers to charge, why, and whether it can be trusted now.",
        "tags": ["taiko", "fee-oracle"],
        "schemaVersion": SCHEMA_VERSION,
        "editable": True,
        "graphTooltip": 1,
        "timezone": "utc",
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "timepicker": {"refresh_intervals": ["10s", "30s", "1m", "5m", "15m"]},
        "links": [link("Runbooks", "${runbooks}/deployment.md", "Deployment, rollback and the runbook of each alert")],
        "templating": {"list": list(VARIABLES)},
        "annotations": {"list": list(ANNOTATIONS)},
        "panels": laid_out(),
    }


def rendered() -> str:
    """The file's text."""
    return json.dumps(dashboard(), indent=2, ensure_ascii=False) + "\n"
