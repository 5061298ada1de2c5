import re
import subprocess
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.adapters.metrics.table import METRICS
from tests.world.operations.prometheus import CONFIG, RULES

UNIT_TESTS = sorted((CONFIG.parent / "tests").glob("*.yml"))
PREFIX = "TaikoFeeOracle"
WATCHDOG = f"{PREFIX}Watchdog"
SEVERITIES = {"critical", "warning", "info", "none"}


def rules() -> list[dict[str, Any]]:
    groups = [group for path in RULES.glob("*.yml") for group in yaml.safe_load(path.read_text())["groups"]]
    return [rule for group in groups for rule in group["rules"]]


ALERTS = [rule for rule in rules() if "alert" in rule]
RECORDS = [rule for rule in rules() if "record" in rule]
each_alert = pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: f"{rule['alert']}-{rule['labels']['severity']}")


def unit_tests_of(name: str) -> Iterator[dict[str, Any]]:
    for path in UNIT_TESTS:
        for test in yaml.safe_load(path.read_text())["tests"]:
            yield from (one for one in test.get("alert_rule_test", ()) if one["alertname"] == name)


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["promtool", *arguments], cwd=CONFIG.parent, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.fixture(scope="module")
def tested() -> Mapping[Path, subprocess.CompletedProcess[str]]:
    """What promtool says of each file of unit tests; they run side by side, since each takes seconds of one core."""
    with ThreadPoolExecutor() as pool:
        return dict(
            zip(UNIT_TESTS, pool.map(lambda path: promtool("test", "rules", str(path)), UNIT_TESTS), strict=True)
        )


def test_prometheus_takes_the_configuration_and_the_rules() -> None:
    for checked in (
        promtool("check", "config", CONFIG.name),
        promtool("check", "rules", "--lint=all", "--lint-fatal", *(str(path) for path in RULES.glob("*.yml"))),
    ):
        assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("path", UNIT_TESTS, ids=lambda path: path.stem)
def test_the_rules_do_what_their_unit_tests_say(
    path: Path, tested: Mapping[Path, subprocess.CompletedProcess[str]]
) -> None:
    assert tested[path].returncode == 0, tested[path].stdout + tested[path].stderr


@each_alert
def test_every_alert_says_how_bad_it_is_what_it_means_and_where_to_read_on(rule: dict[str, Any]) -> None:
    name, annotations = rule["alert"], rule["annotations"]
    assert name.startswith(PREFIX)
    assert rule["labels"]["severity"] in SEVERITIES
    assert annotations["summary"]
    assert annotations["description"]
    assert annotations["runbook_url"].endswith(f"/{name}.md")


@each_alert
def test_every_alert_has_unit_tests_in_which_it_fires_and_in_which_it_is_quiet(rule: dict[str, Any]) -> None:
    name, severity = rule["alert"], rule["labels"]["severity"]
    expected = [one["exp_alerts"] for one in unit_tests_of(name)]
    assert any(alert["exp_labels"]["severity"] == severity for alerts in expected for alert in alerts)
    assert name == WATCHDOG or [] in expected


def test_no_threshold_of_the_service_is_written_into_the_rules() -> None:
    judged = {rule["alert"].removeprefix(PREFIX): rule["expr"] for rule in ALERTS}
    for name in ("FeeOutOfRange", "CostRecoveryDrift", "CostRecoveryLoss", "VaultDeficit", "VaultUnderfunded"):
        assert f'alert_threshold:max{{alert="{name}"' in judged[name]
    for name in ("QuoteStale", "ClockSkew"):
        assert f'alert_threshold:max{{alert="{name}",bound="max"' in judged[name]


def test_the_rules_name_nothing_that_neither_the_service_exports_nor_they_record() -> None:
    known = {f"taiko_fee_oracle_{metric.name}" for metric in METRICS} | {rule["record"] for rule in RECORDS}
    named = {name for rule in rules() for name in re.findall(r"[\w:]*taiko_fee_oracle_[\w:]+", rule["expr"])}
    assert named - known == set()


def test_nothing_is_recorded_that_no_rule_reads() -> None:
    read = " ".join(rule["expr"] for rule in rules())
    assert [rule["record"] for rule in RECORDS if rule["record"] not in read] == []
