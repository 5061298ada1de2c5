"""The real program as a process, its log and its HTTP surface, for the tests under `process`, `world` and `proof`."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

Found = TypeVar("Found")
_POLL_SECONDS = 0.01


def wait_until(probe: Callable[[], Found | None], what: str, *, seconds: float = 20) -> Found:
    """The first truthy answer of `probe`; fails naming `what` when none came in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = probe()
        if found:
            return found
        time.sleep(_POLL_SECONDS)
    message = f"waited {seconds} s in vain for {what}"
    raise AssertionError(message)


def free_port() -> int:
    """A port of loopback that nothing listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def bare_environment(**variables: str) -> dict[str, str]:
    """An environment without any TAIKO_* but `variables`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TAIKO_", "PYTHONDONT"))}
    return {**kept, "PYTHONUNBUFFERED": "1", **variables}


class Service:
    """`python -m app <arguments>` in a directory of its own, on a port of its own choice."""

    def __init__(
        self,
        *arguments: str,
        environment: Mapping[str, str] | None = None,
        command: tuple[str, ...] = (sys.executable, "-m", "app"),
    ) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="oracle-"))
        self._stderr = self.directory / "stderr"
        self._stdout = self.directory / "stdout"
        settings = {"TAIKO_HTTP_PORT": "0", "TAIKO_LOG_FORMAT": "json", **(environment or {})}
        with self._stdout.open("wb") as stdout, self._stderr.open("wb") as stderr:
            self.process = subprocess.Popen(
                [*command, *arguments],
                cwd=self.directory,
                env=bare_environment(**settings),
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
            )
        self._client: httpx.Client | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._client is not None:
            self._client.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        if error is not None:
            sys.stderr.write(self.stderr[-4000:])

    @property
    def stderr(self) -> str:
        """Everything that was logged so far."""
        return self._stderr.read_text(errors="replace")

    @property
    def stdout(self) -> str:
        """Everything that was printed so far."""
        return self._stdout.read_text(errors="replace")

    def events(self, name: str) -> list[dict[str, Any]]:
        """The log lines of one event; a line that is being written is none yet."""
        whole_lines = self.stderr.rpartition("\n")[0].splitlines()
        lines = (json.loads(line) for line in whole_lines if line.startswith("{"))
        return [line for line in lines if line.get("event") == name]

    def event(self, name: str, *, seconds: float = 20) -> dict[str, Any]:
        """The first log line of one event, as soon as it is there."""

        def probe() -> list[dict[str, Any]]:
            if self.process.poll() is not None and not self.events(name):
                message = f"the process ended with {self.process.returncode} before {name}:\n{self.stderr[-4000:]}"
                raise AssertionError(message)
            return self.events(name)

        return wait_until(probe, f"the log event {name}", seconds=seconds)[0]

    @property
    def client(self) -> httpx.Client:
        """An HTTP client for the service, once it listens."""
        if self._client is None:
            self._client = httpx.Client(base_url=self.event("http_listening")["url"], timeout=5)
        return self._client

    def get(self, path: str, **headers: str) -> httpx.Response:
        """One GET."""
        return self.client.get(path, headers=headers)

    def quote(self) -> dict[str, Any] | None:
        """The quote that is served now; None where none is."""
        answer = self.get("/v1/fee")
        return answer.json() if answer.status_code == httpx.codes.OK else None

    def quote_for(self, block_number: int, *, seconds: float = 20) -> dict[str, Any]:
        """The quote for one block, as soon as it is served."""

        def probe() -> dict[str, Any] | None:
            quote = self.quote()
            return quote if quote and quote["l1"]["blockNumber"] >= block_number else None

        quote = wait_until(probe, f"the quote for block {block_number}", seconds=seconds)
        assert quote["l1"]["blockNumber"] == block_number, quote
        return quote

    def stop(self, with_signal: signal.Signals = signal.SIGTERM, *, seconds: float = 20) -> int:
        """Send a signal and return the exit code."""
        self.process.send_signal(with_signal)
        return self.process.wait(seconds)

    def resident_bytes(self) -> int:
        """Resident memory of the process."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def cpu_seconds(self) -> float:
        """User and system time that the process has used."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
