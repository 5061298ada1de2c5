import contextlib
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from tests.service import free_port, wait_until

DEPLOY = Path(__file__).parents[3] / "deploy"


class Component:
    """A server of somebody else's, as a process on a free port of loopback; it is ready once it answers `/-/ready`."""

    def __init__(self, directory: Path, command: Sequence[str | Path]) -> None:
        self.directory = directory
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.client = httpx.Client(base_url=self.url, timeout=5)
        self._command = command
        self._log = directory / "log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self.client.close()
        if error is not None:
            sys.stderr.write(self.log[-4000:])

    @property
    def log(self) -> str:
        """What the server wrote."""
        return self._log.read_text(errors="replace")

    def start(self) -> None:
        """Start the server, on the same port and storage as before if it ran before, and return once it is ready."""
        command = [*self._command, f"--web.listen-address=127.0.0.1:{self.port}"]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, cwd=self.directory, stdout=log, stderr=subprocess.STDOUT)
        wait_until(self._ready, f"{self._command[0]} on {self.url}")

    def stop(self) -> None:
        """End the server as an operator does."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(20)

    def _ready(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log[-4000:]
        with contextlib.suppress(httpx.TransportError):
            return self.client.get("/-/ready").is_success
        return False
