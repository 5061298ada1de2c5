"""The chain that a journal holds, as a history: what was priced, with the vault that it was priced with."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from app.domain.errors import OracleError
from app.domain.formula import PathPoint
from app.domain.network import Network
from app.domain.simulation import SeriesBlock
from app.domain.units import Wei, WeiDelta, WeiPerGas
from app.engine.entries import Place, StoredEntry, UndecodableEntry
from app.engine.ports import Archive, Store

_READ_AT_ONCE: Final = 32
"""Entries that are decoded in one go: a few milliseconds of a processor that others need too."""


class UnreadableJournalError(OracleError):
    """The journal holds no history that could be taken for what it says."""


@dataclass(frozen=True, slots=True)
class RecordedBlock:
    """A block of the journal's chain, the fee that was quoted for it, and what that was made from."""

    block: SeriesBlock
    fee: WeiPerGas
    parameters_id: str
    priced_deficit: WeiDelta
    """The deficit that entered the formula."""
    previous: PathPoint
    target: Wei | None
    """The vault's; None without a vault."""
    surplus_discount: bool


class _Link(NamedTuple):
    block_hash: str
    parent_hash: str
    recorded: RecordedBlock


async def newest_blocks(archive: Archive, network: Network, count: int) -> list[SeriesBlock]:
    """The newest `count` blocks of `network` that the journal holds, or fewer; oldest first, without their vaults.

    They are a chain: of several blocks at a height, the one that the block above it names as its parent. An entry that
    cannot be read, or whose digest does not hold, is a block that is missing. Raises `StoreError`.
    """
    chain: list[SeriesBlock] = []
    parent: str | None = None
    pending: list[StoredEntry] = []
    async for entry in _intact(archive, network):
        if pending and entry.observation.header.number != pending[0].observation.header.number:
            parent = _follow(chain, pending, parent)
            pending = []
            if len(chain) == count:
                break
        pending.append(entry)
    if pending and len(chain) < count:
        _follow(chain, pending, parent)
    return chain[::-1]


async def _intact(archive: Archive, network: Network) -> AsyncIterator[StoredEntry]:
    place: Place | None = None
    while entries := await archive.entries_below(network, place, _READ_AT_ONCE):
        for entry in entries:
            if isinstance(entry, StoredEntry) and entry.is_intact:
                yield entry
        place = entries[-1].place


def _follow(chain: list[SeriesBlock], at_height: Sequence[StoredEntry], parent: str | None) -> str:
    """Add the one of `at_height` that continues the chain downwards; the hash of its parent."""
    headers = [entry.observation.header for entry in at_height]
    header = next((header for header in headers if header.hash == parent), headers[0])
    chain.append(SeriesBlock(header.number, header.timestamp, header.base_fee_per_gas))
    return header.parent_hash


async def recorded_blocks(store: Store) -> list[RecordedBlock]:
    """The blocks of the newest network in the store, from its newest block back along the parents; oldest first.

    Where a parent is missing, the chain goes on at the newest block below. Raises `UnreadableJournalError` for an
    entry that cannot be read or whose digest does not hold (see `verify`), and for a journal without entries.
    """
    links: dict[Network, list[_Link]] = {}
    newest: list[_Link] = []
    async for entry in store.entries(None, 0, None):
        if isinstance(entry, UndecodableEntry):
            raise UnreadableJournalError(f"entry {entry.sequence} cannot be read: {entry.why}; see verify")
        if not entry.is_intact:
            raise UnreadableJournalError(f"the digest of entry {entry.sequence} does not hold; see verify")
        newest = links.setdefault(entry.observation.network, [])
        newest.append(_link(entry))
    if not newest:
        raise UnreadableJournalError("the journal has no entries yet")
    return _chain(newest)


def _link(entry: StoredEntry) -> _Link:
    header, vault = entry.observation.header, entry.observation.vault
    recorded = RecordedBlock(
        block=SeriesBlock(header.number, header.timestamp, header.base_fee_per_gas, vault_balance=vault.balance),
        fee=WeiPerGas(int(entry.claims["fee_per_gas"] or 0)),
        parameters_id=entry.parameters.parameters_id,
        priced_deficit=vault.priced_deficit,
        previous=entry.previous,
        target=vault.target,
        surplus_discount=vault.surplus_discount,
    )
    return _Link(header.hash, header.parent_hash, recorded)


def _chain(links: Sequence[_Link]) -> list[RecordedBlock]:
    by_hash = {link.block_hash: link for link in links}
    by_height = {link.recorded.block.number: link for link in links}
    heights = sorted(by_height)
    chain: list[RecordedBlock] = []
    current: _Link | None = links[-1]
    while current is not None:
        chain.append(current.recorded)
        while heights and heights[-1] >= current.recorded.block.number:
            heights.pop()
        below = by_height[heights[-1]] if heights else None
        current = by_hash.get(current.parent_hash, below)
    return chain[::-1]
