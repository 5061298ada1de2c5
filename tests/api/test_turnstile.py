"""What costs more than a prepared answer: who is let through, when, and who is refused."""

import asyncio
import json
from contextlib import ExitStack
from itertools import pairwise

import pytest

from app.api.problems import OVERLOADED, ProblemError
from app.api.tokens import AdminTokens
from app.api.turnstile import MOST_LARGE_BODIES, MOST_WAITING, SMALL_BODY_BYTES, Turnstile
from tests.api.house import BEARER, PUSH_PLAN, TOKEN, build_house, sample_quote

JSON = {"Content-Type": "application/json"}


async def test_between_two_pieces_of_work_everybody_else_has_a_turn() -> None:
    turnstile, happened = Turnstile(), []

    async def work(name: str) -> None:
        await turnstile.turn()
        happened.append(name)

    async def poll() -> None:
        while len(happened) < 60:
            happened.append("poll")
            await asyncio.sleep(0)

    names = "abcdefghijklmnopqrst"
    await asyncio.gather(*(work(name) for name in names), poll())
    assert "".join(name for name in happened if name != "poll") == names
    assert not any(first != "poll" and second != "poll" for first, second in pairwise(happened))


async def test_few_wait_and_the_next_one_is_refused_until_one_is_through() -> None:
    turnstile = Turnstile()
    waiting = [asyncio.create_task(turnstile.turn()) for _ in range(MOST_WAITING)]
    await asyncio.sleep(0)
    with pytest.raises(ProblemError) as refusal:
        await turnstile.turn()
    assert refusal.value.problem.type is OVERLOADED
    await asyncio.gather(*waiting)
    await turnstile.turn()


async def test_who_leaves_while_waiting_gives_its_place_back() -> None:
    turnstile = Turnstile()
    for _ in range(3):
        waiting = [asyncio.create_task(turnstile.turn()) for _ in range(MOST_WAITING)]
        await asyncio.sleep(0)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
    await turnstile.turn()


def test_large_bodies_have_a_greatest_number_and_give_their_place_back() -> None:
    turnstile = Turnstile()
    with ExitStack() as bodies:
        for _ in range(MOST_LARGE_BODIES - 1):
            bodies.enter_context(turnstile.large_body())
        for _ in range(3):
            with turnstile.large_body(), pytest.raises(ProblemError), turnstile.large_body():
                pass


@pytest.mark.parametrize("path", ["/v1/quote", "/rpc"])
async def test_a_flood_of_work_is_refused_with_503_beyond_those_that_wait(path: str) -> None:
    house = build_house(quote=sample_quote())
    call = {"jsonrpc": "2.0", "id": 1, "method": "eth_gasPrice"} if path == "/rpc" else {}
    small, large = json.dumps(call).encode(), json.dumps(call).encode().ljust(SMALL_BODY_BYTES + 1)
    asked = [house.request("POST", path, headers=JSON, content=large) for _ in range(2 * MOST_WAITING)]
    answers = await asyncio.gather(*asked)
    served = [answer for answer in answers if answer.status_code == 200]
    refused = [answer for answer in answers if answer.status_code == 503]
    assert len(served) + len(refused) == 2 * MOST_WAITING
    assert len(served) >= MOST_WAITING
    assert refused
    assert {answer.json()["type"] for answer in refused} == {OVERLOADED.uri}
    assert {answer.headers["retry-after"] for answer in refused} == {"1"}
    asked = [house.request("POST", path, headers=JSON, content=small) for _ in range(2 * MOST_WAITING)]
    assert {answer.status_code for answer in await asyncio.gather(*asked)} == {200}
    assert (await house.request("POST", path, headers=JSON, content=large)).status_code == 200


async def test_large_bodies_that_are_too_many_are_refused_and_small_ones_are_not() -> None:
    house = build_house(quote=sample_quote())
    small, large = b"{}".ljust(SMALL_BODY_BYTES), b"{}".ljust(SMALL_BODY_BYTES + 1)
    with ExitStack() as others:
        for _ in range(MOST_LARGE_BODIES):
            others.enter_context(house.context.turnstile.large_body())
        assert (await house.request("POST", "/v1/quote", headers=JSON, content=small)).status_code == 200
        refused = await house.request("POST", "/v1/quote", headers=JSON, content=large)
    assert (await house.request("POST", "/v1/quote", headers=JSON, content=large)).status_code == 200
    assert (refused.status_code, refused.json()["type"]) == (503, OVERLOADED.uri)


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/v1/quote"), ("POST", "/rpc"), ("PUT", "/v1/vault"), ("PATCH", "/v1/parameters")],
)
@pytest.mark.parametrize("coding", ["gzip", "br", "identity, gzip", ""])
async def test_a_compressed_body_is_refused_unread(method: str, path: str, coding: str) -> None:
    house = build_house(quote=sample_quote(), vault_plan=PUSH_PLAN, tokens=AdminTokens(TOKEN, None))
    headers = JSON | BEARER | {"Content-Encoding": coding}
    refused = await house.request(method, path, headers=headers, content=b"\x1f\x8b\x08")
    assert refused.status_code == 415
    assert refused.json()["type"] == "urn:taiko-fee-oracle:problem:unsupported-content-coding"
    assert refused.headers["accept-encoding"] == "identity"


async def test_a_body_that_says_it_is_not_compressed_is_read() -> None:
    house = build_house(quote=sample_quote())
    answer = await house.request("POST", "/v1/quote", headers=JSON | {"Content-Encoding": "Identity"}, content=b"{}")
    assert answer.status_code == 200
