"""`GET /v1/fee` as sequencers read it, beside a bare ASGI app and an idiomatic endpoint that answer the same."""

import json
import re
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from bench.footprint import devnet_url
from bench.report import Figure
from bench.stream import CLIENT_CORE, SERVER_CORE, pinned
from tests.service import Service, bare_environment, wait_until

ALTERNATIONS = 9
CONNECTIONS = 32
SECONDS = 3
PORTS = {"bare": 8697, "idiomatic": 8698}
_UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3}


@dataclass
class Runs:
    """What wrk said of one server, a value for each alternation."""

    requests_per_second: list[float] = field(default_factory=list)
    p99_millis: list[float] = field(default_factory=list)

    @property
    def throughput(self) -> float:
        """The median, in requests per second."""
        return statistics.median(self.requests_per_second)

    @property
    def p99(self) -> float:
        """The median of the 99th percentiles, in milliseconds."""
        return statistics.median(self.p99_millis)


def http() -> list[Figure]:
    """Every server on one core and wrk on the other, one after the other in each of nine alternations."""
    kinds = ("bare", "idiomatic", "ours", "not modified")
    runs = {kind: Runs() for kind in kinds}
    with _servers() as urls:
        for kind in kinds:
            _measure(urls, kind, Runs())
        for turn in range(ALTERNATIONS):
            for kind in (*kinds[turn % len(kinds) :], *kinds[: turn % len(kinds)]):
                _measure(urls, kind, runs[kind])
    ours, bare = runs["ours"], runs["bare"]
    return [
        _throughput("GET /v1/fee", ours, "a bare ASGI app on uvicorn, the same bytes", bare, 0.85),
        _throughput("the same", ours, "an idiomatic FastAPI endpoint with a response model", runs["idiomatic"], 2),
        Figure(
            f"the same, p99 at {CONNECTIONS} connections, median of {ALTERNATIONS}",
            ours.p99,
            "ms",
            "the bare app's",
            bare.p99,
            "ratio 1.3",
            ours.p99 <= 1.3 * bare.p99,
        ),
        _throughput("GET /v1/fee, 304", runs["not modified"], "the same, 200", ours, 1),
    ]


def _throughput(what: str, runs: Runs, baseline: str, baseline_runs: Runs, least_ratio: float) -> Figure:
    return Figure(
        f"{what}, one core, {CONNECTIONS} connections, median of {ALTERNATIONS}",
        runs.throughput,
        "requests/s",
        baseline,
        baseline_runs.throughput,
        f"ratio {least_ratio}",
        runs.throughput >= least_ratio * baseline_runs.throughput,
    )


def _measure(urls: dict[str, str], kind: str, runs: Runs) -> None:
    """Load one server for `SECONDS`; once more where another quote came meanwhile, whose tag is another."""
    url = urls["ours" if kind == "not modified" else kind]
    while True:
        tag = httpx.get(url).headers.get("etag", "")
        arguments = ("-H", f"If-None-Match: {tag}") if kind == "not modified" else ()
        found = loaded(url, *arguments)
        if httpx.get(url).headers.get("etag", "") == tag:
            break
    runs.requests_per_second.append(found[0])
    runs.p99_millis.append(found[1])


def loaded(url: str, *arguments: str) -> tuple[float, float]:
    """What wrk says of `SECONDS` of load: requests per second, and the 99th percentile in milliseconds."""
    load = ("wrk", "-t", "1", "-c", str(CONNECTIONS), "-d", f"{SECONDS}s", "--latency", *arguments, url)
    output = subprocess.run(pinned(CLIENT_CORE, *load), check=True, capture_output=True, text=True).stdout
    assert "Non-2xx" not in output, output
    assert "Socket errors" not in output, output
    p99 = _found(r"99%\s+([0-9.]+)(us|ms|s)\s", output)
    return float(_found(r"Requests/sec:\s+([0-9.]+)", output)[1]), float(p99[1]) * _UNITS[p99[2]]


def _found(pattern: str, output: str) -> re.Match[str]:
    found = re.search(pattern, output)
    assert found is not None, output
    return found


@contextmanager
def _servers() -> Iterator[dict[str, str]]:
    """Where each of them answers. The service quotes over a devnet beside it; the others repeat its first answer."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(TemporaryDirectory()))
        beside = pinned(CLIENT_CORE, sys.executable, "-m", "app")
        devnet = stack.enter_context(Service("devnet", "--port", "0", "--block-time", "12", command=beside))
        service = stack.enter_context(
            Service(
                "serve",
                environment={"TAIKO_L1_RPC_URLS": devnet_url(devnet)},
                command=pinned(SERVER_CORE, sys.executable, "-m", "app"),
            )
        )
        wait_until(service.quote, "a quote")
        urls = {"ours": str(service.client.base_url.join("/v1/fee"))}
        answer = directory / "answer.json"
        answer.write_text(json.dumps(_answer_of(httpx.get(urls["ours"]))))
        for kind, port in PORTS.items():
            command = pinned(SERVER_CORE, sys.executable, "-m", "bench.http_baselines", kind, str(port), str(answer))
            process = stack.enter_context(subprocess.Popen(command, env=bare_environment()))
            stack.callback(process.kill)
            urls[kind] = f"http://127.0.0.1:{port}/v1/fee"
            wait_until(partial(_answers, urls[kind]), f"the {kind} server")
        yield urls


def _answer_of(response: httpx.Response) -> dict[str, object]:
    headers = [(name, value) for name, value in response.headers.items() if name != "date"]
    return {"headers": headers, "body": response.text}


def _answers(url: str) -> bool:
    try:
        return httpx.get(url).is_success
    except httpx.ConnectError:
        return False
