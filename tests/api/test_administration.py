"""`PUT /v1/vault`: who may push a balance, and what becomes of it."""

import pytest

from app.api.tokens import AdminTokens
from app.domain.errors import OracleError
from app.domain.governance import Governance, ParameterChange
from app.domain.parameter_set import ParameterSet
from app.domain.units import BlockNumber, Wei
from app.domain.vault import VaultPlan, VaultSource
from app.engine.ports import FeedStatus, NoNetworkError, StoreError, StoreFault, UpstreamError
from tests.api.house import BEARER, BORN, ONCHAIN_PLAN, PUSH_PLAN, TOKEN, House, build_house

URN = "urn:taiko-fee-oracle:problem:"
REPORT = {"balanceWei": "9000000000000000000", "sequence": 42}


@pytest.fixture
def house() -> House:
    return build_house(vault_plan=PUSH_PLAN, tokens=AdminTokens(TOKEN, None))


async def test_a_balance_is_taken_and_the_answer_says_by_whom_and_from_when(house: House) -> None:
    response = await house.push(REPORT)
    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-store"
    assert response.json() == {
        "balanceWei": "9000000000000000000",
        "sequence": 42,
        "fromBlock": 23_882_698,
        "reportedAt": "2025-11-26T11:43:24.512Z",
        "actor": "admin",
        "network": "mainnet",
    }


async def test_an_identical_repeat_is_answered_like_the_first(house: House) -> None:
    first = await house.push(REPORT)
    house.clock.pass_seconds(60)
    second = await house.push(REPORT)
    assert (second.status_code, second.content) == (200, first.content)


@pytest.mark.parametrize("replay", [{"balanceWei": "1", "sequence": 42}, {"balanceWei": "1", "sequence": 41}])
async def test_a_replay_is_refused_with_what_would_be_taken(house: House, replay: dict[str, object]) -> None:
    await house.push(REPORT)
    response = await house.push(replay)
    assert (response.status_code, response.json()["type"]) == (409, URN + "sequence-refused")
    assert (response.json()["expected"], response.json()["found"]) == (43, replay["sequence"])
    assert house.desk.report is not None
    assert house.desk.report.balance == Wei(9 * 10**18)


@pytest.mark.parametrize("balance", ["0", 0, "1", 10**21, "999999999999999999999999999999"])
async def test_a_balance_may_be_a_number_or_its_text(house: House, balance: object) -> None:
    response = await house.push({"balanceWei": balance, "sequence": 2**53 - 1})
    assert (response.status_code, response.json()["balanceWei"]) == (200, str(balance))


@pytest.mark.parametrize(
    ("body", "names"),
    [
        ({}, ["balanceWei", "sequence"]),
        ({"balanceWei": None, "sequence": None}, ["balanceWei", "sequence"]),
        ({"balanceWei": "-1", "sequence": 0}, ["balanceWei", "sequence"]),
        ({"balanceWei": -1, "sequence": -1}, ["balanceWei", "sequence"]),
        ({"balanceWei": 1.5, "sequence": 1.5}, ["balanceWei", "sequence"]),
        ({"balanceWei": True, "sequence": True}, ["balanceWei", "sequence"]),
        ({"balanceWei": "1e18", "sequence": "1"}, ["balanceWei", "sequence"]),
        ({"balanceWei": "0x1", "sequence": 2**53}, ["balanceWei", "sequence"]),
        ({"balanceWei": 10**30, "sequence": 1}, ["balanceWei"]),
        ({"balanceWei": "1" + "0" * 30, "sequence": 1}, ["balanceWei"]),
        ({"balanceWei": "9" * 5000, "sequence": 1}, ["balanceWei"]),
        ({"balanceWei": "", "sequence": 1}, ["balanceWei"]),
        ({"balanceWei": "1", "sequence": 1, "balance": "2"}, ["balance"]),
        ({"balanceWei": ["1"], "sequence": {}}, ["balanceWei", "sequence"]),
    ],
)
async def test_whatever_is_no_report_is_refused_by_name(house: House, body: object, names: list[str]) -> None:
    response = await house.push(body)
    assert (response.status_code, response.json()["type"]) == (422, URN + "invalid-value")
    assert [error["name"] for error in response.json()["errors"]] == names
    assert house.desk.report is None


@pytest.mark.parametrize(
    ("authorization", "kind"),
    [
        (None, "unauthorized"),
        ("", "unauthorized"),
        (f"Basic {TOKEN}", "unauthorized"),
        (TOKEN, "unauthorized"),
        (f"BearerX {TOKEN}", "unauthorized"),
        ("Bearer", "invalid-token"),
        ("Bearer ", "invalid-token"),
        (f"Bearer {TOKEN}x", "invalid-token"),
        (f"Bearer {TOKEN[:-1]}", "invalid-token"),
        (f"Bearer {TOKEN}, Bearer {TOKEN}", "invalid-token"),
        (f"Bearer {TOKEN} {TOKEN}", "invalid-token"),
        ("Bearer " + "x" * 20_000, "invalid-token"),
    ],
)
async def test_without_the_token_nothing_is_taken_nor_said(house: House, authorization: str | None, kind: str) -> None:
    response = await house.push(REPORT, {} if authorization is None else {"Authorization": authorization})
    assert (response.status_code, response.json()["type"]) == (401, URN + kind)
    challenge = 'Bearer realm="taiko-fee-oracle"'
    error = ', error="invalid_token"' if kind == "invalid-token" else ""
    assert response.headers["www-authenticate"] == challenge + error
    assert TOKEN[:-1] not in response.text
    assert house.desk.report is None


async def test_a_second_authorization_is_refused_even_if_both_are_right(house: House) -> None:
    async with house.client() as client:
        headers = [("Authorization", f"Bearer {TOKEN}"), ("Authorization", f"Bearer {TOKEN}")]
        response = await client.put("/v1/vault", json=REPORT, headers=headers)
    assert (response.status_code, response.json()["type"]) == (401, URN + "invalid-token")


async def test_the_scheme_may_be_in_any_case_and_the_blanks_more_than_one(house: House) -> None:
    assert (await house.push(REPORT, {"Authorization": f"bEARER   {TOKEN}"})).status_code == 200


async def test_who_may_not_ask_learns_nothing_of_the_vault_or_of_the_body() -> None:
    house = build_house(vault_plan=ONCHAIN_PLAN, tokens=AdminTokens(TOKEN, None))
    response = await house.request("PUT", "/v1/vault?x=1", content=b"{")
    assert response.status_code == 401


@pytest.mark.parametrize("plan", [VaultPlan(), ONCHAIN_PLAN, VaultPlan(source=VaultSource.STATIC, target=Wei(1))])
async def test_a_vault_with_another_source_takes_no_balance_and_says_which_it_has(plan: VaultPlan) -> None:
    house = build_house(vault_plan=plan, tokens=AdminTokens(TOKEN, None))
    response = await house.push(REPORT)
    assert (response.status_code, response.json()["type"]) == (409, URN + "vault-not-pushed")
    assert (response.json()["expected"], response.json()["found"]) == ("push", plan.source.value)


async def test_without_a_token_configured_there_is_no_such_route_whoever_asks() -> None:
    house = build_house(vault_plan=PUSH_PLAN)
    response = await house.push(REPORT)
    assert (response.status_code, response.json()["type"]) == (404, URN + "not-found")
    assert "www-authenticate" not in response.headers


@pytest.mark.parametrize("form", ["{}", '"{}"', "*", 'other, "{}"', "other,{}"])
async def test_a_report_may_be_meant_for_the_parameters_in_force(house: House, form: str) -> None:
    identity = ParameterSet().parameters.parameters_id
    response = await house.push(REPORT, BEARER | {"If-Match": form.replace("{}", identity)})
    assert response.status_code == 200


@pytest.mark.parametrize("form", ['"other"', "other", "", 'W/"{}"', "{}x"])
async def test_a_report_that_is_meant_for_other_parameters_is_not_taken(house: House, form: str) -> None:
    identity = ParameterSet().parameters.parameters_id
    response = await house.push(REPORT, BEARER | {"If-Match": form.replace("{}", identity)})
    assert (response.status_code, response.json()["type"]) == (412, URN + "parameters-changed")
    assert response.json()["found"] == identity
    assert house.desk.report is None


async def test_the_parameters_in_force_are_those_of_the_newest_change(house: House) -> None:
    changed = ParameterSet().changed({"alphaData": "0.3"})
    change = ParameterChange(
        number=1, parameter_set=changed, environment_id="e", from_block=BlockNumber(1), at=BORN, actor="alice"
    )
    house.board.govern(Governance(change=change))
    before, after = (found.parameters.parameters_id for found in (ParameterSet(), changed))
    assert (await house.push(REPORT, BEARER | {"If-Match": before})).status_code == 412
    assert (await house.push(REPORT, BEARER | {"If-Match": after})).status_code == 200


async def test_a_balance_that_cannot_be_journaled_is_not_taken_and_may_be_sent_again(house: House) -> None:
    house.desk.failure = StoreError(StoreFault.FULL, "/var/secret/path")
    response = await house.push(REPORT)
    assert (response.status_code, response.json()["type"]) == (503, URN + "journal-degraded")
    assert (response.json()["reason"], response.headers["retry-after"]) == ("full", "2")
    assert "secret" not in response.text
    house.desk.failure = None
    assert (await house.push(REPORT)).status_code == 200


@pytest.mark.parametrize(
    ("failure", "reason"),
    [(NoNetworkError(), "unreachable"), (UpstreamError("p1", "timeout", "s3cretK3y"), "timeout")],
)
async def test_before_the_chain_is_known_a_balance_belongs_nowhere(failure: OracleError, reason: str) -> None:
    house = build_house(vault_plan=PUSH_PLAN, tokens=AdminTokens(TOKEN, None), network=None)
    house.board.feed(FeedStatus(failure_reason="unreachable", consecutive_failures=1))
    house.desk.failure = failure
    response = await house.push(REPORT)
    assert (response.status_code, response.json()["type"]) == (503, URN + "chain-unknown")
    assert (response.json()["failureReason"], response.json()["network"]) == (reason, None)
    assert response.headers["retry-after"] == "2"
    assert "s3cretK3y" not in response.text


@pytest.mark.parametrize(
    ("content_type", "content", "code"),
    [
        ("text/plain", b"{}", 415),
        (None, b"{}", 415),
        ("application/json", b"[]", 400),
        ("application/json", b'{"sequence": 1, "sequence": 2, "balanceWei": "1"}', 400),
        ("application/json", b'{"sequence": NaN}', 400),
        ("application/json", b'{"sequence": ' + b"9" * 5000 + b', "balanceWei": "1"}', 400),
        ("application/json", b" " * 70_000, 413),
    ],
)
async def test_the_body_is_read_like_every_other(
    house: House, content_type: str | None, content: bytes, code: int
) -> None:
    headers = BEARER | ({} if content_type is None else {"Content-Type": content_type})
    response = await house.request("PUT", "/v1/vault", headers=headers, content=content)
    assert response.status_code == code
    assert house.desk.report is None


async def test_a_query_is_refused(house: House) -> None:
    response = await house.request("PUT", "/v1/vault?dryRun=true", headers=BEARER, content=b"{}")
    assert (response.status_code, response.json()["errors"][0]["name"]) == (422, "dryRun")


async def test_pushes_are_counted_under_their_route(house: House) -> None:
    await house.push(REPORT)
    await house.push(REPORT, {})
    assert [seen[:2] for seen in house.observed] == [("/v1/vault", 200), ("/v1/vault", 401)]
