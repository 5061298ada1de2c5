"""What an operator's machinery asks: the pulse, the readiness, the metrics."""

import pytest

from tests.api.house import BORN, NO_WITNESS, build_house, sample_quote

URN = "urn:taiko-fee-oracle:problem:"


@pytest.mark.parametrize("path", ["/livez", "/healthz"])
async def test_it_lives_while_the_poll_loop_turns_even_if_every_poll_fails(path: str) -> None:
    house = build_house()
    house.clock.pass_seconds(29)
    house.board.feed(NO_WITNESS)
    house.clock.pass_seconds(29)
    response = await house.get(path)
    assert (response.status_code, response.json()["lastPulseAgeSeconds"]) == (200, 29.0)
    assert (response.json()["status"], response.json()["network"]) == ("ok", "mainnet")


@pytest.mark.parametrize("path", ["/livez", "/healthz"])
async def test_it_is_dead_once_the_poll_loop_stands_still(path: str) -> None:
    house = build_house(quote=sample_quote())
    house.clock.pass_seconds(31)
    response = await house.get(path)
    assert (response.status_code, response.json()["type"]) == (503, URN + "no-pulse")
    assert response.json()["lastPulseAgeSeconds"] == 31.0
    house.board.feed(NO_WITNESS)
    assert (await house.get(path)).status_code == 200


async def test_the_pulse_is_measured_with_the_clock_that_never_goes_back() -> None:
    house = build_house(quote=sample_quote())
    house.clock.wall -= 3_600_000
    assert (await house.get("/livez")).json()["lastPulseAgeSeconds"] == 0.0


async def test_it_is_ready_with_a_first_quote_and_a_late_l1_does_not_change_that() -> None:
    house = build_house()
    response = await house.get("/readyz")
    assert (response.status_code, response.json()["type"]) == (503, URN + "not-ready")
    assert response.json()["reasons"] == ["no_quote_yet"]
    house.board.publish(sample_quote(), BORN)
    assert (await house.get("/readyz")).json() == {"status": "ready", "network": "mainnet"}
    house.clock.pass_seconds(10_000)
    assert (await house.get("/readyz")).status_code == 200


async def test_a_fresh_quote_may_be_asked_for_too() -> None:
    house = build_house(quote=sample_quote())
    assert (await house.get("/readyz?fresh=true")).status_code == 200
    house.clock.pass_seconds(60)
    assert (await house.get("/readyz?fresh=true")).json()["reasons"] == ["quote_not_fresh"]
    assert (await house.get("/readyz?fresh=false")).status_code == 200


@pytest.mark.parametrize("query", ["fresh=1", "fresh=", "Fresh=true", "fresh=true&fresh=true"])
async def test_a_misspelt_question_is_refused(query: str) -> None:
    assert (await build_house(quote=sample_quote()).get(f"/readyz?{query}")).status_code == 422


async def test_every_missing_thing_is_listed() -> None:
    house = build_house(network=None)
    house.board.drain()
    assert (await house.get("/readyz")).json()["reasons"] == ["chain_not_verified", "no_quote_yet", "draining"]


async def test_a_draining_service_is_unready_and_still_answers() -> None:
    house = build_house(quote=sample_quote())
    house.board.drain()
    assert (await house.get("/readyz")).status_code == 503
    assert (await house.get("/v1/fee")).status_code == 200


async def test_the_metrics_are_passed_on_as_they_are() -> None:
    response = await build_house(metrics=lambda: (b"a 1\n", "text/plain; version=1.0.0")).get("/metrics")
    assert (response.content, response.headers["content-type"]) == (b"a 1\n", "text/plain; version=1.0.0")
