"""`make` on machines that are not ready for it, and what it says of itself."""

import subprocess
from pathlib import Path

import pytest

ONLY_SYSTEM_TOOLS = {"PATH": "/usr/bin:/bin"}


@pytest.fixture
def bare_clone(project_root: Path, tmp_path: Path) -> Path:
    """The files that `make run` starts from, before any environment is made."""
    for name in ("Makefile", "requirements.lock", "requirements-build.lock", "pyproject.toml"):
        (tmp_path / name).write_bytes((project_root / name).read_bytes())
    return tmp_path


def make(*arguments: str, directory: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", *arguments], cwd=directory, env=ONLY_SYSTEM_TOOLS, capture_output=True, text=True, check=False
    )


def python_that(answers: str, directory: Path) -> Path:
    python = directory / "python"
    python.write_text(f"#!/bin/sh\n{answers}\n")
    python.chmod(0o755)
    return python


def test_make_alone_lists_the_commands(bare_clone: Path) -> None:
    listed = make(directory=bare_clone)
    assert listed.returncode == 0
    commands = {line.split()[1] for line in listed.stdout.splitlines()}
    assert commands >= {"setup", "run", "test", "test-world", "check", "bench", "proof", "clean", "help"}


def test_a_python_too_old_is_refused_in_one_line(bare_clone: Path) -> None:
    too_old = python_that('case "$*" in *version_info*) exit 1;; esac', bare_clone)
    refused = make("run", f"PYTHON={too_old}", directory=bare_clone)
    assert refused.returncode != 0
    assert "Python 3.11 or newer is needed" in refused.stderr
    assert str(too_old) in refused.stderr
    assert not (bare_clone / ".venv").exists()


def test_a_python_without_venv_is_told_what_to_install(bare_clone: Path) -> None:
    without_venv = python_that('case "$*" in *ensurepip*) exit 1;; esac', bare_clone)
    refused = make("run", f"PYTHON={without_venv}", directory=bare_clone)
    assert refused.returncode != 0
    assert "apt install python3-venv" in refused.stderr
    assert not (bare_clone / ".venv").exists()
