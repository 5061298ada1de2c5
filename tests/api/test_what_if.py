"""`POST /v1/quote`: the same formula under inputs of the caller's own."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from starlette.types import Message

from app.api.examples.quote import FEE, WHAT_IF, WHAT_IF_REQUEST
from app.domain.parameter_set import ParameterSet
from app.domain.units import Wei
from app.domain.vault import NO_VAULT, VaultPlan, VaultSource, VaultState
from tests.api.house import build_house, sample_quote

URN = "urn:taiko-fee-oracle:problem:"
VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "controller.json").read_text())["cases"]
INPUT_KEYS = ("l1BaseFeePerGas", "deficitWei", "previousFeePerGas")


@pytest.mark.parametrize("case", VECTORS, ids=range(len(VECTORS)))
async def test_it_agrees_with_every_worked_case(case: dict[str, Any]) -> None:
    given = case["input"]
    body = {key: given[key] for key in INPUT_KEYS}
    body["parameters"] = {key: value for key, value in given.items() if key not in INPUT_KEYS}
    answer = (await build_house(quote=sample_quote()).what_if(body)).json()
    batch = answer["batch"]
    assert {
        "rawFeePerGas": answer["rawFeePerGas"],
        "feePerGas": answer["feePerGas"],
        "bound": answer["bound"],
        "batchCostWei": batch["costWei"],
        "batchRevenueWei": batch["revenueWei"],
    } == case["expect"]
    assert sum(answer["components"].values()) == answer["feePerGas"]


async def test_the_worked_cases_are_all_there() -> None:
    assert len(VECTORS) == 60


async def test_the_documents_example_is_what_the_code_answers() -> None:
    answer = (await build_house(quote=sample_quote()).what_if(WHAT_IF_REQUEST)).json()
    assert answer | {"parametersId": WHAT_IF["parametersId"]} == WHAT_IF
    assert list(answer) == list(FEE)


async def test_what_is_left_out_is_the_heads_base_fee_and_the_deficit_that_the_quote_prices() -> None:
    vault = VaultState(VaultSource.STATIC, balance=Wei(9 * 10**18), target=Wei(10 * 10**18))
    quote = sample_quote(vault=vault)
    answer = (await build_house(quote=quote).what_if({})).json()
    assert answer["feePerGas"] == quote.price.fee
    assert answer["vault"]["deficitWei"] == str(10**18)
    assert (answer["l1"]["blockNumber"], answer["next"]["feePerGas"]) == (quote.header.number, quote.next_fee)


async def test_a_surplus_that_gives_no_discount_is_not_taken_over_but_a_given_one_is() -> None:
    vault = VaultState(VaultSource.STATIC, balance=Wei(11 * 10**18), target=Wei(10 * 10**18))
    house = build_house(quote=sample_quote(vault=vault))
    assert (await house.what_if({})).json()["components"]["deficit"] == 0
    assert (await house.what_if({"deficitWei": str(-(10**18))})).json()["components"]["deficit"] == -4025764896


async def test_null_is_as_good_as_left_out() -> None:
    house = build_house(quote=sample_quote())
    nulls = dict.fromkeys((*INPUT_KEYS, "parameters"))
    assert (await house.what_if(nulls)).json() == (await house.what_if({})).json()


async def test_parameters_start_from_the_present_ones() -> None:
    house = build_house(quote=sample_quote(), parameter_set=ParameterSet().changed({"baseFeeGwei": "2"}))
    answer = (await house.what_if({"l1BaseFeePerGas": 0, "parameters": {"alphaData": "0.5"}})).json()
    assert answer["feePerGas"] == 2 * 10**9


async def test_with_inputs_of_its_own_it_needs_no_quote_where_there_is_no_vault() -> None:
    house = build_house(vault_plan=VaultPlan(), network=None)
    answer = (await house.what_if({"l1BaseFeePerGas": 25 * 10**9})).json()
    assert (answer["feePerGas"], answer["network"], answer["l1"]["chainId"]) == (12521739131, None, None)


async def test_without_a_vault_there_is_no_deficit_whatever_the_age_of_the_quote() -> None:
    house = build_house(quote=sample_quote(vault=NO_VAULT), vault_plan=VaultPlan())
    house.clock.pass_seconds(10_000)
    response = await house.what_if({"l1BaseFeePerGas": 25 * 10**9})
    assert (response.status_code, response.json()["vault"]["deficitWei"]) == (200, "0")


@pytest.mark.parametrize("body", [{}, {"l1BaseFeePerGas": 1}, {"deficitWei": 0}])
async def test_an_unknown_head_or_vault_is_not_made_up(body: dict[str, object]) -> None:
    response = await build_house().what_if(body)
    assert (response.status_code, response.json()["type"]) == (503, URN + "quote-unavailable")


async def test_an_expired_head_is_not_used_in_silence() -> None:
    house = build_house(quote=sample_quote())
    house.clock.pass_seconds(200)
    assert (await house.what_if({})).json()["type"] == URN + "quote-expired"
    assert (await house.what_if({"l1BaseFeePerGas": 1, "deficitWei": 0})).status_code == 200


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({"l1BaseFeePerGas": -1}, "l1BaseFeePerGas"),
        ({"l1BaseFeePerGas": 2**53}, "l1BaseFeePerGas"),
        ({"l1BaseFeePerGas": 1.5}, "l1BaseFeePerGas"),
        ({"l1BaseFeePerGas": True}, "l1BaseFeePerGas"),
        ({"l1BaseFeePerGas": "25"}, "l1BaseFeePerGas"),
        ({"l1BaseFeePerGas": []}, "l1BaseFeePerGas"),
        ({"previousFeePerGas": 2**53}, "previousFeePerGas"),
        ({"previousFeePerGas": False}, "previousFeePerGas"),
        ({"deficitWei": 0.5}, "deficitWei"),
        ({"deficitWei": True}, "deficitWei"),
        ({"deficitWei": "1.0"}, "deficitWei"),
        ({"deficitWei": "0x10"}, "deficitWei"),
        ({"deficitWei": "--1"}, "deficitWei"),
        ({"deficitWei": "+1"}, "deficitWei"),
        ({"deficitWei": "١"}, "deficitWei"),
        ({"deficitWei": ""}, "deficitWei"),
        ({"deficitWei": "9" * 5000}, "deficitWei"),
        ({"deficitWei": 10**30}, "deficitWei"),
        ({"deficitWei": "\ud800"}, "deficitWei"),
        ({"parameters": []}, "parameters"),
        ({"parameters": {"alphaDate": "0.1"}}, "parameters.alphaDate"),
        ({"parameters": {"alphaData": 0.1}}, "parameters.alphaData"),
        ({"parameters": {"alphaData": "-0.1"}}, "parameters.alphaData"),
        ({"parameters": {"alphaData": "1e3"}}, "parameters.alphaData"),
        ({"parameters": {"horizonBatches": 0}}, "parameters.horizonBatches"),
        ({"parameters": {"horizonBatches": True}}, "parameters.horizonBatches"),
        ({"parameters": {"horizonBatches": 10**400}}, "parameters.horizonBatches"),
        ({"parameters": {"l2GasPerBatch": "690000"}}, "parameters.l2GasPerBatch"),
        ({"parameters": {"controller": {}}}, "parameters.controller"),
        ({"parameters": {"preset": "reckless"}}, "parameters.preset"),
        ({"parameters": {"minFeeGwei": "2", "maxFeeGwei": "1"}}, "parameters.minFeeGwei"),
        ({"parameters": {"maxFeeGwei": "9007200"}}, "parameters.maxFeeGwei"),
        ({"baseFee": 1}, "baseFee"),
        ({"x" * 60_000: 1}, "x"),
    ],
)
async def test_a_value_that_is_not_allowed_is_refused_by_name(body: dict[str, object], name: str) -> None:
    house = build_house(quote=sample_quote())
    headers = {"Content-Type": "application/json"}
    response = await house.request("POST", "/v1/quote", headers=headers, content=json.dumps(body).encode())
    answer = response.json()
    assert (response.status_code, answer["type"]) == (422, URN + "invalid-value")
    assert answer["errors"][0]["name"].strip("'").startswith(name)
    assert answer["errors"][0]["allowed"]
    assert len(response.content) < 2_000


async def test_every_wrong_value_is_named_at_once_but_not_endlessly() -> None:
    house = build_house(quote=sample_quote())
    answer = (await house.what_if({"baseFee": 1, "l1BaseFeePerGas": -1, "deficitWei": ""})).json()
    assert [error["name"] for error in answer["errors"]] == ["baseFee", "l1BaseFeePerGas", "deficitWei"]
    parameters = {"alphaDate": "0.1", "alphaData": 0.1, "minFeeGwei": "-1", "maxFeeGwei": "x", "horizonBatches": 0}
    answer = (await house.what_if({"baseFee": 1, "deficitWei": "", "parameters": parameters})).json()
    assert [error["name"] for error in answer["errors"]] == [
        "baseFee",
        "deficitWei",
        "parameters.alphaDate",
        "parameters.alphaData",
        "parameters.maxFeeGwei",
        "parameters.horizonBatches",
        "parameters.minFeeGwei",
    ]
    answer = (await house.what_if({f"key{number}": number for number in range(60)})).json()
    assert len(answer["errors"]) == 10


async def test_more_members_than_anything_has_are_not_looked_at() -> None:
    for body in (
        {f"key{number}": number for number in range(3000)},
        {"parameters": dict.fromkeys(map(str, range(65)))},
    ):
        refused = await build_house(quote=sample_quote()).what_if(body)
        assert (refused.status_code, refused.json()["type"]) == (400, "urn:taiko-fee-oracle:problem:invalid-json")


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({"l1BaseFeePerGas": 2**53 - 1, "parameters": {"alphaData": "10"}}, "rawFeePerGas"),
        ({"l1BaseFeePerGas": 0, "deficitWei": str(10**30 - 1)}, "rawFeePerGas"),
        ({"l1BaseFeePerGas": 0, "deficitWei": str(1 - 10**30)}, "rawFeePerGas"),
        (
            {"l1BaseFeePerGas": 10**15, "deficitWei": str(-(10**26)), "parameters": {"alphaData": "400"}},
            "components.da",
        ),
    ],
)
async def test_a_result_that_leaves_what_json_holds_exactly_is_refused(body: dict[str, object], name: str) -> None:
    response = await build_house(quote=sample_quote()).what_if(body)
    assert (response.status_code, response.json()["type"]) == (422, URN + "number-out-of-range")
    assert response.json()["errors"][0]["name"] == name


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"[]", b"null", b"1", b'"x"', b'{"l1BaseFeePerGas": NaN}', b'{"l1BaseFeePerGas": -Infinity}',
        b"\xff\xfe{}",
        b'{"deficitWei": 1, "deficitWei": 2}', b'{"parameters": {"alphaData": "1", "alphaData": "2"}}',
        b"[" * 60_000,
        b'{"parameters":' * 4_000,
        b'{"deficitWei": ' + b"9" * 5_000 + b"}", b"{} {}", "{}".encode("utf-16"), b"\xef\xbb\xbf{}",
    ],
)  # fmt: skip
async def test_a_body_that_is_not_one_json_object_is_refused(content: bytes) -> None:
    house = build_house(quote=sample_quote())
    headers = {"Content-Type": "application/json"}
    response = await house.request("POST", "/v1/quote", headers=headers, content=content)
    assert (response.status_code, response.json()["type"]) == (400, URN + "invalid-json")


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin-1", "json", None],
)
async def test_a_body_that_is_not_said_to_be_json_is_refused(content_type: str | None) -> None:
    house = build_house(quote=sample_quote())
    headers = {} if content_type is None else {"Content-Type": content_type}
    response = await house.request("POST", "/v1/quote", headers=headers, content=b"{}")
    assert (response.status_code, response.json()["type"]) == (415, URN + "unsupported-media-type")


@pytest.mark.parametrize("content_type", ["application/json; charset=UTF-8", "Application/JSON", "application/x+json"])
async def test_json_by_any_of_its_names_is_taken(content_type: str) -> None:
    house = build_house(quote=sample_quote())
    headers = {"Content-Type": content_type}
    assert (await house.request("POST", "/v1/quote", headers=headers, content=b"{}")).status_code == 200


async def test_a_body_that_is_too_large_is_refused_whether_or_not_it_says_so() -> None:
    house = build_house(quote=sample_quote())
    headers = {"Content-Type": "application/json"}
    padded = b"{" + b" " * 65_534 + b"}"
    assert (await house.request("POST", "/v1/quote", headers=headers, content=padded)).status_code == 200
    declared = await house.request("POST", "/v1/quote", headers=headers, content=padded + b" ")
    async with house.client() as client:

        async def chunks() -> AsyncIterator[bytes]:
            for _ in range(9):
                yield b" " * 8192

        undeclared = await client.post("/v1/quote", headers=headers, content=chunks())
    for response in (declared, undeclared):
        assert (response.status_code, response.json()["type"]) == (413, URN + "body-too-large")


async def test_a_what_if_leaves_the_served_quote_alone() -> None:
    house = build_house(quote=sample_quote())
    before = (await house.get("/v1/fee")).content
    await house.what_if({"l1BaseFeePerGas": 1, "parameters": {"preset": "responsive"}})
    assert (await house.get("/v1/fee")).content == before


async def test_a_client_that_leaves_in_the_middle_is_no_bug_of_ours() -> None:
    house = build_house(quote=sample_quote())
    sent: list[Message] = []

    async def leave() -> Message:
        return {"type": "http.disconnect"}

    async def keep(message: Message) -> None:
        sent.append(message)

    headers = [(b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": "/v1/quote", "query_string": b"", "headers": headers}
    await house.app(scope, leave, keep)
    assert sent[0]["status"] == 400
    assert house.observed[0][:2] == ("/v1/quote", 400)


async def test_a_body_that_does_not_come_in_time_is_given_up_with_its_connection() -> None:
    house = build_house(quote=sample_quote(), body_timeout_seconds=0)

    async def never() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    async with house.client() as client:
        headers = {"Content-Type": "application/json"}
        response = await client.post("/v1/quote", headers=headers, content=never())
    assert (response.status_code, response.json()["type"]) == (408, URN + "request-timeout")
    assert response.headers["connection"] == "close"
