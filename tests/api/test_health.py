"""What an operator's machinery asks: the pulse, the readiness, the metrics."""

import pytest

from app.engine.ports import FeedStatus
from tests.api.house import BORN, FULL_DISK, JOURNALED, MAINNET, NO_WITNESS, build_house, sample_quote

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
    assert response.headers["retry-after"] == "2"
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
    house.board.publish(sample_quote(), BORN, False)  # noqa: FBT003 - as the engine calls it
    assert (await house.get("/readyz")).json() == {"status": "ready", "network": "mainnet", "journal": "ok"}
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


async def test_a_chain_that_was_verified_is_not_called_unverified_while_the_vault_cannot_be_read() -> None:
    house = build_house(network=None)
    house.board.feed(FeedStatus(network=MAINNET, vault_failure_reason="timeout"))
    response = await house.get("/readyz")
    assert response.json()["reasons"] == ["no_quote_yet"]
    assert (response.headers["taiko-network"], response.json()["network"]) == ("mainnet", "mainnet")
    assert (await house.get("/v1/status")).json()["network"] == "mainnet"


async def test_a_quote_of_an_earlier_run_is_served_and_does_not_verify_the_chain() -> None:
    house = build_house(network=None)
    house.board.publish(sample_quote(), BORN, True)  # noqa: FBT003 - as the engine calls it
    response = await house.get("/readyz")
    assert (response.status_code, response.json()["reasons"]) == (503, ["chain_not_verified"])
    assert (response.json()["network"], (await house.get("/v1/fee")).status_code) == ("mainnet", 200)
    house.board.feed(FeedStatus(network=MAINNET))
    assert (await house.get("/readyz")).status_code == 200


async def test_a_degraded_journal_is_said_and_does_not_make_it_unready() -> None:
    house = build_house(quote=sample_quote())
    house.board.journal(FULL_DISK)
    response = await house.get("/readyz")
    assert (response.status_code, response.json()["journal"]) == (200, "degraded")
    house.clock.pass_seconds(60)
    assert (await house.get("/readyz?fresh=true")).json()["journal"] == "degraded"


async def test_a_degraded_journal_that_is_required_makes_it_unready_until_it_is_back() -> None:
    house = build_house(quote=sample_quote(), journal_required=True)
    assert (await house.get("/readyz")).status_code == 200
    house.board.journal(FULL_DISK)
    response = await house.get("/readyz")
    assert (response.status_code, response.json()["reasons"]) == (503, ["journal_degraded"])
    assert response.json()["journal"] == "degraded"
    assert (await house.get("/livez")).status_code == 200
    house.board.journal(JOURNALED)
    assert (await house.get("/readyz")).status_code == 200


async def test_a_draining_service_is_unready_and_still_answers() -> None:
    house = build_house(quote=sample_quote())
    house.board.drain()
    assert (await house.get("/readyz")).status_code == 503
    assert (await house.get("/v1/fee")).status_code == 200


async def test_the_metrics_are_passed_on_as_they_are() -> None:
    response = await build_house(metrics=lambda _: (b"a 1\n", "text/plain; version=1.0.0")).get("/metrics")
    assert (response.content, response.headers["content-type"]) == (b"a 1\n", "text/plain; version=1.0.0")


async def test_the_metrics_come_in_the_format_that_the_reader_accepts() -> None:
    asked: list[str | None] = []

    def render(accept: str | None) -> tuple[bytes, str]:
        asked.append(accept)
        return b"# EOF\n", "application/openmetrics-text; version=1.0.0; charset=utf-8"

    house = build_house(metrics=render)
    response = await house.get("/metrics", {"Accept": "application/openmetrics-text;version=1.0.0"})
    assert asked == ["application/openmetrics-text;version=1.0.0"]
    assert response.headers["content-type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert (response.headers["vary"], response.headers["cache-control"]) == ("Accept", "no-store")
