"""The history of the real process on a file of SQLite: what was served is in it, in an order that no reorg shakes."""

import csv
import io
import sqlite3
from contextlib import closing
from typing import Any

import httpx

from tests.process.test_service import devnet, oracle_on, rpc, url_of
from tests.service import Service

OF_THE_MOMENT = {"status", "staleReason", "ceilingFeePerGas", "staleAt", "expiresAt"}
TOKEN = "a-token-for-the-history-alone-with-many-characters"  # noqa: S105 - of this test alone


def mined(service: Service, url: str, blocks: int) -> list[dict[str, Any]]:
    """The quotes for so many further blocks, as they are served one after another."""
    served = []
    for _ in range(blocks):
        rpc(url, "devnet_mine", [1])
        head = rpc(url, "eth_blockNumber", [])
        served.append(service.quote_for(int(str(head), 16)))
    return served


def lasting(quote: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in quote.items() if name not in OF_THE_MOMENT}


def pages_of(service: Service, path: str) -> list[dict[str, Any]]:
    pages: list[dict[str, Any]] = []
    following: str | None = path
    while following is not None:
        answer = service.get(following)
        assert answer.status_code == httpx.codes.OK, answer.text
        pages.append(answer.json())
        following = pages[-1]["next"]
    return pages


def test_what_was_served_is_in_the_history_over_a_reorg_and_a_restart() -> None:
    with devnet("--block-time", "0") as node:
        url = url_of(node)
        with oracle_on(url) as service:
            served = mined(service, url, 6)
            rpc(url, "devnet_reorg", [2])
            served += mined(service, url, 3)
            past = {
                quote["quoteId"]: quote for page in pages_of(service, "/v1/history?limit=2") for quote in page["quotes"]
            }
            for quote in served:
                assert past[quote["quoteId"]] == lasting(quote) | {
                    "sequence": past[quote["quoteId"]]["sequence"],
                    "doubts": [],
                }
            heights = [quote["l1"]["blockNumber"] for quote in past.values()]
            assert heights == sorted(heights, reverse=True)
            assert len(set(heights)) < len(heights), "a reorg leaves several quotes at a height"

            first = service.get("/v1/history?limit=2").json()
            mined(service, url, 2)
            rest = [quote for page in pages_of(service, first["next"]) for quote in page["quotes"]]
            assert [quote["quoteId"] for quote in (*first["quotes"], *rest)] == list(past)
            state, directory = "var/taiko-fee-oracle.db", service.directory
            assert service.stop() == 0
        database = f"sqlite:///{directory / state}"
        with closing(sqlite3.connect(directory / state)) as connection:
            assert connection.execute("SELECT version_num FROM journal_schema").fetchone() == ("r0002",)
        with oracle_on(url, TAIKO_STATE_URL=database, TAIKO_ADMIN_TOKEN=TOKEN) as service:
            mined(service, url, 1)
            pages = pages_of(service, "/v1/history?limit=3")
            again = {quote["quoteId"]: quote for page in pages for quote in page["quotes"]}
            assert again | past == again
            answer = service.get("/v1/history", accept="text/csv")
            rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
            assert [row["quote_id"] for row in rows] == list(again)
            trail = service.get("/v1/audit", authorization=f"Bearer {TOKEN}").json()
            assert [entry["actor"] for entry in trail["entries"]] == ["environment"]
            assert service.get("/v1/audit").status_code == httpx.codes.UNAUTHORIZED
