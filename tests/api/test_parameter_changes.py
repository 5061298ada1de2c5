"""`PATCH` and `DELETE /v1/parameters`: who may change what, and what the answers say."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.api.examples.parameter_change import PARAMETER_CHANGE
from app.api.examples.parameters import PARAMETERS
from app.api.parameters import difference_objects
from app.api.tokens import AdminTokens
from app.domain.advice import Advice
from app.domain.errors import OracleError
from app.domain.governance import Governance
from app.domain.parameter_set import ParameterSet, ParameterSource
from app.engine.ports import FeedStatus, NoNetworkError, StoreError, StoreFault, UpstreamError
from tests.api.house import BEARER, FULL_DISK, TOKEN, House, build_house, sample_quote
from tests.api.test_openapi import HEADERS, check, document

URN = "urn:taiko-fee-oracle:problem:"
PATH = "/v1/parameters"
LOWER = {"alphaData": "0.16", "reason": PARAMETER_CHANGE["reason"]}
ENVIRONMENT = ParameterSet().changed({"preset": "responsive", "baseFeeGwei": "0.9"}, ParameterSource.ENVIRONMENT)
IDENTITY = ParameterSet().parameters.parameters_id


@pytest.fixture
def house() -> House:
    return a_house()


def a_house(environment: ParameterSet | None = None, **more: Any) -> House:  # noqa: ANN401 - as `build_house`
    return build_house(quote=sample_quote(), tokens=AdminTokens(TOKEN, None), parameter_set=environment, **more)


async def revert(house: House, query: str = "", headers: dict[str, str] | None = None) -> Any:  # noqa: ANN401 - httpx's
    return await house.request("DELETE", PATH + query, headers=BEARER if headers is None else headers)


async def in_pieces(body: bytes) -> AsyncIterator[bytes]:
    yield body


async def in_force(house: House) -> dict[str, Any]:
    shown: dict[str, Any] = (await house.get(PATH)).json()
    return shown


class TestAChange:
    async def test_is_answered_with_what_it_changed_from_when_by_whom_and_for_what_fee(self, house: House) -> None:
        response = await house.patch(LOWER)
        assert response.status_code == 200
        changed = ParameterSet().changed({"alphaData": "0.16"})
        assert response.json() == PARAMETER_CHANGE | {
            "number": 1,
            "actor": "admin",
            "previousParametersId": IDENTITY,
            "parametersId": changed.parameters.parameters_id,
        }

    async def test_is_what_the_parameters_show_from_then_on(self, house: House) -> None:
        answer = (await house.patch(LOWER)).json()
        shown = await in_force(house)
        assert {key: shown[key] for key in ("number", "fromBlock", "at", "parametersId", "parameters", "sources")} == {
            key: answer[key] for key in ("number", "fromBlock", "at", "parametersId", "parameters", "sources")
        }

    async def test_without_a_reason_has_none(self, house: House) -> None:
        for body in ({"alphaData": "0.16"}, {"alphaData": "0.17", "reason": None}):
            response = await house.patch(body)
            assert (response.status_code, response.json()["reason"]) == (200, None)

    async def test_leaves_the_quote_that_is_served_alone(self, house: House) -> None:
        before = (await house.get("/v1/fee")).content
        await house.patch({"alphaData": "0.3"})
        assert (await house.get("/v1/fee")).content == before

    async def test_to_a_preset_goes_over_anything_earlier_and_under_the_same_requests_keys(self, house: House) -> None:
        await house.patch({"alphaData": "0.3", "horizonBatches": 10})
        answer = (await house.patch({"horizonBatches": 60, "preset": "responsive"})).json()
        shown = answer["parameters"]
        assert (shown["preset"], shown["alphaData"], shown["deficitWeight"], shown["horizonBatches"]) == (
            "responsive", "0.2", "0.3", 60,
        )  # fmt: skip
        assert answer["changed"].keys() == {"preset", "alphaData", "deficitWeight", "horizonBatches"}

    async def test_of_null_goes_back_to_the_environment(self) -> None:
        house = a_house(ENVIRONMENT)
        await house.patch({"baseFeeGwei": "3", "alphaData": "0.3", "maxFeeIncrease": "0.1"})
        answer = (await house.patch({"baseFeeGwei": None, "alphaData": None, "maxFeeIncrease": None})).json()
        assert answer["parameters"] == ENVIRONMENT.texts()
        assert answer["sources"]["baseFeeGwei"] == "environment"
        assert answer["sources"]["alphaData"] == "preset"

    async def test_that_is_repeated_is_answered_like_the_first_and_changes_nothing(self, house: House) -> None:
        first = (await house.patch(LOWER)).json()
        house.clock.pass_seconds(60)
        again = (await house.patch(LOWER | {"reason": "again"})).json()
        assert again == first | {
            "changed": {},
            "previousParametersId": first["parametersId"],
            "fee": first["fee"] | {"before": first["fee"]["before"]},
        }

    async def test_names_what_is_dangerous_about_it(self) -> None:
        house = a_house(advice=(Advice("code", "words"),))
        assert (await house.patch(LOWER)).json()["advice"] == [{"code": "code", "message": "words"}]

    async def test_before_the_first_quote_has_no_fee_to_show(self) -> None:
        house = build_house(tokens=AdminTokens(TOKEN, None))
        answer = (await house.patch(LOWER)).json()
        assert (answer["fee"], answer["fromBlock"], answer["number"]) == (None, None, 1)

    async def test_shows_no_fee_that_may_not_be_served(self) -> None:
        house = a_house(journal_required=True)
        house.board.journal(FULL_DISK)
        assert (await house.patch(LOWER, query="?dryRun=true")).json()["fee"] is None

    async def test_may_show_a_raw_fee_that_json_cannot_hold(self, house: House) -> None:
        answer = (await house.patch({"alphaData": "1000000"})).json()
        assert (answer["fee"]["after"]["rawFeePerGas"], answer["fee"]["after"]["bound"]) == (None, "max")


class TestADryRun:
    async def test_answers_as_the_change_would_and_changes_nothing(self, house: House) -> None:
        shown = await in_force(house)
        dry = await house.patch(LOWER, query="?dryRun=true")
        assert dry.status_code == 200
        assert await in_force(house) == shown
        assert house.board.governance == Governance()
        real = await house.patch(LOWER, query="?dryRun=false")
        assert dry.json() == real.json() | {"dryRun": True, "number": None, "at": None}
        assert (dry.headers["etag"], real.headers["etag"]) == (
            f'"{real.json()["previousParametersId"]}.0"',
            f'"{real.json()["parametersId"]}.1"',
        )

    async def test_of_a_revert_too(self, house: House) -> None:
        await house.patch(LOWER)
        shown = await in_force(house)
        dry = (await revert(house, "?dryRun=true&reason=enough")).json()
        assert await in_force(house) == shown
        assert dry == (await revert(house, "?reason=enough")).json() | {"dryRun": True, "number": None, "at": None}

    async def test_is_refused_where_the_change_would_be(self, house: House) -> None:
        assert (await house.patch({"alphaData": "-1"}, query="?dryRun=true")).status_code == 422
        assert (await house.patch(LOWER, {"If-Match": "other"}, query="?dryRun=true")).status_code == 412

    @pytest.mark.parametrize(
        "query", ["?dryRun=1", "?dryRun=", "?dryRun=True", "?dryRun=true&dryRun=true", "?dryrun=true"]
    )
    async def test_that_is_asked_for_in_other_words_is_refused_and_not_taken_for_a_change(
        self, house: House, query: str
    ) -> None:
        for response in (await house.patch(LOWER, query=query), await revert(house, query)):
            assert (response.status_code, response.json()["type"]) == (422, URN + "invalid-value")
        assert house.board.governance == Governance()


class TestARevert:
    async def test_drops_every_override_and_says_why(self) -> None:
        house = a_house(ENVIRONMENT)
        first = (await house.patch({"controller": "legacy", "preset": "conservative", "minFeeGwei": "1"})).json()
        answer = (await revert(house, "?reason=the+night+is+over")).json()
        assert answer["parameters"] == ENVIRONMENT.texts()
        assert answer["sources"] == {key: source.value for key, source in ENVIRONMENT.sources.items()}
        assert (answer["number"], answer["reason"], answer["dryRun"]) == (2, "the night is over", False)
        assert answer["changed"].keys() == first["changed"].keys()
        assert answer["changed"]["controller"] == {
            "old": "legacy", "oldSource": "override", "new": "alpha", "newSource": "default",
        }  # fmt: skip

    async def test_of_nothing_is_no_change(self, house: House) -> None:
        response = await revert(house)
        assert (response.status_code, response.json()["changed"], response.json()["number"]) == (200, {}, None)
        assert house.board.governance == Governance()

    async def test_takes_no_body_since_nobody_would_read_its_dry_run(self, house: House) -> None:
        await house.patch(LOWER)
        async with house.client() as client:
            whole = await client.request("DELETE", PATH, headers=BEARER, json={"dryRun": True})
            chunked = await client.request("DELETE", PATH, headers=BEARER, content=in_pieces(b'{"dryRun": true}'))
        for response in (whole, chunked):
            assert (response.status_code, response.json()["errors"][0]["name"]) == (422, "body")
        assert (await in_force(house))["parameters"]["alphaData"] == "0.16"


class TestTheTag:
    async def test_of_the_parameters_guards_a_change(self, house: House) -> None:
        tag = (await house.get(PATH)).headers["etag"]
        assert tag == f'"{IDENTITY}.0"'
        first = await house.patch({"alphaData": "0.16"}, {"If-Match": tag})
        assert (first.status_code, first.headers["cache-control"]) == (200, "no-store")
        second = await house.patch({"baseFeeGwei": "0.9"}, {"If-Match": tag})
        assert (second.status_code, second.json()["type"]) == (412, URN + "parameters-changed")
        assert (second.json()["expected"], second.json()["found"]) == (f"{IDENTITY}.0", first.json()["parametersId"])
        assert (await revert(house, headers=BEARER | {"If-Match": tag})).status_code == 412
        third = await house.patch({"baseFeeGwei": "0.9"}, {"If-Match": first.headers["etag"]})
        assert third.status_code == 200
        assert third.headers["etag"] == (await house.get(PATH)).headers["etag"]

    @pytest.mark.parametrize("form", ["{}", '"{}"', "*", 'other, "{}"', '"other","{}"', '"{}.0"', "{}.0"])
    async def test_may_be_listed_bare_or_quoted(self, house: House, form: str) -> None:
        response = await house.patch(LOWER, {"If-Match": form.replace("{}", IDENTITY)})
        assert response.status_code == 200

    @pytest.mark.parametrize("form", ["other", "", 'W/"{}"', "{}x", '"{}', '{}"', '""{}""', "{}.1", "{}."])
    async def test_of_others_is_refused_before_the_values_are_judged(self, house: House, form: str) -> None:
        response = await house.patch({"alphaData": "-1"}, {"If-Match": form.replace("{}", IDENTITY)})
        assert (response.status_code, response.json()["type"]) == (412, URN + "parameters-changed")

    async def test_tells_a_reader_that_nothing_has_changed(self, house: House) -> None:
        tag = (await house.get(PATH)).headers["etag"]
        unchanged = await house.get(PATH, {"If-None-Match": tag})
        assert (unchanged.status_code, unchanged.content, unchanged.headers["etag"]) == (304, b"", tag)
        assert (await house.get(PATH, {"If-Match": tag})).status_code == 200
        assert (await house.get(PATH, {"If-Match": '"other"'})).status_code == 412
        await house.patch(LOWER)
        assert (await house.get(PATH, {"If-None-Match": tag})).status_code == 200

    async def test_is_another_where_the_values_are_the_same_and_who_set_them_is_not(self, house: House) -> None:
        before = (await house.get(PATH)).headers["etag"]
        pinned = await house.patch({"alphaData": "0.18"})
        shown = await house.get(PATH, {"If-None-Match": before})
        assert (shown.status_code, shown.headers["etag"]) == (200, pinned.headers["etag"])
        assert (shown.json()["parametersId"], shown.json()["sources"]["alphaData"]) == (IDENTITY, "override")
        assert (await house.patch(LOWER, {"If-Match": before})).status_code == 412
        assert (await house.patch(LOWER, {"If-Match": IDENTITY})).status_code == 200


class TestARefusal:
    @pytest.mark.parametrize(
        ("body", "names"),
        [
            ({}, ["body"]),
            ({"reason": "none"}, ["body"]),
            ({"reason": 1}, ["reason", "body"]),
            ({"alphaDate": "0.16"}, ["alphaDate"]),
            ({"legacyMu": "0.7"}, ["legacyMu"]),
            ({"dryRun": True, "alphaData": "0.16"}, ["dryRun"]),
            ({"parameters": {"alphaData": "0.16"}}, ["parameters"]),
            ({"alphaData": 0.16}, ["alphaData"]),
            ({"alphaData": "0.16", "horizonBatches": 0, "deficitWeight": "2"}, ["deficitWeight", "horizonBatches"]),
            ({"preset": "reckless", "controller": "beta", "reason": ""}, ["reason", "preset", "controller"]),
            ({"minFeeGwei": "2000"}, ["minFeeGwei"]),
            ({"maxFeeIncrease": "0", "maxFeeDecrease": "1.5"}, ["maxFeeIncrease", "maxFeeDecrease"]),
        ],
    )
    async def test_names_everything_that_is_not_allowed(self, house: House, body: object, names: list[str]) -> None:
        response = await house.patch(body)
        assert (response.status_code, response.json()["type"]) == (422, URN + "invalid-value")
        assert sorted(error["name"] for error in response.json()["errors"]) == sorted(names)
        assert house.board.governance == Governance()

    @pytest.mark.parametrize(
        "reason",
        [
            "",
            "  ",
            "a\nb",
            "a\rb",
            "a\x00b",
            "\x1b[2J",
            "a\x7fb",
            "a\u2028b",
            "a\u202eb",
            "\ud800",
            "x" * 501,
            7,
            ["x"],
        ],
    )
    async def test_meets_a_reason_that_could_forge_or_flood_the_trail(self, house: House, reason: object) -> None:
        response = await house.patch({"alphaData": "0.16", "reason": reason})
        assert (response.status_code, response.json()["errors"][0]["name"]) == (422, "reason")
        assert house.board.governance == Governance()

    @pytest.mark.parametrize("reason", ["x" * 500, "α auf 0.16 – «günstige» Blobs 🚨", 'quoted "words" <b>'])
    async def test_meets_no_reason_that_people_write(self, house: House, reason: str) -> None:
        assert (await house.patch({"alphaData": "0.16", "reason": reason})).json()["reason"] == reason

    @pytest.mark.parametrize(
        "query", ["?reason=", "?reason=a%0Ab", "?reason=" + "x" * 501, "?why=x", "?reason=a&reason=b"]
    )
    async def test_meets_a_revert_with_such_a_reason_too(self, house: House, query: str) -> None:
        await house.patch(LOWER)
        assert (await revert(house, query)).status_code == 422
        assert (await in_force(house))["number"] == 1

    async def test_meets_a_reason_in_the_query_of_a_patch(self, house: House) -> None:
        assert (await house.patch(LOWER, query="?reason=x")).status_code == 422

    @pytest.mark.parametrize(
        ("content_type", "content", "code"),
        [
            ("text/plain", b"{}", 415),
            (None, b"{}", 415),
            ("application/json", b"[]", 400),
            ("application/json", b'{"alphaData": "0.1", "alphaData": "0.2"}', 400),
            ("application/json", b'{"alphaData": NaN}', 400),
            ("application/json", b" " * 70_000, 413),
        ],
    )
    async def test_meets_a_body_that_is_no_json_object(
        self, house: House, content_type: str | None, content: bytes, code: int
    ) -> None:
        headers = BEARER | ({} if content_type is None else {"Content-Type": content_type})
        assert (await house.request("PATCH", PATH, headers=headers, content=content)).status_code == code

    @pytest.mark.parametrize("query", ["", "?dryRun=true", "?nonsense=1"])
    @pytest.mark.parametrize("method", ["PATCH", "DELETE"])
    @pytest.mark.parametrize(("authorization", "kind"), [("", "unauthorized"), (f"Bearer {TOKEN}x", "invalid-token")])
    async def test_meets_whoever_has_no_token_before_anything_else(
        self, house: House, method: str, query: str, authorization: str, kind: str
    ) -> None:
        response = await house.request(method, PATH + query, headers={"Authorization": authorization}, content=b"{")
        assert (response.status_code, response.json()["type"]) == (401, URN + kind)
        assert house.board.governance == Governance()

    @pytest.mark.parametrize("method", ["PATCH", "DELETE"])
    async def test_without_a_token_configured_is_that_of_a_path_that_is_not_there(self, method: str) -> None:
        response = await build_house().request(method, PATH, headers=BEARER)
        assert (response.status_code, response.json()["type"]) == (404, URN + "not-found")

    @pytest.mark.parametrize(
        ("failure", "kind", "member"),
        [
            (StoreError(StoreFault.FULL, "/var/secret"), "journal-degraded", {"reason": "full"}),
            (NoNetworkError(), "chain-unknown", {"failureReason": "unreachable"}),
            (UpstreamError("p1", "timeout", "secret"), "chain-unknown", {"failureReason": "timeout"}),
        ],
    )
    @pytest.mark.parametrize("dry_run", ["", "?dryRun=true"])
    async def test_meets_a_change_that_cannot_be_kept(
        self, house: House, failure: OracleError, kind: str, member: dict[str, str], dry_run: str
    ) -> None:
        house.board.feed(FeedStatus(failure_reason="unreachable", consecutive_failures=1))
        house.desk.failure = failure
        for response in (await house.patch(LOWER, query=dry_run), await revert(house, dry_run)):
            assert (response.status_code, response.json()["type"]) == (503, URN + kind)
            assert response.json().items() >= member.items()
            assert response.headers["retry-after"] == "2"
            assert "secret" not in response.text


@pytest.mark.parametrize(
    ("asked", "headers", "body", "code"),
    [
        ("PATCH ", {}, b'{"alphaData": "0.16"}', 200),
        ("PATCH ?dryRun=true", {}, b'{"preset": "responsive", "maxFeeIncrease": null}', 200),
        ("PATCH ", {}, b"{", 400),
        ("PATCH ", {"Authorization": ""}, b"{}", 401),
        ("PATCH ", {"If-Match": "other"}, b'{"alphaData": "0.16"}', 412),
        ("PATCH ", {}, b" " * 70_000, 413),
        ("PATCH ", {"Content-Type": "text/plain"}, b"{}", 415),
        ("PATCH ", {}, b'{"alphaData": 1}', 422),
        ("DELETE ", {}, b"", 200),
        ("DELETE ?dryRun=x", {}, b"", 422),
        ("DELETE ", {"Authorization": "Bearer x"}, b"", 401),
        ("GET ", {}, b"", 200),
        ("GET ", {"If-None-Match": f'"{IDENTITY}.0"'}, b"", 304),
        ("GET ", {"If-Match": "x"}, b"", 412),
    ],
)
async def test_every_answer_and_its_headers_are_as_documented(
    house: House, asked: str, headers: dict[str, str], body: bytes, code: int
) -> None:
    described = await document()
    method, query = asked.split(" ")
    given = BEARER | {"Content-Type": "application/json"} | headers
    response = await house.request(method, PATH + query, headers=given, content=body)
    assert response.status_code == code
    answer = described["paths"][PATH][method.lower()]["responses"][str(code)]
    assert {name.lower() for name in answer["headers"]} == HEADERS & set(response.headers.keys())
    if response.content:
        check(response.json(), answer["content"][response.headers["content-type"]]["schema"], described)


async def test_the_schema_of_a_change_takes_what_the_route_takes(house: House) -> None:
    described = await document()
    schema = {"$ref": "#/components/schemas/ParameterChangeRequest"}
    for body in (LOWER, PARAMETERS["parameters"], dict.fromkeys(PARAMETERS["parameters"])):
        check(body, schema, described)
        assert (await house.patch(body)).status_code == 200


def test_differences_are_told_by_their_keys() -> None:
    assert difference_objects(ParameterSet(), ParameterSet()) == {}
    assert difference_objects(ParameterSet(), ENVIRONMENT)["baseFeeGwei"] == {
        "old": "1.5", "oldSource": "default", "new": "0.9", "newSource": "environment",
    }  # fmt: skip


async def test_what_ifs_unset_to_the_environment_like_changes(house: House) -> None:
    limited = a_house(ParameterSet().changed({"baseFeeGwei": "0.9"}, ParameterSource.ENVIRONMENT))
    await limited.patch({"baseFeeGwei": "3"})
    what_if = await limited.what_if({"parameters": {"baseFeeGwei": None}})
    assert what_if.json()["components"]["base"] == 900_000_000
    assert (await house.what_if({"parameters": {"baseFeeGwei": None}})).json()["components"]["base"] == 1_500_000_000


async def test_changes_are_counted_under_their_route(house: House) -> None:
    await house.patch(LOWER)
    await revert(house)
    await revert(house, headers={})
    assert [seen[:2] for seen in house.observed] == [(PATH, 200), (PATH, 200), (PATH, 401)]
