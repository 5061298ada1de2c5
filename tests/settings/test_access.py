"""Who may administer, as it is configured."""

from hashlib import sha256
from pathlib import Path

import pytest

from tests.settings.given import SECRET, TOKEN, VARIABLE_OF, load, problems, settings

DIGEST = sha256(TOKEN.encode()).hexdigest()


class TestToken:
    @pytest.mark.parametrize("token", ["x" * 32, TOKEN, "!~" * 256])
    def test_it_has_32_characters_or_more(self, token: str) -> None:
        found = settings(TAIKO_ADMIN_TOKEN=token)
        assert found.admin_token is not None
        assert found.admin_token.text == token
        assert found.has_administration()

    @pytest.mark.parametrize(
        "token",
        [f"{SECRET:x<31}", f"{SECRET} {SECRET:x<40}", f"{SECRET:ä<40}", f"{SECRET:x<513}", f"https://{SECRET:x<40}"],
    )
    def test_any_other_is_refused_and_not_shown(self, token: str) -> None:
        (line,) = problems(TAIKO_ADMIN_TOKEN=token)
        assert line.startswith("TAIKO_ADMIN_TOKEN: got '***")
        assert SECRET not in line

    def test_without_one_nobody_administers(self) -> None:
        assert not settings().has_administration()

    def test_a_token_has_no_flag_and_everything_else_has(self) -> None:
        assert [name for name, variable in VARIABLE_OF.items() if variable.is_secret] == ["TAIKO_ADMIN_TOKEN"]


class TestTokensFile:
    def test_a_token_in_place_of_a_path_is_not_shown(self) -> None:
        token = f"{SECRET:x<40}"
        (line,) = problems(TAIKO_ADMIN_TOKENS_FILE=token)
        assert line.startswith(
            "TAIKO_ADMIN_TOKENS_FILE: got '*** (it looks like a token)', expected the path of a file"
        )
        assert SECRET not in line

    def test_names_with_digests_and_comments(self, tmp_path: Path) -> None:
        path = tmp_path / "tokens"
        path.write_text(f"# who may\n\nalice:{DIGEST} # until May\nalice:{'0' * 64}\nbob.b-2@x:{'A' * 64}\n")
        found = load(TAIKO_ADMIN_TOKENS_FILE=str(path)).settings
        assert found.admin_tokens_file == path
        assert found.has_administration()

    @pytest.mark.parametrize(
        ("content", "line", "said"),
        [
            (f"alice:{DIGEST}\n{SECRET}\n".encode(), 2, "expected name:sha256"),
            (f"alice:{SECRET:0<64}\n".encode(), 1, "expected name:sha256"),
            (f"a b:{DIGEST}\n".encode(), 1, "expected name:sha256"),
            (f"alice:{DIGEST}\n\nbob:{DIGEST.upper()}\n".encode(), 3, "expected another token than alice's"),
        ],
    )
    def test_a_line_that_is_none_stops_the_start_by_its_number(
        self, tmp_path: Path, content: bytes, line: int, said: str
    ) -> None:
        path = tmp_path / "tokens"
        path.write_bytes(content)
        (found,) = problems(TAIKO_ADMIN_TOKENS_FILE=str(path))
        assert found.startswith(f"TAIKO_ADMIN_TOKENS_FILE: {path} line {line}: {said}")
        assert SECRET not in found

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            (b"", "the file is empty"),
            (b" \n", "the file is empty"),
            (b"\xff", "not UTF-8"),
            (b"#" * 70_000, "at most 65536 bytes"),
        ],
    )
    def test_a_file_that_cannot_be_one_stops_the_start(self, tmp_path: Path, content: bytes, said: str) -> None:
        path = tmp_path / "tokens"
        path.write_bytes(content)
        (found,) = problems(TAIKO_ADMIN_TOKENS_FILE=str(path))
        assert found.startswith(f"TAIKO_ADMIN_TOKENS_FILE: {path}")
        assert said in found

    def test_a_file_that_is_not_there_stops_the_start(self, tmp_path: Path) -> None:
        (found,) = problems(TAIKO_ADMIN_TOKENS_FILE=str(tmp_path / "absent"))
        assert "cannot be read (No such file or directory)" in found

    def test_a_wrong_token_does_not_hide_a_wrong_file(self, tmp_path: Path) -> None:
        lines = problems(TAIKO_ADMIN_TOKEN=SECRET, TAIKO_ADMIN_TOKENS_FILE=str(tmp_path / "absent"))
        assert [line.partition(":")[0] for line in lines] == ["TAIKO_ADMIN_TOKEN", "TAIKO_ADMIN_TOKENS_FILE"]
