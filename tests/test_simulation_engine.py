"""`AlphaSimulationEngine`: exact like the controllers, the same as `backtest`, and careful with what comes in."""

import csv
from fractions import Fraction
from numbers import Integral
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.controllers import AlphaFeeController, AlphaSimulationEngine, FeeController
from app.domain.alert_windows import EconomicAlert
from app.domain.alerts import AlertThresholds
from app.domain.errors import InvalidValueError, NumberOutOfRangeError
from app.domain.formula import Bound
from app.domain.units import WeiPerGas
from tests.cli.command_line import CommandLine

LUNA = Path(__file__).parent / "data" / "l1-basefee-2022-05-luna.csv"
GWEI = 10**9
ETHER = 10**18


def test_the_worked_example_of_the_document() -> None:
    (row,) = AlphaSimulationEngine(alpha_data=0.18, nu=0.2, horizon_h=72).simulate([25e9]).rows
    assert (row.number, row.timestamp, row.base_fee) == (0, 0, 25 * GWEI)
    assert (row.raw, row.fee, row.bound) == (12_521_739_131, 12_521_739_131, Bound.NONE)
    assert (row.cost, row.revenue) == (7_605_000_000_000_000, 8_640_000_000_390_000)
    assert (row.balance, row.deficit, row.unpaid) == (None, 0, 0)


def test_five_blocks_that_a_reader_can_check_with_a_calculator() -> None:
    result = AlphaSimulationEngine().simulate(
        [20e9, 40e9, 30e9, 10e9, 25e9], vault_balance_wei=9e18, vault_target_wei=10e18
    )
    assert [(row.fee, row.cost, row.balance) for row in result.rows] == [
        (14_343_156_200, 6_084_000_000_000_000, 9_003_812_777_778_000_000),
        (23_145_198_158, 12_168_000_000_000_000, 9_007_614_964_507_020_000),
        (18_721_195_796, 9_126_000_000_000_000, 9_011_406_589_606_260_000),
        (9_888_540_300, 3_042_000_000_000_000, 9_015_187_682_413_260_000),
        (16_486_361_988, 7_605_000_000_000_000, 9_018_958_272_184_980_000),
    ]
    assert result.fees_wei == tuple(row.fee for row in result.rows)
    assert result.scorecard.blocks == 5
    assert result.scorecard.fee.p50 == 16_486_361_988


@pytest.mark.parametrize(
    "make", [AlphaFeeController, FeeController, lambda: AlphaFeeController(alpha_data=0.2, nu=0.3, horizon_h=48)]
)
@given(base_fees=st.lists(st.integers(0, 10**13), min_size=1, max_size=20), balance=st.integers(0, 20 * ETHER))
def test_each_fee_is_the_controller_s_own(make: Any, base_fees: list[int], balance: int) -> None:  # noqa: ANN401 - either controller
    target = 10 * ETHER
    result = AlphaSimulationEngine(make()).simulate(base_fees, vault_balance_wei=balance, vault_target_wei=target)
    controller = make()
    for base_fee, row in zip(base_fees, result.rows, strict=True):
        fee = controller.calculate_fee(base_fee, deficit_wei=max(0, target - balance))
        cost = controller.calculate_expected_l1_cost(base_fee)
        assert (row.fee, row.cost, row.revenue) == (fee, cost, controller.calculate_revenue(fee))
        assert row.deficit == target - balance
        balance += row.revenue - min(cost, balance)
        assert row.balance == balance


def test_the_command_line_s_backtest_says_the_same(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    cli = CommandLine(capsys)
    with LUNA.open(newline="") as file:
        base_fees = [int(row["basefee_wei"]) for row in csv.DictReader(file)]
    result = AlphaSimulationEngine().simulate(base_fees, vault_balance_wei=1000e18, vault_target_wei=1000e18)
    vault = ("--vault-balance-eth", "1000", "--vault-target-eth", "1000")
    card = cli("backtest", str(LUNA), *vault, "--json").document["scorecard"]
    assert card["revenueWei"] == str(result.scorecard.revenue)
    assert card["costWei"] == str(result.scorecard.cost)
    assert card["fee"]["p99"] == result.scorecard.fee.p99
    assert result.scorecard.vault is not None
    assert card["vault"]["finalBalanceWei"] == str(result.scorecard.vault.final_balance)


def test_a_controller_is_taken_as_it_stands_and_left_as_it_was() -> None:
    controller = FeeController()
    controller.calculate_fee(100e9)
    path = controller.path
    engine = AlphaSimulationEngine(controller)
    first, again = engine.simulate([25e9, 30e9]), engine.simulate([25e9, 30e9])
    assert first == again
    assert controller.path == path
    fresh = AlphaSimulationEngine(FeeController()).simulate([25e9, 30e9])
    assert first.rows[0].fee > fresh.rows[0].fee, "the smoothed cost goes on from 100 gwei"
    assert first.rows[0].fee == controller.calculate_fee(25e9)


def test_the_vault_of_a_controller_is_the_one_to_begin_with() -> None:
    controller = AlphaFeeController()
    controller.vault_balance = 9e18
    engine = AlphaSimulationEngine(controller)
    assert engine.simulate([25e9], vault_target_wei=10e18).rows[0].deficit == ETHER
    assert engine.simulate([25e9], vault_target_wei=10e18, vault_balance_wei=8e18).rows[0].deficit == 2 * ETHER
    assert engine.simulate([25e9]).rows[0].balance is None
    assert controller.vault_balance == 9 * ETHER


def test_a_surplus_lowers_the_fee_where_it_is_asked_for() -> None:
    engine = AlphaSimulationEngine()
    for discount, fee in ((False, 12_521_739_131), (True, 12_521_739_131 - 4_025_764_895)):
        result = engine.simulate([25e9], vault_balance_wei=11e18, vault_target_wei=10e18, surplus_discount=discount)
        assert result.fees_wei == (fee,)


def test_blocks_carry_shares_of_a_batch_and_thresholds_are_the_caller_s() -> None:
    engine = AlphaSimulationEngine()
    (row,) = engine.simulate([25e9], blocks_per_batch=32).rows
    assert (row.cost, row.revenue) == (-(-7_605_000_000_000_000 // 32), 8_640_000_000_390_000 // 32)
    strict = AlertThresholds(fee_max=WeiPerGas(12 * GWEI), recovery_low=Fraction(7, 10))
    fired = engine.simulate([25e9] * 200, thresholds=strict).scorecard.alerts[EconomicAlert.FEE_OUT_OF_RANGE].fired
    assert fired == 0, "at this L1 price the parameters alone exceed 12 gwei"
    low = AlertThresholds(fee_min=WeiPerGas(13 * GWEI))
    assert engine.simulate([25e9] * 200, thresholds=low).scorecard.alerts[EconomicAlert.FEE_OUT_OF_RANGE].fired == 1


def test_times_are_twelve_seconds_apart_unless_they_are_given() -> None:
    engine = AlphaSimulationEngine()
    assert [row.timestamp for row in engine.simulate([25e9] * 3).rows] == [0, 12, 24]
    given_times = engine.simulate([25e9] * 3, timestamps=[1.7e9, 1_700_000_012, 1_700_000_012])
    assert [row.timestamp for row in given_times.rows] == [1_700_000_000, 1_700_000_012, 1_700_000_012]
    assert given_times.scorecard.seconds == 12


def test_any_iterable_is_taken_once() -> None:
    assert len(AlphaSimulationEngine().simulate(iter([25e9, 30e9]), timestamps=iter([1, 2])).rows) == 2


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"l1_basefees_wei": []}, "l1_basefees_wei"),
        ({"l1_basefees_wei": [1, -1]}, "l1_basefees_wei[1]"),
        ({"l1_basefees_wei": ["25000000000"]}, "l1_basefees_wei[0]"),
        ({"l1_basefees_wei": [1, None]}, "l1_basefees_wei[1]"),
        ({"l1_basefees_wei": [float("nan")]}, "l1_basefees_wei[0]"),
        ({"l1_basefees_wei": [1, 2], "timestamps": [1]}, "timestamps"),
        ({"l1_basefees_wei": [1, 2], "timestamps": [2, 1]}, "timestamps[1]"),
        ({"l1_basefees_wei": [1], "timestamps": [1.5]}, "timestamps[0]"),
        ({"l1_basefees_wei": [1], "timestamps": [-1]}, "timestamps[0]"),
        ({"l1_basefees_wei": [1], "vault_balance_wei": 1}, "vault_target_wei"),
        ({"l1_basefees_wei": [1], "vault_target_wei": 1}, "vault_balance_wei"),
        ({"l1_basefees_wei": [1], "vault_target_wei": -1, "vault_balance_wei": 1}, "vault_target_wei"),
        ({"l1_basefees_wei": [1], "vault_target_wei": 1, "vault_balance_wei": -1}, "vault_balance_wei"),
        ({"l1_basefees_wei": [1], "blocks_per_batch": 0}, "blocks_per_batch"),
        ({"l1_basefees_wei": [1], "blocks_per_batch": 1.5}, "blocks_per_batch"),
    ],
)
def test_what_is_odd_is_refused_by_its_name_and_place(arguments: dict[str, Any], name: str) -> None:
    with pytest.raises(InvalidValueError) as caught:
        AlphaSimulationEngine().simulate(**arguments)
    assert caught.value.name == name


def test_a_base_fee_of_2_to_the_53_is_refused() -> None:
    with pytest.raises(NumberOutOfRangeError, match=r"l1_basefees_wei\[0\]"):
        AlphaSimulationEngine().simulate([2**53])


def test_a_parameter_that_is_not_allowed_is_refused_as_the_controller_does() -> None:
    with pytest.raises(InvalidValueError, match="horizon_h"):
        AlphaSimulationEngine(horizon_h=0)


def test_a_controller_and_keywords_at_once_are_refused() -> None:
    with pytest.raises(TypeError, match="a controller has its parameters already: nu"):
        AlphaSimulationEngine(AlphaFeeController(), nu=0.3)
    wrong: Any = 0.18
    with pytest.raises(InvalidValueError, match=r"controller: got 0\.18"):
        AlphaSimulationEngine(wrong)


def test_integers_of_other_libraries_count_as_what_they_are() -> None:
    """numpy's are registered as `Integral` in the same way."""

    class OtherInteger:
        def __int__(self) -> int:
            return 25 * GWEI

    Integral.register(OtherInteger)
    foreign: Any = [OtherInteger()]
    (row,) = AlphaSimulationEngine().simulate(foreign).rows
    assert row.base_fee == 25 * GWEI
    assert type(row.base_fee) is int
