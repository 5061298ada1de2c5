"""One step of the oracle: a state and an observed block make the next state and its quote."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from types import MappingProxyType
from typing import Final

from app.domain.formula import NO_PATH, FeeFormula, PathPoint
from app.domain.header import L1Header
from app.domain.network import Network
from app.domain.quote import Quote, make_quote
from app.domain.vault import VaultState

REORG_WINDOW_BLOCKS: Final = 128
"""How many blocks back a reorg may branch off and still find its parent's fee."""


@dataclass(frozen=True, slots=True)
class Observation:
    """An L1 block with the vault at that block."""

    network: Network
    header: L1Header
    vault: VaultState
    block_interval_seconds: int


@dataclass(frozen=True, slots=True)
class OracleState:
    """The quote for the newest block, and what the last blocks hand on, by their hashes."""

    quote: Quote | None = None
    points: Mapping[str, PathPoint] = field(default_factory=lambda: MappingProxyType({}))


def advance(state: OracleState, observation: Observation, formula: FeeFormula) -> tuple[OracleState, Quote]:
    """The quote for `observation` and the state after it.

    The path is found by the parent's hash, so a block on another branch continues from its own parent. A block
    whose parent is not in the window has no previous fee: no rate limit applies to it.
    """
    header = observation.header
    quote = make_quote(
        network=observation.network,
        header=header,
        vault=observation.vault,
        formula=formula,
        previous=state.points.get(header.parent_hash, NO_PATH),
        block_interval_seconds=observation.block_interval_seconds,
    )
    return OracleState(quote, _with_point(state.points, header.hash, quote.price.point)), quote


def adopt(state: OracleState, quote: Quote) -> OracleState:
    """The state after `quote`, which was made before or elsewhere: taken as it is, not made anew."""
    return OracleState(quote, _with_point(state.points, quote.header.hash, quote.price.point))


def _with_point(points: Mapping[str, PathPoint], block_hash: str, point: PathPoint) -> Mapping[str, PathPoint]:
    extended = {**points, block_hash: point}
    surplus = len(extended) - REORG_WINDOW_BLOCKS
    return MappingProxyType(extended if surplus <= 0 else dict(islice(extended.items(), surplus, None)))
