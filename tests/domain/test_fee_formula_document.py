"""docs/fee-formula.md says what the code computes."""

import math
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from app.domain.advice import base_fee_at_recovery, deficit_fee, deficit_sensitivity
from app.domain.formula import NO_PATH, FeeFormula, PathPoint
from app.domain.header import base_fee_bounds
from app.domain.parameter_set import ParameterSet
from app.domain.parameters import Controller
from app.domain.quote import fee_ceilings
from app.domain.units import Wei, WeiDelta, WeiPerGas, decimal_text, wei_from_gwei
from tests.domain.build import DEFAULTS, ETHER, GWEI, a_header, a_quote

TEXT = (Path(__file__).parents[2] / "docs" / "fee-formula.md").read_text()


def table(first_heading: str) -> list[list[str]]:
    """The rows of the table whose heading begins with `first_heading`, as cells."""
    lines = iter(TEXT.splitlines())
    for line in lines:
        if line.startswith(f"| {first_heading} |"):
            break
    next(lines)
    rows = []
    for line in lines:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def table_after(heading: str) -> list[list[str]]:
    """The rows of the first table below `heading`."""
    below = TEXT.split(f"{heading}\n", 1)[1]
    lines = [line for line in below.split("\n## ", 1)[0].splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def gwei_of(cell: str) -> WeiPerGas:
    return WeiPerGas(wei_from_gwei(cell.removesuffix(" gwei")))


def shown(value: Fraction, places: int) -> str:
    whole, decimals = divmod(round(value * 10**places), 10**places)
    return f"{whole}.{decimals:0{places}}"


def test_the_worked_numbers() -> None:
    rows = [row for row in table("L1 base fee") if len(row) == 5]
    assert [row[0] for row in rows] == ["25 gwei", "100 gwei", "0.075 gwei"]
    for base_fee, *cells in rows:
        quote = a_quote(a_header(base_fee=gwei_of(base_fee)))
        recovery = shown(Fraction(quote.batch_revenue, quote.batch_cost), 4)
        assert cells == [str(quote.price.fee), str(quote.batch_cost), str(quote.batch_revenue), recovery]


def test_the_components_at_25_gwei() -> None:
    parts = a_quote(a_header(base_fee=25 * GWEI)).components
    expected = [parts.da, parts.proof, parts.deficit, parts.base, parts.adjustment]
    assert [int(row[2]) for row in table("component")] == expected


def test_the_defaults_of_the_settings() -> None:
    defaults = {row[0]: row[4] for row in table("symbol")}
    texts = ParameterSet().texts()
    keys = {
        "α": "alphaData",
        "ν": "deficitWeight",
        "H": "horizonBatches",
        "base_fee": "baseFeeGwei",
        "G": "l2GasPerBatch",
        "P": "proofGasPerBatch",
    }
    assert {symbol: defaults[symbol] for symbol in keys} == {symbol: str(texts[key]) for symbol, key in keys.items()}
    assert defaults["min_fee, max_fee"] == f"{texts['minFeeGwei']}, {texts['maxFeeGwei']}"


def test_the_rate_limit_examples() -> None:
    limited = FeeFormula.of(replace(DEFAULTS, max_fee_increase=Fraction("0.125"), max_fee_decrease=Fraction("0.125")))
    rows = table("previous fee (wei)")
    assert len(rows) == 6
    for previous, *cells in rows:
        path = PathPoint(None if previous == "none" else WeiPerGas(int(previous)))
        price = limited.price(WeiPerGas(25 * GWEI), WeiDelta(0), path)
        assert cells == [str(price.raw), str(price.fee), price.bound.value]


def test_the_ceilings() -> None:
    head = a_header(base_fee=25 * GWEI, gas_limit=36_000_000, gas_used=36_000_000)
    ceilings, bounds = fee_ceilings(a_quote(head), 4), base_fee_bounds(head)
    expected = [(0, head.base_fee_per_gas, ceilings[0])]
    expected += [(blocks, next(bounds), ceilings[blocks]) for blocks in range(1, 5)]
    assert [tuple(map(int, row)) for row in table("blocks after the head")] == expected


def test_the_deficits_sensitivity() -> None:
    rows = table("preset")
    assert [row[0] for row in rows] == ["production", "conservative", "responsive"]
    for preset, alpha, weight, horizon, per_ether, empty in rows:
        parameters = ParameterSet().changed({"preset": preset}).parameters
        assert parameters.alpha_data == Fraction(alpha)
        assert (decimal_text(parameters.deficit_weight), str(parameters.horizon_batches)) == (weight, horizon)
        assert per_ether == shown(Fraction(deficit_sensitivity(parameters), GWEI), 4)
        assert empty == shown(Fraction(deficit_fee(parameters, Wei(1000 * ETHER)), GWEI), 2)


def test_the_derivation_of_the_sensitivity() -> None:
    exact = Fraction(2, 10) * ETHER / (72 * 690_000)
    assert f"=  {shown(exact, 2)} wei per gas  =  {shown(exact / GWEI, 4)} gwei per gas" in TEXT
    to_alert = (50 * GWEI - Fraction(a_quote(a_header()).price.fee)) / exact
    assert f"first {shown(to_alert, 2)} ETH of deficit, which is {shown(to_alert / 10, 2)} % of such" in TEXT


def test_the_legacy_example() -> None:
    formula, path = FeeFormula.of(replace(DEFAULTS, controller=Controller.LEGACY)), NO_PATH
    rows = [row for row in table_after("## The legacy formula") if row[0].endswith("gwei")]
    assert len(rows) == 3
    for base_fee, smoothed, fee in rows:
        price = formula.price(gwei_of(base_fee), WeiDelta(0), path)
        assert (str(price.smoothed_cost), str(price.fee)) == (smoothed, fee)
        path = price.point


def test_where_recovery_leaves_its_ranges() -> None:
    rows = table("recovery above")
    assert len(rows) == 3
    for recovery, below in rows:
        border = base_fee_at_recovery(DEFAULTS, Fraction(recovery))
        assert border is not None
        assert below == shown(border / GWEI, 2)
        assert f"above {below} gwei" in TEXT


def test_the_slope_and_the_recovery_at_the_median_of_today() -> None:
    slope = DEFAULTS.alpha_data + Fraction(DEFAULTS.proof_gas_per_batch, DEFAULTS.l2_gas_per_batch)
    assert f"α + P/G = {shown(slope, 6)}" in TEXT
    quote = a_quote(a_header(base_fee=127_000_000))
    assert f"recovers {shown(Fraction(quote.batch_revenue, quote.batch_cost), 2)} times" in TEXT


def test_the_deployment_documents_claims() -> None:
    rows = table("the document says")
    assert len(rows) == 5
    for claim, found in rows:
        quote = a_quote(a_header(base_fee=gwei_of(claim.rsplit(" at ", 1)[1])))
        recovery = Fraction(quote.batch_revenue, quote.batch_cost)
        value = recovery if claim.startswith("recovery") else Fraction(quote.price.fee, GWEI)
        assert found == shown(value, len(found.split(".")[1]))


def test_the_ranges_of_the_deployment_documents_checks() -> None:
    slope = DEFAULTS.alpha_data + Fraction(DEFAULTS.proof_gas_per_batch, DEFAULTS.l2_gas_per_batch)
    low, high = ((limit - Fraction("1.5")) / slope for limit in (5, 20))
    assert f"between {shown(low, 2)} and {shown(high, 2)} gwei" in TEXT
    legacy = FeeFormula.of(replace(DEFAULTS, controller=Controller.LEGACY))
    legacy_fee = legacy.price(WeiPerGas(25 * GWEI), WeiDelta(0)).fee
    alpha_fee = a_quote(a_header(base_fee=25 * GWEI)).price.fee
    assert f"gives {shown(Fraction(legacy_fee, GWEI), 3)} gwei at 25 gwei" in TEXT
    assert f"the ratio is {shown(Fraction(alpha_fee, legacy_fee), 2)}" in TEXT


@pytest.mark.parametrize(
    ("row", "base_fee", "deficit", "in_doubles"),
    [
        (0, 26_450_000_000, 0, math.ceil((0.18 * 26.45 + 180_000 * 26.45 / 690_000 + 1.5) * 1e9)),
        (1, 0, 993_600_000_000_000_001, math.ceil(0.2 * 993_600_000_000_000_001 / (72 * 690_000) + 1.5e9)),
    ],
)
def test_doubles_give_another_wei(row: int, base_fee: int, deficit: int, in_doubles: int) -> None:
    exact = FeeFormula.of(DEFAULTS).price(WeiPerGas(base_fee), WeiDelta(deficit)).fee
    assert abs(exact - in_doubles) == 1
    assert table("inputs")[row][1:3] == [str(exact), str(in_doubles)]
