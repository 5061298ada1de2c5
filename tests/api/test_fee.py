"""`GET /v1/fee`: what a sequencer reads every few seconds."""

import json
from fractions import Fraction
from itertools import islice

import pytest

from app.api.bodies import timestamp_text
from app.api.examples.quote import FEE
from app.domain.formula import FeeFormula
from app.domain.freshness import FreshnessPolicy, Witnesses
from app.domain.governance import Governance, ParameterChange
from app.domain.header import base_fee_bounds
from app.domain.parameter_set import ParameterSet
from app.domain.parameters import Parameters
from app.domain.quote import fee_ceilings
from app.domain.units import BlockNumber, Gas, UnixMillis, Wei
from app.domain.vault import NO_VAULT, VaultCondition, VaultSource, VaultState
from app.engine.ports import FeedStatus, JournalStatus
from tests.api.house import (
    FULL_DISK,
    HEAD_TIME,
    JOURNALED,
    NO_WITNESS,
    ONE_WITNESS,
    TWO_WITNESSES,
    build_house,
    sample_header,
    sample_quote,
)

URN = "urn:taiko-fee-oracle:problem:"


async def test_the_contracts_example_is_served_to_the_byte_but_for_its_digests() -> None:
    quote = sample_quote()
    response = await build_house(quote=quote).get("/v1/fee")
    digests = {"quoteId": quote.quote_id, "parametersId": quote.parameters_id}
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.content == json.dumps(FEE | digests, separators=(",", ":")).encode()


async def test_a_stale_quote_says_why_and_what_the_fee_may_be_by_now() -> None:
    quote = sample_quote()
    house = build_house(quote=quote)
    house.clock.wall = quote.header.timestamp * 1000 + 48_001
    body = (await house.get("/v1/fee")).json()
    assert (body["status"], body["staleReason"]) == ("stale", "l1_late")
    assert body["ceilingFeePerGas"] == fee_ceilings(quote, 4)[4]
    assert body["feePerGas"] == 12521739131
    house.board.feed(NO_WITNESS)
    assert (await house.get("/v1/fee")).json()["staleReason"] == "l1_unreachable"


async def test_the_keys_are_the_same_and_in_the_same_order_whatever_the_status() -> None:
    house = build_house(quote=sample_quote())
    fresh = (await house.get("/v1/fee")).json()
    house.clock.pass_seconds(100)
    stale = (await house.get("/v1/fee")).json()
    house.clock.pass_seconds(100)
    expired = (await house.get("/v1/fee")).json()["lastQuote"]
    assert list(fresh) == list(stale) == list(expired) == list(FEE)


@pytest.mark.parametrize(("age_seconds", "code"), [(48, 200), (49, 200), (180, 200), (181, 503)])
async def test_a_quote_is_served_up_to_its_expiry(age_seconds: int, code: int) -> None:
    quote = sample_quote()
    house = build_house(quote=quote)
    house.clock.wall = (quote.header.timestamp + age_seconds) * 1000
    assert (await house.get("/v1/fee")).status_code == code


async def test_a_head_from_the_future_is_fresh_no_longer_than_any_other() -> None:
    house = build_house(quote=sample_quote(header=sample_header(timestamp=HEAD_TIME + 86_400)))
    fresh = (await house.get("/v1/fee")).json()
    assert (fresh["status"], fresh["staleAt"]) == ("fresh", timestamp_text(UnixMillis(house.clock.wall + 48_000)))
    house.clock.pass_seconds(49)
    assert (await house.get("/v1/fee")).json()["status"] == "stale"
    house.clock.pass_seconds(132)
    assert (await house.get("/v1/fee")).status_code == 503


async def test_a_host_clock_that_is_set_back_makes_no_old_quote_fresh() -> None:
    house = build_house(quote=sample_quote())
    house.clock.pass_seconds(100)
    house.clock.wall -= 3_600_000
    assert (await house.get("/v1/fee")).json()["status"] == "stale"


async def test_an_expired_quote_is_refused_with_the_last_quote_inside() -> None:
    house = build_house(quote=sample_quote())
    house.clock.pass_seconds(200)
    house.board.feed(NO_WITNESS)
    response = await house.get("/v1/fee")
    body = response.json()
    assert response.status_code == 503
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["retry-after"] == "2"
    assert "etag" not in response.headers
    assert body["type"] == URN + "quote-expired"
    assert body["ageSeconds"] == 201.512
    assert body["lastQuote"]["status"] == "expired"
    assert body["lastQuote"]["feePerGas"] == 12521739131


async def test_a_matching_entity_tag_does_not_hide_the_expiry() -> None:
    house = build_house(quote=sample_quote())
    house.clock.pass_seconds(200)
    assert (await house.get("/v1/fee", {"If-None-Match": "*"})).status_code == 503


async def test_two_providers_that_agree_on_the_standing_head_lengthen_its_life_fivefold() -> None:
    house = build_house(quote=sample_quote())
    house.clock.pass_seconds(800)
    house.board.feed(TWO_WITNESSES)
    body = (await house.get("/v1/fee")).json()
    assert body["status"] == "stale"
    assert body["expiresAt"] == "2025-11-26T11:58:23.000Z"
    assert isinstance(body["ceilingFeePerGas"], int)
    house.board.feed(ONE_WITNESS)
    assert (await house.get("/v1/fee")).status_code == 503


async def test_witnesses_do_not_count_once_the_poll_loop_stands_still() -> None:
    house = build_house(quote=sample_quote())
    house.board.feed(TWO_WITNESSES)
    house.clock.pass_seconds(100)
    body = (await house.get("/v1/fee")).json()
    assert (body["staleReason"], body["expiresAt"]) == ("l1_unreachable", FEE["expiresAt"])


async def test_beyond_the_prepared_ceilings_there_is_none_rather_than_a_guess() -> None:
    quote = sample_quote(block_interval_seconds=1)
    house = build_house(quote=quote, policy=FreshnessPolicy(48, 3600))
    house.clock.pass_seconds(1100)
    house.board.feed(ONE_WITNESS)
    body = (await house.get("/v1/fee")).json()
    assert (body["status"], body["ceilingFeePerGas"]) == ("stale", None)


async def test_before_the_first_quote_the_answer_says_why_there_is_none() -> None:
    house = build_house()
    response = await house.get("/v1/fee")
    assert (response.status_code, response.json()["type"]) == (503, URN + "quote-unavailable")
    assert response.json()["detail"] == "the first L1 head has not been read yet"
    house.board.feed(FeedStatus(consecutive_failures=3, failure_reason="timeout", vault_failure_reason="rpc_error"))
    body = (await house.get("/v1/fee")).json()
    assert (body["failureReason"], body["vaultFailureReason"]) == ("timeout", "rpc_error")
    assert "timeout, 3 polls in a row" in body["detail"]


async def test_the_entity_tag_changes_with_the_quote_and_with_its_status() -> None:
    quote = sample_quote()
    house = build_house(quote=quote)
    fresh = (await house.get("/v1/fee")).headers["etag"]
    house.clock.pass_seconds(60)
    stale = (await house.get("/v1/fee")).headers["etag"]
    ceiling = fee_ceilings(quote, 5)[5]
    assert (fresh, stale) == (f'W/"{quote.quote_id}-fresh"', f'W/"{quote.quote_id}-stale-{ceiling}"')


@pytest.mark.parametrize(
    "wanted", ["*", "{tag}", 'W/"a", {tag}', '"a,b",{tag}', "{strong}", " {tag} ", 'W/"",{strong} , "z"']
)
async def test_a_reader_that_has_the_quote_gets_304_without_a_body(wanted: str) -> None:
    house = build_house(quote=sample_quote())
    tag = (await house.get("/v1/fee")).headers["etag"]
    condition = wanted.format(tag=tag, strong=tag.removeprefix("W/"))
    response = await house.get("/v1/fee", {"If-None-Match": condition})
    assert (response.status_code, response.content) == (304, b"")
    assert response.headers["etag"] == tag
    assert response.headers["cache-control"] == "max-age=10"
    assert "content-type" not in response.headers


@pytest.mark.parametrize("wanted", ["", "W/", '"other"', "{unquoted}", 'W/"{unquoted}x"'])
async def test_a_reader_that_has_another_quote_gets_this_one(wanted: str) -> None:
    house = build_house(quote=sample_quote())
    tag = (await house.get("/v1/fee")).headers["etag"]
    condition = wanted.format(unquoted=tag.removeprefix("W/").strip('"'))
    assert (await house.get("/v1/fee", {"If-None-Match": condition})).status_code == 200


@pytest.mark.parametrize(
    ("age_millis", "max_age"),
    [
        (0, 12),
        (1_512, 10),
        (11_001, 0),
        (12_000, 12),
        (47_000, 1),
        (48_000, 0),
        (48_001, 11),
        (179_500, 0),
        (-60_000, 12),
    ],
)
async def test_a_cache_may_keep_it_until_the_next_expected_block_or_change_of_status(
    age_millis: int, max_age: int
) -> None:
    quote = sample_quote()
    house = build_house(quote=quote)
    house.clock.wall = quote.header.timestamp * 1000 + age_millis
    assert (await house.get("/v1/fee")).headers["cache-control"] == f"max-age={max_age}"


async def test_a_cache_does_not_keep_it_past_a_status_change_between_two_blocks() -> None:
    quote = sample_quote()
    house = build_house(quote=quote, policy=FreshnessPolicy(stale_after_seconds=5, expires_after_seconds=8))
    house.clock.wall = quote.header.timestamp * 1000 + 2_000
    assert (await house.get("/v1/fee")).headers["cache-control"] == "max-age=3"
    house.clock.wall += 4_000
    assert (await house.get("/v1/fee")).headers["cache-control"] == "max-age=2"


async def test_head_answers_like_get_without_the_body() -> None:
    house = build_house(quote=sample_quote())
    got, head = await house.get("/v1/fee"), await house.request("HEAD", "/v1/fee")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers == got.headers


def a_change_to(**changes: object) -> Governance:
    return Governance(
        change=ParameterChange(
            number=2,
            parameter_set=ParameterSet().changed(changes),
            environment_id="e",
            from_block=BlockNumber(0),
            at=UnixMillis(0),
            actor="alice",
        )
    )


async def test_the_bounds_hold_from_the_moment_at_which_dearer_parameters_are_in_force() -> None:
    quote = sample_quote()
    house = build_house(quote=quote)
    house.clock.pass_seconds(60)
    dearer = a_change_to(alphaData="0.9")
    assert dearer.change is not None
    coming = FeeFormula.of(dearer.change.parameter_set.parameters)
    assert (await house.get("/v1/fee")).json()["ceilingFeePerGas"] == fee_ceilings(quote, 5)[5]
    house.board.govern(dearer)
    expected = coming.price(next(islice(base_fee_bounds(quote.header), 4, None)), quote.vault.priced_deficit).fee
    for _ in range(2):
        body = (await house.get("/v1/fee?blocks=5")).json()
        assert (body["ceilingFeePerGas"], body["maxFeePerGas"]) == (expected, expected)
        assert (body["quoteId"], body["next"]["feePerGas"]) == (quote.quote_id, quote.next_fee)
        house.board.govern(a_change_to(alphaData="0.1"))  # blocks of the time in between may be on their way


async def test_the_bounds_of_a_quote_that_is_published_under_other_parameters_hold_too() -> None:
    quote = sample_quote()
    house = build_house()
    house.board.govern(a_change_to(alphaData="0.9"))
    house.board.publish(quote, house.clock.now(), True)  # noqa: FBT003 - as the engine calls it
    body = (await house.get("/v1/fee?blocks=1")).json()
    assert body["maxFeePerGas"] > fee_ceilings(quote, 1)[1]


async def test_a_reader_who_has_the_quote_is_told_of_another_bound() -> None:
    house = build_house(quote=sample_quote())
    house.clock.pass_seconds(49)
    before = await house.get("/v1/fee")
    house.clock.pass_seconds(12)
    later = await house.get("/v1/fee", {"If-None-Match": before.headers["etag"]})
    assert later.status_code == 200
    assert later.json()["ceilingFeePerGas"] > before.json()["ceilingFeePerGas"]
    fresh = build_house(quote=sample_quote())
    tag = (await fresh.get("/v1/fee?blocks=3")).headers["etag"]
    assert (await fresh.get("/v1/fee?blocks=3", {"If-None-Match": tag})).status_code == 304
    fresh.board.govern(a_change_to(alphaData="0.9"))
    assert (await fresh.get("/v1/fee?blocks=3", {"If-None-Match": tag})).status_code == 200


@pytest.mark.parametrize("blocks", [1, 2, 64])
async def test_blocks_adds_the_greatest_fee_over_the_next_blocks(blocks: int) -> None:
    quote = sample_quote()
    body = (await build_house(quote=quote).get(f"/v1/fee?blocks={blocks}")).json()
    assert body["maxFeePerGas"] == fee_ceilings(quote, blocks)[blocks]
    assert set(body) == {*FEE, "maxFeePerGas"}


@pytest.mark.parametrize(
    "query",
    [
        "blocks=0", "blocks=65", "blocks=1.0", "blocks=+1", "blocks=", "blocks=1_0", "blocks=%D9%A1",
        "blocks=1&blocks=2",
        "maxAgeSeconds=0", "maxAgeSeconds=-1", "maxAgeSeconds=86401", "maxAgeSeconds=nan",
        f"maxAgeSeconds={'9' * 5000}",
    ],
)  # fmt: skip
async def test_a_query_value_that_is_not_allowed_is_refused_by_name(query: str) -> None:
    response = await build_house(quote=sample_quote()).get(f"/v1/fee?{query}")
    assert (response.status_code, response.json()["type"]) == (422, URN + "invalid-value")
    assert response.json()["errors"][0]["name"] == query.split("=", maxsplit=1)[0]


async def test_a_misspelt_limit_is_refused_rather_than_ignored() -> None:
    response = await build_house(quote=sample_quote()).get("/v1/fee?maxAgeSecond=5")
    assert response.status_code == 422
    assert response.json()["errors"] == [
        {"name": "maxAgeSecond", "value": "5", "allowed": "one of the query parameters blocks, explain, maxAgeSeconds"}
    ]


async def test_a_reader_may_ask_for_a_younger_quote_than_others() -> None:
    house = build_house(quote=sample_quote())
    assert (await house.get("/v1/fee?maxAgeSeconds=2")).status_code == 200
    house.clock.pass_seconds(10)
    response = await house.get("/v1/fee?maxAgeSeconds=2", {"If-None-Match": "*"})
    assert (response.status_code, response.json()["type"]) == (503, URN + "quote-too-old")
    assert response.json()["lastQuote"]["status"] == "expired"
    assert (await house.get("/v1/fee")).status_code == 200


async def test_a_reader_cannot_ask_for_an_older_quote_than_others() -> None:
    house = build_house(quote=sample_quote())
    house.clock.pass_seconds(200)
    response = await house.get("/v1/fee?maxAgeSeconds=86400")
    assert (response.status_code, response.json()["type"]) == (503, URN + "quote-expired")


async def test_an_answer_for_a_reader_with_a_limit_expires_at_that_limit() -> None:
    response = await build_house(quote=sample_quote()).get("/v1/fee?maxAgeSeconds=5")
    assert response.json()["expiresAt"] == "2025-11-26T11:43:28.000Z"
    assert response.headers["cache-control"] == "max-age=3"


async def test_a_price_that_leaves_what_json_holds_exactly_is_null_and_never_cut() -> None:
    huge = sample_quote(header=sample_header(base_fee=2**60), vault=NO_VAULT)
    body = (await build_house(quote=huge).get("/v1/fee")).json()
    assert body["rawFeePerGas"] is None
    assert body["l1"]["baseFeePerGas"] is None
    assert body["l1"]["nextBaseFeePerGas"] is None
    assert body["components"] == {"da": None, "proof": None, "deficit": 0, "base": 1500000000, "adjustment": None}
    assert (body["feePerGas"], body["bound"]) == (1000 * 10**9, "max")


async def test_without_a_vault_there_is_no_balance_no_target_and_no_ratio() -> None:
    body = (await build_house(quote=sample_quote(vault=NO_VAULT)).get("/v1/fee")).json()
    assert body["vault"] == {
        "source": "none",
        "balanceWei": None,
        "targetWei": None,
        "deficitWei": "0",
        "deficitRatio": None,
        "condition": None,
    }


async def test_a_surplus_shows_as_a_negative_deficit() -> None:
    vault = VaultState(VaultSource.STATIC, balance=Wei(15), target=Wei(10), condition=VaultCondition.HELD)
    body = (await build_house(quote=sample_quote(vault=vault)).get("/v1/fee")).json()
    assert body["vault"] == {
        "source": "static",
        "balanceWei": "15",
        "targetWei": "10",
        "deficitWei": "-5",
        "deficitRatio": -0.5,
        "condition": "held",
    }


async def test_a_ratio_without_a_denominator_is_null() -> None:
    free = Parameters(alpha_data=Fraction(0), proof_gas_per_batch=Gas(0))
    body = (await build_house(quote=sample_quote(parameters=free)).get("/v1/fee")).json()
    assert body["batch"]["costRecoveryRatio"] is None


async def test_reading_changes_nothing() -> None:
    house = build_house(quote=sample_quote())
    before = (house.board.published, house.board.feed_status)
    for path in ("/v1/fee", "/v1/fee?blocks=9", "/v1/status", "/"):
        await house.get(path)
    assert (house.board.published, house.board.feed_status) == before


async def test_a_new_quote_replaces_the_old_one_whole() -> None:
    house = build_house(quote=sample_quote())
    newer = sample_quote(header=sample_header(base_fee=100 * 10**9))
    house.board.publish(newer, house.clock.now(), True)  # noqa: FBT003 - as the engine calls it
    body = (await house.get("/v1/fee")).json()
    assert (body["feePerGas"], body["quoteId"]) == (45586956522, newer.quote_id)


async def test_a_fresh_quotes_body_is_ready_for_either_expiry() -> None:
    house = build_house(quote=sample_quote())
    published = house.board.published
    assert published is not None
    for witnesses in (Witnesses(1), Witnesses(2)):
        house.board.feed(FeedStatus(witnesses=witnesses))
        freshness = house.board.freshness(published)
        assert published.body(freshness) is published.fresh[freshness.stale_at, freshness.expires_at]


async def test_quotes_go_on_while_the_journal_fails() -> None:
    house = build_house(quote=sample_quote())
    house.board.journal(FULL_DISK)
    response = await house.get("/v1/fee")
    assert (response.status_code, response.json()["status"]) == (200, "fresh")


async def test_a_required_journal_that_fails_lets_no_quote_out_in_any_form() -> None:
    house = build_house(quote=sample_quote(), journal_required=True)
    served = await house.get("/v1/fee")
    assert served.status_code == 200
    house.board.journal(FULL_DISK)
    for headers in ({}, {"If-None-Match": served.headers["etag"]}):
        response = await house.get("/v1/fee", headers)
        assert (response.status_code, response.json()["type"]) == (503, URN + "journal-degraded")
        assert (response.headers["cache-control"], response.headers["retry-after"]) == ("no-store", "2")
        assert (response.json()["reason"], "feePerGas" in response.text) == ("full", False)
    assert (await house.what_if({})).json()["type"] == URN + "journal-degraded"
    status = (await house.get("/v1/status")).json()
    assert (status["journal"], status["quote"], status["head"]) == ("degraded", None, None)
    assert (await house.get("/v1/vault")).json()["deficitWei"] is None
    house.board.journal(JOURNALED)
    assert (await house.get("/v1/fee")).status_code == 200


@pytest.mark.parametrize("status", [JournalStatus(), FULL_DISK])
async def test_expiry_is_judged_before_the_journal_and_then_keeps_the_last_quote_back(status: JournalStatus) -> None:
    house = build_house(quote=sample_quote(), journal_required=True)
    house.clock.pass_seconds(200)
    assert (await house.get("/v1/fee")).json()["lastQuote"]["status"] == "expired"
    house.board.journal(status)
    body = (await house.get("/v1/fee")).json()
    assert (body["type"], body["lastQuote"], body["ageSeconds"]) == (URN + "quote-expired", None, 201.512)


async def test_without_a_quote_a_journal_that_fails_is_named_beside_what_else_is() -> None:
    house = build_house()
    house.board.journal(FULL_DISK)
    house.board.feed(NO_WITNESS)
    assert (
        (await house.get("/v1/fee")).json()["detail"].endswith("(timeout, 3 polls in a row); the journal fails (full)")
    )
