"""`GET /v1/audit`: who decided what, for those who may know."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from app.api.tokens import AdminTokens
from app.domain.governance import ParameterChange, Revision, VaultReport
from app.domain.network import Network
from app.domain.parameter_set import ParameterSet, ParameterSource
from app.engine.ports import FeedStatus, StoreError, StoreFault, UndecodableDecision
from tests.adapters.store_contract import HOODI, a_change, a_report, an_entry
from tests.api.house import BEARER, TOKEN, House, build_house
from tests.domain.build import ETHER, MAINNET
from tests.fakes_store import FakeStore

URN = "urn:taiko-fee-oracle:problem:"


def house_over(store: FakeStore) -> House:
    return build_house(tokens=AdminTokens(TOKEN, None), store=store)


@pytest.fixture
def store() -> FakeStore:
    return FakeStore()


@pytest.fixture
def house(store: FakeStore) -> House:
    return house_over(store)


async def put(store: FakeStore, chosen: ParameterSet, actor: str, reason: str | None = None) -> ParameterChange:
    """Put a parameter set in force, as the writer does."""
    seen = len(store.database.changes[MAINNET])
    change = replace(a_change(actor), parameter_set=chosen, reason=reason)
    return await store.change_parameters(MAINNET, change, seen)


async def trail(house: House, query: str = "") -> dict[str, Any]:
    response = await house.get(f"/v1/audit{query}", BEARER)
    assert response.status_code == 200
    found: dict[str, Any] = response.json()
    return found


async def walk(house: House, path: str) -> list[dict[str, Any]]:
    pages: list[dict[str, Any]] = []
    following: str | None = path
    while following is not None:
        pages.append(await trail(house, following.removeprefix("/v1/audit")))
        following = pages[-1]["next"]
    return pages


async def test_nothing_was_decided_yet(house: House) -> None:
    response = await house.get("/v1/audit", BEARER)
    assert response.json() == {
        "entries": [],
        "undecodable": [],
        "kind": "parameters",
        "next": None,
        "network": "mainnet",
    }
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["link"] == '</v1/audit?kind=parameters&limit=100>; rel="first"'


async def test_a_change_says_who_and_when_and_why_and_what_it_was_before(house: House, store: FakeStore) -> None:
    first = await put(store, ParameterSet(), "environment")
    await store.append([an_entry(41)], Revision(change=1))
    second = await put(store, first.parameter_set.changed({"alphaData": "0.16"}), "alice", "costs fell")
    newest, oldest = (await trail(house))["entries"]
    assert newest == {
        "number": 2,
        "at": "2025-11-26T11:43:23.123Z",
        "actor": "alice",
        "reason": "costs fell",
        "fromBlock": 42,
        "previousParametersId": first.parameter_set.parameters.parameters_id,
        "parametersId": second.parameter_set.parameters.parameters_id,
        "changed": {"alphaData": {"old": "0.18", "oldSource": "default", "new": "0.16", "newSource": "override"}},
    }
    assert (oldest["number"], oldest["fromBlock"], oldest["previousParametersId"]) == (1, None, None)
    assert oldest["changed"] == {}


async def test_the_first_change_is_told_against_the_defaults(house: House, store: FakeStore) -> None:
    chosen = ParameterSet().changed({"preset": "responsive"}, ParameterSource.ENVIRONMENT)
    await put(store, chosen, "environment")
    (first,) = (await trail(house))["entries"]
    assert first["changed"]["preset"] == {
        "old": "production",
        "oldSource": "default",
        "new": "responsive",
        "newSource": "environment",
    }
    assert first["changed"].keys() == {"preset", "alphaData", "deficitWeight", "horizonBatches"}


async def test_an_environment_that_overrides_an_override_is_seen(house: House, store: FakeStore) -> None:
    environment = ParameterSet().changed({"alphaData": "0.2"}, ParameterSource.ENVIRONMENT)
    await put(store, ParameterSet(), "environment")
    await put(store, ParameterSet().changed({"alphaData": "0.16", "maxFeeIncrease": "0.125"}), "alice")
    await put(store, environment, "environment", "the environment changed, and overrides what was in force")
    newest = (await trail(house))["entries"][0]
    assert (newest["actor"], newest["reason"]) == (
        "environment",
        "the environment changed, and overrides what was in force",
    )
    assert newest["changed"] == {
        "alphaData": {"old": "0.16", "oldSource": "override", "new": "0.2", "newSource": "environment"},
        "maxFeeIncrease": {"old": "0.125", "oldSource": "override", "new": None, "newSource": "default"},
    }


async def test_only_the_source_may_have_changed(house: House, store: FakeStore) -> None:
    await put(store, ParameterSet(), "environment")
    await put(store, ParameterSet().changed({"alphaData": "0.18"}), "alice")
    newest = (await trail(house))["entries"][0]
    assert newest["changed"] == {
        "alphaData": {"old": "0.18", "oldSource": "default", "new": "0.18", "newSource": "override"}
    }
    assert newest["parametersId"] == newest["previousParametersId"]


async def test_a_pushed_balance_says_who_and_when_and_what_it_was_before(house: House, store: FakeStore) -> None:
    await store.report_vault(MAINNET, a_report(7))
    await store.append([an_entry(41)], Revision(report=7))
    await store.report_vault(MAINNET, a_report(9, balance=4 * ETHER))
    found = await trail(house, "?kind=vault")
    assert found["kind"] == "vault"
    assert found["entries"] == [
        {
            "sequence": 9,
            "at": "2025-11-26T11:43:23.123Z",
            "actor": "treasurer",
            "fromBlock": 42,
            "previousBalanceWei": str(3 * ETHER),
            "balanceWei": str(4 * ETHER),
        },
        {
            "sequence": 7,
            "at": "2025-11-26T11:43:23.123Z",
            "actor": "treasurer",
            "fromBlock": None,
            "previousBalanceWei": None,
            "balanceWei": str(3 * ETHER),
        },
    ]
    assert (await trail(house))["entries"] == []


@pytest.mark.parametrize("limit", [1, 2, 3, 10, 40, 1000])
async def test_a_walk_shows_every_change_once_and_what_each_changed_whatever_comes_meanwhile(
    house: House, store: FakeStore, limit: int
) -> None:
    chosen = ParameterSet()
    for number in range(70):
        chosen = chosen.changed({"horizonBatches": 100 + number})
        await put(store, chosen, "alice")
    following: str | None = f"/v1/audit?limit={limit}"
    seen: list[dict[str, Any]] = []
    while following is not None:
        page = await trail(house, following.removeprefix("/v1/audit"))
        assert len(page["entries"]) <= limit
        seen += page["entries"]
        following = page["next"]
        await put(store, chosen.changed({"horizonBatches": 1000 + len(seen)}), "bob")
    assert [entry["number"] for entry in seen] == list(range(70, 0, -1))
    assert [entry["changed"]["horizonBatches"]["old"] for entry in seen] == [*range(168, 99, -1), 72]


async def test_pushed_balances_are_paged_by_their_sequence(house: House, store: FakeStore) -> None:
    for sequence in (3, 7, 2**53 - 1):
        await store.report_vault(MAINNET, a_report(sequence, balance=sequence))
    one_by_one = await walk(house, "/v1/audit?kind=vault&limit=1")
    assert [[entry["sequence"] for entry in page["entries"]] for page in one_by_one] == [[2**53 - 1], [7], [3]]
    pages = await walk(house, "/v1/audit?kind=vault&limit=2")
    assert [[entry["sequence"] for entry in page["entries"]] for page in pages] == [[2**53 - 1, 7], [3]]
    assert pages[0]["next"] == "/v1/audit?kind=vault&limit=2&before=7"
    assert pages[0]["entries"][1]["previousBalanceWei"] == "3"


async def test_the_way_to_the_next_page_is_in_the_header_too(house: House, store: FakeStore) -> None:
    for sequence in (1, 2):
        await store.report_vault(MAINNET, a_report(sequence))
    response = await house.get("/v1/audit?kind=vault&limit=1", BEARER)
    assert response.links["next"]["url"] == response.json()["next"] == "/v1/audit?kind=vault&limit=1&before=2"
    assert response.links["first"]["url"] == "/v1/audit?kind=vault&limit=1"


async def test_a_long_page_is_written_in_small_pieces(store: FakeStore) -> None:
    """Whatever else waits has its turn between them; the store of this test gives it none."""
    for sequence in range(1, 321):
        await store.report_vault(MAINNET, a_report(sequence))
    house, turns = house_over(store), 0

    async def wait_by_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def turns_for(limit: int) -> int:
        before = turns
        await trail(house, f"?kind=vault&limit={limit}")
        return turns - before

    waiting = asyncio.create_task(wait_by_turns())
    short = await turns_for(1)
    assert await turns_for(320) - short >= 320 // 32
    waiting.cancel()


async def test_another_networks_decisions_are_not_told(house: House, store: FakeStore) -> None:
    await store.change_parameters(HOODI, a_change(alphaData="0.2"), 0)
    await store.report_vault(HOODI, a_report(1))
    assert (await trail(house))["entries"] == []
    assert (await trail(house, "?kind=vault"))["entries"] == []


@dataclass
class UnreadableStore(FakeStore):
    """Some of its changes cannot be read any more."""

    unreadable: set[int] = field(default_factory=set)

    async def changes_below(
        self, network: Network, number: int | None, most: int
    ) -> Sequence[ParameterChange | UndecodableDecision]:
        return [
            UndecodableDecision(change.number, "preset: got 'reckless'") if change.number in self.unreadable else change
            for change in await super().changes_below(network, number, most)
        ]

    async def reports_below(
        self, network: Network, sequence: int | None, most: int
    ) -> Sequence[VaultReport | UndecodableDecision]:
        return await super().reports_below(network, sequence, most)


async def test_a_change_that_cannot_be_read_is_named_and_nobody_guesses_what_the_next_one_changed() -> None:
    store = UnreadableStore(unreadable={2})
    house = house_over(store)
    for number in range(4):
        await put(store, ParameterSet().changed({"horizonBatches": 100 + number}), "alice")
    found = await trail(house)
    assert [entry["number"] for entry in found["entries"]] == [4, 3, 1]
    assert found["undecodable"] == [{"number": 2, "detail": "preset: got 'reckless'"}]
    after = found["entries"][1]
    assert (after["changed"], after["previousParametersId"]) == (None, None)
    assert [
        [entry["number"] for entry in (*page["entries"], *page["undecodable"])]
        for page in await walk(house, "/v1/audit?limit=1")
    ] == [[4], [3], [2], [1]]


async def test_a_change_whose_predecessor_is_gone_tells_no_difference(house: House, store: FakeStore) -> None:
    for number in range(2):
        await put(store, ParameterSet().changed({"horizonBatches": 100 + number}), "alice")
    del store.database.changes[MAINNET][0]
    (left,) = (await trail(house))["entries"]
    assert (left["number"], left["changed"], left["previousParametersId"]) == (2, None, None)


async def test_what_a_change_that_is_gone_changed_is_not_laid_at_the_next_ones_door(
    house: House, store: FakeStore
) -> None:
    for number, actor in enumerate(("alice", "bob", "carol")):
        await put(store, ParameterSet().changed({"horizonBatches": 100 + number}), actor)
    del store.database.changes[MAINNET][1]
    newest, _ = (await trail(house))["entries"]
    assert (newest["number"], newest["actor"]) == (3, "carol")
    assert (newest["changed"], newest["previousParametersId"]) == (None, None)


@pytest.mark.parametrize(
    ("authorization", "kind"),
    [(None, "unauthorized"), (f"Basic {TOKEN}", "unauthorized"), (f"Bearer {TOKEN}x", "invalid-token")],
)
@pytest.mark.parametrize("query", ["", "?kind=nonsense"])
async def test_without_the_token_nothing_is_told(
    house: House, store: FakeStore, authorization: str | None, kind: str, query: str
) -> None:
    response = await house.get(f"/v1/audit{query}", {} if authorization is None else {"Authorization": authorization})
    assert (response.status_code, response.json()["type"]) == (401, URN + kind)
    assert response.headers["www-authenticate"].startswith("Bearer")
    assert store.calls == []


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_without_a_token_configured_there_is_no_such_route(method: str) -> None:
    response = await build_house().request(method, "/v1/audit", headers=BEARER)
    assert response.status_code == 404
    assert "www-authenticate" not in response.headers
    if method == "GET":
        assert response.json()["type"] == URN + "not-found"


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("kind=fees", "kind"),
        ("kind=", "kind"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("before=x", "before"),
        ("before=-1", "before"),
        ("before=9007199254740992", "before"),
        ("since=1", "since"),
        ("kind=vault&kind=vault", "kind"),
    ],
)
async def test_a_query_that_means_nothing_is_refused_by_name(house: House, query: str, name: str) -> None:
    response = await house.get(f"/v1/audit?{query}", BEARER)
    assert (response.status_code, response.json()["type"]) == (422, URN + "invalid-value")
    assert [error["name"] for error in response.json()["errors"]] == [name]


async def test_a_store_that_fails_is_named_by_its_fault_alone(house: House, store: FakeStore) -> None:
    store.fault = StoreError(StoreFault.LOCKED, "/var/secret/path")
    response = await house.get("/v1/audit", BEARER)
    assert (response.status_code, response.json()["reason"]) == (503, "locked")
    assert "secret" not in response.text


async def test_before_the_chain_is_known_there_is_no_trail_to_be_told() -> None:
    house = build_house(network=None, tokens=AdminTokens(TOKEN, None))
    house.board.feed(FeedStatus(failure_reason="timeout", consecutive_failures=1))
    response = await house.get("/v1/audit", BEARER)
    assert (response.status_code, response.json()["type"]) == (503, URN + "chain-unknown")


@pytest.mark.parametrize("query", ["", "?kind=vault", "?limit=1", "?kind=fees"])
async def test_every_answer_fits_its_schema(house: House, store: FakeStore, query: str) -> None:
    for number in range(2):
        await put(store, ParameterSet().changed({"horizonBatches": 100 + number}), "alice")
        await store.report_vault(MAINNET, a_report(1 + number))
    described = (await house.get("/openapi.json")).json()
    response = await house.get(f"/v1/audit{query}", BEARER)
    answer = described["paths"]["/v1/audit"]["get"]["responses"][str(response.status_code)]
    schema = answer["content"][response.headers["content-type"]]["schema"]
    Draft202012Validator({"components": described["components"], **schema}).validate(response.json())
    assert {name.lower() for name in answer["headers"]} <= set(response.headers.keys())
