"""A scorecard as people and programs see it: exact, in the units it says, with a dash where there is nothing."""

import json
from dataclasses import replace
from fractions import Fraction

import pytest

from app.domain.alerts import AlertThresholds
from app.domain.scorecard import AlertScore, Scorecard, scored
from app.domain.simulation import simulated
from app.research.compare import FIGURES
from app.research.presentation import (
    alert_text,
    duration_text,
    figure_text,
    percent_text,
    scorecard_object,
    scorecard_rows,
)
from tests.domain.build import ETHER, GWEI
from tests.research.build import START, a_plan, series, waves


def a_card(*, balance: int | None = 9 * ETHER, blocks: int = 400) -> Scorecard:
    plan = a_plan(balance=balance)
    return scored(plan, AlertThresholds(), simulated(plan, waves(blocks)))


def rows(card: Scorecard) -> dict[str, str]:
    return dict(scorecard_rows(card))


def figures(card: Scorecard) -> dict[str, str]:
    return {figure.name: figure_text(figure, card) for figure in FIGURES}


def test_as_json_every_number_is_exact_and_none_is_a_float() -> None:
    card = a_card()
    assert card.vault is not None
    document = json.loads(json.dumps(scorecard_object(card)), parse_float=pytest.fail)
    assert (document["blocks"], document["firstBlock"], document["lastBlock"]) == (400, 100, 499)
    assert (document["revenueWei"], document["costWei"]) == (str(card.revenue), str(card.cost))
    assert Fraction(document["costRecoveryRatio"]) == card.cost_recovery
    assert Fraction(document["fee"]["mean"]) == round(card.fee.mean, 6)
    assert document["fee"]["p99"] == card.fee.p99
    assert document["fee"]["blocksAtBound"] == {"none": 400, "min": 0, "max": 0, "rate_up": 0, "rate_down": 0}
    assert document["vault"]["deficitWeiSeconds"] == str(card.vault.deficit_wei_seconds)
    assert document["vault"]["insolventBlocks"] == 0
    assert set(document["alerts"]) == {alert.value for alert in card.alerts}


def test_as_json_what_there_is_not_is_null() -> None:
    document = scorecard_object(a_card(balance=None, blocks=1))
    assert document["vault"] is None
    fee = document["fee"]
    assert isinstance(fee, dict)
    assert (fee["variation"], fee["hourlyVariation"], fee["p95Step"]) == ("0", None, None)


def test_for_people_amounts_are_in_gwei_and_ether() -> None:
    plan = a_plan(balance=20 * ETHER)
    card = scored(plan, AlertThresholds(), simulated(plan, series([25 * GWEI, 100 * GWEI])))
    found = rows(card)
    assert found["blocks"] == "2 (100 to 101, 12 s)"
    assert found["mean fee"] == "29.054347826 gwei"
    assert found["fee p50 / p95 / p99"] == "12.521739131 / 45.586956522 / 45.586956522 gwei"
    assert found["L1 cost"] == "0.038025 ETH"
    assert found["revenue"] == "0.040095 ETH"
    assert found["cost recovery"] == "1.054438"
    assert found["step from block to block, p95"] == "264.0624 %"
    assert found["vault at the end"] == "20.00207 ETH (least 20.001035)"
    assert found["time underfunded"] == "0 %"
    assert found["blocks it could not pay"] == "0 (0 ETH unpaid)"
    assert found["variation within 1 h / 6 h"] == "– / –"
    assert "missing blocks" not in found


def test_for_people_missing_blocks_and_a_missing_vault_are_said() -> None:
    found = rows(replace(a_card(balance=None), missing_blocks=3))
    assert found["missing blocks"] == "3, not filled"
    assert found["vault"] == "none: the deficit is taken as 0"
    assert "time underfunded" not in found


def test_an_alert_says_how_often_for_how_long_and_since_when() -> None:
    assert alert_text(AlertScore(fired=0, firing_seconds=0, first_at=None)) == "quiet"
    once = AlertScore(fired=1, firing_seconds=300, first_at=START)
    assert alert_text(once) == "fires once, for 5 min 0 s, first at 2023-11-14 22:13:20"
    assert alert_text(replace(once, fired=2)).startswith("fires 2 times, ")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59, "59 s"),
        (60, "1 min 0 s"),
        (3_599, "59 min 59 s"),
        (3_600, "1 h 0 min"),
        (86_399, "23 h 59 min"),
        (86_400, "1 d 0 h"),
        (90_000, "1 d 1 h"),
    ],
)
def test_a_duration_in_its_two_greatest_units(seconds: int, text: str) -> None:
    assert duration_text(seconds) == text


def test_a_figure_is_in_the_unit_that_it_names() -> None:
    card = a_card()
    assert card.vault is not None
    vault = replace(
        card.vault,
        greatest_deficit=15 * 10**17,
        deficit_wei_seconds=5_400 * ETHER,
        underfunded_share=Fraction(1, 8),
        longest_underfunded_seconds=77,
        insolvent_blocks=3,
        unpaid=1,
    )
    found = figures(
        replace(card, vault=vault, fee=replace(card.fee, p50=12_521_739_131, p95_step=Fraction(125, 1_000)))
    )
    assert found["fee p50"] == "12.521739"
    assert found["step p95"] == "12.5"
    assert found["greatest deficit"] == "1.5"
    assert found["deficit × time"] == "1.5"
    assert found["time underfunded"] == "12.5"
    assert found["longest underfunded"] == "77"
    assert found["blocks not paid"] == "3"
    assert found["unpaid"] == "0"


def test_a_figure_that_there_is_not_is_a_dash() -> None:
    assert figures(a_card(balance=None))["greatest deficit"] == "–"


def test_percent() -> None:
    assert percent_text(Fraction(18_933, 1_000_000)) == "1.8933 %"
