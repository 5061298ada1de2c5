"""`GET /v1/history`: past quotes as they were served, newest first, as JSON or as CSV.

A page is read and written in small pieces, between which whatever else waits has its turn.
"""

import csv
import io
import re
from collections.abc import Mapping
from typing import Final, Protocol

from starlette.requests import Request
from starlette.responses import Response

from app.api.bodies import (
    JsonObject,
    batch_object,
    encoded,
    evidence_object,
    fee_object,
    timestamp_text,
)
from app.api.context import ApiContext
from app.api.negotiation import negotiated
from app.api.paging import LONGEST_DETAIL, READ_AT_ONCE, encoded_list, limit_of, link_header, next_path
from app.api.problems import chain_unknown, invalid_values
from app.api.reading import Page
from app.api.requests import query_of
from app.domain.errors import InvalidValueError
from app.domain.network import Network
from app.domain.units import BlockNumber
from app.engine.entries import Gap, Place, StoredEntry, UndecodableEntry
from app.engine.past_quotes import PastQuote, past_quote
from app.engine.ports import Archive, JournalState

PATH: Final = "/v1/history"
JSON: Final = "application/json"
CSV: Final = "text/csv; charset=utf-8; header=present"
CSV_COLUMNS: Final = (
    "block_number",
    "timestamp",
    "l1_basefee_wei",
    "raw_fee_per_gas",
    "fee_per_gas",
    "bound",
    "cost_wei",
    "revenue_wei",
    "vault_balance_wei",
    "block_hash",
    "quote_id",
    "parameters_id",
    "computed_at",
    "sequence",
    "doubts",
)
MOST_GAPS: Final = 1000
"""Named on one page, the highest ones; a store holds a handful."""

_QUERY: Final = frozenset({"limit", "before"})
_HEIGHTS: Final = 10**15
"""What a query may name is below it."""
_PLACE: Final = re.compile(r"([0-9]{1,15}|unknown)(?:\.([0-9]{1,18}))?")
_PLACE_ALLOWED: Final = "a block number, or what the last page's next says"
_UNKNOWN_BLOCK: Final = "unknown"
_UNDECODABLE: Final = "undecodable"

Past = PastQuote | UndecodableEntry


class Sheet(Protocol):
    """A page that is being written."""

    media_type: str

    def add(self, past: Past) -> None:
        """Write one more."""
        ...

    def finished(self, gaps: list[Gap], following: str | None, context: ApiContext) -> bytes:
        """The whole of it."""
        ...


async def get_history(context: ApiContext, request: Request) -> Response:
    """One page of past quotes."""
    query = query_of(request, _QUERY)
    limit, before = limit_of(query), _place_of(query)
    sheet: Sheet = CsvSheet() if negotiated(request, (JSON, CSV)) == CSV else JsonSheet()
    network = context.known_network
    if network is None:
        raise chain_unknown(context.board.feed_status.failure_reason, context.poll_interval_seconds)
    async with context.archive.seat() as archive:
        last, is_more = await _fill(sheet, archive, network, before, limit)
        gaps = await archive.gaps_between(network, *_span(before, last if is_more else None), MOST_GAPS)
    following = next_path(PATH, limit=limit, before=_place_text(last)) if is_more and last is not None else None
    return Page(
        context.archive,
        sheet.finished(list(gaps), following, context),
        sheet.media_type,
        {
            "Vary": "Accept",
            "Taiko-Journal": context.board.journal_status.state.value,
            "Link": link_header(PATH, following, limit=limit),
        },
    )


async def _fill(
    sheet: Sheet, archive: Archive, network: Network, before: Place | None, limit: int
) -> tuple[Place | None, bool]:
    """Write up to `limit` entries on `sheet`; the place of the last one, and whether there are more below it."""
    place, left = before, limit
    while True:
        entries = await archive.entries_below(network, place, min(left + 1, READ_AT_ONCE))
        for entry in entries[:left]:
            sheet.add(past_quote(entry) if isinstance(entry, StoredEntry) else entry)
            place = entry.place
        if len(entries) > left or len(entries) < min(left + 1, READ_AT_ONCE):
            return place, len(entries) > left
        left -= len(entries)


def _place_of(query: Mapping[str, str]) -> Place | None:
    """Where the page is to begin. Raises a `ProblemError` for what names no place."""
    text = query.get("before")
    if text is None:
        return None
    matched = _PLACE.fullmatch(text)
    if matched is None or (matched[1] == _UNKNOWN_BLOCK and matched[2] is None):
        raise invalid_values(InvalidValueError("before", text, _PLACE_ALLOWED))
    block = None if matched[1] == _UNKNOWN_BLOCK else BlockNumber(int(matched[1]))
    return Place(block, int(matched[2] or 0))


def _place_text(place: Place) -> str:
    block = _UNKNOWN_BLOCK if place.block is None or not 0 <= place.block < _HEIGHTS else place.block
    return f"{block}.{place.sequence}"


def _span(before: Place | None, last: Place | None) -> tuple[int, int | None]:
    """The first and the last block that a page is about; None where there is no last one."""
    first = 0 if last is None or last.block is None else last.block
    if before is None or before.block is None:
        return first, None
    return first, before.block if before.sequence else before.block - 1


class JsonSheet:
    """A page as one JSON object."""

    media_type = JSON

    def __init__(self) -> None:
        self._quotes: list[bytes] = []
        self._undecodable: list[JsonObject] = []

    def add(self, past: Past) -> None:
        """Write one more."""
        if isinstance(past, UndecodableEntry):
            self._undecodable.append(
                {"sequence": past.sequence, "blockNumber": past.block_number, "detail": past.why[:LONGEST_DETAIL]}
            )
        else:
            self._quotes.append(encoded(past_quote_object(past)))

    def finished(self, gaps: list[Gap], following: str | None, context: ApiContext) -> bytes:
        """The whole of it."""
        journal = context.board.journal_status
        ending: JsonObject = {
            "undecodable": self._undecodable,
            "gaps": [{"firstBlock": gap.first, "lastBlock": gap.last, "reason": gap.reason} for gap in gaps],
            "next": following,
            "network": context.network_name,
            "complete": journal.state is JournalState.OK,
            "spooled": journal.spooled,
        }
        return encoded_list("quotes", self._quotes, ending)


class CsvSheet:
    """A page as CSV (RFC 4180), exact in every number. An entry that cannot be read has nothing but its place."""

    media_type = CSV

    def __init__(self) -> None:
        self._text = io.StringIO(newline="")
        self._rows = csv.DictWriter(self._text, CSV_COLUMNS, restval="", lineterminator="\r\n")
        self._rows.writeheader()

    def add(self, past: Past) -> None:
        """Write one more."""
        self._rows.writerow(past_quote_row(past))

    def finished(self, gaps: list[Gap], following: str | None, context: ApiContext) -> bytes:  # noqa: ARG002 - headers have it
        """The whole of it."""
        return self._text.getvalue().encode()


def past_quote_object(past: PastQuote) -> JsonObject:
    """A past quote by the names of `GET /v1/fee`, without what only the moment decides."""
    entry = past.entry
    return {
        **fee_object(past.quote),
        **evidence_object(past.quote, entry.computed_at, base_fee_verified=entry.base_fee_verified),
        "batch": batch_object(past.batch_cost, past.batch_revenue),
        "sequence": entry.sequence,
        "doubts": [doubt.value for doubt in past.doubts],
    }


def past_quote_row(past: Past) -> dict[str, object]:
    """A past quote by the columns of CSV."""
    if isinstance(past, UndecodableEntry):
        return {"block_number": past.block_number, "sequence": past.sequence, "doubts": _UNDECODABLE}
    quote, entry = past.quote, past.entry
    return {
        "block_number": quote.header.number,
        "timestamp": quote.header.timestamp,
        "l1_basefee_wei": quote.header.base_fee_per_gas,
        "raw_fee_per_gas": quote.price.raw,
        "fee_per_gas": quote.price.fee,
        "bound": quote.price.bound.value,
        "cost_wei": past.batch_cost,
        "revenue_wei": past.batch_revenue,
        "vault_balance_wei": quote.vault.balance,
        "block_hash": quote.header.hash,
        "quote_id": quote.quote_id,
        "parameters_id": quote.parameters_id,
        "computed_at": timestamp_text(entry.computed_at),
        "sequence": entry.sequence,
        "doubts": " ".join(past.doubts),
    }
