"""`GET /v1/alerts`: the body that was made with the last report, and nothing made for a request."""

import json
from fractions import Fraction

import pytest

from app.api.alerts import AlertBoard
from app.api.shapes.alerts import Alerts
from app.domain.alert_states import AlertReport, AlertState, AlertStatus
from app.domain.alert_table import FIRST_RULES, IN_MILLIS, Alert, AlertTiming
from app.domain.units import UnixMillis
from tests.api.house import BORN, build_house, sample_quote


async def test_the_last_report_is_sent_as_it_was_made() -> None:
    house = build_house(quote=sample_quote())
    prepared = house.alerts.body
    house.clock.pass_seconds(3600)
    response = await house.get("/v1/alerts")
    assert response.status_code == 200
    assert response.content == prepared
    assert (response.headers["cache-control"], response.headers["content-type"]) == ("no-store", "application/json")
    assert response.headers["taiko-network"] == "mainnet"
    Alerts.model_validate(response.json())


async def test_it_answers_before_there_is_a_quote() -> None:
    response = await build_house(network=None).get("/v1/alerts")
    assert response.status_code == 200
    assert response.json()["network"] is None


async def test_head_has_no_body_and_options_names_the_methods() -> None:
    house = build_house()
    got, head = await house.get("/v1/alerts"), await house.request("HEAD", "/v1/alerts")
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(len(got.content)))
    options = await house.request("OPTIONS", "/v1/alerts")
    assert (options.status_code, options.headers["allow"]) == (204, "GET, HEAD, OPTIONS")
    assert (await house.request("POST", "/v1/alerts")).status_code == 405


async def test_a_query_that_it_does_not_know_is_refused() -> None:
    assert (await build_house().get("/v1/alerts?state=firing")).status_code == 422


def shown(status: AlertStatus, timing: AlertTiming = IN_MILLIS) -> dict[str, object]:
    board = AlertBoard(timing, lambda: None)
    board.show(AlertReport(UnixMillis(BORN), (status,)))
    alert: dict[str, object] = json.loads(board.body)["alerts"][0]
    return alert


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, "null"), (12_521_739_131, "12521739131"), (Fraction(2), "2"), (Fraction(1, 8), "0.125")],
)
def test_whole_numbers_are_whole_and_others_are_not(value: int | Fraction | None, expected: str) -> None:
    status = AlertStatus(rule=FIRST_RULES[Alert.FEE_OUT_OF_RANGE], state=AlertState.OK, value=value)
    assert json.dumps(shown(status)["value"]) == expected


def test_it_tells_the_durations_that_the_alerts_are_judged_by() -> None:
    status = AlertStatus(rule=FIRST_RULES[Alert.AT_BOUND], state=AlertState.OK)
    assert (shown(status)["windowSeconds"], shown(status)["forSeconds"]) == (900, 300)
    hurried = shown(status, AlertTiming(units_per_second=1000, hurry=40))
    assert (hurried["windowSeconds"], hurried["forSeconds"]) == (22.5, 7.5)
