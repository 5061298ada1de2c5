"""A key in a URL, wherever it stands in it, is shown nowhere, whatever goes wrong."""

import base64
import json
import re
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

import httpx
import pytest

from tests.proxy import (
    Blackhole,
    Connection,
    Delay,
    Fault,
    FaultProxy,
    Garble,
    HalfOpen,
    Oversize,
    Refuse,
    Reset,
    Rewrite,
    Truncate,
)
from tests.service import Service, wait_until
from tests.world.conftest import StartAnvil
from tests.world.reliability.forgeries import HttpStatus, refusing
from tests.world.reliability.watched import QUICK, listed

PATH, QUERY, USER = "p4thk3y-0123456789abcdef", "qu3ryk3y0123456789abcdef", "us3r-0123456789abcdef"
PASSWORD, DATABASE_USER, DATABASE_PASSWORD = "p@ss/w0rd-0123456789", "dbus3r-0123456789", "dbp@ss-0123456789"
TOKEN = "adm1n-t0ken-0123456789abcdef0123456789"  # noqa: S105
SECRETS: Final = (PATH, QUERY, USER, PASSWORD, DATABASE_USER, DATABASE_PASSWORD, TOKEN)
BASIC: Final = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
UNSHOWN: Final = (*SECRETS, *(quote(secret, safe="") for secret in SECRETS), BASIC)
PAGES: Final = (
    *("/v1/fee", "/v1/fee?maxAgeSeconds=1", "/v1/fee?blocks=x", "/v1/status", "/v1/parameters", "/v1/vault"),
    *("/v1/audit", "/livez", "/healthz", "/readyz", "/readyz?fresh=true", "/metrics", "/openapi.json", "/nowhere", "/"),
)
_BASE_FEE: Final = re.compile(rb'"baseFeePerGas":"0x[0-9a-f]+"')
_REQUEST_LINE: Final = re.compile(rb"^(POST|GET) /\S* HTTP/")


@dataclass(frozen=True)
class AtTheRoot(Fault):
    """Everything passes, but the path and the query of a URL, which the node would not know."""

    async def request(self, chunk: bytes, connection: Connection) -> bytes:  # noqa: ARG002
        return _REQUEST_LINE.sub(rb"\1 / HTTP/", chunk)


@dataclass(frozen=True)
class RewrittenAtTheRoot(AtTheRoot, Rewrite):
    """The node hears of no path, and other answers come back."""


def keyed(scheme: str, host: str) -> str:
    password = quote(PASSWORD, safe="")
    return f"{scheme}://{USER}:{password}@{host}/v3/{PATH}?apikey={QUERY}"


def echo(_body: bytes) -> bytes:
    text = f"invalid project {PATH}, key {QUERY} of {USER}:{PASSWORD}, see {keyed('http', '127.0.0.1')}"
    return json.dumps({"error": text, "result": text}).encode()


def url_for_a_base_fee(body: bytes) -> bytes:
    return _BASE_FEE.sub(b'"baseFeePerGas":"' + keyed("http", "127.0.0.1").encode() + b'"', body)


FAULTS: Final[Mapping[str, tuple[Fault, tuple[str | None, ...]]]] = {
    "none": (AtTheRoot(), (None,)),
    "refused": (Refuse(), ("unreachable",)),
    "blackhole": (Blackhole(), ("timeout",)),
    "garbage": (Garble(every=2), ("invalid_answer", "timeout")),
    "401 that echoes the URL": (HttpStatus(echo, "401 Unauthorized"), ("http_status",)),
    "error that echoes the URL": (RewrittenAtTheRoot(refusing(-32000, echo(b"").decode()).rewriter), ("rpc_error",)),
    "wrong chain": (AtTheRoot(), ("wrong_chain",)),
    "reset": (Reset(), ("unreachable",)),
    "answers that are lost": (HalfOpen(), ("timeout",)),
    "answers that are late": (Delay(3.0), ("timeout",)),
    "answers that break off": (Truncate(60), ("invalid_answer", "unreachable")),
    "answers without end": (Oversize(), ("invalid_answer", "timeout")),
    "429 that echoes the URL": (HttpStatus(echo, "429 Too Many Requests"), ("http_status",)),
    "500 that echoes the URL": (HttpStatus(echo, "500 Internal Server Error"), ("http_status",)),
    "a base fee that is the URL": (RewrittenAtTheRoot(url_for_a_base_fee), ("invalid_header", "invalid_answer")),
    "name that cannot be resolved": (AtTheRoot(), ("unreachable", "timeout")),
}
"""Each with the reasons that the status may give for it."""
UNLIKE_EACH_OTHER: Final = {
    "none", "refused", "blackhole", "garbage", "401 that echoes the URL", "error that echoes the URL", "wrong chain",
}  # fmt: skip
"""One of each kind; the others are in the long tests."""


@contextmanager
def keyed_service(fault: str, node_port: int) -> Iterator[Service]:
    """A service whose every URL holds a key: of an HTTP node, a WebSocket node, and a database that is not there."""
    with ExitStack() as stack:
        http, web_socket, database = (stack.enter_context(FaultProxy(node_port, FAULTS[fault][0])) for _ in range(3))
        database.fault = Refuse()
        hosts = [f"127.0.0.1:{http.port}", f"127.0.0.1:{web_socket.port}"]
        if fault == "name that cannot be resolved":
            hosts = ["node.invalid", "push.invalid"]
        login = f"{DATABASE_USER}:{quote(DATABASE_PASSWORD, safe='')}"
        settings = {
            **QUICK,
            "TAIKO_L1_RPC_URLS": listed({"http": keyed("http", hosts[0]), "push": keyed("ws", hosts[1])}),
            "TAIKO_STATE_URL": f"postgresql://{login}@127.0.0.1:{database.port}/journal",
            "TAIKO_ADMIN_TOKEN": TOKEN,
            "TAIKO_LOG_LEVEL": "debug",
            "TAIKO_L1_CHAIN_ID": "1" if fault == "wrong chain" else "31337",
        }
        if fault != "none":
            l2_node = stack.enter_context(FaultProxy(node_port, FAULTS[fault][0]))
            settings |= {
                "TAIKO_L2_RPC_URLS": f"l2={keyed('http', f'127.0.0.1:{l2_node.port}')}",
                "TAIKO_VAULT_ADDRESSES": "l2:0x1670000000000000000000000000000000010001",
                "TAIKO_VAULT_TARGET_ETH": "1",
            }
        yield stack.enter_context(Service("serve", environment=settings))


def everything_shown(service: Service) -> str:
    answers = [service.get(page) for page in PAGES]
    report = {"balanceWei": "1", "sequence": 1}
    for token in (TOKEN, TOKEN[:-1]):
        bearer = {"Authorization": f"Bearer {token}"}
        answers += [service.client.put("/v1/vault", json=report, headers=bearer)]
    answers.append(service.client.post("/v1/quote", json={"l1BaseFeePerGas": "no number"}))
    shown = "".join(answer.text + str(answer.headers) for answer in answers)
    assert {answer.status_code for answer in answers} >= {httpx.codes.OK, httpx.codes.NOT_FOUND}
    return shown


def assert_unshown(text: str) -> None:
    found = [secret for secret in UNSHOWN if secret.lower() in text.lower()]
    assert not found, [text[max(0, text.lower().find(secret.lower()) - 200) :][:400] for secret in found[:2]]


@pytest.mark.parametrize(
    "fault", [pytest.param(fault, marks=[] if fault in UNLIKE_EACH_OTHER else [pytest.mark.proof]) for fault in FAULTS]
)
def test_a_key_in_a_url_is_shown_nowhere_while_there_is_a_fault(fault: str, start_anvil: StartAnvil) -> None:
    node = start_anvil(block_time_seconds=1)
    with keyed_service(fault, node.port) as service:
        wait_until(lambda: service.get("/v1/status").json()["feed"]["polls"] > 4, "some polls")
        service.event("journal_degraded")
        shown = everything_shown(service)
        assert service.get("/v1/status").json()["feed"]["failureReason"] in FAULTS[fault][1]
        assert service.stop(signal.SIGINT) == 0
        assert_unshown(shown + service.stderr + service.stdout)
        assert "Traceback" not in service.stderr


def test_a_key_in_a_url_is_not_in_the_trace_of_a_crash() -> None:
    program = "import sys; from tests.world.reliability.crashing import main; sys.exit(main())"
    settings = {
        "TAIKO_L1_RPC_URLS": listed({"http": keyed("http", "127.0.0.1:1"), "push": keyed("ws", "127.0.0.1:2")}),
        "TAIKO_STATE_URL": f"postgresql://{DATABASE_USER}:{quote(DATABASE_PASSWORD, safe='')}@127.0.0.1:1/journal",
        "TAIKO_ADMIN_TOKEN": TOKEN,
        "PYTHONPATH": ":".join(sys.path),
    }
    with Service(command=(sys.executable, "-c", program), environment=settings) as service:
        assert service.process.wait(20) == 70
        assert "KeyError" in service.event("service_crashed")["exception"]
        assert "KeyError" in service.event("uncaught_exception")["exception"]
        assert_unshown(service.stderr + service.stdout)
