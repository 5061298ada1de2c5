"""What the journal holds of the last day, as the alerts look at it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Final

from app.domain.chain_alerts import ChainAlerts, ChainRules, PricedBlock, canonical
from app.domain.errors import OracleError
from app.domain.formula import Bound, FeeFormula
from app.domain.governance import ParameterChange
from app.domain.network import Network
from app.domain.units import BlockNumber, UnixMillis
from app.engine.entries import Place, StoredEntry
from app.engine.ports import Archive

_READ_AT_ONCE: Final = 250
_FOLDED_AT_ONCE: Final = 25
"""Between two moments at which the event loop can do something else: about 1 ms."""
MOST_ENTRIES: Final = 7_500
"""A day of slots, and what reorgs left beside them."""
_CHANGES_READ: Final = 100


async def past_blocks(archive: Archive, network: Network, newest: PricedBlock, seconds: int) -> Sequence[PricedBlock]:
    """The blocks of all branches at or below `newest` in the last `seconds` before it, the oldest first.

    What cannot be read, or whose digest does not hold, is left out. Raises `StoreError`.
    """
    oldest = newest.timestamp - seconds
    found: list[PricedBlock] = []
    formulas: dict[str, FeeFormula] = {}
    async for entry in _entries_below(archive, network, Place(BlockNumber(newest.number + 1), 0)):
        block = _block_of(entry, formulas)
        if block is None:
            continue
        if block.timestamp < oldest:
            break
        found.append(block)
    return found[::-1]


async def folded(rules: ChainRules, blocks: Sequence[PricedBlock], newest: PricedBlock) -> ChainAlerts:
    """The alerts along the chain that ends in `newest`, of `blocks` of all branches."""
    alerts = ChainAlerts(rules)
    for index, block in enumerate(canonical(newest, (*blocks, newest))):
        alerts.follow(block)
        if index % _FOLDED_AT_ONCE == 0:
            await asyncio.sleep(0)
    return alerts


async def overridden_since(archive: Archive, network: Network) -> UnixMillis | None:
    """Since when some parameter has been set over the environment's; None where none is. Raises `StoreError`."""
    since = None
    for change in await archive.changes_below(network, None, _CHANGES_READ):
        if not isinstance(change, ParameterChange) or not change.parameter_set.is_overridden:
            break
        since = change.at
    return since


async def _entries_below(archive: Archive, network: Network, place: Place) -> AsyncIterator[StoredEntry]:
    read = 0
    while read < MOST_ENTRIES:
        page = await archive.entries_below(network, place, _READ_AT_ONCE)
        for entry in page:
            if isinstance(entry, StoredEntry):
                yield entry
        if len(page) < _READ_AT_ONCE:
            return
        read += len(page)
        place = page[-1].place


def _block_of(entry: StoredEntry, formulas: dict[str, FeeFormula]) -> PricedBlock | None:
    """What an entry claims of its block; None where it cannot be believed."""
    if not entry.is_intact:
        return None
    header, vault, claims = entry.observation.header, entry.observation.vault, entry.claims
    try:
        parameters_id = entry.parameters.parameters_id
        formula = formulas.setdefault(parameters_id, formulas.get(parameters_id) or FeeFormula.of(entry.parameters))
        return PricedBlock(
            number=header.number,
            block_hash=header.hash,
            parent_hash=header.parent_hash,
            timestamp=header.timestamp,
            interval_seconds=entry.observation.block_interval_seconds,
            base_fee=header.base_fee_per_gas,
            fee=int(str(claims["fee_per_gas"])),
            bound=Bound(str(claims["bound"])),
            revenue=int(str(claims["batch_revenue"])),
            cost=int(str(claims["batch_cost"])),
            deficit=vault.deficit,
            target=vault.target,
            formula=formula,
        )
    except (OracleError, ValueError):
        return None
