import json
import subprocess
from pathlib import Path
from typing import Any

from tests.deploy.dashboards import QUERIES

VARIABLES = {"job": "j", "instance": "a|b", "network": ".*", "__rate_interval": "1m", "__range": "1h"}
AHEAD, BEHIND = 'job="j", instance="a", pod="a"', 'job="j", instance="b", pod="b"'


def series(name: str, labels: str, values: str) -> dict[str, str]:
    return {"series": f"taiko_fee_oracle_{name}{{{labels}}}", "values": values}


def expect(where: str, at: str, *samples: tuple[str, float]) -> dict[str, Any]:
    """What one query of the dashboard is to say."""
    (query,) = [query for query in QUERIES if str(query) == where]
    return {
        "expr": query.with_variables(VARIABLES),
        "eval_time": at,
        "exp_samples": [{"labels": labels, "value": value} for labels, value in samples],
    }


def check(tmp_path: Path, given: list[dict[str, str]], expected: list[dict[str, Any]]) -> None:
    """Fails with what promtool says unless each query gives exactly what is expected of it."""
    test = {"interval": "30s", "input_series": given, "promql_expr_test": expected}
    file = tmp_path / "queries.json"
    file.write_text(json.dumps({"rule_files": [], "evaluation_interval": "30s", "tests": [test]}))
    done = subprocess.run(["promtool", "test", "rules", str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_replica_that_lags_does_not_decide_what_is_shown(tmp_path: Path) -> None:
    check(
        tmp_path,
        [
            series("l1_block_number", AHEAD, "100+1x10"),
            series("l1_block_number", BEHIND, "100x10"),
            series("recommended_fee_gwei", AHEAD, "10x10"),
            series("recommended_fee_gwei", BEHIND, "60x10"),
            series("fee_component_gwei", AHEAD + ', component="da"', "-2x10"),
            series("fee_component_gwei", BEHIND + ', component="da"', "9x10"),
            series("vault_balance_ether", AHEAD, "3x10"),
            series("vault_balance_ether", BEHIND, "4x10"),
        ],
        [
            expect("Fee: Fee against L1 A", "5m", ('{job="j"}', 10)),
            expect("Fee: Components of the fee A", "5m", ('{component="da", job="j"}', -2)),
            expect("Fee vault: Vault balance and target A", "5m", ('{job="j"}', 3)),
        ],
    )


def test_a_replica_that_has_no_quote_yet_takes_nothing_from_the_other(tmp_path: Path) -> None:
    check(
        tmp_path,
        [
            series("l1_block_number", AHEAD, "100+1x10"),
            series("recommended_fee_gwei", AHEAD, "10x10"),
            series("vault_configured", AHEAD, "0x10"),
            series("vault_configured", BEHIND, "0x10"),
        ],
        [
            expect("Now: Recommended fee A", "5m", ('{job="j"}', 10)),
            expect("Now: Fee vault C", "5m", ('{job="j"}', -2)),
        ],
    )


def test_money_that_both_replicas_modelled_is_shown_once_and_a_restart_takes_none_of_it(tmp_path: Path) -> None:
    check(
        tmp_path,
        [
            series("modelled_revenue_ether_total", AHEAD, "0+3x120"),
            series("modelled_revenue_ether_total", BEHIND, "0+3x60 0+3x59"),
            series("modelled_l1_cost_ether_total", AHEAD, "0+2x120"),
            series("modelled_l1_cost_ether_total", BEHIND, "0+2x60 0+2x59"),
        ],
        [
            expect("Cost recovery: Revenue and L1 cost, 1 h A", "60m", ('{job="j"}', 360)),
            expect("Cost recovery: Revenue and L1 cost, 1 h B", "60m", ('{job="j"}', 240)),
            expect("Cost recovery: Cost recovery A", "60m", ('{job="j"}', 1.5)),
        ],
    )


def test_the_fee_is_too_low_in_range_too_high_or_high_by_the_parameters(tmp_path: Path) -> None:
    bounds = 'alert="FeeOutOfRange", bound='
    check(
        tmp_path,
        [
            series("l1_block_number", AHEAD, "100+1x6"),
            series("recommended_fee_gwei", AHEAD, "0.5 1 50 50.1 50.1 0.5 10"),
            series("alert_satisfiable", AHEAD + ', alert="FeeOutOfRange"', "1 1 1 1 0 0 0"),
            series("alert_threshold", f'{AHEAD}, {bounds}"min"', "1x6"),
            series("alert_threshold", f'{AHEAD}, {bounds}"max"', "50x6"),
        ],
        [
            expect("Now: Recommended fee B", f"{index * 30}s", ('{job="j"}', side))
            for index, side in enumerate((-1, 0, 0, 1, 2, -1, 0))
        ],
    )


def test_a_provider_that_is_behind_shows_how_far(tmp_path: Path) -> None:
    check(
        tmp_path,
        [
            series("provider_head_block", AHEAD + ', provider="near"', "110x10"),
            series("provider_head_block", AHEAD + ', provider="far"', "105x10"),
            series("provider_head_block", BEHIND + ', provider="far"', "107x10"),
        ],
        [expect("L1 providers: Head lag A", "5m", ('{job="j", provider="near"}', 0), ('{job="j", provider="far"}', 3))],
    )


def test_parameters_in_which_replicas_differ_have_a_row_each(tmp_path: Path) -> None:
    check(
        tmp_path,
        [
            series("parameter", AHEAD + ', name="alphaData"', "0.18x10"),
            series("parameter", BEHIND + ', name="alphaData"', "0.2x10"),
            series("parameter", AHEAD + ', name="horizonBatches"', "72x10"),
            series("parameter", BEHIND + ', name="horizonBatches"', "72x10"),
        ],
        [
            expect(
                "Fee: Parameters in force A",
                "5m",
                ('{job="j", name="alphaData", value="0.18"}', 1),
                ('{job="j", name="alphaData", value="0.2"}', 1),
                ('{job="j", name="horizonBatches", value="72"}', 2),
            )
        ],
    )
