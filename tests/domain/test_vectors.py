import json
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from app.domain.formula import FeeFormula, PathPoint
from app.domain.header import check_link, next_base_fee
from app.domain.parameter_set import ParameterSet
from app.domain.units import UnixSeconds, WeiDelta, WeiPerGas
from tests.domain.build import DEFAULTS, a_child, a_header, a_quote, a_vault

VECTORS = Path(__file__).parent.parent / "vectors"
CASES = json.loads((VECTORS / "controller.json").read_text())["cases"]
HEADERS = json.loads((VECTORS / "l1-headers.json").read_text())
FORMULA_INPUTS = {"l1BaseFeePerGas", "deficitWei", "previousFeePerGas"}


@pytest.mark.parametrize("case", CASES, ids=range(len(CASES)))
def test_the_formula_gives_the_worked_cases(case: dict[str, Any]) -> None:
    given, expected = case["input"], case["expect"]
    parameters = {key: value for key, value in given.items() if key not in FORMULA_INPUTS}
    formula = FeeFormula.of(ParameterSet().changed(parameters).parameters)
    base_fee, deficit = WeiPerGas(given["l1BaseFeePerGas"]), WeiDelta(int(given["deficitWei"]))
    price = formula.price(base_fee, deficit, PathPoint(given["previousFeePerGas"]))
    assert {
        "rawFeePerGas": price.raw,
        "feePerGas": price.fee,
        "bound": price.bound.value,
        "batchCostWei": str(formula.batch_cost(base_fee)),
        "batchRevenueWei": str(formula.batch_revenue(price.fee)),
    } == expected


@pytest.mark.parametrize("case", CASES, ids=range(len(CASES)))
def test_a_quote_gives_the_worked_cases(case: dict[str, Any]) -> None:
    given, expected = case["input"], case["expect"]
    parameters = {key: value for key, value in given.items() if key not in FORMULA_INPUTS}
    quote = a_quote(
        a_header(base_fee=given["l1BaseFeePerGas"]),
        parameters=ParameterSet().changed(parameters).parameters,
        vault=a_vault(int(given["deficitWei"])),
        previous=PathPoint(given["previousFeePerGas"]),
    )
    parts = quote.components
    assert {
        "rawFeePerGas": quote.price.raw,
        "feePerGas": quote.price.fee,
        "bound": quote.price.bound.value,
        "batchCostWei": str(quote.batch_cost),
        "batchRevenueWei": str(quote.batch_revenue),
    } == expected
    assert parts.da + parts.proof + parts.deficit + parts.base + parts.adjustment == quote.price.fee


def test_no_worked_case_is_left_out() -> None:
    assert len(CASES) == 60
    assert {case["expect"]["bound"] for case in CASES} == {"none", "min", "max", "rate_up", "rate_down"}


@pytest.mark.parametrize(
    ("base_fee", "fee", "cost", "recovery"),
    [
        (25_000_000_000, 12_521_739_131, 7_605_000_000_000_000, "1.1361"),
        (100_000_000_000, 45_586_956_522, 30_420_000_000_000_000, "1.0340"),
        (75_000_000, 1_533_065_218, 22_815_000_000_000, "46.3649"),
    ],
)
def test_the_golden_numbers(base_fee: int, fee: int, cost: int, recovery: str) -> None:
    quote = a_quote(a_header(base_fee=base_fee), parameters=DEFAULTS)
    assert (quote.price.fee, quote.batch_cost) == (fee, cost)
    assert round(Fraction(quote.batch_revenue, quote.batch_cost), 4) == Fraction(recovery)


def real_blocks() -> list[dict[str, Any]]:
    return [dict(zip(HEADERS["fields"], row, strict=True)) for row in HEADERS["rows"]]


def test_every_real_header_fixes_the_base_fee_of_the_next() -> None:
    blocks = real_blocks()
    assert len(blocks) == 200
    for parent, child in pairwise(blocks):
        header = a_header(
            base_fee=parent["base_fee_wei"],
            number=parent["block"],
            gas_limit=parent["gas_limit"],
            gas_used=parent["gas_used"],
        )
        assert child["block"] == parent["block"] + 1
        assert next_base_fee(header) == child["base_fee_wei"]


def test_the_real_headers_form_a_chain_that_is_not_rejected() -> None:
    first, *others = real_blocks()
    parent = a_header(
        base_fee=first["base_fee_wei"],
        number=first["block"],
        gas_limit=first["gas_limit"],
        gas_used=first["gas_used"],
        timestamp=UnixSeconds(0),
    )
    for block in others:
        child = a_child(parent, gas_limit=block["gas_limit"], gas_used=block["gas_used"])
        assert child.base_fee_per_gas == block["base_fee_wei"]
        check_link(parent, child)
        parent = child


def test_the_real_headers_include_odd_gas_limits_and_an_empty_block() -> None:
    blocks = real_blocks()
    assert any(block["gas_limit"] % 2 for block in blocks)
    assert any(block["gas_used"] == 0 for block in blocks)
