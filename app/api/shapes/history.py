"""Past quotes."""

from typing import Literal

from pydantic import Field

from app.api.shapes.quote import QuoteShape
from app.api.shapes.wire import Wire


class PastQuoteShape(QuoteShape):
    """A quote as it was served, by the names of `GET /v1/fee`."""

    network: str
    quote_id: str
    sequence: int = Field(description="its place in the order in which the journal took its entries")
    doubts: list[Literal["digest", "recomputation"]] = Field(
        description="empty for a quote that holds; digest: the entry, or one it builds on, was changed after it was"
        " written; recomputation: its inputs do not make what it claims"
    )


class UndecodableEntryShape(Wire):
    """An entry of the journal that cannot be read as a quote any more."""

    sequence: int
    block_number: int | None = Field(description="null where that cannot be read either")
    detail: str


class GapShape(Wire):
    """Blocks that no quote was made for, both ends included."""

    first_block: int
    last_block: int
    reason: str


class HistoryAnswer(Wire):
    """A page of past quotes, newest block first; of several at a height, the one that was journaled last."""

    quotes: list[PastQuoteShape]
    undecodable: list[UndecodableEntryShape] = Field(description="entries of this page that are no quotes any more")
    gaps: list[GapShape] = Field(description="that reach into the blocks of this page, highest first")
    next: str | None = Field(description="the path of the next page, to be followed as it stands; null: there is none")
    network: str
    complete: bool = Field(description="false while quotes may have been served that the journal does not hold yet")
    spooled: int = Field(description="how many wait for the journal; they come in at their heights when it is back")
