from dataclasses import fields, replace
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.errors import InvalidValueError
from app.domain.parameters import GREATEST_MAX_FEE, PRESETS, Controller, Parameters, Preset
from app.domain.units import SAFE_INTEGER_LIMIT
from tests.domain.build import DEFAULTS, GWEI, a_third_of_the_examples, adjusted, parameter_sets, ratios

SOMETHING = Fraction(1, 10**6)
A_MILLION = "1000000"

OUT_OF_RANGE: dict[str, tuple[str, st.SearchStrategy[Any]]] = {
    "alpha_data": ("alphaData", ratios("-2", "-0.000001")),
    "deficit_weight": ("deficitWeight", ratios("-2", "-0.000001") | ratios("1.000001", A_MILLION)),
    "horizon_batches": ("horizonBatches", st.integers(max_value=0) | st.integers(min_value=SAFE_INTEGER_LIMIT)),
    "base_fee": ("baseFeeGwei", st.integers(max_value=-1) | st.integers(min_value=GREATEST_MAX_FEE + 1)),
    "l2_gas_per_batch": ("l2GasPerBatch", st.integers(max_value=0) | st.integers(min_value=SAFE_INTEGER_LIMIT)),
    "proof_gas_per_batch": ("proofGasPerBatch", st.integers(max_value=-1) | st.integers(min_value=SAFE_INTEGER_LIMIT)),
    "min_fee": ("minFeeGwei", st.integers(max_value=-1) | st.integers(min_value=1000 * GWEI + 1)),
    "max_fee": ("maxFeeGwei", st.integers(max_value=-1) | st.integers(min_value=GREATEST_MAX_FEE + 1)),
    "max_fee_increase": ("maxFeeIncrease", ratios("-2", "0")),
    "max_fee_decrease": ("maxFeeDecrease", ratios("-2", "0") | ratios("1.000001", A_MILLION)),
    "legacy_mu": ("legacyMu", ratios("-2", "-0.000001")),
    "legacy_smoothing": ("legacySmoothing", ratios("-2", "0") | ratios("1.000001", A_MILLION)),
}


@pytest.mark.parametrize("attribute", OUT_OF_RANGE)
@a_third_of_the_examples
@given(data=st.data())
def test_a_value_out_of_range_is_refused_with_its_name_and_what_is_allowed(attribute: str, data: st.DataObject) -> None:
    key, values = OUT_OF_RANGE[attribute]
    with pytest.raises(InvalidValueError) as refusal:
        adjusted(DEFAULTS, **{attribute: data.draw(values)})
    assert refusal.value.name == key
    assert key in str(refusal.value)
    assert refusal.value.allowed in str(refusal.value)


def test_every_parameter_but_the_controller_has_a_range_that_is_tested() -> None:
    assert {field.name for field in fields(Parameters)} - {"controller"} == OUT_OF_RANGE.keys()


@pytest.mark.parametrize(
    "edge",
    [
        {"alpha_data": Fraction(0)},
        {"deficit_weight": Fraction(0)},
        {"deficit_weight": Fraction(1)},
        {"horizon_batches": 1},
        {"base_fee": 0},
        {"base_fee": GREATEST_MAX_FEE},
        {"l2_gas_per_batch": 1},
        {"proof_gas_per_batch": 0},
        {"min_fee": 1000 * GWEI},
        {"max_fee": 0},
        {"max_fee": GREATEST_MAX_FEE},
        {"max_fee_increase": SOMETHING},
        {"max_fee_increase": Fraction(1000)},
        {"max_fee_decrease": SOMETHING},
        {"max_fee_decrease": Fraction(1)},
        {"legacy_smoothing": Fraction(1)},
    ],
    ids=str,
)
def test_the_edges_of_the_ranges_are_allowed(edge: dict[str, Any]) -> None:
    (attribute, value), *_ = edge.items()
    assert getattr(adjusted(DEFAULTS, **edge), attribute) == value


def test_a_minimum_above_the_maximum_says_which_maximum() -> None:
    with pytest.raises(InvalidValueError) as refusal:
        adjusted(DEFAULTS, min_fee=2 * GWEI, max_fee=1 * GWEI)
    assert str(refusal.value) == "minFeeGwei: got '2', expected 0 to maxFeeGwei (1 gwei)"


def test_the_greatest_allowed_fee_is_exact_in_every_json_reader() -> None:
    assert GREATEST_MAX_FEE < SAFE_INTEGER_LIMIT < GREATEST_MAX_FEE + GWEI


@given(parameters=parameter_sets())
def test_equal_parameters_have_equal_ids(parameters: Parameters) -> None:
    assert replace(parameters).parameters_id == parameters.parameters_id


@pytest.mark.parametrize(
    "change",
    [
        {"controller": Controller.LEGACY},
        {"alpha_data": Fraction(19, 100)},
        {"deficit_weight": Fraction(21, 100)},
        {"horizon_batches": 73},
        {"base_fee": 1_500_000_001},
        {"l2_gas_per_batch": 690_001},
        {"proof_gas_per_batch": 180_001},
        {"min_fee": 1},
        {"max_fee": 1000 * GWEI - 1},
        {"max_fee_increase": Fraction(1, 8)},
        {"max_fee_decrease": Fraction(1, 8)},
        {"legacy_mu": Fraction(71, 100)},
        {"legacy_smoothing": Fraction(11, 100)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_value_is_part_of_the_id(change: dict[str, Any]) -> None:
    assert adjusted(DEFAULTS, **change).parameters_id != DEFAULTS.parameters_id


@pytest.mark.parametrize(
    ("change", "depends"),
    [
        ({}, False),
        ({"controller": Controller.LEGACY}, True),
        ({"max_fee_increase": Fraction(1, 8)}, True),
        ({"max_fee_decrease": Fraction(1, 8)}, True),
    ],
)
def test_only_a_rate_limit_and_the_legacy_smoothing_depend_on_the_path(
    change: dict[str, Any], *, depends: bool
) -> None:
    assert adjusted(DEFAULTS, **change).depends_on_path is depends


def test_the_presets_are_the_deployment_documents_configurations() -> None:
    values = {name: (str(p.alpha_data), str(p.deficit_weight), p.horizon_batches) for name, p in PRESETS.items()}
    assert values == {
        Preset.PRODUCTION: ("9/50", "1/5", 72),
        Preset.CONSERVATIVE: ("4/25", "1/5", 72),
        Preset.RESPONSIVE: ("1/5", "3/10", 48),
    }


def test_the_production_preset_is_the_default() -> None:
    production = PRESETS[Preset.PRODUCTION]
    assert (DEFAULTS.alpha_data, DEFAULTS.deficit_weight, DEFAULTS.horizon_batches) == (
        production.alpha_data,
        production.deficit_weight,
        production.horizon_batches,
    )
