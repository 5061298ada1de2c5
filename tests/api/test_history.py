"""`GET /v1/history`: what was served, page by page, whatever happens meanwhile."""

import asyncio
import csv
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Message

from app.api.history import CSV, CSV_COLUMNS
from app.api.reading import ReadingRoom
from app.domain.governance import Revision
from app.domain.network import Network
from app.domain.units import BlockNumber, UnixMillis
from app.engine.entries import Claim, Entry, Gap, Place, StoredEntry, UndecodableEntry
from app.engine.ports import FeedStatus, StoreError, StoreFault
from tests.adapters.store_contract import HOODI, READ_VAULT, an_entry, some_entries
from tests.api.house import BORN, FULL_DISK, House, build_house, sample_quote
from tests.domain.build import MAINNET
from tests.fakes_store import FakeStore
from tests.virtual_time import run_in_virtual_time

URN = "urn:taiko-fee-oracle:problem:"
SEEN = Revision(change=2**53, report=2**53)
OF_THE_MOMENT = {"status", "staleReason", "ceilingFeePerGas", "staleAt", "expiresAt"}


async def house_with(entries: Sequence[Entry]) -> House:
    house = build_house()
    await house.store.append(entries, SEEN)
    return house


async def quotes(house: House, path: str = "/v1/history") -> list[dict[str, Any]]:
    response = await house.get(path)
    assert response.status_code == 200
    found: list[dict[str, Any]] = response.json()["quotes"]
    return found


async def walk(house: House, path: str = "/v1/history") -> list[dict[str, Any]]:
    """Every page, by following what the last one says."""
    pages: list[dict[str, Any]] = []
    following: str | None = path
    while following is not None:
        pages.append((await house.get(following)).json())
        following = pages[-1]["next"]
    return pages


def sequences(found: Iterable[dict[str, Any]]) -> list[int]:
    return [quote["sequence"] for quote in found]


def tamper(house: House, sequence: int, **changes: Any) -> None:  # noqa: ANN401 - fields of StoredEntry, by name
    entries = house.store.database.entries
    index = next(index for index, entry in enumerate(entries) if entry.sequence == sequence)
    entries[index] = replace(entries[index], **changes)


def claims_with(house: House, sequence: int, **changes: Claim) -> dict[str, Claim]:
    (entry,) = [entry for entry in house.store.database.entries if entry.sequence == sequence]
    return {**entry.claims, **changes}


async def csv_of(house: House, path: str = "/v1/history") -> tuple[httpx.Response, list[dict[str, str]]]:
    response = await house.get(path, {"Accept": "text/csv"})
    return response, list(csv.DictReader(io.StringIO(response.text, newline="")))


async def test_a_new_journal_has_no_history() -> None:
    response = await build_house().get("/v1/history")
    assert response.json() == {
        "quotes": [],
        "undecodable": [],
        "gaps": [],
        "next": None,
        "network": "mainnet",
        "complete": True,
        "spooled": 0,
    }
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["link"] == '</v1/history?limit=100>; rel="first"'
    assert response.headers["content-type"] == "application/json"


async def test_a_past_quote_is_shown_as_it_was_served() -> None:
    house = build_house(quote=sample_quote())
    served = (await house.get("/v1/fee")).json()
    await house.store.append([Entry(sample_quote(), UnixMillis(BORN + 1_512), "p1", base_fee_verified=True)], SEEN)
    (past,) = await quotes(house)
    lasting = {name: value for name, value in served.items() if name not in OF_THE_MOMENT}
    assert past == lasting | {"sequence": 1, "doubts": []}
    assert [name for name in past if name in lasting] == list(lasting)


async def test_the_newest_block_comes_first_and_after_a_reorg_the_newest_entry() -> None:
    house = await house_with([*some_entries(5, 7), an_entry(6, branch="b"), an_entry(2)])
    found = await quotes(house)
    assert [(quote["l1"]["blockNumber"], quote["sequence"]) for quote in found] == [
        (7, 3),
        (6, 4),
        (6, 2),
        (5, 1),
        (2, 5),
    ]
    assert found[1]["l1"]["blockHash"] != found[2]["l1"]["blockHash"]


async def test_a_page_ends_where_the_next_one_begins_even_within_a_height() -> None:
    house = await house_with([*some_entries(5, 7), an_entry(6, branch="b"), an_entry(6, branch="c")])
    pages = await walk(house, "/v1/history?limit=2")
    assert [sequences(page["quotes"]) for page in pages] == [[3, 5], [4, 2], [1]]
    assert pages[0]["next"] == "/v1/history?limit=2&before=6.5"


@pytest.mark.parametrize(("limit", "shown"), [(1, 1), (31, 31), (32, 32), (33, 33), (99, 99), (1000, 99), (None, 99)])
async def test_a_page_has_as_many_as_were_asked_for(limit: int | None, shown: int) -> None:
    house = await house_with(some_entries(1, 99))
    response = await house.get("/v1/history" if limit is None else f"/v1/history?limit={limit}")
    assert sequences(response.json()["quotes"]) == list(range(99, 99 - shown, -1))
    assert (response.json()["next"] is None) == (shown == 99)


async def test_a_page_has_a_hundred_where_nobody_asks() -> None:
    house = await house_with(some_entries(1, 101))
    assert len(await quotes(house)) == 100


async def test_before_a_block_are_the_blocks_below_it() -> None:
    house = await house_with([*some_entries(1, 9), an_entry(5, branch="b")])
    assert [quote["l1"]["blockNumber"] for quote in await quotes(house, "/v1/history?before=6")] == [5, 5, 4, 3, 2, 1]
    assert [quote["l1"]["blockNumber"] for quote in await quotes(house, "/v1/history?before=5&limit=2")] == [4, 3]
    assert await quotes(house, "/v1/history?before=0") == []


async def test_another_network_has_a_history_of_its_own() -> None:
    house = await house_with(some_entries(1, 3))
    await house.store.append(some_entries(4, 6, network=HOODI), SEEN)
    assert sequences(await quotes(house)) == [3, 2, 1]


async def test_the_way_to_the_next_page_is_in_the_header_too() -> None:
    house = await house_with(some_entries(1, 3))
    for accept in ("application/json", "text/csv"):
        response = await house.get("/v1/history?limit=2", {"Accept": accept})
        links = '</v1/history?limit=2&before=2.2>; rel="next", </v1/history?limit=2>; rel="first"'
        assert response.headers["link"] == links
        assert response.links["next"]["url"] == "/v1/history?limit=2&before=2.2"


@st.composite
def appendings(draw: st.DrawFn) -> list[tuple[int, bool]]:
    """Heights to append at, each on mainnet or on another network."""
    return draw(st.lists(st.tuples(st.integers(1, 12), st.booleans()), max_size=6))


@given(
    before=appendings(), meanwhile=st.lists(appendings(), max_size=8), limits=st.lists(st.integers(1, 4), min_size=1)
)
def test_a_walk_shows_what_was_there_exactly_once_and_in_order_whatever_is_appended_meanwhile(
    before: list[tuple[int, bool]], meanwhile: list[list[tuple[int, bool]]], limits: list[int]
) -> None:
    async def walked() -> None:
        house = build_house()
        await append(house, before)
        there = sequences(await quotes(house, "/v1/history?limit=1000"))
        seen: list[dict[str, Any]] = []
        following: str | None = f"/v1/history?limit={limits[0]}"
        step = 0
        while following is not None:
            page = (await house.get(following)).json()
            assert len(page["quotes"]) <= limits[0]
            seen += page["quotes"]
            following = page["next"]
            await append(house, meanwhile[step] if step < len(meanwhile) else [])
            step += 1
        places = [(quote["l1"]["blockNumber"], quote["sequence"]) for quote in seen]
        assert places == sorted(set(places), reverse=True)
        assert [sequence for sequence in sequences(seen) if sequence in there] == there

    async def append(house: House, heights: list[tuple[int, bool]]) -> None:
        for number, is_elsewhere in heights:
            network: Network = HOODI if is_elsewhere else MAINNET
            branch = f"b{house.store.database.last_sequence}"
            await house.store.append([an_entry(number, branch=branch, network=network)], SEEN)

    run_in_virtual_time(walked())


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=ten", "limit"),
        ("limit=", "limit"),
        ("limit=1&limit=2", "limit"),
        ("before=-1", "before"),
        ("before=", "before"),
        ("before=1.", "before"),
        ("before=.1", "before"),
        ("before=1.2.3", "before"),
        ("before=unknown", "before"),
        ("before=0x10", "before"),
        ("before=1e3", "before"),
        ("before=٣", "before"),
        ("before=1%0A", "before"),
        ("before=1000000000000000", "before"),
        ("before=1.1000000000000000000", "before"),
        ("after=1", "after"),
    ],
)
async def test_a_query_that_means_nothing_is_refused_by_name(query: str, name: str) -> None:
    response = await build_house().get(f"/v1/history?{query}")
    assert (response.status_code, response.json()["type"]) == (422, URN + "invalid-value")
    assert [error["name"] for error in response.json()["errors"]] == [name]


@pytest.mark.parametrize("before", ["999999999999999", "999999999999999.999999999999999999", "unknown.1"])
async def test_a_place_that_is_far_off_is_a_place(before: str) -> None:
    house = await house_with(some_entries(1, 2))
    assert sequences(await quotes(house, f"/v1/history?before={before}")) == [2, 1]


async def test_what_was_served_is_shown_though_the_inputs_make_something_else() -> None:
    house = await house_with(some_entries(1, 3))
    tamper(
        house,
        2,
        is_intact=False,
        claims=claims_with(house, 2, fee_per_gas=7, raw_fee_per_gas="-8", next_fee=9, batch_cost="10", bound="max"),
    )
    after, changed, before = await quotes(house)
    assert changed["doubts"] == ["digest", "recomputation"]
    assert (changed["feePerGas"], changed["rawFeePerGas"], changed["bound"]) == (7, -8, "max")
    assert (changed["next"]["feePerGas"], changed["batch"]["costWei"]) == (9, "10")
    assert changed["batch"]["revenueWei"] == before["batch"]["revenueWei"]
    assert (after["doubts"], before["doubts"]) == ([], [])


async def test_an_entry_that_was_changed_and_still_makes_sense_is_marked() -> None:
    house = await house_with(some_entries(1, 1))
    tamper(house, 1, is_intact=False)
    assert [quote["doubts"] for quote in await quotes(house)] == [["digest"]]


@pytest.mark.parametrize(
    "claims",
    [
        {"fee_per_gas": "much"},
        {"fee_per_gas": None},
        {"fee_per_gas": -1},
        {"next_fee": 2**53},
        {"bound": "sideways"},
        {"bound": "x" * 100_000},
        {"bound": None},
        {"raw_fee_per_gas": "1.5"},
        {"da": "9" * 5000},
        {"batch_cost": ""},
        {"smoothed_cost": "x"},
    ],
)
async def test_an_entry_that_claims_no_quote_is_named_and_hides_no_other(claims: dict[str, Claim]) -> None:
    house = await house_with(some_entries(1, 3))
    tamper(house, 2, is_intact=False, claims=claims_with(house, 2, **claims))
    page = (await house.get("/v1/history")).json()
    assert sequences(page["quotes"]) == [3, 1]
    (named,) = page["undecodable"]
    assert (named["sequence"], named["blockNumber"]) == (2, 2)
    assert named["detail"]
    assert len(named["detail"]) <= 300


@dataclass
class UnreadableStore(FakeStore):
    """Some of its entries cannot be read any more, and of some not even the height."""

    unreadable: dict[int, BlockNumber | None] = field(default_factory=dict)

    async def entries_below(
        self, network: Network, place: Place | None, most: int
    ) -> Sequence[StoredEntry | UndecodableEntry]:
        return [
            UndecodableEntry(entry.sequence, self.unreadable[entry.sequence], "vault_source: got 'x', expected 'none'")
            if entry.sequence in self.unreadable
            else entry
            for entry in await super().entries_below(network, place, most)
        ]


async def test_an_entry_that_cannot_be_read_is_named_in_both_formats() -> None:
    house = await house_with(some_entries(1, 3))
    store = UnreadableStore(house.store.database, unreadable={2: BlockNumber(2), 3: None})
    house = build_house(store=store)
    page = (await house.get("/v1/history?limit=2")).json()
    assert (page["quotes"], sequences(page["undecodable"])) == ([], [3, 2])
    assert [entry["blockNumber"] for entry in page["undecodable"]] == [None, 2]
    assert sequences(await quotes(house, page["next"])) == [1]
    _, rows = await csv_of(house)
    assert [(row["block_number"], row["sequence"], row["doubts"]) for row in rows] == [
        ("", "3", "undecodable"),
        ("2", "2", "undecodable"),
        ("1", "1", ""),
    ]
    assert {value for name, value in rows[0].items() if name not in ("sequence", "doubts")} == {""}


async def test_the_page_after_an_entry_without_a_height_says_so() -> None:
    house = await house_with(some_entries(1, 3))
    house = build_house(store=UnreadableStore(house.store.database, unreadable={3: None}))
    assert (await house.get("/v1/history?limit=1")).json()["next"] == "/v1/history?limit=1&before=unknown.3"


@pytest.mark.parametrize("height", [-1, 10**15, 2**63 - 1])
async def test_the_page_after_an_entry_whose_height_no_query_takes_can_be_followed(height: int) -> None:
    house = await house_with(some_entries(1, 3))
    store = UnreadableStore(house.store.database, unreadable={3: BlockNumber(height)})
    house = build_house(store=store)
    following = (await house.get("/v1/history?limit=1")).json()["next"]
    assert (await house.get(following)).status_code == 200


async def test_gaps_are_named_on_the_page_whose_blocks_they_are_among() -> None:
    house = build_house()
    for number, gap in ((1, None), (10, (2, 9)), (11, None), (20, (12, 19)), (40, (21, 39))):
        named = None if gap is None else Gap(BlockNumber(gap[0]), BlockNumber(gap[1]), "absence")
        await house.store.append([an_entry(number)], SEEN, named)
    pages = await walk(house, "/v1/history?limit=2")
    assert [[(gap["firstBlock"], gap["lastBlock"]) for gap in page["gaps"]] for page in pages] == [
        [(21, 39)],
        [(12, 19)],
        [(2, 9)],
    ]
    assert pages[0]["gaps"][0]["reason"] == "absence"
    for before, expected in (("12", []), ("13", [(12, 19)]), ("12.9", [(12, 19)]), ("20.1", [(12, 19)])):
        page = (await house.get(f"/v1/history?limit=1&before={before}")).json()
        assert [(gap["firstBlock"], gap["lastBlock"]) for gap in page["gaps"]] == expected, before


async def test_csv_has_the_columns_of_a_history_file_first_and_every_number_exactly() -> None:
    entry = an_entry(7, vault=READ_VAULT)
    house = await house_with([an_entry(6), entry])
    response, rows = await csv_of(house)
    assert response.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    assert response.text.startswith(
        "block_number,timestamp,l1_basefee_wei,raw_fee_per_gas,fee_per_gas,bound,cost_wei,revenue_wei,vault_balance_wei,"
        "block_hash,quote_id,parameters_id,computed_at,sequence"
    )
    assert response.text.count("\r\n") == 3
    quote = entry.quote
    assert rows[0] == {
        "block_number": "7",
        "timestamp": str(quote.header.timestamp),
        "l1_basefee_wei": str(quote.header.base_fee_per_gas),
        "raw_fee_per_gas": str(quote.price.raw),
        "fee_per_gas": str(quote.price.fee),
        "bound": quote.price.bound.value,
        "cost_wei": str(quote.batch_cost),
        "revenue_wei": str(quote.batch_revenue),
        "vault_balance_wei": str(READ_VAULT.balance),
        "block_hash": quote.header.hash,
        "quote_id": quote.quote_id,
        "parameters_id": quote.parameters_id,
        "computed_at": "2025-11-26T11:44:47.123Z",
        "sequence": "2",
        "doubts": "",
    }
    assert rows[1]["vault_balance_wei"] == ""
    assert tuple(rows[0]) == CSV_COLUMNS


async def test_both_formats_show_the_same_walk() -> None:
    house = await house_with(some_entries(1, 7))
    listed = [sequences(page["quotes"]) for page in await walk(house, "/v1/history?limit=3")]
    found, following = [], "/v1/history?limit=3"
    while following:
        response, rows = await csv_of(house, following)
        found.append([int(row["sequence"]) for row in rows])
        following = response.links.get("next", {}).get("url", "")
    assert found == listed == [[7, 6, 5], [4, 3, 2], [1]]


@pytest.mark.parametrize("name", ["accept", "Accept"])
async def test_the_answer_says_that_it_follows_accept(name: str) -> None:
    response = await build_house().get("/v1/history", {name: "text/csv"})
    assert (response.headers["content-type"], response.headers["vary"]) == (CSV, "Accept")


async def test_who_takes_neither_format_is_told_which_there_are() -> None:
    response = await build_house().get("/v1/history", {"Accept": "text/html, application/xml;q=0.9"})
    assert (response.status_code, response.json()["type"]) == (406, URN + "not-acceptable")
    assert response.json()["expected"] == ["application/json", CSV]
    assert response.headers["content-type"] == "application/problem+json"


async def test_head_answers_without_a_body() -> None:
    house = await house_with(some_entries(1, 3))
    response = await house.request("HEAD", "/v1/history?limit=1")
    assert (response.status_code, response.content) == (200, b"")
    assert response.links["next"]["url"] == "/v1/history?limit=1&before=3.3"


async def test_while_quotes_wait_for_the_journal_the_history_says_that_it_is_incomplete() -> None:
    house = await house_with(some_entries(1, 2))
    house.board.journal(FULL_DISK)
    response = await house.get("/v1/history")
    assert (response.json()["complete"], response.json()["spooled"]) == (False, 3)
    assert len(response.json()["quotes"]) == 2
    assert response.headers["taiko-journal"] == "degraded"
    csv_response, rows = await csv_of(house)
    assert (csv_response.headers["taiko-journal"], len(rows)) == ("degraded", 2)


@pytest.mark.parametrize("path", ["/v1/history", "/v1/history?limit=1000&before=7"])
async def test_a_store_that_fails_is_named_by_its_fault_alone(path: str) -> None:
    house = build_house(quote=sample_quote())
    house.store.fault = StoreError(StoreFault.FULL, "/var/secret/path")
    response = await house.get(path)
    assert (response.status_code, response.json()["type"]) == (503, URN + "journal-degraded")
    assert (response.json()["reason"], response.headers["retry-after"]) == ("full", "2")
    assert "secret" not in response.text
    assert (await house.get("/v1/fee")).status_code == 200


async def test_before_the_chain_is_known_there_is_no_history_to_be_told() -> None:
    house = build_house(network=None)
    house.board.feed(FeedStatus(failure_reason="timeout", consecutive_failures=1))
    response = await house.get("/v1/history")
    assert (response.status_code, response.json()["type"]) == (503, URN + "chain-unknown")
    assert response.json()["failureReason"] == "timeout"
    assert house.store.calls == []


@dataclass
class WatchedStore(FakeStore):
    """Tells how much it is asked for at once, and by how many; it may take its time."""

    seconds: float = 0.0
    asked: list[int] = field(default_factory=list)
    readers: int = 0
    most_readers: int = 0

    async def entries_below(
        self, network: Network, place: Place | None, most: int
    ) -> Sequence[StoredEntry | UndecodableEntry]:
        self.asked.append(most)
        self.readers += 1
        self.most_readers = max(self.most_readers, self.readers)
        try:
            await asyncio.sleep(self.seconds)
            return await super().entries_below(network, place, most)
        finally:
            self.readers -= 1


async def test_a_long_page_is_read_in_small_pieces() -> None:
    store = WatchedStore()
    await store.append(some_entries(1, 300), SEEN)
    assert len(await quotes(build_house(store=store), "/v1/history?limit=250")) == 250
    assert max(store.asked) <= 32
    assert sum(store.asked) <= 251 + 32


def test_few_read_at_once_the_next_ones_wait_a_little_and_then_are_sent_away() -> None:
    async def crowd() -> None:
        store = WatchedStore(seconds=0.7)
        house = build_house(store=store, quote=sample_quote())
        answers = await asyncio.gather(*(house.get("/v1/history") for _ in range(7)))
        codes = [answer.status_code for answer in answers]
        assert codes == [200, 200, 200, 200, 503, 503, 503]
        assert store.most_readers == 2
        refused = answers[-1]
        assert (refused.json()["type"], refused.headers["retry-after"]) == (URN + "archive-busy", "2")
        assert (await house.get("/v1/history")).status_code == 200

    run_in_virtual_time(crowd())


def test_the_fee_is_answered_while_the_archive_is_crowded() -> None:
    async def crowd() -> None:
        house = build_house(store=WatchedStore(seconds=5), quote=sample_quote())
        readers = [asyncio.create_task(house.get("/v1/history")) for _ in range(20)]
        await asyncio.sleep(0.5)
        began = asyncio.get_running_loop().time()
        assert (await house.get("/v1/fee")).status_code == 200
        assert asyncio.get_running_loop().time() == began
        await asyncio.gather(*readers)

    run_in_virtual_time(crowd())


def test_a_reading_that_takes_too_long_is_given_up_and_frees_its_seat() -> None:
    async def slow() -> None:
        store = WatchedStore(seconds=3600)
        house = build_house(store=store)
        loop = asyncio.get_running_loop()
        for _ in range(3):
            began = loop.time()
            response = await house.get("/v1/history")
            assert (response.status_code, response.json()["reason"]) == (503, "timeout")
            assert loop.time() - began == pytest.approx(10)
        store.seconds = 0
        assert (await house.get("/v1/history")).status_code == 200

    run_in_virtual_time(slow())


def test_a_client_that_goes_away_frees_its_seat() -> None:
    async def leaving() -> None:
        store = WatchedStore(seconds=5)
        room = ReadingRoom(store)

        async def read() -> None:
            async with room.seat() as archive:
                await archive.entries_below(MAINNET, None, 1)

        readers = [asyncio.create_task(read()) for _ in range(2)]
        await asyncio.sleep(1)
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)
        await read()

    run_in_virtual_time(leaving())


class SlowClient:
    """A client that asks for a page and takes one piece of it, and no more until it is told to."""

    def __init__(self, house: House, path: str = "/v1/history") -> None:
        self.pieces: list[bytes] = []
        self.goes_on = asyncio.Event()
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"limit=1000",
            "headers": [(b"host", b"oracle.test")],
        }
        self.request = asyncio.ensure_future(house.app(scope, self._receive, self._send))

    async def _receive(self) -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    async def _send(self, message: Message) -> None:
        if message["type"] != "http.response.body":
            return
        if self.pieces:
            await self.goes_on.wait()
        self.pieces.append(bytes(message["body"]))

    @property
    def has_all(self) -> bool:
        """Whether the answer was ended."""
        return self.pieces[-1] == b""


def test_pages_that_slow_clients_do_not_take_are_few_and_are_given_up() -> None:
    async def crowd() -> None:
        house = await house_with(some_entries(1, 200))
        clients = []
        for _ in range(8):
            clients.append(SlowClient(house))
            await asyncio.sleep(0.1)
        assert [[len(piece) for piece in client.pieces] for client in clients] == [[64 * 1024]] * 8
        refused = await house.get("/v1/history")
        assert (refused.status_code, refused.json()["type"]) == (503, URN + "archive-busy")
        clients[0].goes_on.set()
        await clients[0].request
        assert clients[0].has_all
        assert len(json.loads(b"".join(clients[0].pieces))["quotes"]) == 200
        assert (await house.get("/v1/history?limit=1")).status_code == 200
        await asyncio.sleep(30)
        await asyncio.gather(*(client.request for client in clients))
        assert [client.has_all for client in clients] == [True, *[False] * 7]
        assert await asyncio.gather(*(quotes(house, "/v1/history?limit=1") for _ in range(9)))

    run_in_virtual_time(crowd())


async def test_pages_are_counted_under_their_route() -> None:
    house = await house_with(some_entries(1, 3))
    await walk(house, "/v1/history?limit=1")
    assert [seen[:2] for seen in house.observed] == [("/v1/history", 200)] * 3
