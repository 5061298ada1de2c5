"""Bringing what was spooled into the store: whose entry was there first wins, and what follows goes on from it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.domain.quote import Quote, make_quote
from app.domain.units import UnixMillis
from app.engine.entries import Entry, StoredEntry, claims_of


@dataclass(frozen=True, slots=True)
class Replacement:
    """A quote that took the place of one of ours."""

    quote: Quote
    computed_at: UnixMillis
    base_fee_verified: bool


class Replacements:
    """What took the place of spooled quotes, by block hash, in the order of the spool."""

    def __init__(self) -> None:
        self._by_hash: dict[str, Replacement] = {}

    @property
    def all(self) -> tuple[Replacement, ...]:
        """Every one, oldest first."""
        return tuple(self._by_hash.values())

    def sort_out(self, entries: Sequence[Entry], decided: Mapping[str, StoredEntry]) -> tuple[list[Entry], list[Entry]]:
        """The entries to write, and those of ours that lost.

        Where a block's parent was decided otherwise, its own quote is made anew from there: written as it was, it would
        carry a path that the store does not know into the quotes of everybody.
        """
        written, lost = [], []
        for entry in entries:
            block_hash = entry.quote.header.hash
            if block_hash in decided:
                self.note(decided[block_hash], entry)
                lost.append(entry)
            elif (rebased := self._rebased(entry)) != entry:
                self._by_hash[block_hash] = Replacement(rebased.quote, rebased.computed_at, rebased.base_fee_verified)
                written.append(rebased)
                lost.append(entry)
            else:
                written.append(entry)
        return written, lost

    def note(self, winner: StoredEntry, ours: Entry) -> None:
        """Take `winner` in place of `ours`, if it can be believed and is about the same header."""
        if winner.observation.header == ours.quote.header and holds(winner):
            self._by_hash[ours.quote.header.hash] = Replacement(
                winner.recomputed(), winner.computed_at, winner.base_fee_verified
            )

    def _rebased(self, entry: Entry) -> Entry:
        quote = entry.quote
        parent = self._by_hash.get(quote.header.parent_hash)
        if parent is None or quote.previous == quote.formula.used_path(parent.quote.price.point):
            return entry
        rebased = make_quote(
            network=quote.network,
            header=quote.header,
            vault=quote.vault,
            formula=quote.formula,
            previous=parent.quote.price.point,
            block_interval_seconds=quote.block_interval_seconds,
        )
        return Entry(rebased, entry.computed_at, entry.provider, entry.base_fee_verified)


def holds(entry: StoredEntry) -> bool:
    """Whether an entry can be believed: its digest holds, and its inputs make what it claims."""
    return entry.is_intact and dict(entry.claims) == claims_of(entry.recomputed())
