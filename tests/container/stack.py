"""The compose file brought up with podman-compose: what can run of it, on free ports."""

import json
import socket
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import yaml

from tests.container.engine import STAND_INS, Engine, answers
from tests.service import wait_until

MONITORING = tuple(STAND_INS)
"""Grafana is not among Debian's packages."""
PATIENCE_SECONDS = 60


def compose_file(project_root: Path) -> dict[str, Any]:
    """The compose file as it is written."""
    loaded: dict[str, Any] = yaml.safe_load((project_root / "docker-compose.yml").read_text())
    return loaded


class Stack:
    """One profile's oracle, with Prometheus and Alertmanager."""

    def __init__(self, engine: Engine, project_root: Path, profile: str, oracle: str, **environment: str) -> None:
        self.engine = engine
        self.oracle = oracle
        self.services = (oracle, *MONITORING)
        self.project = f"oracle-proof-{profile}"
        self.compose = (
            *(sys.executable, "-m", "podman_compose", "--project-name", self.project),
            *("--file", str(project_root / "docker-compose.yml"), "--profile", profile),
        )
        with socket.socket() as one, socket.socket() as two, socket.socket() as three:
            for probe in (one, two, three):
                probe.bind(("127.0.0.1", 0))
            ports = [str(probe.getsockname()[1]) for probe in (one, two, three)]
        names = ("TAIKO_HTTP_PORT", "PROMETHEUS_PORT", "ALERTMANAGER_PORT")
        self.environment = {**environment, **dict(zip(names, ports, strict=True))}
        self.address, self.prometheus, self.alertmanager = (f"http://127.0.0.1:{port}" for port in ports)

    def __enter__(self) -> Self:
        self.run("up", "--detach", "--no-build", *self.services)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            for service in self.services:
                error.add_note(f"{service}: {self.engine.attempt('podman', 'logs', self.container(service))}"[-2000:])
        self.engine.attempt(*self.compose, "down", "--volumes", **self.environment)

    def run(self, *command: str) -> str:
        """One command of compose, which has to succeed."""
        return self.engine.run(*self.compose, *command, **self.environment)

    def container(self, service: str) -> str:
        """The name of a service's container."""
        return f"{self.project}_{service}_1"

    def inspect(self, service: str) -> dict[str, Any]:
        """What the engine knows of a service's container."""
        found: dict[str, Any] = json.loads(self.engine.run("podman", "inspect", self.container(service)))[0]
        return found

    def is_healthy(self, service: str) -> bool:
        """What the service's own health check says now."""
        return self.engine.attempt("podman", "healthcheck", "run", self.container(service)).returncode == 0

    def wait_until_ready(self) -> None:
        """Wait for the first quote."""
        wait_until(lambda: answers(f"{self.address}/readyz"), "a ready service", seconds=PATIENCE_SECONDS)

    def ask_prometheus(self, path: str, **parameters: str) -> Any:  # noqa: ANN401 - whatever JSON it says
        """The `data` of an answer of Prometheus; None where it does not answer yet."""
        if not answers(f"{self.prometheus}/-/ready"):
            return None
        return httpx.get(f"{self.prometheus}/api/v1/{path}", params=parameters, timeout=5).json()["data"]
