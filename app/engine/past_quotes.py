"""Stored entries as quotes again: what was served, and whether it can still be believed."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from app.domain.errors import InvalidValueError, OracleError
from app.domain.formula import Bound, Components, FeeFormula, Price
from app.domain.quote import Quote
from app.domain.units import SAFE_INTEGER_LIMIT, Wei, WeiPerGas
from app.engine.entries import Claim, StoredEntry, UndecodableEntry, claims_of

_WHOLE: Final = re.compile(r"-?[0-9]{1,100}")


class Doubt(StrEnum):
    """Why a stored quote may not be the one that was served. `verify` gives its findings the same names."""

    DIGEST = "digest"
    """The entry, or one that it builds on, was changed after it was written."""
    RECOMPUTATION = "recomputation"
    """Its inputs do not make what it claims."""


@dataclass(frozen=True, slots=True)
class PastQuote:
    """A quote as the journal says that it was served."""

    entry: StoredEntry
    quote: Quote
    """Of what the entry claims. Where there is no doubt, the inputs make the very same."""
    batch_cost: Wei
    """As claimed, in wei."""
    batch_revenue: Wei
    """As claimed, in wei."""
    doubts: tuple[Doubt, ...]


def past_quote(entry: StoredEntry) -> PastQuote | UndecodableEntry:
    """The quote that `entry` claims, computed anew only to be compared; or why it claims none."""
    recomputed = _recomputed(entry)
    holds = recomputed is not None and claims_of(recomputed) == entry.claims
    found = ((Doubt.DIGEST, not entry.is_intact), (Doubt.RECOMPUTATION, not holds))
    doubts = tuple(doubt for doubt, is_found in found if is_found)
    if recomputed is not None and holds:
        return PastQuote(entry, recomputed, recomputed.batch_cost, recomputed.batch_revenue, doubts)
    try:
        quote = _claimed_quote(entry)
        return PastQuote(entry, quote, Wei(_whole(entry, "batch_cost")), Wei(_whole(entry, "batch_revenue")), doubts)
    except (OracleError, ValueError) as error:
        return UndecodableEntry(entry.sequence, entry.observation.header.number, str(error))


def _recomputed(entry: StoredEntry) -> Quote | None:
    """The quote that the inputs make; None where somebody changed them so that they make none."""
    try:
        return entry.recomputed()
    except OracleError:
        return None


def _claimed_quote(entry: StoredEntry) -> Quote:
    observation = entry.observation
    smoothed = entry.claims["smoothed_cost"]
    return Quote(
        quote_id=str(entry.claims["quote_id"]),
        network=observation.network,
        header=observation.header,
        vault=observation.vault,
        formula=FeeFormula.of(entry.parameters),
        previous=entry.previous,
        price=Price(
            raw=WeiPerGas(_whole(entry, "raw_fee_per_gas")),
            fee=_fee(entry, "fee_per_gas"),
            bound=Bound(str(entry.claims["bound"])),
            smoothed_cost=None if smoothed is None else Wei(_whole(entry, "smoothed_cost")),
        ),
        components=Components(
            **{name: WeiPerGas(_whole(entry, name)) for name in ("da", "proof", "deficit", "base", "adjustment")}
        ),
        block_interval_seconds=observation.block_interval_seconds,
        next_base_fee=WeiPerGas(_whole(entry, "next_base_fee")),
        next_fee=_fee(entry, "next_fee"),
    )


def _fee(entry: StoredEntry, name: str) -> WeiPerGas:
    fee = _whole(entry, name)
    if 0 <= fee < SAFE_INTEGER_LIMIT:
        return WeiPerGas(fee)
    raise InvalidValueError(name, fee, "wei, at least 0 and below 2^53")


def _whole(entry: StoredEntry, name: str) -> int:
    claim: Claim = entry.claims[name]
    if isinstance(claim, int):
        return claim
    if claim is not None and _WHOLE.fullmatch(claim):
        return int(claim)
    raise InvalidValueError(name, claim, "a whole number")
