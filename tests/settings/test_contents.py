"""Values that files hold, as orchestrators hand secrets over."""

from pathlib import Path

import pytest

from app.settings import Source, load_settings
from tests.settings.given import SECRET, VARIABLE_OF, env_file, load, problems, settings

URL = f"https://node.example/{SECRET}"
OTHER_URL = f"https://other.example/{SECRET}"
DATABASE = f"postgresql://oracle:{SECRET}@db.example:5432/journal"


def held(directory: Path, text: str | bytes) -> str:
    """The path of a new file with this content."""
    path = directory / "held"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return str(path)


class TestContents:
    def test_what_may_hold_keys_can_be_read_from_a_file_and_a_token_by_its_digest(self) -> None:
        held_by_files = {variable.contents_of for variable in VARIABLE_OF.values() if variable.contents_of}
        assert held_by_files == {name for name, variable in VARIABLE_OF.items() if variable.holds_urls}
        for name in held_by_files:
            assert VARIABLE_OF[f"{name}_FILE"].contents_of == name

    @pytest.mark.parametrize("text", [URL, f"{URL}\n", f"\ufeff  {URL} \r\n\n"])
    def test_the_content_stands_for_the_value(self, tmp_path: Path, text: str) -> None:
        path = held(tmp_path, text)
        loaded = load(TAIKO_L1_RPC_URLS_FILE=path)
        assert [endpoint.url for endpoint in loaded.settings.l1_endpoints()] == [URL]
        assert loaded.settings.secrets() == (URL,)
        assert loaded.sources["TAIKO_L1_RPC_URLS"] is Source.ENVIRONMENT
        shown = loaded.settings.redacted()
        assert (shown["TAIKO_L1_RPC_URLS"], shown["TAIKO_L1_RPC_URLS_FILE"]) == ("p1=https://***", path)
        assert SECRET not in repr(loaded)

    def test_each_kind_of_value(self, tmp_path: Path) -> None:
        found = settings(
            TAIKO_STATE_URL_FILE=held(tmp_path, DATABASE), TAIKO_L2_RPC_URLS_FILE=str(_second(tmp_path, f"taiko={URL}"))
        )
        assert found.state_url.url == DATABASE
        assert [endpoint.alias for endpoint in found.l2_endpoints()] == ["taiko"]

    def test_a_wrong_content_is_refused_where_it_is_and_never_shown(self, tmp_path: Path) -> None:
        (line,) = problems(TAIKO_L1_RPC_URLS_FILE=held(tmp_path, f"{URL}\n{OTHER_URL}"), TAIKO_L1_QUORUM="2")
        assert line.startswith("TAIKO_L1_RPC_URLS: got 'entry 1 (https://***)'")
        assert line.endswith("(in the file of TAIKO_L1_RPC_URLS_FILE, set in the environment)")
        assert SECRET not in line

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            (b"", "the file is empty"),
            (b" \n", "the file is empty"),
            (f"{SECRET}\xff".encode("latin-1"), "cannot be read (not UTF-8 text)"),
            (SECRET.encode() * 9_000, "expected at most 65536 bytes"),
        ],
    )
    def test_a_file_without_a_value_stops_the_start(self, tmp_path: Path, content: bytes, said: str) -> None:
        path = held(tmp_path, content)
        assert problems(TAIKO_STATE_URL_FILE=path) == (
            f"TAIKO_STATE_URL_FILE: {path}: {said} (set in the environment)",
        )

    def test_a_file_that_is_not_there_stops_the_start_once(self, tmp_path: Path) -> None:
        absent = tmp_path / "absent"
        (line,) = problems(
            TAIKO_L1_RPC_URLS_FILE=str(absent),
            TAIKO_L1_QUORUM="2",
        )
        assert line == (
            f"TAIKO_L1_RPC_URLS_FILE: {absent}: cannot be read (No such file or directory) (set in the environment)"
        )

    def test_a_file_that_may_not_be_read_stops_the_start(self, tmp_path: Path) -> None:
        loop = tmp_path / "loop"
        loop.symlink_to(loop)
        (line,) = problems(TAIKO_L2_RPC_URLS_FILE=str(loop))
        assert line.startswith(f"TAIKO_L2_RPC_URLS_FILE: {loop}: ")

    def test_a_directory_is_no_file(self, tmp_path: Path) -> None:
        (line,) = problems(TAIKO_STATE_URL_FILE=str(tmp_path))
        assert line.startswith(f"TAIKO_STATE_URL_FILE: {tmp_path}: expected a regular file")

    def test_a_url_in_place_of_a_path_is_not_shown(self) -> None:
        (line,) = problems(TAIKO_L1_RPC_URLS_FILE=URL)
        assert line.startswith("TAIKO_L1_RPC_URLS_FILE: got '***', expected the path of a file")
        assert SECRET not in line


class TestPrecedence:
    @pytest.mark.parametrize("name", ["TAIKO_L1_RPC_URLS", "TAIKO_L2_RPC_URLS", "TAIKO_STATE_URL"])
    def test_a_value_and_its_file_at_once_stop_the_start(self, tmp_path: Path, name: str) -> None:
        path = held(tmp_path, DATABASE if name == "TAIKO_STATE_URL" else URL)
        (line,) = problems(**{name: DATABASE if name == "TAIKO_STATE_URL" else OTHER_URL, f"{name}_FILE": path})
        assert line.startswith(f"{name} and {name}_FILE: both are set (environment), expected one of them")

    def test_an_empty_value_beside_a_file_is_unset(self, tmp_path: Path) -> None:
        assert settings(TAIKO_STATE_URL="", TAIKO_STATE_URL_FILE=held(tmp_path, DATABASE)).state_url.url == DATABASE

    def test_what_is_set_further_up_counts_and_a_file_that_it_overrides_is_not_read(self, tmp_path: Path) -> None:
        path = held(tmp_path, DATABASE)
        absent = str(tmp_path / "absent")
        value, file = "TAIKO_STATE_URL", "TAIKO_STATE_URL_FILE"
        by_flag = load_settings({value: "sqlite:///a.db"}, {file: absent}, None)
        assert by_flag.settings.state_url.url == "sqlite:///a.db"
        assert (by_flag.settings.state_url_file, by_flag.sources[file]) == (None, Source.DEFAULT)
        by_file = load_settings({file: path}, {value: "sqlite:///a.db"}, None)
        assert (by_file.settings.state_url.url, by_file.sources[value]) == (DATABASE, Source.FLAG)
        in_env_file = load_settings({}, {file: path}, env_file(tmp_path, f"{value}=sqlite:///a.db\n"))
        assert in_env_file.settings.state_url.url == DATABASE


def _second(directory: Path, text: str) -> Path:
    path = directory / "second"
    path.write_text(text, encoding="utf-8")
    return path
