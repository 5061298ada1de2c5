"""What can befall the first of two providers, and what came of it: each case on a service of its own, all at once.

Whoever was left is gone back to after a minute, so the cases share that minute.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.proxy import PASS, Blackhole, Delay, Fault, FaultProxy, Garble, Oversize, Refuse, Reset, Truncate
from tests.recorder import Recorder
from tests.service import Service
from tests.world.anvil import Anvil, running_anvil
from tests.world.reliability.forgeries import HttpStatus, forged, raised, refusing, without
from tests.world.reliability.watched import GWEI, QUICK, Chain, Watched, listed, web_socket_url

STALE_AFTER_SECONDS: Final = 6
FAULT_SECONDS: Final = 3
FAILBACK_SECONDS: Final = 60
BACK_WITHIN_SECONDS: Final = 90
PREFERRED: Final = "preferred"
ETHEREUM: Final = 1
DEVELOPMENT: Final = 31337
ELSEWHERE: Final = 5
_STARTED_AT_ONCE: Final = 4
_SETTINGS: Final = {
    **QUICK,
    "TAIKO_RPC_TIMEOUT_SECONDS": "1",
    "TAIKO_POLL_INTERVAL_SECONDS": "0.4",
    "TAIKO_QUOTE_STALE_AFTER_SECONDS": str(STALE_AFTER_SECONDS),
    "TAIKO_QUOTE_EXPIRES_AFTER_SECONDS": "60",
}


@dataclass(frozen=True)
class Case:
    """A fault of the preferred provider."""

    name: str
    fault: Fault
    reasons: frozenset[str]
    """Why it may be said to be left."""
    chain_id: int = DEVELOPMENT
    is_web_socket: bool = False
    is_elsewhere: bool = False
    """Whether another chain lies behind its port while the fault lasts."""


def _case(name: str, fault: Fault, *reasons: str, **more: Any) -> Case:  # noqa: ANN401 - the fields of `Case`
    return Case(name, fault, frozenset(reasons), **more)


def _refusal(_body: bytes) -> bytes:
    return b'{"error":"no more for you today"}'


NETWORK_CASES: Final = (
    _case("refuses connections", Refuse(), "unreachable"),
    _case("resets connections", Reset(), "unreachable"),
    _case("swallows requests", Blackhole(), "timeout"),
    _case("answers later than the timeout", Delay(2.0), "timeout"),
    _case("garbles its answers", Garble(every=4), "invalid_answer", "unreachable", "timeout", "http_status"),
    _case("breaks off in the middle", Truncate(150), "invalid_answer", "unreachable"),
    _case("never ends an answer", Oversize(), "invalid_answer", "timeout"),
    _case("cuts its web socket", Refuse(), "unreachable", is_web_socket=True),
    _case("freezes its web socket", Blackhole(), "timeout", is_web_socket=True),
)
PROVIDER_CASES: Final = (
    _case("answers 429", HttpStatus(_refusal, "429 Too Many Requests"), "http_status"),
    _case("answers 500", HttpStatus(_refusal, "500 Internal Server Error"), "http_status"),
    _case("refuses by JSON-RPC error", refusing(-32005, "limit exceeded"), "rpc_error"),
    _case("turns into a node of another chain", PASS, "wrong_chain", "unreachable", is_elsewhere=True),
    _case("forges base fees on Ethereum", forged(raised("baseFeePerGas", GWEI)), "rejected_header", chain_id=ETHEREUM),
    _case("claims the future on Ethereum", forged(raised("timestamp", 60)), "timestamp_in_future", chain_id=ETHEREUM),
    _case("leaves the base fee out", forged(without("baseFeePerGas")), "invalid_header"),
)


@dataclass(frozen=True)
class Outcome:
    """What a service said and did while a case lasted, and until it was over."""

    left: Mapping[str, Any]
    """The log's line of the change to the spare."""
    back: Sequence[Mapping[str, Any]]
    """Those of the changes back."""
    seconds_away: float
    traces: Sequence[str]
    """What was left of the trouble in the end."""
    recorder: Recorder
    chain: Chain


class _Running:
    """One case while it runs."""

    def __init__(self, case: Case, node: Anvil, stack: ExitStack) -> None:
        self.case = case
        self.node = node
        self.proxy = stack.enter_context(FaultProxy(node.port))
        url = web_socket_url(self.proxy) if case.is_web_socket else self.proxy.url
        providers = {PREFERRED: url, "spare": node.url}
        settings = {"TAIKO_L1_RPC_URLS": listed(providers), **_SETTINGS}
        self.service = stack.enter_context(Service("serve", environment=settings))
        self.stack = stack
        self.left_at = 0.0
        self.back_at = 0.0

    def watch(self) -> None:
        """Record its answers from its first fresh quote on."""
        recorder = Recorder(self.service.event("http_listening", seconds=60)["url"], per_second=5)
        self.oracle = Watched(self.service, recorder)
        self.oracle.recovers(preferred=PREFERRED, seconds=90)
        self.stack.enter_context(recorder)

    def inject(self, elsewhere: Anvil) -> None:
        """Begin the fault."""
        self.left_at = time.monotonic()
        if self.case.is_elsewhere:
            self.proxy.retarget(elsewhere.port)
        self.proxy.fault = self.case.fault

    def heal(self) -> None:
        """End the fault."""
        self.proxy.fault = PASS
        if self.case.is_elsewhere:
            self.proxy.retarget(self.node.port)

    def is_back(self) -> bool:
        """Whether nothing is left of it."""
        if not self.back_at and not self.oracle.traces_of_trouble(PREFERRED):
            self.back_at = time.monotonic()
        return bool(self.back_at)

    def outcome(self, chain: Chain) -> Outcome:
        """What came of it."""
        self.oracle.recorder.stop()
        changes = self.service.events("provider_changed")
        left = next((change for change in changes if change["instead_of"] == PREFERRED), {})
        return Outcome(
            left=left,
            back=[change for change in changes if change["provider"] == PREFERRED],
            seconds_away=self.back_at - self.left_at,
            traces=self.oracle.traces_of_trouble(PREFERRED),
            recorder=self.oracle.recorder,
            chain=chain,
        )


def run_all(directory: Path) -> dict[str, Outcome]:
    """Let every case happen; the outcomes by the cases' names."""
    with ExitStack() as stack:
        nodes = {
            chain_id: stack.enter_context(
                running_anvil(directory / str(chain_id), chain_id=chain_id, block_time_seconds=1)
            )
            for chain_id in (DEVELOPMENT, ETHEREUM, ELSEWHERE)
        }
        _obey_eip_1559_from_the_first_block(nodes[ETHEREUM])
        nodes[ELSEWHERE].rpc("evm_mine")  # otherwise its empty blocks of the same seconds are the same blocks
        running = _started((*NETWORK_CASES, *PROVIDER_CASES), nodes, stack)
        _each(running, lambda each: each.inject(nodes[ELSEWHERE]))
        time.sleep(FAULT_SECONDS)
        _each(running, _Running.heal)
        deadline = time.monotonic() + BACK_WITHIN_SECONDS
        while sum(each.is_back() for each in running) < len(running) and time.monotonic() < deadline:
            time.sleep(0.5)
        chains = {chain_id: Chain(node) for chain_id, node in nodes.items()}
        outcomes = {each.case.name: each.outcome(chains[each.case.chain_id]) for each in running}
        for chain in chains.values():
            chain.note()
        return outcomes


def _obey_eip_1559_from_the_first_block(node: Anvil) -> None:
    """anvil gives its first block the base fee of its empty genesis; Ethereum would not."""
    node.rpc("anvil_setNextBlockBaseFeePerGas", hex(int(node.block(0)["baseFeePerGas"], 16) * 7 // 8))
    node.rpc("evm_mine")
    assert int(node.block(1)["baseFeePerGas"], 16) * 8 == int(node.block(0)["baseFeePerGas"], 16) * 7


def _started(cases: Sequence[Case], nodes: Mapping[int, Anvil], stack: ExitStack) -> list[_Running]:
    """A few at a time: a provider that seems slow at the start would be left before its fault begins."""
    running: list[_Running] = []
    for first in range(0, len(cases), _STARTED_AT_ONCE):
        some = [_Running(case, nodes[case.chain_id], stack) for case in cases[first : first + _STARTED_AT_ONCE]]
        _each(some, _Running.watch)
        running += some
    return running


def _each(running: Sequence[_Running], act: Callable[[_Running], None]) -> None:
    for each in running:
        act(each)
