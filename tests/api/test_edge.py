"""The edge: what goes past the routes is refused, labelled, counted and timed like what does not."""

import asyncio

import httpx
import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.edge import Edge
from app.api.problems import too_many_streams
from tests.api.house import House, build_house, sample_quote

URN = "urn:taiko-fee-oracle:problem:"


@pytest.fixture
def house() -> House:
    return build_house(quote=sample_quote())


def client_of(house: House, direct: ASGIApp, *, raise_app_exceptions: bool = True) -> httpx.AsyncClient:
    edge = Edge(house.app, {}, {"/direct": direct}, house.context)
    transport = httpx.ASGITransport(edge, raise_app_exceptions=raise_app_exceptions)
    return httpx.AsyncClient(transport=transport, base_url="http://oracle.test")


async def start(send: Send, code: int = 200) -> None:
    await send({"type": "http.response.start", "status": code, "headers": [(b"content-type", b"text/plain")]})


async def refusing(_scope: Scope, _receive: Receive, _send: Send) -> None:
    raise too_many_streams(7)


async def failing(_scope: Scope, _receive: Receive, _send: Send) -> None:
    raise RuntimeError("the inner secret")


async def failing_late(_scope: Scope, _receive: Receive, send: Send) -> None:
    await start(send)
    raise RuntimeError("the inner secret")


async def answering(scope: Scope, _receive: Receive, send: Send) -> None:
    await start(send)
    await send({"type": "http.response.body", "body": scope["method"].encode()})


class TestDirectly:
    async def test_it_answers_for_itself_and_the_answer_names_its_network(self, house: House) -> None:
        async with client_of(house, answering) as client:
            response = await client.get("/direct")
        assert (response.text, response.headers["taiko-network"]) == ("GET", "mainnet")
        assert [seen[:2] for seen in house.observed] == [("/direct", 200)]

    async def test_head_has_no_body(self, house: House) -> None:
        async with client_of(house, answering) as client:
            response = await client.head("/direct")
        assert (response.status_code, response.content) == (200, b"")

    @pytest.mark.parametrize("method", ["POST", "DELETE", "OPTIONS", "BREW"])
    async def test_all_but_reading_goes_to_the_routes(self, house: House, method: str) -> None:
        async with client_of(house, answering) as client:
            response = await client.request(method, "/direct")
        assert response.json()["type"] == URN + "not-found"

    async def test_a_problem_that_it_raises_is_the_answer(self, house: House) -> None:
        async with client_of(house, refusing) as client:
            response, head = await client.get("/direct"), await client.head("/direct")
        assert (response.status_code, response.json()["type"]) == (503, URN + "too-many-streams")
        assert response.headers["content-type"] == "application/problem+json"
        assert (response.json()["network"], response.headers["taiko-network"]) == ("mainnet", "mainnet")
        assert (head.status_code, head.headers, head.content) == (503, response.headers, b"")
        assert [seen[:2] for seen in house.observed] == [("/direct", 503)] * 2

    async def test_a_bug_is_a_problem_without_its_details_and_still_reaches_the_servers_log(self, house: House) -> None:
        async with client_of(house, failing, raise_app_exceptions=False) as client:
            response = await client.get("/direct")
        assert (response.status_code, response.json()["type"]) == (500, URN + "internal-error")
        assert "secret" not in response.text
        async with client_of(house, failing) as client:
            with pytest.raises(RuntimeError, match="the inner secret"):
                await client.get("/direct")
        assert [seen[:2] for seen in house.observed] == [("/direct", 500)] * 2

    async def test_a_bug_in_an_answer_that_has_started_is_not_answered_a_second_time(self, house: House) -> None:
        async with client_of(house, failing_late) as client:
            with pytest.raises(RuntimeError, match="the inner secret"):
                await client.get("/direct")
        assert [seen[:2] for seen in house.observed] == [("/direct", 200)]

    async def test_what_is_timed_is_how_long_the_answer_takes_to_start(self, house: House) -> None:
        async def streaming(_scope: Scope, _receive: Receive, send: Send) -> None:
            house.clock.pass_seconds(0.25)
            await start(send)
            assert house.observed == [("/direct", 200, 0.25)]
            house.clock.pass_seconds(3600)
            await send({"type": "http.response.body", "body": b"end"})

        async with client_of(house, streaming) as client:
            await client.get("/direct")
        assert house.observed == [("/direct", 200, 0.25)]

    async def test_the_stream_is_counted_as_it_begins(self, house: House) -> None:
        async def receive() -> Message:
            await asyncio.Event().wait()
            return {"type": "http.disconnect"}

        async def send(_message: Message) -> None:
            pass

        async def read() -> None:
            scope = {"type": "http", "method": "GET", "path": "/v1/fee/stream", "query_string": b"", "headers": []}
            await house.app(scope, receive, send)

        reader = asyncio.create_task(read())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert [seen[:2] for seen in house.observed] == [("/v1/fee/stream", 200)]
        reader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reader
        assert [seen[:2] for seen in house.observed] == [("/v1/fee/stream", 200)]


async def test_what_is_ready_is_counted_and_timed(house: House) -> None:
    tag = (await house.get("/v1/fee")).headers["etag"]
    await house.get("/v1/fee", {"If-None-Match": tag})
    await house.request("HEAD", "/v1/fee")
    assert house.observed == [("/v1/fee", 200, 0.0), ("/v1/fee", 304, 0.0), ("/v1/fee", 200, 0.0)]


async def test_a_bug_while_an_answer_is_made_ready_is_a_problem_too(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object, **_named: object) -> None:
        raise RuntimeError("the inner secret")

    monkeypatch.setattr(house.board, "window", fail)
    async with house.client(raise_app_exceptions=False) as client:
        response = await client.get("/v1/fee")
    assert (response.status_code, response.json()["type"]) == (500, URN + "internal-error")
    with pytest.raises(RuntimeError, match="the inner secret"):
        await house.get("/v1/fee")
    assert [seen[:2] for seen in house.observed] == [("/v1/fee", 500)] * 2
