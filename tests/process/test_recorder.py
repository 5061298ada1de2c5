"""The recording client: what it takes down, and that its judgement bites."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.recorder import Recorder
from tests.reference import alpha_fee
from tests.service import wait_until

BASE_FEE = 25 * 10**9
TRUTH = {100: {("0xaa", BASE_FEE), ("0xab", BASE_FEE)}, 101: {("0xbb", BASE_FEE)}}

Script = Callable[[int], tuple[int, Mapping[str, Any]]]


def quote(number: int = 100, block_hash: str = "0xaa", **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """An honest answer, but for `changes`; `age` is its head's, in seconds, and `base_fee` its base fee."""
    age, base_fee = changes.pop("age", 3), changes.pop("base_fee", BASE_FEE)
    l1 = {
        "blockNumber": number,
        "blockHash": block_hash,
        "baseFeePerGas": base_fee,
        "timestamp": int(time.time()) - age,
    }
    return {
        "status": "fresh",
        "feePerGas": alpha_fee(base_fee),
        "l1": l1,
        "vault": {"deficitWei": "0"},
    } | changes


@contextmanager
def answering(script: Script) -> Iterator[str]:
    """The base URL of a server whose n-th answer is `script(n)`."""
    asked = iter(range(10**6))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = script(next(asked))
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
            """Not in the tests' output."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join(5)


def recorded(script: Script, answers: int = 3) -> Recorder:
    """What came of asking until there were so many answers."""
    with answering(script) as url, Recorder(url, per_second=200) as recorder:
        wait_until(lambda: len(recorder.answers) >= answers, f"{answers} answers")
    return recorder


def test_answers_are_counted_by_what_they_say() -> None:
    script = [(200, quote()), (503, {"type": "no-quote"}), (200, quote(age=60, status="stale"))]
    recorder = recorded(lambda index: script[min(index, 2)], answers=4)
    counts = recorder.counts()
    assert counts["fresh"] == 1
    assert counts["503"] == 1
    assert counts["stale"] == len(recorder.answers) - 2
    recorder.assert_honest(TRUTH)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        pytest.param({"feePerGas": 1}, "expected", id="a wrong fee"),
        pytest.param({"base_fee": 2 * BASE_FEE}, "never on the chain", id="a forged base fee under the true hash"),
        pytest.param({"block_hash": "0xcc"}, "never on the chain", id="a block of another chain"),
        pytest.param({"number": 99}, "never on the chain", id="an unknown height"),
        pytest.param({"age": 60}, "called fresh", id="an old head called fresh"),
    ],
)
def test_a_dishonest_answer_is_found(changes: dict[str, Any], why: str) -> None:
    recorder = recorded(lambda _: (200, quote(**changes)))
    with pytest.raises(AssertionError, match=why):
        recorder.assert_honest(TRUTH)


def test_a_height_that_goes_back_is_found_unless_there_were_reorgs() -> None:
    recorder = recorded(lambda index: (200, quote(101, "0xbb") if index == 0 else quote(100)))
    recorder.assert_honest(TRUTH, reorgs=True)
    with pytest.raises(AssertionError, match="went back"):
        recorder.assert_honest(TRUTH)


def test_an_answer_that_is_neither_a_quote_nor_a_refusal_is_found() -> None:
    recorder = recorded(lambda _: (500, {}))
    with pytest.raises(AssertionError, match="500"):
        recorder.assert_honest(TRUTH)


def test_the_longest_time_without_a_quote_is_measured() -> None:
    refused_until = time.monotonic() + 0.3
    recorder = recorded(lambda _: (200, quote()) if time.monotonic() > refused_until else (503, {}), answers=100)
    assert 0.2 < recorder.longest_without_quote() < 2
    assert recorder.longest_without_quote(status="stale") >= recorder.longest_without_quote()


def test_a_service_that_is_not_there_is_a_miss_and_no_answer(free_port: int) -> None:
    with Recorder(f"http://127.0.0.1:{free_port}", per_second=200) as recorder:
        wait_until(lambda: recorder.misses, "a miss")
    assert recorder.answers == ()
    assert recorder.misses[0].reason == "ConnectError"
    assert recorder.longest_without_quote() > 0
