"""What the container files promise, checked by the tools that know them."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

TOOLS = Path(sys.executable).parent


@pytest.mark.world
def test_the_dockerfile_passes_hadolint(project_root: Path) -> None:
    checked = subprocess.run(
        [TOOLS / "hadolint", project_root / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout


@pytest.mark.world
def test_the_compose_file_follows_the_compose_specification(project_root: Path) -> None:
    checked = subprocess.run(
        [
            *(TOOLS / "check-jsonschema", "--builtin-schema", "vendor.compose-spec"),
            project_root / "docker-compose.yml",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-build.lock", "requirements-dev.lock"])
def test_a_lock_pins_every_package_by_hash_and_names_no_host(project_root: Path, lock: str) -> None:
    text = (project_root / lock).read_text()
    assert "://" not in text
    assert "index-url" not in text
    pinned = re.findall(r"^[a-z0-9][a-z0-9._-]*(?:\[[^]]*\])?==", text, flags=re.MULTILINE)
    entries = re.findall(r"^\S.*(?:\n[ \t].*)*", text, flags=re.MULTILINE)
    assert len(pinned) == len(entries)
    assert all("--hash=sha256:" in entry for entry in entries)
