"""A stranger's first two commands."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.service import Service

MINUTES = 60


@pytest.fixture
def clone(project_root: Path, tmp_path: Path) -> Path:
    """What a clone of this tree would hold, in a new folder."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=project_root,
        capture_output=True,
        text=True,
        check=True,
    )
    folder = tmp_path / "clone"
    for name in listed.stdout.splitlines():
        if (project_root / name).is_file():
            copy = folder / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes((project_root / name).read_bytes())
    return folder


def test_make_run_and_make_test_set_themselves_up_in_an_empty_environment(clone: Path, tmp_path: Path) -> None:
    system_tools = f"PATH={Path(sys.executable).resolve().parent}:/usr/bin:/bin"
    in_empty_environment = ("env", "-i", f"HOME={tmp_path}", system_tools, "make", "-C", str(clone))

    with Service(command=(*in_empty_environment, "run", "ARGS=--http-port 0")) as service:
        first_quote = service.event("first_quote", seconds=5 * MINUTES)
        assert first_quote["network"] == "devnet"
        quote = service.quote()
        assert quote is not None
        assert quote["network"] == "devnet"
        service.stop()
        service.event("service_stopped")

    tested = subprocess.run(
        [*in_empty_environment, "test", "ARGS=-q tests/domain"],
        capture_output=True,
        text=True,
        timeout=10 * MINUTES,
        check=False,
    )
    assert tested.returncode == 0, tested.stdout[-4000:] + tested.stderr[-4000:]
    assert " passed" in tested.stdout
