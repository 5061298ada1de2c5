"""The unit before systemd's own judges, and the program under the confinement that the unit asks for."""

import errno
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.manifests import SECRETS
from tests.deploy.units import DROP_IN, UNIT, credentials_of, environment, only, service_section
from tests.service import Service
from tests.world.operations import confined

GREATEST_EXPOSURE = 1.2
"""Of 10: what README.md says."""


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    assert shutil.which("systemd-analyze"), "no systemd-analyze: run make test-world"
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, check=False)


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit with its drop-in, of a program that there is."""
    path = tmp_path / UNIT.name
    installed = only(service_section(), "ExecStart").split()[0]
    path.write_text(UNIT.read_text(encoding="utf-8").replace(installed, sys.executable), encoding="utf-8")
    drop_ins = tmp_path / f"{UNIT.name}.d"
    drop_ins.mkdir()
    shutil.copy(DROP_IN, drop_ins)
    return path


def test_systemd_finds_nothing_wrong_with_the_unit_and_its_drop_in(unit: Path) -> None:
    found = analyze("verify", "--man=no", "--recursive-errors=no", unit)
    assert (found.returncode, found.stdout, found.stderr) == (0, "", "")


def test_systemd_would_find_a_misspelt_line(unit: Path) -> None:
    unit.write_text(unit.read_text().replace("ProtectHome=", "ProtectHomes="))
    assert "ProtectHomes" in analyze("verify", "--man=no", "--recursive-errors=no", unit).stderr


def test_systemd_counts_no_more_exposure_than_the_readme_says(unit: Path) -> None:
    found = analyze("security", "--offline=true", f"--threshold={round(GREATEST_EXPOSURE * 10)}", "--no-pager", unit)
    assert found.returncode == 0, found.stdout
    assert f"says {GREATEST_EXPOSURE}," in (UNIT.parent / "README.md").read_text(encoding="utf-8")


class TestConfinement:
    @pytest.fixture
    def calls(self, tmp_path: Path) -> Path:
        """A file with the system calls that the unit allows."""
        allowed = _in_sets("@default")
        for line in service_section()["SystemCallFilter"]:
            if line.startswith("~"):
                allowed -= _in_sets(*line.removeprefix("~").split()) - _in_sets("@default")
            else:
                allowed |= _in_sets(*line.split())
        path = tmp_path / "calls"
        path.write_text("\n".join(sorted(allowed)))
        return path

    def test_the_program_works_with_the_system_calls_and_memory_that_the_unit_allows(
        self, calls: Path, tmp_path: Path
    ) -> None:
        for name in credentials_of():
            (tmp_path / name).write_text(SECRETS[name])
        (tmp_path / "taiko-fee-oracle").mkdir()
        changed = {"TAIKO_HTTP_PORT": "0", "TAIKO_L1_CHAIN_ID": "", "TAIKO_POLL_INTERVAL_SECONDS": "0.2"}
        given = environment(tmp_path, tmp_path) | changed
        del given["TAIKO_L1_RPC_URLS_FILE"]
        command = (sys.executable, confined.__file__, str(calls), sys.executable, "-m", "app")
        with Service("serve", "--devnet", "--devnet-block-time", "1", environment=given, command=command) as service:
            first = service.event("first_quote")["block"]
            assert service.quote_for(first + 2)["status"] == "fresh"
            assert service.get("/readyz").json()["journal"] == "ok"
            assert service.get("/metrics").status_code == 200
            assert service.stop(signal.SIGTERM) == 0
        assert (tmp_path / "taiko-fee-oracle" / "journal.db").stat().st_size > 0

    def test_another_system_call_fails_and_so_does_memory_that_is_writable_and_executable(self, calls: Path) -> None:
        tries = (
            "import mmap, os\n"
            "forbidden = mmap.PROT_WRITE | mmap.PROT_EXEC\n"
            "for attempt in (lambda: os.chroot('/'), lambda: mmap.mmap(-1, 4096, prot=forbidden)):\n"
            "    try: attempt()\n"
            "    except OSError as error: print(error.errno)\n"
        )
        command = [sys.executable, confined.__file__, str(calls), sys.executable, "-c", tries]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=dict(os.environ))
        assert done.stdout.split() == [str(errno.EPERM), str(errno.EACCES)], done.stderr


def _in_sets(*names: str) -> set[str]:
    """The system calls in these sets of systemd's, and in the sets within them."""
    found = set()
    for name in names:
        if not name.startswith("@"):
            found.add(name)
            continue
        listed = analyze("syscall-filter", "--no-pager", name)
        assert listed.returncode == 0, listed.stderr
        members = [line.split()[0] for line in listed.stdout.splitlines()[1:] if line.strip()]
        found |= _in_sets(*(member for member in members if not member.startswith("#")))
    return found
