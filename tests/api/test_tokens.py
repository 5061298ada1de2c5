"""Who may administer: tokens by their digests, and a file of them that changes under the running service."""

import os
from hashlib import sha256
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from app.api.tokens import AdminTokens
from app.domain.admin_tokens import TokensFileError, tokens_of

OWN, ALICES, NEWER, BOBS = (f"{name}-token-of-more-than-32-characters" for name in ("own", "alices", "newer", "bobs"))


def line(name: str, token: str) -> str:
    return f"{name}:{sha256(token.encode()).hexdigest()}\n"


def file_of(directory: Path, *lines: str) -> Path:
    path = directory / "tokens"
    path.write_text("# tokens\n" + "".join(lines), encoding="utf-8")
    return path


def test_the_token_of_the_settings_is_admins_and_nobody_elses() -> None:
    tokens = AdminTokens(OWN, None)
    assert tokens.actor_of(OWN) == "admin"
    assert [tokens.actor_of(other) for other in (ALICES, OWN[:-1], OWN + "x", OWN.upper(), "", " " + OWN)] == [None] * 6


def test_the_name_in_the_file_is_the_actor_and_several_tokens_of_one_name_are_valid_at_once(tmp_path: Path) -> None:
    tokens = AdminTokens(OWN, file_of(tmp_path, line("alice", ALICES), line("alice", NEWER), line("bob", BOBS)))
    assert [tokens.actor_of(token) for token in (OWN, ALICES, NEWER, BOBS)] == ["admin", "alice", "alice", "bob"]


@pytest.mark.parametrize("token", ["short", "x" * 31, "x" * 513, "ä" * 40, "x" * 20 + " " + "x" * 20])
def test_what_is_no_token_is_refused_even_where_its_digest_is_listed(tmp_path: Path, token: str) -> None:
    assert AdminTokens(None, file_of(tmp_path, line("alice", token))).actor_of(token) is None


def test_a_file_that_changes_counts_at_the_next_request(tmp_path: Path) -> None:
    path = file_of(tmp_path, line("alice", ALICES))
    tokens = AdminTokens(None, path)
    assert (tokens.actor_of(ALICES), tokens.actor_of(BOBS)) == ("alice", None)
    file_of(tmp_path, line("alice", ALICES), line("bob", BOBS))
    assert (tokens.actor_of(ALICES), tokens.actor_of(BOBS)) == ("alice", "bob")
    replacement = file_of(tmp_path / "..", line("bob", BOBS)).rename(tmp_path / "new")
    replacement.rename(path)
    assert (tokens.actor_of(ALICES), tokens.actor_of(BOBS)) == (None, "bob")


def test_a_file_of_comments_alone_lets_nobody_in(tmp_path: Path) -> None:
    tokens = AdminTokens(None, file_of(tmp_path, line("alice", ALICES)))
    file_of(tmp_path)
    assert tokens.actor_of(ALICES) is None


@pytest.mark.parametrize("broken", ["", "alice\n", line("alice", ALICES)[:-9], "\0" * 70_000])
def test_a_file_that_is_broken_leaves_the_last_good_tokens_and_is_said_once(tmp_path: Path, broken: str) -> None:
    path = file_of(tmp_path, line("alice", ALICES))
    tokens = AdminTokens(None, path)
    with capture_logs() as logs:
        path.write_text(broken)
        assert [tokens.actor_of(ALICES) for _ in range(3)] == ["alice"] * 3
        assert tokens.actor_of(BOBS) is None
    assert [(entry["event"], entry["log_level"]) for entry in logs] == [("admin_tokens_unreadable", "warning")]
    assert sha256(ALICES.encode()).hexdigest()[:16] not in str(logs)
    with capture_logs() as logs:
        file_of(tmp_path, line("bob", BOBS))
        assert (tokens.actor_of(ALICES), tokens.actor_of(BOBS)) == (None, "bob")
    assert [entry["event"] for entry in logs] == ["admin_tokens_read"]


def test_a_file_that_is_gone_leaves_the_last_good_tokens_and_counts_again_when_it_is_back(tmp_path: Path) -> None:
    path = file_of(tmp_path, line("alice", ALICES))
    tokens = AdminTokens(None, path)
    path.unlink()
    assert tokens.actor_of(ALICES) == "alice"
    path.mkdir()
    assert tokens.actor_of(ALICES) == "alice"
    path.rmdir()
    file_of(tmp_path, line("bob", BOBS))
    assert (tokens.actor_of(ALICES), tokens.actor_of(BOBS)) == (None, "bob")


def test_a_pipe_in_the_files_place_does_not_hold_the_service_up(tmp_path: Path) -> None:
    path = file_of(tmp_path, line("alice", ALICES))
    tokens = AdminTokens(None, path)
    path.unlink()
    os.mkfifo(path)
    assert tokens.actor_of(ALICES) == "alice"


def test_a_file_that_is_broken_from_the_start_lets_nobody_in() -> None:
    assert AdminTokens(None, Path("absent")).actor_of(ALICES) is None


def test_no_error_about_a_line_repeats_it() -> None:
    with pytest.raises(TokensFileError, match="line 2") as caught:
        tokens_of(b"# x\nalice: s3cretK3y\n")
    assert "s3cretK3y" not in str(caught.value)
    assert caught.value.line == 2


@pytest.mark.parametrize("name", ["environment", "Environment"])
def test_nobody_may_go_by_the_name_under_which_the_environment_acts(name: str) -> None:
    with pytest.raises(TokensFileError, match="line 1"):
        tokens_of(line(name, ALICES).encode())
