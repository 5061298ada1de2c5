"""Flags over environment over file over preset over default."""

from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.freshness import FreshnessPolicy
from app.domain.parameters import Parameters
from app.domain.vault import VaultPlan
from app.settings import (
    Source,
    load_settings,
)
from tests.settings.given import env_file, load, settings


class TestPrecedence:
    @given(
        flag=st.sampled_from(["", "0.11"]),
        environment=st.sampled_from(["", "0.12"]),
        file=st.sampled_from(["", "0.13"]),
        preset=st.sampled_from(["", "responsive"]),
    )
    def test_flags_over_environment_over_file_over_preset_over_default(
        self, tmp_path_factory: pytest.TempPathFactory, flag: str, environment: str, file: str, preset: str
    ) -> None:
        path = env_file(tmp_path_factory.mktemp("env"), f"TAIKO_ALPHA_DATA={file}\nTAIKO_PRESET={preset}\n")
        loaded = load_settings({"TAIKO_ALPHA_DATA": flag}, {"TAIKO_ALPHA_DATA": environment}, path)
        by_preset = "0.2" if preset else ""
        expected = Fraction(next(filter(None, (flag, environment, file, by_preset, "0.18"))))
        assert loaded.settings.parameter_set().parameters.alpha_data == expected
        assert loaded.sources["TAIKO_ALPHA_DATA"] == next(
            source
            for text, source in (
                (flag, Source.FLAG),
                (environment, Source.ENVIRONMENT),
                (file, Source.ENV_FILE),
                (preset, Source.PRESET),
                ("always", Source.DEFAULT),
            )
            if text
        )

    def test_without_anything_the_defaults_are_the_domains(self) -> None:
        loaded = load()
        assert loaded.settings.parameter_set().parameters == Parameters()
        assert loaded.settings.freshness_policy() == FreshnessPolicy()
        assert loaded.settings.vault_plan() == VaultPlan()
        assert set(loaded.sources.values()) == {Source.DEFAULT}
        assert loaded.warnings == ()

    def test_the_default_thresholds_are_the_domains(self) -> None:
        thresholds = settings().alert_thresholds()
        assert thresholds == type(thresholds)()

    @pytest.mark.parametrize("blank", ["", "  ", "\t"])
    def test_a_blank_value_is_unset(self, blank: str, tmp_path: Path) -> None:
        path = env_file(tmp_path, "TAIKO_HORIZON_BATCHES=50\n")
        loaded = load_settings({"TAIKO_HORIZON_BATCHES": blank}, {"TAIKO_HORIZON_BATCHES": blank}, path)
        assert loaded.settings.parameter_set().parameters.horizon_batches == 50
