"""Texts that are made from the variables."""

from pathlib import Path

import pytest

from app.domain.errors import InvalidValueError
from app.settings import (
    VARIABLES,
    SettingsError,
    documents,
    env_example,
    flag_help,
    load_settings,
    settings_table,
)
from tests.settings.given import VARIABLE_OF, env_file, load


class TestDocuments:
    def test_the_committed_files_are_made_from_the_variables(self, project_root: Path) -> None:
        for path, text in documents(project_root).items():
            assert path.read_text(encoding="utf-8") == text, f"{path.name}: run python -m app.settings"

    @pytest.mark.parametrize("name", sorted(VARIABLE_OF))
    def test_every_variable_is_in_every_rendering(self, name: str) -> None:
        variable = VARIABLE_OF[name]
        assert f"# {name}=" in env_example()
        assert f"| `{name}` | {variable.default_text} | {variable.description} |" in settings_table()
        assert variable.description in flag_help(variable)

    def test_the_example_of_a_token_is_refused_so_that_nobody_runs_with_it(self) -> None:
        (line,) = (line for line in env_example().splitlines() if line.startswith("# TAIKO_ADMIN_TOKEN="))
        with pytest.raises(InvalidValueError, match="32 to 512"):
            VARIABLE_OF["TAIKO_ADMIN_TOKEN"].kind.read("TAIKO_ADMIN_TOKEN", line.partition("=")[2])

    @pytest.mark.parametrize("name", sorted(VARIABLE_OF.keys() - {"TAIKO_ADMIN_TOKEN"}))
    def test_every_example_in_the_file_is_valid(self, name: str) -> None:
        (line,) = (line for line in env_example().splitlines() if line.startswith(f"# {name}="))
        variable = VARIABLE_OF[name]
        try:
            variable.kind.read(name, line.partition("=")[2])
        except InvalidValueError as error:
            pytest.fail(str(error))

    def test_a_copied_example_file_changes_nothing(self, tmp_path: Path) -> None:
        loaded = load_settings({}, {}, env_file(tmp_path, env_example()))
        assert loaded == load()

    def test_a_document_without_markers_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "README.md").write_text("no table\n", encoding="utf-8")
        with pytest.raises(SettingsError, match="expected the lines"):
            documents(tmp_path)

    def test_the_flags_whose_values_may_hold_keys_say_who_can_see_them(self) -> None:
        assert [variable.name for variable in VARIABLES if "visible in the process list" in flag_help(variable)] == [
            "TAIKO_L1_RPC_URLS",
            "TAIKO_L2_RPC_URLS",
            "TAIKO_STATE_URL",
        ]

    def test_a_flag_is_named_after_its_variable(self) -> None:
        assert VARIABLE_OF["TAIKO_POLL_INTERVAL_SECONDS"].flag == "--poll-interval-seconds"
