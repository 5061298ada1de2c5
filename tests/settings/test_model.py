"""What the settings make of their values."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.parameter_set import PARAMETER_KEYS, ParameterSource
from app.domain.parameters import Controller, Parameters, Preset
from app.settings import (
    VARIABLES,
    LogFormat,
    LogLevel,
)
from tests.settings.given import problems, settings


class TestParameters:
    def test_each_parameter_is_set_by_its_variable(self) -> None:
        parameters = settings(
            TAIKO_PRESET="conservative",
            TAIKO_CONTROLLER="legacy",
            TAIKO_ALPHA_DATA="0.17",
            TAIKO_DEFICIT_WEIGHT="0.4",
            TAIKO_HORIZON_BATCHES="36",
            TAIKO_BASE_FEE_GWEI="0.5",
            TAIKO_L2_GAS_PER_BATCH="700000",
            TAIKO_PROOF_GAS_PER_BATCH="190000",
            TAIKO_MIN_FEE_GWEI="2000",
            TAIKO_MAX_FEE_GWEI="3000",
            TAIKO_MAX_FEE_INCREASE="0.125",
            TAIKO_MAX_FEE_DECREASE="0.25",
            TAIKO_LEGACY_MU="0.6",
            TAIKO_LEGACY_SMOOTHING="0.2",
        ).parameter_set()
        assert parameters.parameters == Parameters(
            controller=Controller.LEGACY,
            alpha_data=Fraction(17, 100),
            deficit_weight=Fraction(4, 10),
            horizon_batches=36,
            base_fee=type(Parameters().base_fee)(500_000_000),
            l2_gas_per_batch=type(Parameters().l2_gas_per_batch)(700_000),
            proof_gas_per_batch=type(Parameters().l2_gas_per_batch)(190_000),
            min_fee=type(Parameters().base_fee)(2000 * 10**9),
            max_fee=type(Parameters().base_fee)(3000 * 10**9),
            max_fee_increase=Fraction(1, 8),
            max_fee_decrease=Fraction(1, 4),
            legacy_mu=Fraction(6, 10),
            legacy_smoothing=Fraction(2, 10),
        )
        assert set(parameters.sources.values()) == {ParameterSource.ENVIRONMENT}

    @pytest.mark.parametrize(
        ("text", "value"), [(" 0.18 ", "0.18"), ("+0.18", "0.18"), ("-0", "0"), ("00.180", "0.18")]
    )
    def test_a_decimal_may_have_a_sign_blanks_and_zeros(self, text: str, value: str) -> None:
        assert settings(TAIKO_ALPHA_DATA=text).redacted()["TAIKO_ALPHA_DATA"] == value

    @pytest.mark.parametrize("text", ["0.1", "2", "12345.678", "86399.999"])
    def test_a_time_is_shown_as_it_was_given(self, text: str) -> None:
        shown = settings(TAIKO_POLL_INTERVAL_SECONDS=text).redacted()
        assert shown["TAIKO_POLL_INTERVAL_SECONDS"] == text

    def test_a_chosen_preset_marks_what_it_sets_and_explicit_variables_override_it(self) -> None:
        chosen = settings(TAIKO_PRESET="responsive", TAIKO_ALPHA_DATA="0.19").parameter_set()
        assert chosen.preset is Preset.RESPONSIVE
        assert chosen.parameters.alpha_data == Fraction(19, 100)
        assert chosen.parameters.horizon_batches == 48
        assert chosen.sources["alphaData"] is ParameterSource.ENVIRONMENT
        assert chosen.sources["deficitWeight"] is ParameterSource.PRESET
        assert chosen.sources["horizonBatches"] is ParameterSource.PRESET
        assert chosen.sources["preset"] is ParameterSource.ENVIRONMENT
        assert chosen.sources["baseFeeGwei"] is ParameterSource.DEFAULT

    def test_every_parameter_key_has_a_variable(self) -> None:
        assert {entry.key for entry in PARAMETER_KEYS} | {"preset"} == {
            variable.parameter for variable in VARIABLES if variable.parameter
        }

    @given(st.decimals(min_value=0, max_value=10**6, places=12).map(lambda number: f"{number:f}"))
    def test_decimals_are_exact(self, text: str) -> None:
        assert settings(TAIKO_ALPHA_DATA=text).parameter_set().parameters.alpha_data == Fraction(text)


class TestQuorum:
    @pytest.mark.parametrize(("text", "quorum"), [("auto", None), ("AUTO", None), ("", None), ("1", 1), ("2", 2)])
    def test_it_is_a_number_or_follows_from_the_providers(self, text: str, quorum: int | None) -> None:
        found = settings(TAIKO_L1_QUORUM=text, TAIKO_L1_RPC_URLS="https://a.example,https://b.example")
        assert found.l1_quorum == quorum
        assert found.redacted()["TAIKO_L1_QUORUM"] == ("auto" if quorum is None else str(quorum))

    @pytest.mark.parametrize(("urls", "quorum", "most"), [("http://a.example", "2", 1), ("", "2", 1),
                                                          ("http://a.example,http://b.example", "3", 2)])  # fmt: skip
    def test_more_than_there_are_providers_can_never_agree(self, urls: str, quorum: str, most: int) -> None:
        (line,) = problems(TAIKO_L1_RPC_URLS=urls, TAIKO_L1_QUORUM=quorum)
        assert line.startswith(f"TAIKO_L1_QUORUM: got {quorum}, expected auto or at most {most}")


class TestOtherRules:
    def test_a_quote_cannot_expire_before_it_is_stale(self) -> None:
        (line,) = problems(TAIKO_QUOTE_STALE_AFTER_SECONDS="60", TAIKO_QUOTE_EXPIRES_AFTER_SECONDS="59")
        assert line == (
            "TAIKO_QUOTE_EXPIRES_AFTER_SECONDS: got 59, expected at least TAIKO_QUOTE_STALE_AFTER_SECONDS (60)"
        )

    def test_values_are_typed(self) -> None:
        found = settings(
            TAIKO_LOG_LEVEL="WARNING",
            TAIKO_LOG_FORMAT="console",
            TAIKO_POLL_INTERVAL_SECONDS="0.5",
            TAIKO_INITIAL_FEE_GWEI="1.5",
            TAIKO_SURPLUS_DISCOUNT="ON",
        )
        assert found.log_level is LogLevel.WARNING
        assert found.log_format is LogFormat.CONSOLE
        assert found.poll_interval_seconds == 0.5
        assert found.initial_fee_gwei == 1_500_000_000
        assert found.surplus_discount is True

    def test_advice_covers_the_providers_that_are_configured(self) -> None:
        alone = settings(TAIKO_L1_RPC_URLS="https://a.example").advice()
        assert [entry.code for entry in alone] == ["base_fee_above_protocol_maximum", "single_provider"]
        two = settings(TAIKO_L1_RPC_URLS="https://a.example,https://b.example").advice()
        assert [entry.code for entry in two] == ["base_fee_above_protocol_maximum"]

    def test_advice_covers_the_vault_that_is_configured(self) -> None:
        codes = [entry.code for entry in settings().advice()]
        with_vault = settings(TAIKO_VAULT_BALANCE_ETH="1", TAIKO_VAULT_TARGET_ETH="100").advice()
        assert codes == ["base_fee_above_protocol_maximum"]
        assert [entry.code for entry in with_vault] == ["deficit_term_exceeds_fee_alert", *codes]
