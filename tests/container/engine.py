"""buildah and podman with a store of their own, and a stand-in for the base image: no registry of images is needed."""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import httpx

BASE_IMAGE = "docker.io/library/python:3.11-slim-bookworm"
ORACLE_IMAGE = "localhost/taiko-fee-oracle"
DEBIAN_SOURCES = Path("/etc/apt/sources.list.d/debian.sources")
HOST_FILES_FOR_PIP = (Path("/etc/pip.conf"), Path("/etc/ssl/certs"))
"""How a host reaches its package index; the Dockerfile names none."""


@dataclass(frozen=True, slots=True)
class StandIn:
    """Debian's programs for a service of the compose file, by the names that its official image has for them."""

    programs: Mapping[str, str]
    data: str
    needs: tuple[Path, ...] = ()


STAND_INS = {
    "prometheus": StandIn({"prometheus": "prometheus", "promtool": "promtool"}, "/prometheus"),
    "alertmanager": StandIn(
        {"alertmanager": "prometheus-alertmanager", "amtool": "amtool"},
        "/alertmanager",
        (Path("/usr/share/prometheus/alertmanager"),),
    ),
}
NOBODY = 65534

CONTAINERS_CONF = """
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
log_driver = "k8s-file"
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
"""

LIKE_THE_OFFICIAL_IMAGE = (
    'for name in python python3 python3.11; do ln -s /usr/bin/python3 "$1/usr/local/bin/$name"; done',
    'find "$1/usr/lib/python3.11" -name "*.pyc" -delete',
)
"""Python under /usr/local, and its library uncompiled."""


def answers(url: str) -> bool:
    """Whether a GET succeeds."""
    try:
        return httpx.get(url, timeout=5).is_success
    except httpx.TransportError:
        return False


class Engine:
    """Containers that nobody else on the host sees."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        configuration = directory / "containers.conf"
        configuration.write_text(CONTAINERS_CONF)
        storage = directory / "storage.conf"
        storage.write_text(
            f'[storage]\ndriver = "overlay"\ngraphroot = "{directory}/images"\nrunroot = "{directory}/run"\n'
        )
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("TAIKO_")},
            "CONTAINERS_CONF": str(configuration),
            "CONTAINERS_STORAGE_CONF": str(storage),
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.run("podman", "rm", "--all", "--force", "--time", "0")
        self.run("podman", "rmi", "--all", "--force")
        shutil.rmtree(self.directory / "images", ignore_errors=True)

    def run(self, *command: str, **environment: str) -> str:
        """The standard output of a command, which has to succeed."""
        done = self.attempt(*command, **environment)
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        return done.stdout.strip()

    def attempt(self, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """What came of a command, whatever its exit code."""
        return subprocess.run(
            command, env={**self.environment, **environment}, capture_output=True, text=True, check=False, timeout=600
        )

    def make_base_image(self) -> None:
        """Debian's own Python 3.11 under the name of the official image."""
        root = self.directory / "base.tar"
        self.run(
            "mmdebstrap",
            "--variant=apt",
            "--include=python3,python3-venv,ca-certificates",
            *(f"--customize-hook={hook}" for hook in LIKE_THE_OFFICIAL_IMAGE),
            "bookworm",
            str(root),
            str(DEBIAN_SOURCES),
        )
        self.run("podman", "import", str(root), BASE_IMAGE)
        root.unlink()

    def build(self, project_root: Path) -> None:
        """The oracle's image from its Dockerfile, with the host's way to its package index."""
        volumes = [f"--volume={path}:{path}:ro" for path in HOST_FILES_FOR_PIP if path.exists()]
        self.run(
            *("buildah", "bud", "--isolation", "chroot", "--pull-never", "--format", "docker"),
            *volumes,
            *("--tag", ORACLE_IMAGE, str(project_root)),
        )

    def make_stand_in(self, service: str, image: str) -> None:
        """The host's programs on the base image, laid out as the image that the compose file names."""
        stand_in = STAND_INS[service]
        context = self.directory / service
        context.mkdir()
        for name, command in stand_in.programs.items():
            found = shutil.which(command)
            assert found, f"no {command} on this host"
            shutil.copy(found, context / name)
        for needed in stand_in.needs:
            shutil.copytree(needed, context / "root" / needed.relative_to("/"))
        (context / "root").mkdir(exist_ok=True)
        (context / "Dockerfile").write_text(
            f"FROM {BASE_IMAGE}\nCOPY {' '.join(stand_in.programs)} /usr/bin/\nCOPY root /\n"
            f"RUN install --directory --owner={NOBODY} --group={NOBODY} {stand_in.data}\n"
            f'VOLUME {stand_in.data}\nUSER nobody\nENTRYPOINT ["{next(iter(stand_in.programs))}"]\n'
        )
        self.run(
            *("buildah", "bud", "--isolation", "chroot", "--pull-never", "--format", "docker"),
            *("--tag", image, str(context)),
        )
        shutil.rmtree(context)

    def start(self, *arguments: str, options: Sequence[str] = ()) -> str:
        """Start the image as hardened as it should run; the container's id."""
        return self.run(
            *("podman", "run", "--detach", "--read-only", "--tmpfs", "/tmp"),  # noqa: S108  # the container's own
            *("--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--memory", "256m", "--pids-limit", "128"),
            *("--publish", "127.0.0.1::8600", *options, ORACLE_IMAGE, *arguments),
        )

    def address(self, container: str) -> str:
        """Where the host reaches the container's published port."""
        return f"http://{self.run('podman', 'port', container, '8600/tcp')}"

    def exit_code(self, container: str) -> int:
        """The exit code of a container that has stopped."""
        return int(self.run("podman", "inspect", "--format", "{{.State.ExitCode}}", container))
