"""Which head counts when several providers are asked, and who says otherwise."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Final

from app.domain.header import L1Header
from app.domain.units import BlockNumber

AUTOMATIC_QUORUM_OF_MANY: Final = 2
"""With three providers and more, one liar is never enough."""
FEW_PROVIDERS: Final = 2
MOST_LAG_BLOCKS: Final = 32
"""A provider that is further behind is not waited for: the others are not asked for so old a block."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """A header, and the distinct providers that vouch for it, in order of preference."""

    header: L1Header
    providers: tuple[str, ...]


def quorum_of(providers: int, configured: int | None) -> int:
    """How many distinct providers must agree: as configured, else 1 for one or two and 2 for three and more."""
    if configured is not None:
        return configured
    return 1 if providers <= FEW_PROVIDERS else AUTOMATIC_QUORUM_OF_MANY


def differing_fields(header: L1Header, other: L1Header) -> tuple[str, ...]:
    """In what two headers differ: `hash` alone where the hashes do, else each field that was forged under one hash."""
    if header.hash != other.hash:
        return ("hash",)
    return tuple(each.name for each in fields(L1Header) if getattr(header, each.name) != getattr(other, each.name))


def agreed_head(vouched: Mapping[str, Collection[L1Header]], quorum: int) -> Agreement | None:
    """The newest header that `quorum` providers vouch for as a whole; None where there is none.

    `vouched` holds, in order of preference, the headers that each provider gave. At one height more providers win,
    then the more preferred ones.
    """
    supporters: dict[L1Header, list[str]] = {}
    for provider, headers in vouched.items():
        for header in dict.fromkeys(headers):
            supporters.setdefault(header, []).append(provider)
    agreed = [Agreement(header, tuple(names)) for header, names in supporters.items() if len(names) >= quorum]
    return max(agreed, key=lambda each: (each.header.number, len(each.providers)), default=None)


def lagging_heights(heads: Mapping[str, L1Header]) -> Iterator[tuple[str, BlockNumber]]:
    """Which provider has to be asked for which lower block, so that those that lag can agree with those ahead."""
    heights = {header.number for header in heads.values()}
    for provider, head in heads.items():
        for height in sorted(heights, reverse=True):
            if head.number - MOST_LAG_BLOCKS <= height < head.number:
                yield provider, height


class AgreedChain:
    """The headers that were agreed on lately, by height: what a provider's word is held against."""

    def __init__(self) -> None:
        self._headers: dict[int, L1Header] = {}

    def add(self, header: L1Header) -> None:
        """Take `header` as agreed. Headers above it, and below it on another branch, are forgotten."""
        parent = self._headers.get(header.number - 1)
        if parent is not None and parent.hash != header.parent_hash:
            self._headers.clear()
        kept = range(header.number - MOST_LAG_BLOCKS, header.number)
        self._headers = {height: known for height, known in self._headers.items() if height in kept}
        self._headers[header.number] = header

    def remove(self, header: L1Header) -> None:
        """Take `header` as agreed no longer."""
        if self._headers.get(header.number) == header:
            del self._headers[header.number]

    def dissent_of(self, header: L1Header) -> tuple[str, ...] | None:
        """In what `header` differs from the agreed one at its height; None where that cannot be told.

        A child of another block than the agreed one dissents by that block's hash.
        """
        agreed = self._headers.get(header.number)
        if agreed is not None:
            return differing_fields(agreed, header)
        parent = self._headers.get(header.number - 1)
        if parent is not None and parent.hash != header.parent_hash:
            return ("hash",)
        return None
