"""A client that asks for the fee all the time while things go wrong, and remembers every answer it got."""

import json
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from types import TracebackType
from typing import Any, Final, Self

import httpx

from tests.reference import alpha_fee

ASKED_PER_SECOND: Final = 20
TIMEOUT_SECONDS: Final = 5
STALE_AFTER_SECONDS: Final = 48
CLOCK_SLACK_SECONDS: Final = 1.0
"""Between what the service takes for now and what the client does."""

Truth = Mapping[int, AbstractSet[tuple[str, int]]]
"""For each block number, the hashes that were ever on the chain, each with its base fee in wei."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of `GET /v1/fee`."""

    base_url: str
    asked_at: float
    """Monotonic seconds."""
    arrived_at: float
    arrived_at_unix: float
    status: int
    body: Mapping[str, Any]

    @property
    def is_quote(self) -> bool:
        """Whether it gives a fee to be used."""
        return self.status == httpx.codes.OK

    @property
    def block_number(self) -> int:
        """The L1 block that the quote is for."""
        return int(self.body["l1"]["blockNumber"])


@dataclass(frozen=True, slots=True)
class Miss:
    """A question that got no answer: nothing listens there, or the connection broke."""

    base_url: str
    asked_at: float
    reason: str
    """The kind of the failure."""


class Recorder:
    """Asks each of `base_urls` in turn in a thread of its own, from entering the block to leaving it."""

    def __init__(self, *base_urls: str, per_second: float = ASKED_PER_SECOND, path: str = "/v1/fee") -> None:
        self._base_urls = base_urls
        self._pause = 1 / per_second
        self._path = path
        self._ended = threading.Event()
        self._answers: list[Answer] = []
        self._misses: list[Miss] = []
        self._began_at = 0.0
        self._ended_at: float | None = None
        self._executor = ThreadPoolExecutor(1, "recorder")
        self._running: Future[None] | None = None

    def __enter__(self) -> Self:
        self._began_at = time.monotonic()
        self._running = self._executor.submit(self._run)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Ask no more. Raises what broke the recording, if anything did."""
        self._ended.set()
        self._executor.shutdown()
        self._ended_at = self._ended_at or time.monotonic()
        if self._running is not None:
            self._running.result()

    @property
    def answers(self) -> Sequence[Answer]:
        """Every answer so far, in the order of arrival."""
        return tuple(self._answers)

    @property
    def misses(self) -> Sequence[Miss]:
        """Every question that got no answer."""
        return tuple(self._misses)

    @property
    def quotes(self) -> Sequence[Answer]:
        """The answers that give a fee."""
        return tuple(answer for answer in self._answers if answer.is_quote)

    def counts(self) -> Counter[str]:
        """How many answers there were of each kind: `fresh`, `stale`, or the HTTP status of a refusal."""
        return Counter(
            str(answer.body["status"]) if answer.is_quote else str(answer.status) for answer in self._answers
        )

    def longest_without_quote(self, *, status: str | None = None) -> float:
        """The longest time in seconds between two quotes (of this `status`, or of any), or from an end to the next."""
        ended_at = time.monotonic() if self._ended_at is None else self._ended_at
        arrivals = [answer.arrived_at for answer in self.quotes if status in (None, answer.body["status"])]
        return max(later - earlier for earlier, later in pairwise((self._began_at, *arrivals, ended_at)))

    def assert_honest(
        self,
        chain: Truth,
        *,
        stale_after_seconds: int = STALE_AFTER_SECONDS,
        reorgs: bool = False,
        is_default_formula: bool = True,
    ) -> None:
        """No answer was wrong, and none was old but called fresh. With `reorgs` heights may go back.

        `is_default_formula` is false where other parameters than the default ones are configured, or a rate limit.
        """
        for answer in self.quotes:
            _assert_true(answer, chain)
            _assert_fresh_if_said(answer, stale_after_seconds)
            if is_default_formula:
                _assert_priced(answer)
        for refusal in self._answers:
            assert refusal.is_quote or refusal.status == httpx.codes.SERVICE_UNAVAILABLE, refusal
        if not reorgs:
            self._assert_never_back()

    def _assert_never_back(self) -> None:
        for base_url in self._base_urls:
            numbers = [answer.block_number for answer in self.quotes if answer.base_url == base_url]
            back = [(earlier, later) for earlier, later in pairwise(numbers) if later < earlier]
            assert not back, f"{base_url} went back: {back[:5]}"

    def _run(self) -> None:
        with httpx.Client(timeout=TIMEOUT_SECONDS) as client:
            while not self._ended.wait(self._pause):
                for base_url in self._base_urls:
                    self._ask(client, base_url)

    def _ask(self, client: httpx.Client, base_url: str) -> None:
        asked_at = time.monotonic()
        try:
            response = client.get(base_url + self._path)
        except httpx.TransportError as failure:
            self._misses.append(Miss(base_url, asked_at, type(failure).__name__))
            return
        self._answers.append(
            Answer(
                base_url, asked_at, time.monotonic(), time.time(), response.status_code, json.loads(response.content)
            )
        )


def _assert_true(answer: Answer, chain: Truth) -> None:
    l1 = answer.body["l1"]
    said = (l1["blockHash"], l1["baseFeePerGas"])
    assert said in chain.get(answer.block_number, ()), f"block {answer.block_number} as {said} was never on the chain"


def _assert_fresh_if_said(answer: Answer, stale_after_seconds: int) -> None:
    age = answer.arrived_at_unix - answer.body["l1"]["timestamp"]
    waited = answer.arrived_at - answer.asked_at
    limit = stale_after_seconds + CLOCK_SLACK_SECONDS + waited
    assert answer.body["status"] != "fresh" or age <= limit, f"called fresh at an age of {age:.1f} s: {answer}"


def _assert_priced(answer: Answer) -> None:
    deficit = max(0, int(answer.body["vault"]["deficitWei"]))
    expected = alpha_fee(answer.body["l1"]["baseFeePerGas"], deficit)
    assert answer.body["feePerGas"] == expected, f"expected {expected} wei: {answer}"
