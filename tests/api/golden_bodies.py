"""What each route says, and each problem, to the byte: the answers whose bodies lie in `golden/`.

`python -m tests.api.golden_bodies` writes them anew. The difference that git then shows is the change of the contract.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import Final

import httpx

from app.api import problems
from app.api.connections import Door
from app.api.examples.simulation import SIMULATION_REQUEST
from app.api.problems import PROBLEM_MEDIA_TYPE, ProblemError
from app.api.reading import READERS_AT_ONCE
from app.api.tokens import AdminTokens
from app.api.turnstile import MOST_LARGE_BODIES
from app.domain.governance import Revision
from app.domain.units import BlockNumber
from app.engine.entries import Gap
from tests.adapters.store_contract import READ_VAULT, a_change, a_report, an_entry, some_entries
from tests.api.house import (
    BEARER,
    FULL_DISK,
    NO_WITNESS,
    PUSH_PLAN,
    TOKEN,
    House,
    build_house,
    sample_quote,
)
from tests.domain.build import MAINNET
from tests.virtual_time import run_in_virtual_time

FOLDER: Final = Path(__file__).parent / "golden"

Ask = Callable[[], Awaitable[httpx.Response]]
JSON: Final = {"Content-Type": "application/json"}
REPORT: Final = {"balanceWei": "7500000000000000000", "sequence": 1}
CHANGE: Final = {"alphaData": "0.16", "reason": "blobs are cheaper"}
BY_RPC: Final = [
    {"jsonrpc": "2.0", "id": 1, "method": "eth_gasPrice"},
    {"jsonrpc": "2.0", "id": "two", "method": "eth_chainId", "params": []},
    {"jsonrpc": "2.0", "id": None, "method": "web3_clientVersion"},
    {"jsonrpc": "2.0", "method": "eth_gasPrice"},
    {"jsonrpc": "2.0", "id": 5, "method": "taiko_feeQuote", "params": [7]},
    {"jsonrpc": "2.0", "id": 6, "method": "eth_sendRawTransaction", "params": ["0x"]},
    {"jsonrpc": "2.0", "id": 7, "method": "eth_gasPrice", "params": [1]},
    {"jsonrpc": "1.0", "id": 8, "method": "eth_gasPrice"},
]


def quoting(age_seconds: float = 0) -> House:
    """A house whose quote is older by so much."""
    house = build_house(quote=sample_quote())
    house.clock.pass_seconds(age_seconds)
    return house


def administered() -> House:
    """A house with a token, whose vault is pushed."""
    return build_house(quote=sample_quote(), vault_plan=PUSH_PLAN, tokens=AdminTokens(TOKEN, None))


async def remembering() -> House:
    """A house whose store holds a reorg, a gap, a read vault and decisions."""
    house = administered()
    entries = [*some_entries(5, 6), an_entry(6, branch="b"), an_entry(9, vault=READ_VAULT)]
    await house.store.append(entries, Revision(), Gap(BlockNumber(7), BlockNumber(8), "spool_full"))
    await house.store.change_parameters(MAINNET, a_change("environment"), 0)
    await house.store.change_parameters(MAINNET, a_change("alice", alphaData="0.16"), 1)
    for sequence in (3, 4):
        await house.store.report_vault(MAINNET, a_report(sequence, balance=sequence * 10**18))
    return house


def a_get(path: str, build: Callable[[], House] = quoting, **headers: str) -> Ask:
    """GET of `path`."""

    async def ask() -> httpx.Response:
        return await build().get(path, headers)

    return ask


def of_memory(path: str, accept: str = "application/json") -> Ask:
    """GET of `path` where there is something to look back on."""

    async def ask() -> httpx.Response:
        return await (await remembering()).get(path, BEARER | {"Accept": accept})

    return ask


def a_request(
    method: str, path: str, body: object = None, build: Callable[[], House] = administered, **headers: str
) -> Ask:
    """A request with `body` as JSON by whoever holds the token."""

    async def ask() -> httpx.Response:
        content = None if body is None else json.dumps(body).encode()
        sent = {**BEARER, **({} if body is None else JSON), **headers}
        return await build().request(method, path, headers=sent, content=content)

    return ask


def aged(seconds: float) -> Callable[[], House]:
    """A house whose poll loop got no further head for so long."""

    def build() -> House:
        house = quoting(seconds)
        house.board.feed(NO_WITNESS)
        return house

    return build


def without_journal() -> House:
    """A house that may serve nothing."""
    house = build_house(quote=sample_quote(), journal_required=True)
    house.board.journal(FULL_DISK)
    return house


def failing() -> House:
    """A house with a bug."""

    def metrics(_accept: str | None) -> tuple[bytes, str]:
        raise RuntimeError

    return build_house(metrics=metrics)


async def ask_for_the_stream() -> httpx.Response:
    """All that a reader of the stream gets who comes just before its end."""
    house = quoting()
    house.board.drain()
    return await house.get("/v1/fee/stream")


async def ask_while_it_fails() -> httpx.Response:
    """A request that runs into a bug."""
    async with failing().client(raise_app_exceptions=False) as client:
        return await client.get("/metrics")


async def ask_slowly() -> httpx.Response:
    """A request whose body never ends."""

    async def body() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.sleep(3600)

    async with quoting().client() as client:
        return await client.post("/v1/quote", content=body(), headers=JSON)


async def ask_an_occupied_archive() -> httpx.Response:
    """A request for the history while others read it."""
    house = quoting()
    async with AsyncExitStack() as readers:
        for _ in range(READERS_AT_ONCE):
            await readers.enter_async_context(house.context.archive.seat())
        return await house.get("/v1/history")


async def ask_among_many() -> httpx.Response:
    """A what-if while many others are on their way."""
    house = quoting()
    with ExitStack() as others:
        for _ in range(MOST_LARGE_BODIES):
            others.enter_context(house.context.turnstile.large_body())
        return await house.request("POST", "/v1/quote", headers=JSON, content=b" " * 2000 + b"{}")


async def ask_with_a_used_sequence() -> httpx.Response:
    """A second balance with the sequence of the first."""
    house = administered()
    await house.push(REPORT)
    return await house.push(REPORT | {"balanceWei": "0"})


async def ask_for_no_change() -> httpx.Response:
    """A revert of a change."""
    house = administered()
    await house.patch(CHANGE)
    house.clock.pass_seconds(60)
    return await house.request("DELETE", "/v1/parameters?reason=as%20before", headers=BEARER)


def at_the_door(refusal: ProblemError) -> Ask:
    """What a connection is refused with before there is a request (tests/api/test_connections.py provokes each)."""

    async def ask() -> httpx.Response:
        answer = Door(network_name=lambda: "mainnet").answer(refusal, [], with_body=True)
        head, _, body = answer.partition(b"\r\n\r\n")
        return httpx.Response(int(head.split()[1]), headers={"Content-Type": PROBLEM_MEDIA_TYPE}, content=body)

    return ask


ROUTES: Final[dict[tuple[str, str], dict[str, Ask]]] = {
    ("GET", "/v1/fee"): {
        "fee.json": a_get("/v1/fee"),
        "fee-stale.json": a_get("/v1/fee", aged(60)),
        "fee-over-blocks.json": a_get("/v1/fee?blocks=7"),
        "fee-explained.json": a_get("/v1/fee?explain=true&blocks=7"),
    },
    ("GET", "/v1/fee/stream"): {"fee-stream.txt": ask_for_the_stream},
    ("POST", "/v1/quote"): {
        "what-if.json": a_request("POST", "/v1/quote", {"l1BaseFeePerGas": 30 * 10**9, "deficitWei": "0"}, quoting)
    },
    ("POST", "/v1/simulate"): {"simulation.json": a_request("POST", "/v1/simulate", SIMULATION_REQUEST, quoting)},
    ("POST", "/rpc"): {
        "rpc.json": a_request("POST", "/rpc", BY_RPC[0], quoting),
        "rpc-batch.json": a_request("POST", "/rpc", BY_RPC, quoting),
    },
    ("GET", "/v1/history"): {
        "history.json": of_memory("/v1/history"),
        "history-page.json": of_memory("/v1/history?limit=2"),
        "history.csv": of_memory("/v1/history", "text/csv"),
    },
    ("GET", "/v1/status"): {
        "status.json": a_get("/v1/status"),
        "status-at-start.json": a_get("/v1/status", lambda: build_house(network=None)),
    },
    ("GET", "/v1/parameters"): {"parameters.json": a_get("/v1/parameters")},
    ("PATCH", "/v1/parameters"): {
        "parameters-changed.json": a_request("PATCH", "/v1/parameters", CHANGE),
        "parameters-tried.json": a_request("PATCH", "/v1/parameters?dryRun=true", CHANGE),
    },
    ("DELETE", "/v1/parameters"): {"parameters-reverted.json": ask_for_no_change},
    ("GET", "/v1/vault"): {"vault.json": a_get("/v1/vault")},
    ("GET", "/v1/alerts"): {"alerts.json": a_get("/v1/alerts")},
    ("PUT", "/v1/vault"): {"vault-pushed.json": a_request("PUT", "/v1/vault", REPORT)},
    ("GET", "/v1/audit"): {
        "audit.json": of_memory("/v1/audit"),
        "audit-of-the-vault.json": of_memory("/v1/audit?kind=vault"),
    },
    ("GET", "/livez"): {"livez.json": a_get("/livez")},
    ("GET", "/healthz"): {"healthz.json": a_get("/healthz")},
    ("GET", "/readyz"): {"readyz.json": a_get("/readyz")},
    ("GET", "/"): {"index.html": a_get("/")},
    ("GET", "/docs"): {"docs.html": a_get("/docs")},
    ("GET", "/docs/start.js"): {"docs-start.js": a_get("/docs/start.js")},
}
"""The answers of each route, by its method and path, and by the file that has the body."""

PROBLEMS: Final[dict[str, Ask]] = {
    "malformed-request": at_the_door(problems.malformed_request("one Host field is expected, and 0 came")),
    "invalid-json": a_request("POST", "/v1/quote", [], quoting),
    "unauthorized": a_request("PUT", "/v1/vault", REPORT, Authorization=""),
    "invalid-token": a_request("PUT", "/v1/vault", REPORT, Authorization="Bearer wrong"),
    "not-found": a_get("/v1/fees"),
    "method-not-allowed": a_request("POST", "/v1/fee", {}, quoting),
    "not-acceptable": a_get("/v1/history", Accept="text/html"),
    "request-timeout": ask_slowly,
    "vault-not-pushed": a_request(
        "PUT", "/v1/vault", REPORT, lambda: build_house(quote=sample_quote(), tokens=AdminTokens(TOKEN, None))
    ),
    "sequence-refused": ask_with_a_used_sequence,
    "parameters-changed": a_request("PATCH", "/v1/parameters", CHANGE, administered, **{"If-Match": '"others"'}),
    "body-too-large": a_request("POST", "/v1/quote", "x" * 65_536, quoting),
    "target-too-long": at_the_door(problems.target_too_long(8192)),
    "unsupported-media-type": a_request("POST", "/v1/quote", {}, quoting, **{"Content-Type": "text/plain"}),
    "unsupported-content-coding": a_request("POST", "/v1/quote", {}, quoting, **{"Content-Encoding": "gzip"}),
    "invalid-value": a_get("/v1/fee?blocks=65"),
    "number-out-of-range": a_request("POST", "/v1/quote", {"l1BaseFeePerGas": 0, "deficitWei": str(10**30 - 1)}),
    "too-many-pipelined-requests": at_the_door(problems.too_many_pipelined(16)),
    "request-header-fields-too-large": at_the_door(problems.head_too_large(16_384, 100)),
    "internal-error": ask_while_it_fails,
    "transfer-coding-not-implemented": at_the_door(problems.transfer_coding_unknown("gzip, chunked")),
    "quote-unavailable": a_get("/v1/fee", build_house),
    "quote-expired": a_get("/v1/fee", aged(200)),
    "quote-too-old": a_get("/v1/fee?maxAgeSeconds=5", aged(30)),
    "quote-stale": a_request("POST", "/rpc", BY_RPC[0], aged(60)),
    "journal-degraded": a_get("/v1/fee", without_journal),
    "chain-unknown": a_get("/v1/history", lambda: build_house(network=None)),
    "archive-busy": ask_an_occupied_archive,
    "no-pulse": a_get("/livez", lambda: quoting(31)),
    "not-ready": a_get("/readyz", build_house),
    "too-many-streams": a_get("/v1/fee/stream", lambda: build_house(stream_clients_max=0)),
    "too-many-connections": at_the_door(problems.too_many_connections(4048)),
    "overloaded": ask_among_many,
    "http-version-not-supported": at_the_door(problems.http_version_unsupported("2.0")),
}
"""An answer with each type of problem, by the type's name. A stale quote's is told by JSON-RPC alone."""

ANSWERS: Final = {
    **{file: ask for answers in ROUTES.values() for file, ask in answers.items()},
    **{f"problem-{name}.json": ask for name, ask in PROBLEMS.items()},
}
"""Every answer, by the file that has its body."""


def answer(file: str) -> httpx.Response:
    """The answer whose body `file` has, as it is now."""

    async def ask() -> httpx.Response:
        return await ANSWERS[file]()

    return run_in_virtual_time(ask())


def write() -> None:
    """Write every body as it is now, and drop what is none any more."""
    FOLDER.mkdir(exist_ok=True)
    for path in FOLDER.iterdir():
        path.unlink()
    for file in ANSWERS:
        (FOLDER / file).write_bytes(answer(file).content)


if __name__ == "__main__":
    write()
