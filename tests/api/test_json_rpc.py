"""`POST /rpc`: the corpus of JSON-RPC 2.0 messages, and what is around it."""

import asyncio
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Message
from structlog.testing import capture_logs

from app.api.app import create_app
from app.api.board import Board, Moment
from app.api.examples.json_rpc import JSON_RPC_FAILURE, JSON_RPC_REQUEST, JSON_RPC_RESULT
from app.api.json_rpc import (
    FEE_NOT_SERVABLE,
    INTERNAL_ERROR,
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    METHODS,
    MOST_REQUESTS_IN_A_BATCH,
    PARSE_ERROR,
    answered,
)
from app.api.requests import GREATEST_BODY_BYTES
from tests.api.house import FULL_DISK, ONE_WITNESS, House, build_house, sample_quote

CORPUS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "vectors" / "json-rpc.json").read_text(), parse_int=repr, parse_float=repr
)["cases"]
PAGE = (Path(__file__).parents[2] / "docs" / "json-rpc.md").read_text()
JSON = {"Content-Type": "application/json"}
GAS_PRICE = b'{"jsonrpc":"2.0","id":1,"method":"eth_gasPrice"}'
URN = "urn:taiko-fee-oracle:problem:"


def aged(seconds: float) -> House:
    house = build_house(quote=sample_quote())
    house.clock.pass_seconds(seconds)
    return house


def unjournaled() -> House:
    house = build_house(quote=sample_quote(), journal_required=True)
    house.board.journal(FULL_DISK)
    return house


STATES: Mapping[str, Callable[[], House]] = {
    "fresh": lambda: aged(0),
    "stale": lambda: aged(60),
    "expired": lambda: aged(200),
    "unquoted": build_house,
    "unjournaled": unjournaled,
}


async def post(house: House, body: bytes, headers: dict[str, str] | None = None) -> httpx.Response:
    return await house.request("POST", "/rpc", content=body, headers=JSON if headers is None else headers)


def as_written(text: bytes) -> Any:  # noqa: ANN401 - JSON
    """JSON with its numbers as texts, marked, so that 1.50 and 1.5 differ."""
    return json.loads(text, parse_int=repr, parse_float=repr)


async def resolved(expected: Any, house: House) -> Any:  # noqa: ANN401 - JSON
    """`expected` with the bodies that its texts stand for."""
    if isinstance(expected, list):
        return [await resolved(entry, house) for entry in expected]
    if isinstance(expected, dict):
        return {name: await resolved(value, house) for name, value in expected.items()}
    if expected == "$STALE":
        return await stale_problem(house)
    if isinstance(expected, str) and expected.startswith("$GET "):
        return as_written((await house.get(expected.removeprefix("$GET "))).content)
    return expected


def cut(answer: Any, expected: Any) -> Any:  # noqa: ANN401 - JSON
    """`answer` with its message cut where the expected one may go on in any way."""
    message = expected["error"]["message"] if isinstance(expected, dict) and "error" in expected else ""
    if message.endswith("…"):
        answer["error"]["message"] = answer["error"]["message"][: len(message) - 1] + "…"
    return answer


async def stale_problem(house: House) -> dict[str, Any]:
    return {
        "type": URN + "quote-stale",
        "title": "The quote is not fresh",
        "status": repr("503"),
        "detail": "the L1 head of the last quote is 61.512 s old, and it was fresh until 2025-11-26T11:44:11.000Z;"
        " taiko_feeQuote gives it with its status",
        "network": "mainnet",
        "staleReason": "l1_unreachable",
        "ageSeconds": repr("61.512"),
        "lastQuote": as_written((await house.get("/v1/fee")).content),
    }


@pytest.mark.parametrize("case", CORPUS, ids=[case["name"] for case in CORPUS])
async def test_the_corpus(case: dict[str, Any]) -> None:
    house = STATES[case["state"]]()
    body = bytes.fromhex(case["requestHex"]) if "requestHex" in case else case["request"].encode()
    response = await post(house, body)
    assert repr(str(response.status_code)) == case["status"]
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["taiko-network"] == "mainnet"
    if "answer" in case:
        assert response.headers["content-type"] == "application/json"
        assert cut(as_written(response.content), case["answer"]) == await resolved(case["answer"], house)
    else:
        assert response.content == b""
        assert "content-type" not in response.headers


def test_the_corpus_holds_every_code_and_every_method() -> None:
    text = json.dumps(CORPUS)
    assert all(f"'{code}'" in text for code in (-32700, -32600, -32601, -32602, -32001))
    assert all(name in text for name in METHODS)
    assert {case["state"] for case in CORPUS} == STATES.keys()
    assert len([case for case in CORPUS if case["section"] == "7"]) == 15


async def test_the_page_names_every_method_and_code_and_its_examples_are_what_is_answered() -> None:
    assert re.findall(r"^\| `(\w+)` \|", PAGE, flags=re.MULTILINE) == list(METHODS)
    assert [int(code) for code in re.findall(r"^\| (-\d+) \|", PAGE, flags=re.MULTILINE)] == [
        PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS, INTERNAL_ERROR, FEE_NOT_SERVABLE
    ]  # fmt: skip
    exchanges = re.findall(r"^--> (.+)\n<-- (.+)$", PAGE, flags=re.MULTILINE)
    assert len(exchanges) == 3
    for request, answer in exchanges:
        assert (await post(build_house(quote=sample_quote()), request.encode())).text == answer


async def test_the_examples_of_the_document_are_what_is_answered() -> None:
    quote = sample_quote()
    house = build_house(quote=quote)
    request = json.dumps(JSON_RPC_REQUEST).encode()
    assert (await post(house, request)).json() == JSON_RPC_RESULT
    house.clock.wall = quote.header.timestamp * 1000 + 60_000
    house.board.feed(ONE_WITNESS)
    refused = (await post(house, request)).json()
    last = refused["error"]["data"]["lastQuote"]
    example = JSON_RPC_FAILURE["error"]["data"]["lastQuote"]
    last |= {name: example[name] for name in ("quoteId", "parametersId")}
    assert refused == JSON_RPC_FAILURE


async def test_a_stale_fee_is_a_gas_price_where_the_setting_allows_it_and_an_expired_one_never_is() -> None:
    house = build_house(quote=sample_quote(), json_rpc_allow_stale=True)
    house.clock.pass_seconds(60)
    assert (await house.get("/v1/fee")).json()["status"] == "stale"
    assert (await post(house, GAS_PRICE)).json()["result"] == hex(12_521_739_131)
    house.clock.pass_seconds(140)
    assert (await post(house, GAS_PRICE)).json()["error"]["code"] == -32001


@pytest.mark.parametrize(
    ("headers", "body", "code", "kind"),
    [
        ({"Content-Type": "text/plain"}, GAS_PRICE, 415, "unsupported-media-type"),
        ({}, GAS_PRICE, 415, "unsupported-media-type"),
        ({"Content-Type": "application/json; charset=utf-16"}, GAS_PRICE, 415, "unsupported-media-type"),
        (JSON, b" " * (GREATEST_BODY_BYTES + 1), 413, "body-too-large"),
    ],
)
async def test_what_is_no_message_at_all_is_a_problem(
    headers: dict[str, str], body: bytes, code: int, kind: str
) -> None:
    response = await post(build_house(quote=sample_quote()), body, headers)
    assert (response.status_code, response.json()["type"]) == (code, URN + kind)
    assert response.headers["content-type"] == "application/problem+json"


async def test_other_methods_and_a_query_are_refused() -> None:
    house = build_house(quote=sample_quote())
    response = await house.get("/rpc")
    assert response.status_code == 405
    assert "POST" in response.headers["allow"]
    query = await house.request("POST", "/rpc?key=1", headers=JSON, content=GAS_PRICE)
    assert (query.status_code, query.json()["type"]) == (422, URN + "invalid-value")


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "application/json; charset=utf-8", "application/json;charset=UTF-8", "Application/JSON"],
)
async def test_the_content_types_that_clients_send_are_taken(content_type: str) -> None:
    response = await post(build_house(quote=sample_quote()), GAS_PRICE, {"Content-Type": content_type})
    assert response.json()["result"] == hex(12_521_739_131)


async def test_a_message_as_long_as_may_be_is_answered() -> None:
    filler = GREATEST_BODY_BYTES - len(GAS_PRICE)
    response = await post(build_house(quote=sample_quote()), GAS_PRICE + b" " * filler)
    assert response.json()["result"] == hex(12_521_739_131)


async def test_a_body_that_never_ends_is_given_up() -> None:
    house = build_house(quote=sample_quote(), body_timeout_seconds=0.001)
    sent: list[Message] = []

    async def receive() -> Message:
        await asyncio.sleep(3600)
        return {"type": "http.request", "body": b"", "more_body": True}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "http",
        "path": "/rpc", "raw_path": b"/rpc", "query_string": b"", "root_path": "",
        "headers": [(b"content-type", b"application/json")], "client": None, "server": ("oracle.test", 80),
    }  # fmt: skip
    await house.app(scope, receive, send)
    assert sent[0]["status"] == 408


class Striding(Board):
    """A board whose every moment is 30 seconds after the one before."""

    def moment(self) -> Moment:
        found = super().moment()
        self._clock.pass_seconds(30)  # type: ignore[attr-defined]
        return found


def striding_house() -> House:
    house = build_house(quote=sample_quote())
    board = Striding(clock=house.clock, freshness_policy=house.board.freshness_policy, pulse_limit_seconds=1e9)
    board.journal(house.board.journal_status)
    board.publish(sample_quote(), house.clock.now(), True)  # noqa: FBT003 - as the engine calls it
    return replace(house, board=board, context=replace(house.context, board=board))


def test_all_of_a_batch_is_answered_from_one_moment() -> None:
    house = striding_house()
    batch = [
        {"jsonrpc": "2.0", "id": 1, "method": "taiko_feeQuote"},
        {"jsonrpc": "2.0", "id": 2, "method": "taiko_feeQuote", "params": [None, 20]},
        {"jsonrpc": "2.0", "id": 3, "method": "eth_gasPrice"},
        {"jsonrpc": "2.0", "id": 4, "method": "taiko_feeQuote", "params": {"maxAgeSeconds": 1}},
    ] * (MOST_REQUESTS_IN_A_BATCH // 4)
    answers = json.loads(answered(house.context, json.dumps(batch).encode()) or b"")
    assert len(answers) == MOST_REQUESTS_IN_A_BATCH
    whole, limited, price, refused = answers[:4]
    assert answers == [whole, limited, price, refused] * (MOST_REQUESTS_IN_A_BATCH // 4)
    assert (whole["result"]["status"], limited["result"]["status"]) == ("fresh", "fresh")
    assert price["result"] == hex(whole["result"]["feePerGas"])
    assert refused["error"]["code"] == -32001
    later = json.loads(answered(house.context, json.dumps(batch[:2]).encode()) or b"")
    assert [("result" in answer) for answer in later] == [True, False]


class Broken(Board):
    """A board with a bug."""

    def freshness(self, *_: object, **__: object) -> Any:  # noqa: ANN401 - never returns
        raise RuntimeError("a bug, with details that are nobody's business")


async def test_a_bug_is_an_internal_error_of_its_own_request_and_is_logged() -> None:
    house = build_house(quote=sample_quote())
    board = Broken(clock=house.clock, freshness_policy=house.board.freshness_policy, pulse_limit_seconds=30.0)
    board.publish(sample_quote(), house.clock.now(), True)  # noqa: FBT003 - as the engine calls it
    context = replace(house.context, board=board)
    batch = b"[" + GAS_PRICE + b',{"jsonrpc":"2.0","id":2,"method":"eth_chainId"},'
    batch += b'{"jsonrpc":"2.0","method":"eth_gasPrice"}]'
    with capture_logs() as logs:
        response = await post(replace(house, app=create_app(context)), batch)
    failed, chain_id = response.json()
    assert response.status_code == 200
    assert failed == {
        "jsonrpc": "2.0",
        "id": 1,
        "error": {"code": -32603, "message": "Internal error: an unexpected error; the log has it"},
    }
    assert chain_id["result"] == "0x28c58"
    assert [(entry["event"], entry["method"], entry["exc_info"]) for entry in logs] == [
        ("json_rpc_failed", "eth_gasPrice", True)
    ]


async def test_nothing_that_is_asked_changes_what_is_served() -> None:
    house = build_house(quote=sample_quote())
    before = (await house.get("/v1/fee")).content
    for case in CORPUS:
        await post(house, case.get("request", "").encode())
    assert (await house.get("/v1/fee")).content == before


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
ids = st.none() | st.integers() | st.text() | st.floats(allow_nan=False, allow_infinity=False)
requests = st.fixed_dictionaries(
    {"jsonrpc": st.just("2.0") | json_values, "method": st.sampled_from(sorted(METHODS)) | json_values},
    optional={"id": ids | json_values, "params": st.lists(json_values, max_size=3) | json_values},
)
HOUSE = build_house(quote=sample_quote())


@given(json_values | requests | st.lists(requests | json_values, min_size=1, max_size=6))
def test_whatever_json_comes_each_request_with_an_id_has_its_answer_and_nothing_else_has(message: Any) -> None:  # noqa: ANN401
    raw = answered(HOUSE.context, json.dumps(message).encode())
    batch = message if isinstance(message, list) else [message]
    expected = [answer_id(request) for request in batch if not is_notification(request)]
    if message == []:
        expected = [None]
    if raw is None:
        assert expected == []
        return
    answer = json.loads(raw)
    answers = answer if isinstance(answer, list) else [answer]
    assert isinstance(answer, list) == (isinstance(message, list) and message != [])
    assert [entry["id"] for entry in answers] == expected
    for entry in answers:
        assert entry["jsonrpc"] == "2.0"
        assert entry.keys() - {"jsonrpc", "id"} in ({"result"}, {"error"})
        if "error" in entry:
            assert entry["error"]["code"] in {-32600, -32601, -32602, -32001}


def is_request(value: object) -> bool:
    return (
        isinstance(value, dict)
        and value.get("jsonrpc") == "2.0"
        and isinstance(value.get("method"), str)
        and isinstance(value.get("params", []), list | dict)
        and not isinstance(value.get("id"), bool | list | dict)
    )


def is_notification(value: Any) -> bool:  # noqa: ANN401 - JSON
    return is_request(value) and "id" not in value


def answer_id(value: Any) -> Any:  # noqa: ANN401 - JSON
    return value["id"] if is_request(value) else None


@given(st.binary(max_size=200))
def test_whatever_bytes_come_there_is_an_answer(body: bytes) -> None:
    raw = answered(HOUSE.context, body)
    assert raw is not None
    assert json.loads(raw)["jsonrpc"] == "2.0"


@given(st.integers() | st.from_regex(r"-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,5})?", fullmatch=True))
def test_a_numbers_text_comes_back_to_the_digit(number: int | str) -> None:
    text = str(number).encode()
    raw = answered(HOUSE.context, b'{"jsonrpc":"2.0","method":"eth_chainId","id":%b}' % text)
    assert raw == b'{"jsonrpc":"2.0","id":%b,"result":"0x28c58"}' % text
