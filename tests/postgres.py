"""PostgreSQL, the real server, as a throw-away cluster on a free port of loopback."""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import psycopg

from tests.service import free_port

START_SECONDS = 20.0
_UNPRIVILEGED = ("postgres", "nobody")
_PACKAGED = Path("/usr/lib/postgresql")


def postgres_binary(name: str) -> Path:
    """Where Debian's package puts it, newest version first; else what is on the path. Fails the test without one."""
    packaged = sorted(_PACKAGED.glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]), reverse=True)
    found = packaged[0] if packaged else shutil.which(name)
    assert found is not None, f"no {name}: run make test-world, which installs PostgreSQL"
    return Path(found)


class Postgres:
    """One cluster. The server refuses to run as root, so then it runs as somebody else.

    `durable=False` trades what survives a crash of the machine for speed; a killed server loses nothing either way.
    """

    def __init__(self, directory: Path, *, durable: bool = True) -> None:
        self.port = free_port()
        self.url = f"postgresql://taiko:secret@127.0.0.1:{self.port}/postgres"
        self._data = directory / "data"
        self._log_path = directory / "postgres.log"
        self._user = _somebody_else()
        self._process: subprocess.Popen[bytes] | None = None
        self._settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "shared_buffers": "16MB",
            "fsync": "on" if durable else "off",
        }
        if self._user is not None:
            shutil.chown(directory, self._user)
        self._make_cluster(directory)

    @property
    def log(self) -> str:
        """What the server wrote."""
        return self._log_path.read_text()

    def start(self) -> None:
        """Start the server, and return once it takes connections."""
        settings = [part for name, value in self._settings.items() for part in ("-c", f"{name}={value}")]
        with self._log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [postgres_binary("postgres"), "-D", self._data, *settings],
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._data,
                user=self._user,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            with contextlib.suppress(psycopg.OperationalError):
                self.connection().close()
                return
            time.sleep(0.02)
        self.kill()
        message = f"PostgreSQL did not start: {self.log[-2000:]}"
        raise AssertionError(message)

    def connection(self) -> psycopg.Connection[tuple[object, ...]]:
        """A connection of the test's own, each statement its own transaction."""
        return psycopg.connect(self.url, autocommit=True, connect_timeout=2)

    def stop(self) -> None:
        """Shut the server down as an operator does, without waiting for its clients."""
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)
        self._process.wait(START_SECONDS)

    def kill(self) -> None:
        """End the server and every process of it without warning."""
        if self._process is None:
            return
        for process in self._family():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        self._process.wait()

    def freeze(self) -> None:
        """Stop every process of the server: connections stay, new ones are taken, and nothing is answered."""
        for process in self._family():
            os.kill(process, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen server go on."""
        for process in self._family():
            os.kill(process, signal.SIGCONT)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def _family(self) -> list[int]:
        """The server's first process and those that it started."""
        assert self._process is not None
        first = self._process.pid
        children = Path(f"/proc/{first}/task/{first}/children")
        return [first, *map(int, children.read_text().split())] if children.exists() else [first]

    def _make_cluster(self, directory: Path) -> None:
        password = directory / "password"
        password.write_text("secret")
        command = [str(postgres_binary("initdb")), "--no-sync", "--auth=scram-sha-256", "--username=taiko"]
        subprocess.run(
            [*command, f"--pwfile={password}", "--encoding=UTF8", "--locale=C", "-D", self._data],
            check=True,
            capture_output=True,
            cwd=directory,
            user=self._user,
        )


@contextlib.contextmanager
def running_postgres(*, durable: bool = True) -> Iterator[Postgres]:
    """A server that lives as long as the block, in a directory of its own: a test's may be closed to its user."""
    with (
        tempfile.TemporaryDirectory(prefix="taiko-postgres-") as directory,
        Postgres(Path(directory), durable=durable) as server,
    ):
        yield server


def _somebody_else() -> str | None:
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in _UNPRIVILEGED if name in known)
