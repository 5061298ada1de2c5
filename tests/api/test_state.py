"""`/v1/status`, `/v1/parameters`, `/v1/vault`: what it is doing, with what, and why."""

from dataclasses import replace
from fractions import Fraction

from app.api.examples.parameters import PARAMETERS
from app.api.examples.state import STATUS
from app.api.examples.vault import VAULT
from app.domain.advice import Advice
from app.domain.freshness import Witnesses
from app.domain.governance import Governance, ParameterChange, VaultReport
from app.domain.parameter_set import ParameterSet, ParameterSource
from app.domain.units import BlockNumber, UnixMillis, UnixSeconds, Wei
from app.domain.vault import NO_VAULT, VaultCondition, VaultPlan, VaultSource
from app.engine.ports import FeedStatus, FeedView, JournalState, JournalStatus, ProviderState, ProviderStatus
from tests.api.house import (
    BORN,
    FULL_DISK,
    FULL_VAULT,
    MAINNET,
    PUSH_PLAN,
    TEN_ETHER,
    build_house,
    sample_header,
    sample_quote,
)

NUMBER = sample_header().number
ADVICE = Advice("base_fee_above_protocol_maximum", "TAIKO_BASE_FEE_GWEI is 1.5 gwei, above …")


async def test_the_status_says_what_the_oracle_is_doing() -> None:
    quote = sample_quote()
    house = build_house(quote=quote, advice=(ADVICE,))
    house.board.feed(
        FeedStatus(
            witnesses=Witnesses(2),
            provider="p1",
            polls=6702,
            view=FeedView(
                2,
                (
                    ProviderStatus(alias="p1", transport="websocket", head_number=NUMBER, subscribed=True),
                    ProviderStatus(alias="p2", transport="http", head_number=NUMBER),
                    ProviderStatus(alias="p3", transport="http", head_number=NUMBER, dissenting=True),
                ),
                clock_offset_millis=-35,
            ),
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


async def test_before_the_first_poll_the_status_lists_the_providers_that_are_configured() -> None:
    house = build_house(network=None)
    before = (await house.get("/v1/status")).json()
    assert [entry["alias"] for entry in before["providers"]] == ["p1", "p2", "p3"]
    assert [entry["transport"] for entry in before["providers"]] == ["websocket", "http", "http"]
    assert (before["feed"]["quorum"], before["feed"]["clockOffsetSeconds"]) == (2, None)
    failing = ProviderStatus(alias="p2", transport="http", state=ProviderState.OPEN, failure_reason="timeout")
    house.board.feed(FeedStatus(network=MAINNET, view=FeedView(1, (failing,))))
    after = (await house.get("/v1/status")).json()
    assert after["providers"] == [
        {"alias": "p2", "transport": "http", "state": "open", "headNumber": None, "failureReason": "timeout",
         "dissenting": False, "subscribed": None}
    ]  # fmt: skip
    assert after["feed"]["quorum"] == 1


async def test_a_degraded_journal_is_said_with_what_it_costs() -> None:
    house = build_house(quote=sample_quote())
    house.board.journal(FULL_DISK)
    body = (await house.get("/v1/status")).json()
    assert body["journal"] == "degraded"
    assert body["store"] == {
        "kind": "postgresql",
        "required": False,
        "reason": "full",
        "detail": "the disk is full",
        "degradedSince": "2025-11-26T11:43:24.000Z",
        "spooled": 3,
        "lost": 2,
        "divergences": 1,
        "lastEntryAt": "2025-11-26T11:43:23.000Z",
    }
    house.board.journal(JournalStatus(state=JournalState.OK))
    recovered = (await house.get("/v1/status")).json()
    assert (recovered["journal"], recovered["store"]["reason"], recovered["store"]["degradedSince"]) == (
        "ok",
        None,
        None,
    )


async def test_a_change_of_parameters_governs_every_answer_about_them() -> None:
    house = build_house(quote=sample_quote())
    changed = ParameterSet().changed({"alphaData": "0.3"})
    house.board.govern(
        Governance(
            change=ParameterChange(
                number=2,
                parameter_set=changed,
                environment_id="e",
                from_block=BlockNumber(NUMBER + 1),
                at=BORN,
                actor="alice",
            )
        )
    )
    shown = (await house.get("/v1/parameters")).json()
    assert (shown["parameters"]["alphaData"], shown["sources"]["alphaData"]) == ("0.3", "override")
    assert shown["derived"]["l1GasPerBatch"] == "387000"
    assert shown["parametersId"] == changed.parameters.parameters_id
    assert (await house.get("/v1/status")).json()["parametersId"] == changed.parameters.parameters_id
    what_if = (await house.what_if({"l1BaseFeePerGas": 25 * 10**9, "deficitWei": 0})).json()
    assert (what_if["parametersId"], what_if["components"]["da"]) == (changed.parameters.parameters_id, 7_500_000_000)
    assert (await house.get("/v1/fee")).json()["parametersId"] == ParameterSet().parameters.parameters_id


async def test_a_base_fee_that_came_without_its_parent_is_said_to_be_unverified() -> None:
    house = build_house(quote=sample_quote())
    assert (await house.get("/v1/fee")).json()["l1"]["baseFeeVerified"] is True
    house.board.publish(sample_quote(), BORN, False)  # noqa: FBT003 - as the engine calls it
    assert (await house.get("/v1/fee")).json()["l1"]["baseFeeVerified"] is False
    assert (await house.get("/v1/status")).json()["head"]["baseFeeVerified"] is False
    assert (await house.what_if({})).json()["l1"]["baseFeeVerified"] is False
    assert (await house.what_if({"l1BaseFeePerGas": 1})).json()["l1"]["baseFeeVerified"] is None


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


async def test_a_vault_that_was_never_pushed_has_no_balance_and_says_how_to_push_one() -> None:
    house = build_house(vault_plan=PUSH_PLAN)
    house.board.feed(FeedStatus(network=MAINNET, vault_failure_reason="not_pushed"))
    body = (await house.get("/v1/vault")).json()
    assert (body["source"], body["failureReason"]) == ("push", "not_pushed")
    assert (body["balanceWei"], body["sequence"], body["reportedBy"]) == (None, None, None)
    assert "never was" in body["explanation"]
    assert (await house.get("/v1/fee")).json()["vaultFailureReason"] == "not_pushed"


async def test_a_pushed_vault_says_who_pushed_it_and_from_which_block_on() -> None:
    state = replace(
        FULL_VAULT,
        source=VaultSource.PUSH,
        condition=VaultCondition.EXPIRED,
        observed_at=UnixSeconds(BORN // 1000 - 900),
        readings=(),
    )
    house = build_house(quote=sample_quote(vault=state), vault_plan=PUSH_PLAN)
    report = VaultReport(
        sequence=7, balance=TEN_ETHER, from_block=BlockNumber(NUMBER - 60), at=UnixMillis(BORN - 900_000), actor="bob"
    )
    house.board.govern(Governance(report=report))
    body = (await house.get("/v1/vault")).json()
    assert (body["condition"], body["balanceWei"], body["explanation"]) == ("expired", str(TEN_ETHER), None)
    assert (body["sequence"], body["reportedBy"], body["fromBlock"]) == (7, "bob", NUMBER - 60)
    house.board.govern(Governance(report=replace(report, from_block=BlockNumber(0))))
    assert (await house.get("/v1/vault")).json()["fromBlock"] is None, "nothing was priced yet: the first block that is"
    assert body["reportedAt"] == body["observedAt"] == "2025-11-26T11:28:23.000Z"
