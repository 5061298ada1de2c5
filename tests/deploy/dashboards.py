"""The dashboard's file, taken apart for the tests."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

GRAFANA = Path(__file__).parents[2] / "deploy" / "grafana"
FILE = GRAFANA / "dashboards" / "taiko-fee-oracle.json"
DASHBOARD: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
_LABEL_VALUES = re.compile(r"label_values\((.+), *\w+\)")
_QUERY_RESULT = re.compile(r"query_result\((.+)\)")


@dataclass(frozen=True)
class Query:
    """One query of the dashboard, and where it is."""

    row: str
    owner: str
    expression: str

    def __str__(self) -> str:
        return f"{self.row}: {self.owner}"

    def with_variables(self, values: Mapping[str, str]) -> str:
        """What Grafana sends once it has put the variables' values in; it may leave none in."""
        text = re.sub(r"\$(\w+)", lambda found: values[found.group(1)], self.expression)
        assert "$" not in text, text
        return text


def panels() -> list[dict[str, Any]]:
    """Every panel but the rows' headings."""
    return [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def row_of(panel: Mapping[str, Any]) -> str:
    """The title of the row that a panel is in."""
    above = [row for row in DASHBOARD["panels"] if row["type"] == "row" and row["gridPos"]["y"] < panel["gridPos"]["y"]]
    return str(max(above, key=lambda row: row["gridPos"]["y"])["title"])


def panel_queries() -> Iterator[Query]:
    """Every query of every panel."""
    for panel in panels():
        for target in panel["targets"]:
            yield Query(row_of(panel), f"{panel['title']} {target['refId']}", target["expr"])


def annotation_queries() -> Iterator[Query]:
    """What the annotations ask."""
    for annotation in DASHBOARD["annotations"]["list"]:
        yield Query("annotations", annotation["name"], annotation["target"]["expr"])


def variable_queries() -> Iterator[Query]:
    """What the variables ask, without the function of Grafana's that they ask through."""
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] == "query":
            query = variable["query"]["query"]
            asked = _LABEL_VALUES.fullmatch(query) or _QUERY_RESULT.fullmatch(query)
            assert asked, query
            yield Query("variables", variable["name"], asked.group(1))


QUERIES = [*panel_queries(), *annotation_queries(), *variable_queries()]
