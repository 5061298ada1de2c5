"""Names that nothing reads."""

from pathlib import Path

import pytest

from app.settings import load_settings
from tests.settings.given import SECRET, env_file, load


class TestNames:
    @pytest.mark.parametrize(
        ("name", "nearest"),
        [
            ("TAIKO_ALPHADATA", "TAIKO_ALPHA_DATA"),
            ("TAIKO_L1_RPC_URL", "TAIKO_L1_RPC_URLS"),
            ("TAIKO_POLL_INTERVAL", "TAIKO_POLL_INTERVAL_SECONDS"),
            ("taiko_alpha_data", "TAIKO_ALPHA_DATA"),
        ],
    )
    def test_an_unknown_name_is_warned_about_with_the_nearest_known_one(self, name: str, nearest: str) -> None:
        (warning,) = load({name: SECRET}).warnings
        assert warning.startswith(f"{name} in the environment is unknown")
        assert warning.endswith(f"did you mean {nearest}?")
        assert SECRET not in warning

    def test_a_name_that_resembles_nothing_gets_no_hint(self) -> None:
        (warning,) = load(TAIKO_ZZZ="1").warnings
        assert "did you mean" not in warning

    def test_unknown_names_in_the_file_are_warned_about(self, tmp_path: Path) -> None:
        path = env_file(tmp_path, "TAIKO_HORIZON=3\nUNRELATED=1\n")
        (warning,) = load_settings({}, {}, path).warnings
        assert warning.startswith(f"TAIKO_HORIZON in {path} is unknown")
