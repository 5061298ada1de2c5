"""The rules of Prometheus are an evaluation of the service's own table of alerts."""

import re

import pytest

from app.domain.alert_table import RULES as TABLE
from app.domain.alert_table import Alert, AlertRule
from tests.deploy.rules import RULES
from tests.world.operations.scaling import seconds

ALERTING = [rule for rule in RULES if "alert" in rule]
RECORDING = {rule["record"]: rule["expr"] for rule in RULES if "record" in rule}
THRESHOLD = re.compile(r'alert_threshold:max\{alert="(\w+)",bound="(?:min|max)"\}')
OF_NO_SETTING = {Alert.AT_BOUND, Alert.HEADERS_REJECTED, Alert.JOURNAL_DEGRADED}
"""Their limits are more than nine tenths, and more than none."""


def whole_expression(name: str, severity: str) -> str:
    """The rule's expression, and those of all that it reads."""
    (known,) = (rule["expr"] for rule in ALERTING if (rule["alert"], rule["labels"]["severity"]) == (name, severity))
    waiting, read = [known], [known]
    while waiting:
        expression = waiting.pop()
        found = [RECORDING[record] for record in RECORDING if record in expression and RECORDING[record] not in read]
        waiting += found
        read += found
    return "\n".join(read)


def test_there_is_a_rule_for_each_line_of_the_table_and_no_other() -> None:
    told = [(rule["alert"], rule["labels"]["severity"], int(seconds(rule.get("for", "0s")))) for rule in ALERTING]
    assert sorted(told) == sorted((rule.alert.value, rule.severity.value, rule.for_seconds) for rule in TABLE)


@pytest.mark.parametrize(
    "rule", [rule for rule in TABLE if rule.window_seconds], ids=lambda rule: f"{rule.alert.short_name}-{rule.severity}"
)
def test_a_rule_looks_over_the_tables_window(rule: AlertRule) -> None:
    expression = whole_expression(rule.alert.value, rule.severity.value)
    windows = re.findall(r"(?:avg_over_time|increase)\([^()]*\[(\w+)\]\)", expression)
    assert {int(seconds(window)) for window in windows} == {rule.window_seconds}


def test_every_limit_is_the_services_own_setting() -> None:
    for rule in ALERTING:
        alert, expression = Alert(rule["alert"]), rule["expr"]
        asked = THRESHOLD.findall(expression)
        assert {*asked} <= {alert.short_name}, alert
        literals = re.findall(r"(?<!=)[<>]=?\s*([\d.]+)", expression)
        assert bool(literals) == (alert in OF_NO_SETTING and "== 1" not in expression), (alert, literals)


def test_every_alert_says_what_it_is_and_where_to_read_on() -> None:
    for rule in ALERTING:
        notes = rule["annotations"]
        assert set(notes) == {"summary", "description", "runbook_url"}, rule["alert"]
        assert notes["runbook_url"].endswith(f"/{rule['alert']}.md")
        assert notes["summary"] != notes["description"]
