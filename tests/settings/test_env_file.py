"""The file of settings."""

from fractions import Fraction
from pathlib import Path

import pytest

from app.settings import (
    SettingsError,
    Source,
    load_settings,
)
from tests.settings.given import SECRET, env_file


class TestEnvFile:
    def test_quotes_comments_and_export_are_understood(self, tmp_path: Path) -> None:
        path = env_file(
            tmp_path,
            "\ufeff# a comment\n\nexport TAIKO_ALPHA_DATA=0.2 # why\nTAIKO_HTTP_HOST='::1'\nTAIKO_HTTP_PORT=\"9000\"\n"
            "TAIKO_PRESET=#nothing\n  TAIKO_HORIZON_BATCHES = 60\n",
        )
        loaded = load_settings({}, {}, path)
        assert loaded.settings.parameter_set().parameters.alpha_data == Fraction(2, 10)
        assert loaded.settings.parameter_set().parameters.horizon_batches == 60
        assert (loaded.settings.http_host, loaded.settings.http_port) == ("::1", 9000)
        assert loaded.sources["TAIKO_PRESET"] is Source.DEFAULT

    def test_a_hash_within_a_url_is_no_comment(self, tmp_path: Path) -> None:
        path = env_file(tmp_path, "TAIKO_L1_RPC_URLS=https://node.example/a#b\n")
        assert load_settings({}, {}, path).settings.l1_endpoints()[0].url == "https://node.example/a#b"

    def test_a_line_that_is_no_setting_is_warned_about_without_its_text(self, tmp_path: Path) -> None:
        path = env_file(tmp_path, f"TAIKO_HTTP_PORT=9000\n{SECRET}\n")
        assert load_settings({}, {}, path).warnings == (f"{path} line 2 is not NAME=value and has no effect",)

    def test_lines_that_are_no_settings_are_numbered_as_an_editor_does(self, tmp_path: Path) -> None:
        path = tmp_path / "settings.env"
        path.write_bytes(
            f"\ufeff\r\n\r\nhttps://node.example/{SECRET}?x=1\r\n# a comment\r\n\r\nset A=1\r\n"
            f"{SECRET}: 1\r\n=1\r\nTAIKO_HTTP_PORT=9000\r\n".encode()
        )
        loaded = load_settings({}, {}, path)
        assert loaded.warnings == tuple(
            f"{path} line {number} is not NAME=value and has no effect" for number in (3, 6, 7, 8)
        )
        assert loaded.settings.http_port == 9000

    def test_a_quote_that_is_not_closed_is_warned_about(self, tmp_path: Path) -> None:
        path = env_file(tmp_path, f'TAIKO_L1_RPC_URLS="https://{SECRET}\nTAIKO_HTTP_PORT=9000\n')
        loaded = load_settings({}, {}, path)
        assert loaded.warnings == (f"{path} line 1 is not NAME=value and has no effect",)
        assert loaded.settings.http_port == 9000

    def test_the_last_of_two_lines_for_a_name_counts_and_that_is_said(self, tmp_path: Path) -> None:
        path = env_file(tmp_path, "TAIKO_HTTP_PORT=9000\n\nTAIKO_HTTP_PORT=9001\n")
        loaded = load_settings({}, {}, path)
        assert loaded.settings.http_port == 9001
        assert loaded.warnings == (f"{path} line 3 overrides TAIKO_HTTP_PORT of line 1",)

    def test_a_dollar_is_no_reference_to_another_variable(self, tmp_path: Path) -> None:
        path = env_file(tmp_path, "TAIKO_L1_RPC_URLS=https://node.example/${HOME}$1\n")
        assert load_settings({}, {}, path).settings.l1_endpoints()[0].url == "https://node.example/${HOME}$1"

    def test_a_directory_stops_the_start(self, tmp_path: Path) -> None:
        with pytest.raises(SettingsError, match="cannot be read"):
            load_settings({}, {}, tmp_path)

    def test_a_file_that_is_not_there_stops_the_start(self, tmp_path: Path) -> None:
        with pytest.raises(SettingsError, match="cannot be read"):
            load_settings({}, {}, tmp_path / "absent.env")

    def test_a_file_that_is_no_text_stops_the_start(self, tmp_path: Path) -> None:
        path = tmp_path / "binary.env"
        path.write_bytes(b"TAIKO_ALPHA_DATA=\xff\xfe")
        with pytest.raises(SettingsError, match="not UTF-8"):
            load_settings({}, {}, path)
