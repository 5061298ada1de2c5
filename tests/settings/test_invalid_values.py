"""One line for each problem, and all of them at once."""

from pathlib import Path

import pytest

from app.settings import (
    SettingsError,
    load_settings,
)
from tests.settings.given import ADDRESS, env_file, load, problems


class TestInvalidValues:
    @pytest.mark.parametrize(
        ("name", "value", "allowed"),
        [
            ("TAIKO_ALPHA_DATA", "-0.1", "at least 0"),
            ("TAIKO_ALPHA_DATA", "1e3", "a plain decimal number such as 0.18"),
            ("TAIKO_ALPHA_DATA", "0,18", "a plain decimal number such as 0.18"),
            ("TAIKO_DEFICIT_WEIGHT", "1.1", "0 to 1"),
            ("TAIKO_HORIZON_BATCHES", "0", "at least 1"),
            ("TAIKO_HORIZON_BATCHES", "7.5", "a whole number"),
            ("TAIKO_BASE_FEE_GWEI", "1.0000000001", "at most 9 decimals"),
            ("TAIKO_MIN_FEE_GWEI", "-1", "0 to 9007199 gwei"),
            ("TAIKO_MAX_FEE_GWEI", "9007200", "0 to 9007199 gwei"),
            ("TAIKO_MAX_FEE_INCREASE", "0", "above 0, or unset"),
            ("TAIKO_MAX_FEE_DECREASE", "2", "at most 1"),
            ("TAIKO_PRESET", "bold", "production, conservative, responsive"),
            ("TAIKO_CONTROLLER", "beta", "alpha or legacy"),
            ("TAIKO_LEGACY_SMOOTHING", "0", "above 0 and at most 1"),
            ("TAIKO_LEGACY_MU", "-1", "at least 0"),
            ("TAIKO_INITIAL_FEE_GWEI", "-1", "at least 0"),
            ("TAIKO_L1_CHAIN_ID", "0", "at least 1"),
            ("TAIKO_L1_CHAIN_ID", "0x1", "a whole number"),
            ("TAIKO_POLL_INTERVAL_SECONDS", "0.09", "from 0.1"),
            ("TAIKO_POLL_INTERVAL_SECONDS", "nan", "a decimal number of seconds"),
            ("TAIKO_RPC_TIMEOUT_SECONDS", "inf", "a decimal number of seconds"),
            ("TAIKO_VAULT_SOURCE", "bank", "none, static, onchain or push"),
            ("TAIKO_L1_QUORUM", "0", "auto, or a whole number, at least 1"),
            ("TAIKO_L1_QUORUM", "most", "auto, or a whole number, at least 1"),
            ("TAIKO_HISTORY_DAYS", "0", "at least 1"),
            ("TAIKO_JOURNAL_REQUIRED", "perhaps", "true or false"),
            ("TAIKO_VAULT_ADDRESSES", "l1:0x12", "40 hex digits"),
            ("TAIKO_VAULT_ADDRESSES", ADDRESS, "l1:0x… or l2:0x…"),
            ("TAIKO_VAULT_ADDRESSES", f"l1:{ADDRESS},l1:{ADDRESS.upper().replace('X', 'x')}", "each address once"),
            ("TAIKO_VAULT_BALANCE_ETH", "-1", "at least 0"),
            ("TAIKO_SURPLUS_DISCOUNT", "maybe", "true or false"),
            ("TAIKO_QUOTE_STALE_AFTER_SECONDS", "0", "at least 1"),
            ("TAIKO_HTTP_PORT", "65536", "at most 65535"),
            ("TAIKO_HTTP_HOST", "not a host", "an IP address or a host name"),
            ("TAIKO_HTTP_HOST", "...", "an IP address or a host name"),
            ("TAIKO_HTTP_HOST", "a..b", "an IP address or a host name"),
            ("TAIKO_HTTP_HOST", "a" * 64, "an IP address or a host name"),
            ("TAIKO_HTTP_HOST", "[::1]", "an IP address or a host name"),
            ("TAIKO_HTTP_HOST", "localhost:80", "an IP address or a host name"),
            ("TAIKO_HTTP_PORT", "８６００", "a whole number"),
            ("TAIKO_HTTP_PORT", "9" * 5000, "at most 65535"),
            ("TAIKO_ALPHA_DATA", "1e400", "a plain decimal number such as 0.18"),
            ("TAIKO_ALPHA_DATA", "０.１８", "a plain decimal number such as 0.18"),
            ("TAIKO_ALPHA_DATA", ".18", "a plain decimal number such as 0.18"),
            ("TAIKO_ALPHA_DATA", "0.18gwei", "a plain decimal number such as 0.18"),
            ("TAIKO_ALPHA_DATA", "9" * 20000, "a plain decimal number such as 0.18"),
            ("TAIKO_POLL_INTERVAL_SECONDS", "inf", "a decimal number of seconds"),
            ("TAIKO_LOG_LEVEL", "loud", "debug, info, warning or error"),
            ("TAIKO_LOG_FORMAT", "xml", "json or console"),
            ("TAIKO_ALERT_VAULT_DEFICIT", "20", "at most 1"),
        ],
    )
    def test_one_line_names_the_variable_its_value_and_what_is_allowed(
        self, name: str, value: str, allowed: str
    ) -> None:
        (line,) = problems(**{name: value})
        assert line.startswith(f"{name}: got ")
        assert allowed in line
        assert line.endswith("(set in the environment)")
        assert len(line) < 400

    def test_all_problems_come_at_once(self) -> None:
        lines = problems(
            TAIKO_ALPHA_DATA="x",
            TAIKO_HTTP_PORT="y",
            TAIKO_VAULT_BALANCE_ETH="1",
            TAIKO_MIN_FEE_GWEI="2000",
            TAIKO_ALERT_FEE_MIN_GWEI="60",
            TAIKO_ALERT_RECOVERY_LOW="2",
            WEB_CONCURRENCY="4",
        )
        assert [line.split(":")[0] for line in lines] == [
            "TAIKO_ALPHA_DATA",
            "TAIKO_HTTP_PORT",
            "WEB_CONCURRENCY",
            "TAIKO_MIN_FEE_GWEI",
            "TAIKO_VAULT_TARGET_ETH",
            "TAIKO_ALERT_FEE_MIN_GWEI",
            "TAIKO_ALERT_RECOVERY_LOW",
        ]

    def test_an_invalid_value_is_not_reported_as_missing_too(self) -> None:
        (line,) = problems(TAIKO_VAULT_BALANCE_ETH="1", TAIKO_VAULT_TARGET_ETH="one")
        assert line.startswith("TAIKO_VAULT_TARGET_ETH: got 'one'")

    def test_the_origin_is_said(self, tmp_path: Path) -> None:
        path = env_file(tmp_path, "TAIKO_HTTP_PORT=x\n")
        with pytest.raises(SettingsError) as caught:
            load_settings({"TAIKO_ALPHA_DATA": "y"}, {}, path)
        by_flag, by_file = caught.value.problems
        assert by_flag.endswith("(set by --alpha-data)")
        assert by_file.endswith(f"(set in {path})")

    def test_warnings_are_not_lost_when_the_start_stops(self) -> None:
        with pytest.raises(SettingsError) as caught:
            load(TAIKO_ALPHA_DATA="x", TAIKO_ALHPA_DATA="0.2")
        assert "TAIKO_ALHPA_DATA" in caught.value.warnings[0]

    @pytest.mark.parametrize("workers", ["", "1"])
    def test_one_worker_is_what_there_is(self, workers: str) -> None:
        assert load(WEB_CONCURRENCY=workers).warnings == ()

    def test_more_workers_are_refused(self) -> None:
        (line,) = problems(WEB_CONCURRENCY="2")
        assert line.startswith("WEB_CONCURRENCY: got '2', expected unset or 1")
