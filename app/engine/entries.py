"""What the journal holds of a block: the inputs of its quote, where they came from, and what was made of them."""

from collections.abc import Mapping
from dataclasses import dataclass

from app.domain.advance import Observation
from app.domain.formula import FeeFormula, PathPoint
from app.domain.parameters import Parameters
from app.domain.quote import Quote, make_quote
from app.domain.units import BlockNumber, UnixMillis

Claim = int | str | None
"""A result as the journal keeps it: whole numbers that may leave 64 bits are decimal texts."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One priced block, on its way into the journal."""

    quote: Quote
    computed_at: UnixMillis
    provider: str
    """Alias of the provider that gave the head."""
    base_fee_verified: bool
    """Whether the base fee was derived anew from the parent's header."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Blocks that no quote was made for, both ends included."""

    first: BlockNumber
    last: BlockNumber
    reason: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where an entry stands in the journal's order by height: by block, and within a block by sequence.

    It is what makes a reading that goes on later stable: entries are never changed, so whatever is appended meanwhile
    moves none that stands below.
    """

    block: BlockNumber | None
    """None where the entry's own row has to tell, since it names no height that can be read."""
    sequence: int
    """0 stands for the place below every entry of the block."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEntry:
    """One entry as the store gives it back: the inputs, and what it claims was made of them."""

    sequence: int
    """Its place in the order of appending: 1, 2, 3, … without a hole."""
    observation: Observation
    parameters: Parameters
    previous: PathPoint
    claims: Mapping[str, Claim]
    """What `claims_of` gave when it was written."""
    computed_at: UnixMillis
    provider: str
    base_fee_verified: bool
    is_intact: bool
    """Whether the entry's digest, which covers every column and the digest before it, holds."""

    @property
    def place(self) -> Place:
        """Its place in the order by height."""
        return Place(self.observation.header.number, self.sequence)

    def recomputed(self) -> Quote:
        """The quote that the inputs make. Whether it is the one that was served, the claims tell."""
        observation = self.observation
        return make_quote(
            network=observation.network,
            header=observation.header,
            vault=observation.vault,
            formula=FeeFormula.of(self.parameters),
            previous=self.previous,
            block_interval_seconds=observation.block_interval_seconds,
        )


@dataclass(frozen=True, slots=True)
class UndecodableEntry:
    """A stored entry that cannot be read as one any more."""

    sequence: int
    block_number: BlockNumber | None
    """None where that cannot be read either."""
    why: str

    @property
    def place(self) -> Place:
        """Its place in the order by height."""
        return Place(self.block_number, self.sequence)


def claims_of(quote: Quote) -> dict[str, Claim]:
    """Everything that was computed for a quote, by the names that the journal gives it."""
    parts = quote.components
    return {
        "quote_id": quote.quote_id,
        "raw_fee_per_gas": str(quote.price.raw),
        "fee_per_gas": quote.price.fee,
        "bound": quote.price.bound.value,
        "smoothed_cost": None if quote.price.smoothed_cost is None else str(quote.price.smoothed_cost),
        "da": str(parts.da),
        "proof": str(parts.proof),
        "deficit": str(parts.deficit),
        "base": str(parts.base),
        "adjustment": str(parts.adjustment),
        "next_base_fee": quote.next_base_fee,
        "next_fee": quote.next_fee,
        "batch_cost": str(quote.batch_cost),
        "batch_revenue": str(quote.batch_revenue),
    }
