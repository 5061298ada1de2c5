"""The chain that a journal holds, as a history: what was priced, with the vault that it was priced with."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from app.domain.errors import OracleError
from app.domain.formula import PathPoint
from app.domain.network import Network
from app.domain.simulation import SeriesBlock
from app.domain.units import Wei, WeiDelta, WeiPerGas
from app.engine.entries import StoredEntry, UndecodableEntry
from app.engine.ports import Store


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
