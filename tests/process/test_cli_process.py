"""The command line as people run it: exit statuses, streams, signals of the reader, and what is imported."""

import http.server
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.service import Service, bare_environment, wait_until

SECRET = "s3cretK3y"  # noqa: S105 - what must never be shown
EVERY_ADDRESS = "0.0.0.0"  # noqa: S104 - to be reached from outside is the point
MAIN = (sys.executable, "-m", "app")
LUNA = Path(__file__).parents[1] / "data" / "l1-basefee-2022-05-luna.csv"
HEAVY = (
    "web3",
    "eth_utils",
    "dotenv",
    "fastapi",
    "starlette",
    "uvicorn",
    "uvloop",
    "prometheus_client",
    "structlog",
    "pydantic",
)


def execute(
    *arguments: str, directory: Path, command: tuple[str, ...] = MAIN, environ: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    completed = subprocess.run(
        [*command, *arguments],
        cwd=directory,
        env=bare_environment(**(environ or {})),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert "Traceback" not in completed.stderr
    assert SECRET not in completed.stdout + completed.stderr
    return completed


@contextmanager
def answering(status: int, host: str = "127.0.0.1") -> Iterator[int]:
    """A server on `host` that answers every GET with `status`; its port."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/readyz" else 404)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer((host, 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def test_the_golden_number_with_data_on_stdout_alone(tmp_path: Path) -> None:
    completed = execute("quote", "--l1-base-fee-gwei", "25", "--json", directory=tmp_path)
    assert completed.returncode == 0
    assert json.loads(completed.stdout)["feePerGas"] == 12521739131
    assert completed.stderr == ""


def test_the_installed_command_is_the_same_program(tmp_path: Path) -> None:
    installed = (str(Path(sys.executable).with_name("taiko-fee-oracle")),)
    argv = ("quote", "--l1-base-fee-gwei", "25")
    by_command = execute(*argv, directory=tmp_path, command=installed)
    by_module = execute(*argv, directory=tmp_path)
    assert by_command.stdout == by_module.stdout
    assert "12.521739131 gwei" in by_command.stdout


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_a_quote_with_a_given_base_fee_imports_nothing_heavy(tmp_path: Path, form: list[str]) -> None:
    program = (
        "import sys; from app.cli import run;"
        f"status = run(['quote', '--l1-base-fee-gwei', '25', *{form}], {{}});"
        f"print(status, [name for name in {HEAVY!r} if name in sys.modules])"
    )
    completed = execute(directory=tmp_path, command=(sys.executable, "-c", program))
    assert completed.stdout.splitlines()[-1] == "0 []"


def test_a_live_quote_takes_the_pace_of_its_chain(tmp_path: Path) -> None:
    program = (
        "import os; from app.bootstrap import fetch_head; from app.settings import load_settings;"
        "print(fetch_head(load_settings({}, os.environ, None))[3])"
    )
    with Service("devnet", "--port", "0", "--block-time", "3") as node:
        environ = {"TAIKO_L1_RPC_URLS": str(node.event("devnet_listening")["url"])}
        completed = execute(directory=tmp_path, command=(sys.executable, "-c", program), environ=environ)
        quote = execute("quote", "--json", directory=tmp_path, environ=environ)
    assert completed.stdout == "3\n"
    assert json.loads(quote.stdout)["network"] == "devnet"


@pytest.mark.parametrize(
    ("arguments", "environ", "status"),
    [
        (("config", "check"), {}, 0),
        (("config", "check"), {"TAIKO_ALPHA_DATA": "a lot"}, 3),
        (("config", "show"), {"TAIKO_L1_RPC_URLS": f"https://node.example/{SECRET}"}, 0),
        (("config", "check"), {"TAIKO_L1_RPC_URLS": f"ftp://node.example/{SECRET}"}, 3),
        (("config", "check"), {"WEB_CONCURRENCY": "2"}, 3),
        (("serve",), {}, 3),
        (("config", "show", "--l1-rpc-urls", f"https://node.example/{SECRET}"), {}, 0),
        (("serve", "--l1-rpc-urls", SECRET), {}, 3),
        (("--l1-rpc-urls", SECRET, "serve"), {}, 2),
        (("quote",), {}, 3),
        (("quote", "--l1-base-fee-gwei", "much"), {}, 2),
        (("metrics",), {}, 0),
        (("--version",), {}, 0),
        (("--help",), {}, 0),
        ((), {}, 2),
    ],
)
def test_exit_statuses(tmp_path: Path, arguments: tuple[str, ...], environ: dict[str, str], status: int) -> None:
    completed = execute(*arguments, directory=tmp_path, environ=environ)
    assert completed.returncode == status
    assert bool(completed.stdout) is (status == 0)
    assert status == 0 or completed.stderr


@pytest.mark.parametrize(("answer", "status"), [(200, 0), (503, 1), (404, 1)])
def test_the_healthcheck_tells_readiness_by_its_exit_status_through_no_proxy(
    tmp_path: Path, answer: int, status: int
) -> None:
    with answering(answer, EVERY_ADDRESS) as port:
        environ = {"TAIKO_HTTP_HOST": EVERY_ADDRESS, "TAIKO_HTTP_PORT": str(port), "http_proxy": "http://127.0.0.1:1"}
        by_environment = execute("healthcheck", directory=tmp_path, environ=environ)
        by_flag = execute("healthcheck", "--http-port", str(port), directory=tmp_path)
        by_url = execute("healthcheck", "--json", "--url", f"http://127.0.0.1:{port}/readyz", directory=tmp_path)
    assert (by_environment.returncode, by_flag.returncode, by_url.returncode) == (status,) * 3
    assert by_environment.stdout.count("\n") == 1
    assert json.loads(by_url.stdout)["ok"] is (status == 0)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", EVERY_ADDRESS])
def test_from_outside_a_service_on_loopback_alone_is_not_reachable(tmp_path: Path, host: str) -> None:
    with answering(200) as port:
        environ = {"TAIKO_HTTP_HOST": host, "TAIKO_HTTP_PORT": str(port)}
        completed = execute("healthcheck", "--from-outside", directory=tmp_path, environ=environ)
    assert completed.returncode == 1
    assert completed.stdout.startswith("not reachable")


def test_the_healthcheck_of_nothing_fails_in_one_line(tmp_path: Path, free_port: int) -> None:
    completed = execute("healthcheck", directory=tmp_path, environ={"TAIKO_HTTP_PORT": str(free_port)})
    assert completed.returncode == 1
    assert completed.stdout.startswith("not reachable")
    assert completed.stdout.count("\n") == 1


@pytest.mark.parametrize("url", [f"http://127.0.0.1:1/x {SECRET}", f"http://[{SECRET}", f"http:///{SECRET}"])
def test_the_healthcheck_of_what_is_no_url_fails_in_one_line(tmp_path: Path, url: str) -> None:
    completed = execute("healthcheck", "--url", url, directory=tmp_path)
    assert completed.returncode == 2
    assert "--url: expected an http or https URL" in completed.stderr


def test_the_healthcheck_cannot_guess_a_port(tmp_path: Path) -> None:
    completed = execute("healthcheck", directory=tmp_path, environ={"TAIKO_HTTP_PORT": "0"})
    assert completed.returncode == 2
    assert "--url" in completed.stderr


@pytest.mark.parametrize("command", [("config", "show"), ("backtest", str(LUNA), "--out", "-")])
def test_a_reader_that_goes_away_is_no_crash(tmp_path: Path, command: tuple[str, ...]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        completed = subprocess.run(
            [*MAIN, *command],
            cwd=tmp_path,
            env=bare_environment(),
            stdout=writing,
            stderr=subprocess.PIPE,
            text=True,
            timeout=30,
            check=False,
        )
    finally:
        os.close(writing)
    assert completed.returncode == 141
    assert completed.stderr == ""


def test_an_interrupt_ends_with_130_and_no_traceback(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(
        [*MAIN, "config", "show", "--env-file", str(pipe)],
        env=bare_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        writer = wait_until(lambda: _opened_for_writing(pipe), "the program to read its settings")
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
        os.close(writer)
    assert process.returncode == 130
    assert said == ""


def _opened_for_writing(pipe: Path) -> int | None:
    """A descriptor once somebody reads from `pipe`."""
    try:
        return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return None


def test_output_survives_a_terminal_that_cannot_write_greek(tmp_path: Path) -> None:
    completed = execute("quote", "--l1-base-fee-gwei", "25", directory=tmp_path, environ={"PYTHONIOENCODING": "ascii"})
    assert completed.returncode == 0
    assert "0.18 L1 gas per L2 gas ? 25 gwei" in completed.stdout


def test_the_documents_are_made_by_one_command(tmp_path: Path, project_root: Path) -> None:
    (tmp_path / "docs").mkdir()
    for name in ("README.md", "docs/configuration.md"):
        (tmp_path / name).write_text("<!-- settings:begin -->\nold\n<!-- settings:end -->\n")
    execute(
        directory=tmp_path, command=(sys.executable, "-m", "app.settings"), environ={"PYTHONPATH": str(project_root)}
    )
    assert (tmp_path / ".env.example").read_text() == (project_root / ".env.example").read_text()
    assert "TAIKO_ALPHA_DATA" in (tmp_path / "README.md").read_text()
