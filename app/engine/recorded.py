"""The chain that a journal holds, as a history: what was priced, with the vault that it was priced with."""

from collections.abc import Iterable
from dataclasses import dataclass

from app.domain.errors import OracleError
from app.domain.network import Network
from app.domain.simulation import SeriesBlock
from app.domain.units import BlockNumber, WeiPerGas
from app.engine.entries import StoredEntry, UndecodableEntry
from app.engine.ports import Store


class UnreadableJournalError(OracleError):
    """The journal holds no history that could be taken for what it says."""


@dataclass(frozen=True, slots=True)
class RecordedBlock:
    """A block of the journal's chain, and the fee that was quoted for it."""

    block: SeriesBlock
    fee: WeiPerGas
    parameters_id: str


async def recorded_blocks(store: Store) -> list[RecordedBlock]:
    """The blocks of the newest network in the store, from its newest block back along the parents; oldest first.

    Where a parent is missing, the chain goes on at the newest block below. Raises `UnreadableJournalError` for an
    entry that cannot be read or whose digest does not hold (see `verify`), and for a journal without entries.
    """
    entries: list[StoredEntry] = []
    async for entry in store.entries(None, 0, None):
        if isinstance(entry, UndecodableEntry):
            raise UnreadableJournalError(f"entry {entry.sequence} cannot be read: {entry.why}; see verify")
        if not entry.is_intact:
            raise UnreadableJournalError(f"the digest of entry {entry.sequence} does not hold; see verify")
        entries.append(entry)
    if not entries:
        raise UnreadableJournalError("the journal has no entries yet")
    network = entries[-1].observation.network
    return [_recorded(entry) for entry in _chain(entry for entry in entries if _is_of(entry, network))]


def _is_of(entry: StoredEntry, network: Network) -> bool:
    return entry.observation.network == network


def _chain(entries: Iterable[StoredEntry]) -> list[StoredEntry]:
    by_hash = {entry.observation.header.hash: entry for entry in entries}
    by_height: dict[BlockNumber, StoredEntry] = {entry.observation.header.number: entry for entry in by_hash.values()}
    heights = sorted(by_height)
    chain: list[StoredEntry] = []
    current: StoredEntry | None = list(by_hash.values())[-1]
    while current is not None:
        chain.append(current)
        header = current.observation.header
        while heights and heights[-1] >= header.number:
            heights.pop()
        below = by_height[heights[-1]] if heights else None
        current = by_hash.get(header.parent_hash, below)
    return chain[::-1]


def _recorded(entry: StoredEntry) -> RecordedBlock:
    header, vault = entry.observation.header, entry.observation.vault
    block = SeriesBlock(header.number, header.timestamp, header.base_fee_per_gas, vault_balance=vault.balance)
    return RecordedBlock(block, WeiPerGas(int(entry.claims["fee_per_gas"] or 0)), entry.parameters.parameters_id)
