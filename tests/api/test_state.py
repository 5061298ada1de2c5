"""`/v1/status`, `/v1/parameters`, `/v1/vault`: what it is doing, with what, and why."""

from fractions import Fraction

from app.api.examples import PARAMETERS, STATUS, VAULT
from app.domain.advice import Advice
from app.domain.freshness import Witnesses
from app.domain.parameter_set import ParameterSet, ParameterSource
from app.domain.units import UnixMillis, Wei
from app.domain.vault import NO_VAULT, VaultPlan, VaultSource
from app.engine.ports import FeedStatus
from tests.api.house import BORN, build_house, sample_quote

ADVICE = Advice("base_fee_above_protocol_maximum", "TAIKO_BASE_FEE_GWEI is 1.5 gwei, above …")


async def test_the_status_says_what_the_oracle_is_doing() -> None:
    quote = sample_quote()
    house = build_house(quote=quote, advice=(ADVICE,))
    house.board.feed(
        FeedStatus(
            witnesses=Witnesses(1),
            provider="p1",
            polls=6702,
            last_poll_at=UnixMillis(BORN + 1_500),
            last_success_at=UnixMillis(BORN + 1_500),
        )
    )
    body = (await house.get("/v1/status")).json()
    assert body["quote"]["quoteId"] == quote.quote_id
    body["quote"]["quoteId"] = STATUS["quote"]["quoteId"]
    varying = {"parametersId", "startedAt", "uptimeSeconds"}
    feed = body["feed"] | {"lastPulseAgeSeconds": STATUS["feed"]["lastPulseAgeSeconds"]}
    assert body | {"feed": feed} | {key: STATUS[key] for key in varying} == STATUS


async def test_the_status_before_the_first_quote_names_what_fails() -> None:
    house = build_house(network=None)
    house.board.feed(FeedStatus(polls=4, consecutive_failures=4, failure_reason="unreachable"))
    house.board.drain()
    house.clock.pass_seconds(5)
    body = (await house.get("/v1/status")).json()
    assert (body["network"], body["head"], body["quote"], body["draining"]) == (None, None, None, True)
    assert (body["feed"]["failureReason"], body["feed"]["consecutiveFailures"]) == ("unreachable", 4)
    assert (body["feed"]["lastPulseAgeSeconds"], body["uptimeSeconds"]) == (5.0, 5.0)
    assert body["vault"] == {"source": "onchain", "condition": None, "failureReason": None}


async def test_an_expired_quote_shows_as_expired_in_the_status() -> None:
    house = build_house(quote=sample_quote())
    house.clock.pass_seconds(200)
    body = (await house.get("/v1/status")).json()
    assert (body["quote"]["status"], body["quote"]["ageSeconds"]) == ("expired", 201.512)


async def test_the_failures_detail_stays_inside_since_a_node_wrote_it() -> None:
    house = build_house()
    house.board.feed(FeedStatus(failure_reason="rpc_error", failure_detail="secret-of-the-node"))
    for path in ("/v1/status", "/v1/fee", "/v1/vault", "/readyz"):
        assert "secret-of-the-node" not in (await house.get(path)).text


async def test_the_parameters_come_with_sources_and_what_follows_from_them() -> None:
    body = (await build_house(quote=sample_quote()).get("/v1/parameters")).json()
    assert body | {"parametersId": PARAMETERS["parametersId"]} == PARAMETERS


async def test_each_parameter_names_its_source() -> None:
    chosen = ParameterSet().changed(
        {"preset": "responsive", "minFeeGwei": "0.5", "maxFeeIncrease": "0.125"}, ParameterSource.ENVIRONMENT
    )
    body = (await build_house(parameter_set=chosen).get("/v1/parameters")).json()
    assert body["parameters"]["preset"] == "responsive"
    assert body["parameters"]["maxFeeIncrease"] == "0.125"
    assert (body["sources"]["alphaData"], body["sources"]["minFeeGwei"]) == ("preset", "environment")
    assert body["sources"]["preset"] == "environment"
    assert body["sources"].keys() == body["parameters"].keys()
    assert body["parametersId"] == chosen.parameters.parameters_id


async def test_what_has_no_meaning_under_the_legacy_controller_is_null() -> None:
    chosen = ParameterSet().changed({"controller": "legacy"})
    derived = (await build_house(parameter_set=chosen, vault_plan=VaultPlan()).get("/v1/parameters")).json()["derived"]
    assert derived["l1BaseFeeGweiBelowWhichRecoveryExceedsHighThreshold"] is None
    assert derived["deficitFeeGweiAtEmptyVault"] is None


async def test_a_sensitivity_that_json_cannot_hold_is_null_and_its_text_exact() -> None:
    chosen = ParameterSet().changed({"deficitWeight": "1", "horizonBatches": 1, "l2GasPerBatch": 1})
    derived = (await build_house(parameter_set=chosen).get("/v1/parameters")).json()["derived"]
    assert derived["deficitSensitivityWeiPerEth"] is None
    assert derived["deficitSensitivityGweiPerEth"] == str(Fraction(10**18, 10**9))


async def test_the_vault_lists_its_plan_and_its_readings() -> None:
    assert (await build_house(quote=sample_quote()).get("/v1/vault")).json() == VAULT


async def test_a_vault_that_is_not_configured_is_said_to_be_so() -> None:
    house = build_house(quote=sample_quote(vault=NO_VAULT), vault_plan=VaultPlan())
    body = (await house.get("/v1/vault")).json()
    assert (body["configured"], body["source"], body["balanceWei"]) == (False, "none", None)
    assert (body["condition"], body["deficitWei"]) == (None, "0")
    assert (await house.get("/v1/status")).json()["vault"]["condition"] is None
    assert (await house.get("/v1/fee")).json()["vault"]["condition"] is None
    assert "No fee vault is configured" in body["explanation"]


async def test_a_vault_that_was_not_read_yet_has_no_balance_rather_than_zero() -> None:
    plan = VaultPlan(source=VaultSource.STATIC, balance=Wei(1), target=Wei(7))
    body = (await build_house(vault_plan=plan).get("/v1/vault")).json()
    assert (body["configured"], body["targetWei"]) == (True, "7")
    assert (body["balanceWei"], body["deficitWei"], body["deficitRatio"]) == (None, None, None)
    assert "has not been read yet" in body["explanation"]
