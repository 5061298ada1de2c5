"""What holds for every answer: its network, its problems, its count."""

import pytest

from app.api.app import documented_codes
from app.api.tokens import AdminTokens
from app.domain.errors import InvalidValueError
from app.domain.network import DEVNET_CHAIN_ID, Network
from tests.api.house import TOKEN, House, build_house, sample_quote

URN = "urn:taiko-fee-oracle:problem:"
DEVNET = Network(l1_chain_id=DEVNET_CHAIN_ID, l2_chain_id=167000)
JSON_PATHS = ["/v1/fee", "/v1/status", "/v1/parameters", "/v1/vault", "/livez", "/healthz", "/readyz"]
EVERY_PATH = [*JSON_PATHS, "/metrics", "/", "/docs", "/docs/start.js", "/docs/favicon.png", "/openapi.json", "/nowhere"]


def failing_metrics(_accept: str | None) -> tuple[bytes, str]:
    raise RuntimeError("the inner secret")


@pytest.fixture
def house() -> House:
    return build_house(quote=sample_quote())


@pytest.mark.parametrize("path", EVERY_PATH)
async def test_every_answer_names_the_devnet_in_a_header(path: str) -> None:
    house = build_house(quote=sample_quote(network=DEVNET), network=None)
    assert (await house.get(path)).headers["taiko-network"] == "devnet"


@pytest.mark.parametrize("path", [*JSON_PATHS, "/nowhere"])
async def test_every_json_answer_names_the_devnet_in_its_body(path: str) -> None:
    house = build_house(quote=sample_quote(network=DEVNET), network=None)
    assert (await house.get(path)).json()["network"] == "devnet"


async def test_before_the_chain_is_known_the_network_is_not_made_up() -> None:
    response = await build_house(network=None).get("/v1/fee")
    assert (response.headers["taiko-network"], response.json()["network"]) == ("unknown", None)


@pytest.mark.parametrize(
    "path", ["/nowhere", "/v1/fee/", "/V1/fee", "/docs/redoc.standalone.js", "/docs/..%2f__init__.py"]
)
async def test_an_unknown_path_is_a_problem(house: House, path: str) -> None:
    response = await house.get(path)
    assert response.headers["content-type"] == "application/problem+json"
    assert (response.status_code, response.json()["type"], response.json()["status"]) == (404, URN + "not-found", 404)


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [("POST", "/v1/fee", "GET, HEAD, OPTIONS"), ("DELETE", "/", "GET, HEAD, OPTIONS"),
     ("GET", "/v1/quote", "OPTIONS, POST"), ("HEAD", "/v1/quote", "OPTIONS, POST"),
     ("POST", "/v1/fee/stream", "GET, HEAD, OPTIONS"),
     ("PUT", "/docs/favicon.png", "GET, HEAD, OPTIONS")],
)  # fmt: skip
async def test_a_method_that_a_path_does_not_take_is_a_problem_that_names_those_it_takes(
    house: House, method: str, path: str, allow: str
) -> None:
    response = await house.request(method, path)
    assert (response.status_code, response.headers["allow"]) == (405, allow)
    assert method == "HEAD" or response.json()["type"] == URN + "method-not-allowed"


@pytest.mark.parametrize("path", EVERY_PATH)
async def test_head_has_the_headers_of_get_and_no_body(house: House, path: str) -> None:
    got, head = await house.get(path), await house.request("HEAD", path)
    assert (head.status_code, head.headers, head.content) == (got.status_code, got.headers, b"")


async def test_a_bug_is_a_problem_without_its_details_and_still_reaches_the_servers_log() -> None:
    house = build_house(metrics=failing_metrics)
    async with house.client(raise_app_exceptions=False) as client:
        response = await client.get("/metrics")
    assert (response.status_code, response.json()["type"]) == (500, URN + "internal-error")
    assert response.headers["taiko-network"] == "mainnet"
    assert "secret" not in response.text
    with pytest.raises(RuntimeError, match="the inner secret"):
        await house.get("/metrics")
    assert [seen[:2] for seen in house.observed] == [("/metrics", 500)] * 2


async def test_a_value_that_our_own_code_got_wrong_is_a_bug_and_no_fault_of_the_reader() -> None:
    def render(_accept: str | None) -> tuple[bytes, str]:
        raise InvalidValueError("ratio", "1/3", "a ratio that a finite decimal can write")

    house = build_house(metrics=render)
    async with house.client(raise_app_exceptions=False) as client:
        response = await client.get("/metrics")
    assert (response.status_code, response.json()["type"]) == (500, URN + "internal-error")
    assert "1/3" not in response.text


@pytest.mark.parametrize(("method", "path"), [("PUT", "/v1/vault"), ("PATCH", "/v1/parameters"),
                                              ("DELETE", "/v1/parameters"), ("GET", "/v1/audit")])  # fmt: skip
async def test_without_a_token_there_are_no_routes_of_administration(house: House, method: str, path: str) -> None:
    response = await house.request(method, path)
    assert (response.status_code, response.json()["type"]) == (404, URN + "not-found")
    assert "allow" not in response.headers


async def test_with_a_token_the_path_of_the_vault_takes_put_too() -> None:
    house = build_house(tokens=AdminTokens(TOKEN, None))
    response = await house.request("POST", "/v1/vault")
    assert (response.status_code, response.headers["allow"]) == (405, "GET, HEAD, OPTIONS, PUT")
    assert (await house.request("HEAD", "/v1/vault")).status_code == 200


def test_a_path_with_two_methods_is_documented_with_the_codes_of_both() -> None:
    assert {200, 401, 409, 412, 422, 500, 503} <= set(documented_codes()["/v1/vault"])


@pytest.mark.parametrize("path", ["/v1/status", "/v1/parameters", "/v1/vault", "/v1/fee"])
async def test_a_misspelt_query_is_refused_with_what_is_allowed(house: House, path: str) -> None:
    response = await house.get(f"{path}?max_age=5")
    assert (response.status_code, response.json()["type"]) == (422, URN + "invalid-value")
    error = response.json()["errors"][0]
    assert (error["name"], error["value"]) == ("max_age", "5")
    of_the_fee = "one of the query parameters blocks, explain, maxAgeSeconds"
    assert error["allowed"] == (of_the_fee if path == "/v1/fee" else "no query parameter")


async def test_a_what_if_takes_no_query(house: House) -> None:
    headers = {"Content-Type": "application/json"}
    response = await house.request("POST", "/v1/quote?dryRun=true", headers=headers, content=b"{}")
    assert (response.status_code, response.json()["errors"][0]["name"]) == (422, "dryRun")


async def test_requests_are_counted_by_route_and_strangers_cannot_add_labels(house: House) -> None:
    for path in ("/v1/fee?blocks=3", "/nowhere", "/else/where", "/docs/favicon.png", "/docs/other.png"):
        await house.get(path)
    await house.request("POST", "/v1/fee")
    assert [seen[:2] for seen in house.observed] == [
        ("/v1/fee", 200),
        ("unmatched", 404),
        ("unmatched", 404),
        ("/docs/{name}", 200),
        ("/docs/{name}", 404),
        ("/v1/fee", 405),
    ]


async def test_no_problem_may_be_cached(house: House) -> None:
    for path in ("/nowhere", "/v1/quote", "/v1/fee?x=1"):
        assert (await house.get(path)).headers["cache-control"] == "no-store"


async def test_only_the_fee_may_be_cached_among_what_changes(house: House) -> None:
    for path in ("/v1/status", "/v1/parameters", "/v1/vault", "/livez", "/readyz", "/"):
        assert (await house.get(path)).headers["cache-control"] == "no-store"
    assert (await house.what_if({})).headers["cache-control"] == "no-store"
