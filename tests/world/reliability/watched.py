"""A service under watch: every answer that it gives during a fault, and during the recovery, is judged."""

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from prometheus_client.parser import text_string_to_metric_families

from tests.proxy import FaultProxy
from tests.recorder import Recorder
from tests.service import Service, wait_until
from tests.world.anvil import Anvil

GWEI: Final = 10**9
POLL_SECONDS: Final = 0.1
TIMEOUT_SECONDS: Final = 0.5
STALE_AFTER_SECONDS: Final = 4
EXPIRES_AFTER_SECONDS: Final = 8
QUICK: Final[Mapping[str, str]] = {
    "TAIKO_POLL_INTERVAL_SECONDS": str(POLL_SECONDS),
    "TAIKO_RPC_TIMEOUT_SECONDS": str(TIMEOUT_SECONDS),
    "TAIKO_QUOTE_STALE_AFTER_SECONDS": str(STALE_AFTER_SECONDS),
    "TAIKO_QUOTE_EXPIRES_AFTER_SECONDS": str(EXPIRES_AFTER_SECONDS),
}
"""Everything that takes its time takes seconds."""
RECOVERY_SECONDS: Final = 20
"""A provider that was left alone twice is asked again after 15 s."""
FIRST_BASE_FEE: Final = 100 * GWEI

GOOD_VALUES: Final[Mapping[str, float]] = {
    "provider_up": 1,
    "provider_breaker_open": 0,
    "provider_dissenting": 0,
    "provider_subscribed": 1,
    "l1_head_standing": 0,
    "vault_unreadable": 0,
    "journal_degraded": 0,
    "journal_spooled_entries": 0,
}
"""What every metric that shows a state shows when all is well."""

Block = Mapping[str, Any]


class Chain:
    """Every block that a node ever gave as its own: what answers are held against."""

    def __init__(self, *nodes: Anvil) -> None:
        self._nodes = nodes
        self.blocks: defaultdict[int, set[tuple[str, int]]] = defaultdict(set)

    def note(self, *, newest: int = 150) -> None:
        """Remember the newest blocks of every node. To be called before a branch is abandoned, and at the end."""
        for node in self._nodes:
            head = int(node.rpc("eth_blockNumber"), 16)
            for number in range(max(0, head - newest), head + 1):
                block = node.block(number)
                self.blocks[number].add((block["hash"], int(block["baseFeePerGas"], 16)))


class Watched:
    """A running service and the recorder of its answers."""

    def __init__(self, service: Service, recorder: Recorder) -> None:
        self.service = service
        self.recorder = recorder

    def status(self) -> dict[str, Any]:
        """`GET /v1/status`."""
        body: dict[str, Any] = self.service.get("/v1/status").json()
        return body

    def feed(self) -> dict[str, Any]:
        """The feed as the status shows it."""
        found: dict[str, Any] = self.status()["feed"]
        return found

    def provider(self, alias: str) -> dict[str, Any]:
        """One provider as the status shows it."""
        providers: Sequence[dict[str, Any]] = self.status()["providers"]
        return next(provider for provider in providers if provider["alias"] == alias)

    def metric(self, name: str, **labels: str) -> float | None:
        """The sample of one metric with these labels, without the prefix; None where there is none."""
        found = [value for each, value in self.samples(name) if labels.items() <= each.items()]
        return found[0] if found else None

    def samples(self, name: str) -> list[tuple[dict[str, str], float]]:
        """Every sample of one metric."""
        return samples_of(self.service, name)

    def answer_status(self) -> str:
        """`fresh`, `stale`, or the HTTP status of a refusal."""
        answer = self.service.get("/v1/fee")
        return str(answer.json()["status"] if answer.status_code == 200 else answer.status_code)

    def awaits(self, status: str, *, seconds: float = 15) -> None:
        """Return once the answers are this."""
        wait_until(lambda: self.answer_status() == status, f"an answer that is {status}", seconds=seconds)

    def recovers(self, *, preferred: str | None, seconds: float = RECOVERY_SECONDS) -> None:
        """Return once it serves fresh quotes from `preferred` and every flag is reset."""
        deadline = time.monotonic() + seconds
        while (left := self.traces_of_trouble(preferred)) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        assert not left, f"{seconds} s on there is still {left}"

    def traces_of_trouble(self, preferred: str | None) -> list[str]:
        """What still speaks of a fault, in status, metrics and answers."""
        status = self.status()
        feed, quote = status["feed"], status["quote"]
        expectations: list[tuple[str, object, object]] = [
            ("quote", None if quote is None else quote["status"], "fresh"),
            ("failureReason", feed["failureReason"], None),
            ("consecutiveFailures", feed["consecutiveFailures"], 0),
            ("dissentingProviders", feed["dissentingProviders"], []),
            ("journal", status["journal"], "ok"),
        ]
        expectations += [("provider", feed["provider"], preferred)] if preferred is not None else []
        for provider in status["providers"]:
            alias = provider["alias"]
            expectations += [
                (f"{alias} state", provider["state"], "closed"),
                (f"{alias} failureReason", provider["failureReason"], None),
                (f"{alias} dissenting", provider["dissenting"], False),
                (f"{alias} subscribed", provider["subscribed"] in {None, True}, True),
            ]
        for name, good in GOOD_VALUES.items():
            expectations += [(f"{name}{labels}", value, good) for labels, value in self.samples(name)]
        return [f"{name}: {found!r}" for name, found, wanted in expectations if found != wanted]


def samples_of(service: Service, name: str) -> list[tuple[dict[str, str], float]]:
    """Every sample of one metric of a service, without the prefix of the name."""
    full_name = f"taiko_fee_oracle_{name}"
    families = text_string_to_metric_families(service.get("/metrics").text)
    return [(each.labels, each.value) for family in families for each in family.samples if each.name == full_name]


@contextmanager
def watched(providers: Mapping[str, str], **environment: str) -> Iterator[Watched]:
    """A service on `providers` (URLs by alias, the preferred one first), under watch from its first quote on."""
    settings = {"TAIKO_L1_RPC_URLS": listed(providers), **QUICK, **environment}
    with Service("serve", environment=settings) as service:
        oracle = Watched(service, Recorder(service.event("http_listening")["url"]))
        service.event("first_quote")
        with oracle.recorder:
            yield oracle


def listed(providers: Mapping[str, str]) -> str:
    """`TAIKO_L1_RPC_URLS`."""
    return ",".join(f"{alias}={url}" for alias, url in providers.items())


def web_socket_url(proxy: FaultProxy) -> str:
    """The proxy as a WebSocket server."""
    return proxy.url.replace("http:", "ws:")


def now() -> int:
    """Unix seconds."""
    return int(time.time())
