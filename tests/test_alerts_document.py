"""docs/alerts.md leaves out no alert that the service tells, and the table and the metrics use the same names."""

import re
from pathlib import Path

from app.domain.alert_table import FIRST_RULES, FROM_OUTSIDE, IN_MILLIS, IN_SECONDS, PREFIX, RULES, Alert, AlertTiming

DOCS = Path(__file__).parents[1] / "docs"
TEXT = (DOCS / "alerts.md").read_text()


def test_every_alert_has_a_row_or_is_said_to_be_told_from_outside() -> None:
    rows = {name for row in re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", TEXT, re.MULTILINE) for name in row.split(", ")}
    told = {f"`{alert.short_name}`" for alert in Alert if alert not in FROM_OUTSIDE}
    assert told <= rows
    assert all(f"`{alert.short_name}`" in TEXT for alert in FROM_OUTSIDE)


def test_every_alert_has_a_rule_and_no_two_rules_are_of_one_severity() -> None:
    assert {rule.alert for rule in RULES} == FIRST_RULES.keys() == set(Alert)
    assert len({(rule.alert, rule.severity) for rule in RULES}) == len(RULES)
    assert all(alert.value == PREFIX + alert.short_name for alert in Alert)


def test_the_thresholds_that_the_metrics_document_names_are_of_alerts() -> None:
    section = (DOCS / "metrics.md").read_text().partition("**Thresholds.**")[2].partition("**Satisfiable.**")[0]
    named = set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE))
    assert named - {alert.short_name for alert in Alert} == {"CostRecoveryValidation"}


def test_a_hurried_timing_keeps_what_lasts_and_what_does_not() -> None:
    hurried = AlertTiming(units_per_second=1000, hurry=100_000_000)
    for rule in RULES:
        assert (hurried.for_units(rule) == 0) == (rule.for_seconds == 0)
        assert IN_MILLIS.for_units(rule) == 1000 * IN_SECONDS.for_units(rule) == 1000 * rule.for_seconds
