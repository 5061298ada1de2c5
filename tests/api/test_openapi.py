"""The OpenAPI document: it names every route, its examples fit its schemas, and the answers do too."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi.openapi.models import OpenAPI
from jsonschema import Draft202012Validator

from app.api.openapi import OPERATIONS
from app.api.tokens import AdminTokens
from app.domain.errors import OracleError
from app.domain.governance import Revision
from app.domain.vault import NO_VAULT
from app.engine.ports import NoNetworkError, StoreError, StoreFault
from tests.adapters.store_contract import some_entries
from tests.api.house import BEARER, FULL_DISK, PUSH_PLAN, TOKEN, House, build_house, sample_quote

PATHS = {
    "/v1/fee": "get", "/v1/fee/stream": "get", "/v1/quote": "post", "/v1/simulate": "post", "/rpc": "post",
    "/v1/history": "get", "/v1/status": "get", "/v1/parameters": "get", "/v1/vault": "get", "/v1/alerts": "get",
    "/v1/audit": "get",
    "/livez": "get", "/healthz": "get", "/readyz": "get", "/metrics": "get",
}  # fmt: skip
NOT_OPEN_JSON = {"/metrics", "/v1/audit", "/v1/fee/stream"}


async def document() -> dict[str, Any]:
    response = await build_house(tokens=AdminTokens(TOKEN, None)).get("/openapi.json")
    assert response.headers["content-type"] == "application/json"
    described: dict[str, Any] = response.json()
    return described


def check(value: object, schema: dict[str, Any], described: dict[str, Any]) -> None:
    rooted = {"components": described["components"], **schema}
    Draft202012Validator.check_schema(rooted)
    Draft202012Validator(rooted).validate(value)


def examples_of(media: dict[str, Any], described: dict[str, Any]) -> list[object]:
    names = [entry["$ref"].removeprefix("#/components/examples/") for entry in media["examples"].values()]
    return [described["components"]["examples"][name]["value"] for name in names]


def media_types(described: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, operations in described["paths"].items():
        for operation in operations.values():
            for part in (operation.get("requestBody", {}), *operation["responses"].values()):
                for media_type, media in part.get("content", {}).items():
                    yield path, media_type, media


async def test_it_is_openapi_and_names_every_route_with_a_summary() -> None:
    described = await document()
    OpenAPI.model_validate(described)
    assert described["openapi"].startswith("3.1")
    assert {path: next(iter(operations)) for path, operations in described["paths"].items()} == PATHS
    operations = [operation for entry in described["paths"].values() for operation in entry.values()]
    assert all(operation["summary"] for operation in operations)
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    assert {operation["operationId"].split("_v1")[0] for operation in operations} >= {"get_fee", "post_quote"}


async def test_administration_is_described_where_it_is_configured_and_nowhere_else() -> None:
    described = await document()
    operation = described["paths"]["/v1/vault"]["put"]
    assert operation["security"] == [{"bearer": []}]
    assert described["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    secured = {path for path, entry in described["paths"].items() if "security" in entry.get("get", {})}
    assert secured == {"/v1/audit"}
    without = (await build_house().get("/openapi.json")).json()
    assert without["paths"]["/v1/vault"].keys() == {"get"}
    assert "/v1/audit" not in without["paths"]


async def test_every_body_has_an_example_that_fits_its_schema() -> None:
    described = await document()
    for path, media_type, media in media_types(described):
        values = [media["example"]] if "example" in media else examples_of(media, described)
        assert values, (path, media_type)
        for value in values:
            check(value, media["schema"], described)


async def test_every_query_parameters_example_fits_its_schema() -> None:
    described = await document()
    for entry in described["paths"].values():
        for operation in entry.values():
            for parameter in operation.get("parameters", []):
                check(parameter["example"], parameter["schema"], described)


async def test_every_error_is_a_problem() -> None:
    described = await document()
    for operations in described["paths"].values():
        for operation in operations.values():
            errors = {code: answer for code, answer in operation["responses"].items() if int(code) >= 400}
            assert "500" in errors
            for answer in errors.values():
                assert answer["content"].keys() == {"application/problem+json"}
                schema = answer["content"]["application/problem+json"]["schema"]
                assert schema == {"$ref": "#/components/schemas/ProblemDetails"}


def started() -> House:
    return build_house(network=None)


def quoting() -> House:
    return build_house(quote=sample_quote())


def vaultless() -> House:
    return build_house(quote=sample_quote(vault=NO_VAULT))


def expired() -> House:
    house = build_house(quote=sample_quote())
    house.clock.pass_seconds(500)
    return house


def stale() -> House:
    house = build_house(quote=sample_quote())
    house.clock.pass_seconds(100)
    return house


def degraded() -> House:
    house = build_house(quote=sample_quote(), journal_required=True)
    house.board.journal(FULL_DISK)
    return house


@pytest.mark.parametrize("build", [started, quoting, vaultless, stale, expired, degraded])
@pytest.mark.parametrize("path", sorted({path for path in PATHS if PATHS[path] == "get"} - NOT_OPEN_JSON))
async def test_every_answer_fits_the_schema_of_its_code(build: Callable[[], House], path: str) -> None:
    described = await document()
    response = await build().get(path)
    answer = described["paths"][path]["get"]["responses"][str(response.status_code)]
    check(response.json(), answer["content"][response.headers["content-type"]]["schema"], described)


@pytest.mark.parametrize("build", [started, quoting, stale, expired])
@pytest.mark.parametrize("body", [{}, {"l1BaseFeePerGas": 1, "deficitWei": 0}, {"deficitWei": "x"}])
async def test_every_what_if_fits_the_schema_of_its_code(build: Callable[[], House], body: dict[str, object]) -> None:
    described = await document()
    response = await build().what_if(body)
    answer = described["paths"]["/v1/quote"]["post"]["responses"][str(response.status_code)]
    check(response.json(), answer["content"][response.headers["content-type"]]["schema"], described)


@pytest.mark.parametrize("build", [started, quoting, expired])
@pytest.mark.parametrize(
    "series",
    [
        {"l1BaseFeesPerGas": [25 * 10**9, 26 * 10**9], "timestamps": [0, 30]},
        {"scenario": "spike", "blocks": 300, "levelGwei": "25", "seed": 3},
        {"storedBlocks": 5},
        {"storedBlocks": 0},
    ],
)
@pytest.mark.parametrize("vault", [None, {"balanceWei": "9", "targetWei": 10**19}])
async def test_every_simulation_fits_the_schema_of_its_code(
    build: Callable[[], House], series: dict[str, object], vault: object
) -> None:
    described = await document()
    house = build()
    await house.store.append(some_entries(5, 20), Revision())
    operation = described["paths"]["/v1/simulate"]["post"]
    asked = {"series": series, "vault": vault, "includeBlocks": True}
    response = await house.simulate(asked)
    answer = operation["responses"][str(response.status_code)]
    check(response.json(), answer["content"][response.headers["content-type"]]["schema"], described)
    assert {name.lower() for name in answer["headers"]} == HEADERS & set(response.headers.keys())
    if response.status_code == 200:
        check(asked, operation["requestBody"]["content"]["application/json"]["schema"], described)


HEADERS = {
    "www-authenticate", "etag", "cache-control", "retry-after", "vary", "link", "allow",
    "taiko-journal", "taiko-network",
}  # fmt: skip


@pytest.mark.parametrize("build", [started, quoting, expired, degraded])
@pytest.mark.parametrize("path", [path for path in PATHS if path != "/v1/audit" and PATHS[path] == "get"])
async def test_every_header_of_an_answer_is_documented_and_the_other_way_round(
    build: Callable[[], House], path: str
) -> None:
    described = await document()
    response = await build().request("HEAD", path)
    answer = described["paths"][path]["get"]["responses"][str(response.status_code)]
    assert {name.lower() for name in answer["headers"]} == HEADERS & set(response.headers.keys())
    assert answer["headers"]["Taiko-Network"]["schema"] == {"type": "string"}


async def test_the_headers_of_a_304_and_of_a_what_if_are_documented() -> None:
    described = await document()
    house = quoting()
    tag = (await house.get("/v1/fee")).headers["etag"]
    unmodified = await house.get("/v1/fee", {"If-None-Match": tag})
    for path, method, response in (
        ("/v1/fee", "get", unmodified),
        ("/v1/quote", "post", await house.what_if({})),
        ("/v1/quote", "post", await house.what_if({"x": 1})),
        ("/v1/quote", "post", await started().what_if({})),
    ):
        answer = described["paths"][path][method]["responses"][str(response.status_code)]
        assert {name.lower() for name in answer["headers"]} == HEADERS & set(response.headers.keys())


@pytest.mark.parametrize(
    ("headers", "body", "failure", "code"),
    [
        ({}, {"balanceWei": "7", "sequence": 5}, None, 200),
        ({}, {"balanceWei": "7", "sequence": 1}, None, 409),
        ({}, {"balanceWei": 7.5, "sequence": 0}, None, 422),
        ({"Authorization": ""}, {}, None, 401),
        ({"Authorization": "Bearer wrong"}, {}, None, 401),
        ({"If-Match": "others"}, {"balanceWei": "7", "sequence": 5}, None, 412),
        ({}, {"balanceWei": "7", "sequence": 5}, StoreError(StoreFault.FULL, "disk"), 503),
        ({}, {"balanceWei": "7", "sequence": 5}, NoNetworkError(), 503),
    ],
)
async def test_every_answer_to_a_pushed_balance_fits_the_schema_of_its_code(
    headers: dict[str, str], body: dict[str, object], failure: OracleError | None, code: int
) -> None:
    described = await document()
    house = build_house(vault_plan=PUSH_PLAN, tokens=AdminTokens(TOKEN, None))
    await house.push({"balanceWei": "6", "sequence": 4})
    house.desk.failure = failure
    response = await house.push(body, BEARER | headers)
    assert response.status_code == code
    answer = described["paths"]["/v1/vault"]["put"]["responses"][str(code)]
    check(response.json(), answer["content"][response.headers["content-type"]]["schema"], described)
    assert {name.lower() for name in answer["headers"]} == HEADERS & set(response.headers.keys())


async def test_the_answer_with_blocks_fits_too() -> None:
    described = await document()
    response = await quoting().get("/v1/fee?blocks=7")
    check(response.json(), {"$ref": "#/components/schemas/FeeQuote"}, described)


async def test_the_answer_with_an_explanation_fits_too() -> None:
    described = await document()
    for house in (quoting(), stale()):
        response = await house.get("/v1/fee?explain=true&blocks=7")
        check(response.json(), {"$ref": "#/components/schemas/FeeQuote"}, described)


@pytest.mark.parametrize("build", [started, quoting, stale, expired, degraded])
@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"jsonrpc":"2.0","id":1,"method":"eth_gasPrice"}', 200),
        (b'[{"jsonrpc":"2.0","id":1,"method":"taiko_feeQuote","params":[7]},{},3]', 200),
        (b'{"jsonrpc":"2.0","id":1.5,"method":"nothing"}', 200),
        (b"[", 200),
        (b'{"jsonrpc":"2.0","method":"eth_gasPrice"}', 204),
        (b" " * 70_000, 413),
    ],
)
async def test_every_answer_by_json_rpc_fits_the_schema_of_its_code(
    build: Callable[[], House], body: bytes, code: int
) -> None:
    described = await document()
    response = await build().request("POST", "/rpc", headers={"Content-Type": "application/json"}, content=body)
    assert response.status_code == code
    answer = described["paths"]["/rpc"]["post"]["responses"][str(code)]
    assert {name.lower() for name in answer["headers"]} == HEADERS & set(response.headers.keys())
    if code != 204:
        check(response.json(), answer["content"][response.headers["content-type"]]["schema"], described)


async def test_no_example_is_left_unused() -> None:
    described = await document()
    used = {name for _, _, media in media_types(described) for name in media.get("examples", {})}
    assert used == described["components"]["examples"].keys()


async def test_no_description_of_a_route_is_left_unused() -> None:
    described = await document()
    named = {operation["summary"] for entry in described["paths"].values() for operation in entry.values()}
    assert named == {operation["summary"] for operation in OPERATIONS.values()}
