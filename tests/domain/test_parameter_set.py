from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.errors import InvalidValueError
from app.domain.parameter_set import (
    PARAMETER_KEYS,
    Difference,
    ParameterSet,
    ParameterSource,
    differences,
    parameter_texts,
)
from app.domain.parameters import Controller, Parameters, Preset
from tests.domain.build import parameter_sets

ORIGINAL = ParameterSet()


@given(parameters=parameter_sets(legacy_mu=Parameters().legacy_mu, legacy_smoothing=Parameters().legacy_smoothing))
def test_the_texts_of_parameters_read_back_as_the_same_parameters(parameters: Parameters) -> None:
    assert ORIGINAL.changed(parameter_texts(parameters)).parameters == parameters


@given(preset=st.sampled_from(Preset), alpha=st.integers(0, 10**6))
def test_a_whole_set_reads_back_from_its_texts(preset: Preset, alpha: int) -> None:
    original = ORIGINAL.changed({"preset": preset.value, "alphaData": f"{alpha}.5"})
    copy = ORIGINAL.changed(original.texts())
    assert (copy.parameters, copy.preset) == (original.parameters, original.preset)


def test_the_default_set_shows_the_documented_texts() -> None:
    assert ORIGINAL.texts() == {
        "preset": "production",
        "controller": "alpha",
        "alphaData": "0.18",
        "deficitWeight": "0.2",
        "horizonBatches": 72,
        "baseFeeGwei": "1.5",
        "l2GasPerBatch": 690_000,
        "proofGasPerBatch": 180_000,
        "minFeeGwei": "0",
        "maxFeeGwei": "1000",
        "maxFeeIncrease": None,
        "maxFeeDecrease": None,
    }


def test_every_value_starts_as_a_default() -> None:
    assert ORIGINAL.sources == dict.fromkeys(ORIGINAL.texts(), ParameterSource.DEFAULT)


@pytest.mark.parametrize("source", [ParameterSource.ENVIRONMENT, ParameterSource.OVERRIDE])
def test_the_preset_names_its_own_source(source: ParameterSource) -> None:
    chosen = ORIGINAL.changed({"preset": "responsive"}, source)
    assert chosen.sources["preset"] is source
    assert chosen.changed({"alphaData": "0.5"}).sources["preset"] is source
    assert chosen.changed({"preset": None}).sources["preset"] is ParameterSource.DEFAULT


def test_a_preset_sets_alpha_nu_and_horizon_and_nothing_else() -> None:
    changed = ORIGINAL.changed({"preset": "responsive"}, ParameterSource.ENVIRONMENT)
    assert changed.parameters == replace(
        ORIGINAL.parameters, alpha_data=Fraction(1, 5), deficit_weight=Fraction(3, 10), horizon_batches=48
    )
    assert changed.preset is Preset.RESPONSIVE
    from_preset = {key for key, source in changed.sources.items() if source is ParameterSource.PRESET}
    assert from_preset == {"alphaData", "deficitWeight", "horizonBatches"}


def test_an_explicit_value_of_the_same_change_wins_over_its_preset_in_any_order() -> None:
    for changes in (
        {"preset": "responsive", "alphaData": "0.19"},
        {"alphaData": "0.19", "preset": "responsive"},
    ):
        changed = ORIGINAL.changed(changes, ParameterSource.ENVIRONMENT)
        assert changed.parameters.alpha_data == Fraction(19, 100)
        assert changed.parameters.horizon_batches == 48
        assert changed.sources["alphaData"] is ParameterSource.ENVIRONMENT
        assert changed.sources["horizonBatches"] is ParameterSource.PRESET


def test_a_later_preset_goes_over_earlier_values() -> None:
    changed = ORIGINAL.changed({"alphaData": "0.5"}).changed({"preset": "conservative"})
    assert changed.parameters.alpha_data == Fraction(16, 100)
    assert changed.sources["alphaData"] is ParameterSource.OVERRIDE


def test_a_changed_value_names_its_source() -> None:
    environment = ORIGINAL.changed({"baseFeeGwei": "0.9"}, ParameterSource.ENVIRONMENT)
    override = environment.changed({"minFeeGwei": "0.01"})
    assert override.parameters.base_fee == 900_000_000
    assert override.sources["baseFeeGwei"] is ParameterSource.ENVIRONMENT
    assert override.sources["minFeeGwei"] is ParameterSource.OVERRIDE


def test_null_removes_a_rate_limit() -> None:
    limited = ORIGINAL.changed({"maxFeeIncrease": "0.125"})
    assert limited.parameters.max_fee_increase == Fraction(1, 8)
    unset = limited.changed({"maxFeeIncrease": None})
    assert unset.parameters.max_fee_increase is None
    assert unset.sources["maxFeeIncrease"] is ParameterSource.DEFAULT


def test_null_returns_a_value_to_its_preset() -> None:
    changed = ORIGINAL.changed({"preset": "responsive", "alphaData": "0.5"}).changed({"alphaData": None})
    assert changed == ORIGINAL.changed({"preset": "responsive"})


def test_null_returns_a_value_without_a_preset_to_its_default() -> None:
    changed = ORIGINAL.changed({"l2GasPerBatch": 1, "alphaData": "9"})
    assert changed.changed({"l2GasPerBatch": None, "alphaData": None}) == ORIGINAL


def test_null_unsets_the_preset() -> None:
    assert ORIGINAL.changed({"preset": "responsive"}).changed({"preset": None}) == ORIGINAL


def test_an_unset_value_and_a_new_preset_in_one_change_take_the_new_presets_value() -> None:
    changed = ORIGINAL.changed({"alphaData": "0.5"}).changed({"preset": "responsive", "alphaData": None})
    assert changed.parameters.alpha_data == Fraction(1, 5)


def test_the_legacy_controller_is_one_change_away() -> None:
    assert ORIGINAL.changed({"controller": "legacy"}).parameters.controller is Controller.LEGACY


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("alphaDate", "0.18"),
        ("legacyMu", "0.7"),
        ("", "1"),
        ("alphaData", 0.18),
        ("alphaData", 1),
        ("alphaData", "1e-1"),
        ("alphaData", "-0.1"),
        ("deficitWeight", "1.1"),
        ("horizonBatches", "72"),
        ("horizonBatches", 72.0),
        ("horizonBatches", True),
        ("horizonBatches", 0),
        ("baseFeeGwei", "0.0000000001"),
        ("baseFeeGwei", 1.5),
        ("baseFeeGwei", "9007199.000000001"),
        ("l2GasPerBatch", 0),
        ("proofGasPerBatch", -1),
        ("minFeeGwei", "1001"),
        ("maxFeeGwei", "9007200"),
        ("maxFeeIncrease", "0"),
        ("maxFeeDecrease", "1.5"),
        ("controller", "beta"),
        ("controller", 1),
        ("preset", "production "),
        ("preset", ["production"]),
    ],
)
def test_what_is_not_allowed_is_refused_by_its_key_and_changes_nothing(key: str, value: object) -> None:
    with pytest.raises(InvalidValueError) as refusal:
        ORIGINAL.changed({"horizonBatches": 10, key: value})
    assert refusal.value.name == key
    assert ParameterSet() == ORIGINAL


def test_every_problem_of_a_change_is_found_and_none_that_only_follows_from_another() -> None:
    changes: dict[str, object] = {
        "alphaDate": "0.18",
        "alphaData": 0.18,
        "preset": "reckless",
        "deficitWeight": "2",
        "minFeeGwei": "2000",
        "maxFeeGwei": "9007200",
        "horizonBatches": 10,
    }
    found = [problem.name for problem in ORIGINAL.problems(changes)]
    assert sorted(found) == ["alphaData", "alphaDate", "deficitWeight", "maxFeeGwei", "preset"]


def test_a_bound_that_contradicts_one_in_force_is_found() -> None:
    bounded = ORIGINAL.changed({"minFeeGwei": "5"})
    (problem,) = bounded.problems({"maxFeeGwei": "1"})
    assert (problem.name, problem.value) == ("minFeeGwei", "5")


def test_what_is_allowed_has_no_problems() -> None:
    assert ORIGINAL.problems({"minFeeGwei": "2000", "maxFeeGwei": "3000", "maxFeeIncrease": None}) == ()


@given(
    changes=st.dictionaries(
        st.sampled_from([*ORIGINAL.texts(), "alphaDate"]),
        st.none() | st.booleans() | st.integers(-1, 2) | st.sampled_from(["-1", "0.5", "2000", "9007200", "x"]),
    )
)
def test_a_change_is_refused_exactly_where_it_has_problems(changes: dict[str, object]) -> None:
    problems = ORIGINAL.problems(changes)
    assert len({problem.name for problem in problems}) == len(problems)
    if problems:
        with pytest.raises(InvalidValueError):
            ORIGINAL.changed(changes)
    else:
        ORIGINAL.changed(changes)


def test_bounds_are_judged_after_the_whole_change() -> None:
    changed = ORIGINAL.changed({"minFeeGwei": "2000", "maxFeeGwei": "3000"})
    assert (changed.parameters.min_fee, changed.parameters.max_fee) == (2000 * 10**9, 3000 * 10**9)


@given(changes=st.fixed_dictionaries({}, optional={entry.key: st.none() for entry in PARAMETER_KEYS}))
def test_unsetting_what_was_never_set_changes_nothing(changes: dict[str, Any]) -> None:
    assert ORIGINAL.changed(changes) == ORIGINAL


ENVIRONMENT = ORIGINAL.changed(
    {"preset": "responsive", "baseFeeGwei": "0.9", "horizonBatches": 60, "maxFeeIncrease": "0.125"},
    ParameterSource.ENVIRONMENT,
)


class TestUnderAnEnvironment:
    @pytest.mark.parametrize(
        ("key", "value"),
        [("baseFeeGwei", "2"), ("horizonBatches", 10), ("alphaData", "0.5"), ("controller", "legacy")],
    )
    def test_null_gives_back_what_the_environment_asks_for_with_its_source(self, key: str, value: object) -> None:
        assert ENVIRONMENT.changed({key: value}).changed({key: None}, fallback=ENVIRONMENT) == ENVIRONMENT

    def test_null_gives_back_the_environments_preset_and_what_belongs_to_it(self) -> None:
        changed = ENVIRONMENT.changed({"preset": "conservative"}).changed({"deficitWeight": "1", "minFeeGwei": "1"})
        unset = changed.changed({"preset": None}, fallback=ENVIRONMENT)
        assert unset == ENVIRONMENT.changed({"minFeeGwei": "1"})

    def test_null_gives_back_the_value_of_a_preset_that_was_put_over_the_environments(self) -> None:
        changed = ENVIRONMENT.changed({"preset": "conservative", "horizonBatches": 10})
        unset = changed.changed({"horizonBatches": None}, fallback=ENVIRONMENT)
        assert unset == ENVIRONMENT.changed({"preset": "conservative"})
        assert unset.parameters.horizon_batches == 72

    def test_null_takes_a_rate_limit_of_the_environments_off(self) -> None:
        unlimited = ENVIRONMENT.changed({"maxFeeIncrease": None}, fallback=ENVIRONMENT)
        assert unlimited.parameters.max_fee_increase is None
        assert unlimited.sources["maxFeeIncrease"] is ParameterSource.OVERRIDE

    def test_null_for_a_rate_limit_that_the_environment_has_not_leaves_no_override_behind(self) -> None:
        limited = ENVIRONMENT.changed({"maxFeeDecrease": "0.5"})
        assert limited.changed({"maxFeeDecrease": None}, fallback=ENVIRONMENT) == ENVIRONMENT

    def test_a_bound_of_the_environments_that_contradicts_one_in_force_is_found(self) -> None:
        changed = ENVIRONMENT.changed({"minFeeGwei": "2000", "maxFeeGwei": "3000"})
        (problem,) = changed.problems({"maxFeeGwei": None}, ENVIRONMENT)
        assert problem.name == "minFeeGwei"

    @given(
        changes=st.dictionaries(
            st.sampled_from(["preset", "alphaData", "deficitWeight", "horizonBatches", "minFeeGwei"]), st.none()
        ),
        overrides=st.fixed_dictionaries(
            {},
            optional={
                "preset": st.sampled_from(["production", "conservative", "responsive"]),
                "alphaData": st.just("0.5"),
                "minFeeGwei": st.just("1"),
            },
        ),
    )
    def test_unsetting_everything_is_the_environment_again(
        self, changes: dict[str, object], overrides: dict[str, object]
    ) -> None:
        everything: dict[str, object] = dict.fromkeys(["preset", "alphaData", "minFeeGwei"])
        changed = ENVIRONMENT.changed(overrides)
        assert changed.changed(changes | everything, fallback=ENVIRONMENT) == ENVIRONMENT


def test_whatever_is_shown_can_be_sent_back_and_changes_no_value() -> None:
    chosen = ENVIRONMENT.changed({"maxFeeIncrease": None}, fallback=ENVIRONMENT)
    assert chosen.changed(chosen.texts(), fallback=ENVIRONMENT).parameters == chosen.parameters


def test_differences_name_old_and_new_values_and_who_set_them() -> None:
    assert differences(ENVIRONMENT, ENVIRONMENT) == ()
    changed = ENVIRONMENT.changed({"baseFeeGwei": "0.9", "maxFeeIncrease": None}, fallback=ENVIRONMENT)
    environment, override = ParameterSource.ENVIRONMENT, ParameterSource.OVERRIDE
    assert differences(ENVIRONMENT, changed) == (
        Difference("baseFeeGwei", "0.9", environment, "0.9", override),
        Difference("maxFeeIncrease", "0.125", environment, None, override),
    )


def test_differences_tell_what_the_environment_alone_can_set() -> None:
    other = replace(ENVIRONMENT, parameters=replace(ENVIRONMENT.parameters, legacy_mu=Fraction(1, 2)))
    default, environment = ParameterSource.DEFAULT, ParameterSource.ENVIRONMENT
    assert differences(ENVIRONMENT, other) == (Difference("legacyMu", "0.7", default, "0.5", environment),)
