"""OPTIONS, and pages of other origins."""

from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from starlette.types import Message

from app.api.app import create_app
from app.api.cors import EXPOSED, Cors
from app.api.openapi import OPERATIONS
from app.api.tokens import AdminTokens
from tests.api.house import TOKEN, House, build_house, sample_quote

PAGE = "https://app.example"
ELSE = "https://else.example"
PATHS = ["/v1/fee", "/v1/fee?blocks=3", "/v1/status", "/nowhere", "/v1/fee?x=1", "/livez"]
ALWAYS_READABLE = {"Cache-Control", "Content-Language", "Content-Length", "Content-Type", "Expires", "Last-Modified"}
"""Fetch's CORS-safelisted response headers, as far as they are used here."""


def house_of(*origins: str, has_administration: bool = False) -> House:
    """A house that lets the pages of `origins` in; CORS is not spoken where there are none."""
    house = build_house(quote=sample_quote(), tokens=AdminTokens(TOKEN, None) if has_administration else None)
    if origins:
        house.context = replace(house.context, cors=Cors(origins, has_administration=has_administration))
        house.app = create_app(house.context)
    return house


def cors_headers(response: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in response.headers.items() if name.startswith("access-control-")}


async def preflight(house: House, path: str, origin: str, method: str = "GET") -> httpx.Response:
    headers = {"Origin": origin, "Access-Control-Request-Method": method}
    return await house.request("OPTIONS", path, headers=headers)


class TestOptions:
    @pytest.mark.parametrize(
        ("path", "allow"),
        [("/v1/fee", "GET, HEAD, OPTIONS"), ("/v1/fee/stream", "GET, HEAD, OPTIONS"), ("/v1/quote", "OPTIONS, POST"),
         ("/rpc", "OPTIONS, POST"), ("/v1/vault", "GET, HEAD, OPTIONS"), ("/", "GET, HEAD, OPTIONS"),
         ("/docs/favicon.png", "GET, HEAD, OPTIONS"), ("/metrics", "GET, HEAD, OPTIONS")],
    )  # fmt: skip
    async def test_every_path_says_what_it_takes(self, path: str, allow: str) -> None:
        response = await house_of().request("OPTIONS", path)
        assert (response.status_code, response.headers["allow"], response.content) == (204, allow, b"")
        assert response.headers["taiko-network"] == "mainnet"
        assert "content-length" not in response.headers
        assert not cors_headers(response)

    async def test_with_administration_a_path_takes_more(self) -> None:
        house = house_of(has_administration=True)
        response = await house.request("OPTIONS", "/v1/parameters")
        assert (response.status_code, response.headers["allow"]) == (204, "DELETE, GET, HEAD, OPTIONS, PATCH")
        assert (await house.request("OPTIONS", "/v1/audit")).status_code == 204
        assert (await house_of().request("OPTIONS", "/v1/audit")).status_code == 404

    async def test_it_is_counted_by_its_route(self) -> None:
        house = house_of()
        await house.request("OPTIONS", "/docs/favicon.png")
        assert [seen[:2] for seen in house.observed] == [("/docs/{name}", 204)]

    async def test_a_path_that_is_none_takes_nothing(self) -> None:
        response = await house_of().request("OPTIONS", "/nowhere")
        assert (response.status_code, "allow" in response.headers) == (404, False)

    async def test_the_server_as_a_whole_takes_what_any_path_does(self) -> None:
        house = house_of()
        messages: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Message) -> None:
            messages.append(message)

        scope = {"type": "http", "method": "OPTIONS", "path": "*", "raw_path": b"*", "query_string": b"", "headers": []}
        await house.app(scope, receive, send)
        assert messages[0]["status"] == 204
        assert (b"allow", b"GET, HEAD, OPTIONS, POST") in messages[0]["headers"]


class TestUnset:
    @pytest.mark.parametrize("path", PATHS)
    async def test_nothing_is_said_to_pages_of_other_origins(self, path: str) -> None:
        house = house_of()
        response = await house.get(path, {"Origin": PAGE})
        assert not cors_headers(response)
        assert "vary" not in response.headers
        assert not cors_headers(await preflight(house, path, PAGE))


class TestEveryOrigin:
    @pytest.mark.parametrize("path", PATHS)
    @pytest.mark.parametrize("headers", [{}, {"Origin": PAGE}, {"Origin": "null"}])
    async def test_every_answer_may_be_read_and_is_the_same_for_all(self, path: str, headers: dict[str, str]) -> None:
        response = await house_of("*").get(path, headers)
        assert cors_headers(response) == {
            "access-control-allow-origin": "*",
            "access-control-expose-headers": ", ".join(EXPOSED),
        }
        assert "vary" not in response.headers

    async def test_a_304_may_be_read_too(self) -> None:
        house = house_of("*")
        tag = (await house.get("/v1/fee")).headers["etag"]
        response = await house.get("/v1/fee", {"If-None-Match": tag})
        assert (response.status_code, response.headers["access-control-allow-origin"]) == (304, "*")

    async def test_a_preflight_says_what_may_be_sent(self) -> None:
        response = await preflight(house_of("*"), "/v1/quote", PAGE, "POST")
        assert (response.status_code, response.headers["allow"]) == (204, "OPTIONS, POST")
        assert cors_headers(response) == {
            "access-control-allow-origin": "*",
            "access-control-expose-headers": ", ".join(EXPOSED),
            "access-control-allow-methods": "OPTIONS, POST",
            "access-control-allow-headers": "Accept, Content-Type, If-None-Match, Last-Event-ID",
            "access-control-max-age": "600",
        }

    async def test_a_token_may_be_sent_where_there_is_administration(self) -> None:
        response = await preflight(house_of("*", has_administration=True), "/v1/parameters", PAGE, "PATCH")
        allowed = response.headers["access-control-allow-headers"].split(", ")
        assert {"Authorization", "If-Match"} <= set(allowed)
        assert response.headers["access-control-allow-methods"] == "DELETE, GET, HEAD, OPTIONS, PATCH"
        assert "access-control-allow-credentials" not in response.headers


class TestSomeOrigins:
    @pytest.mark.parametrize("path", PATHS)
    async def test_those_named_may_read(self, path: str) -> None:
        response = await house_of(PAGE, "http://[::1]:3000").get(path, {"Origin": PAGE})
        assert response.headers["access-control-allow-origin"] == PAGE
        assert response.headers["vary"] == "Origin"

    @pytest.mark.parametrize("path", PATHS)
    @pytest.mark.parametrize(
        "origin",
        [ELSE, "null", "http://app.example", f"{PAGE}:8443", f"{PAGE}.else.example", "HTTPS://APP.EXAMPLE", "*"],
    )
    async def test_others_may_not(self, path: str, origin: str) -> None:
        response = await house_of(PAGE).get(path, {"Origin": origin})
        assert not cors_headers(response)
        assert response.headers["vary"] == "Origin"

    async def test_an_answer_to_who_names_no_origin_says_that_it_depends_on_it(self) -> None:
        response = await house_of(PAGE).get("/v1/fee")
        assert (cors_headers(response), response.headers["vary"]) == ({}, "Origin")

    async def test_an_answer_may_depend_on_more(self) -> None:
        response = await house_of(PAGE).get("/v1/history", {"Origin": PAGE})
        assert response.headers["vary"] == "Accept, Origin"

    async def test_a_preflight_of_others_is_not_let_in(self) -> None:
        house = house_of(PAGE)
        assert "access-control-allow-origin" not in (await preflight(house, "/v1/fee", ELSE)).headers
        assert (await preflight(house, "/v1/fee", PAGE)).headers["access-control-allow-origin"] == PAGE


def test_every_header_of_an_answer_may_be_read() -> None:
    documented = {
        name
        for operation in OPERATIONS.values()
        for answer in operation["responses"].values()
        for name in answer.get("headers", {})
    }
    assert documented <= {*EXPOSED, *ALWAYS_READABLE, "Vary"}


def test_the_page_about_http_names_every_header_that_may_be_read_or_sent() -> None:
    page = Path("docs/http.md").read_text()
    preflight_headers = Cors(["*"], has_administration=True).preflight_headers(["GET"])
    sent = preflight_headers["Access-Control-Allow-Headers"].split(", ")
    assert all(f"`{name}`" in page for name in (*EXPOSED, *sent, *preflight_headers))
