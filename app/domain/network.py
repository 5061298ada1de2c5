"""Which chains the oracle prices, by their ids."""

from dataclasses import dataclass
from typing import Final

ETHEREUM_SLOT_SECONDS: Final = 12
DEVNET_CHAIN_ID: Final = 167_099_001
"""The embedded devnet's chain id; no public chain list has it."""

_PUBLIC_NAMES: Final = {1: "mainnet", 560048: "hoodi", 11155111: "sepolia"}


@dataclass(frozen=True, slots=True)
class Network:
    """The L1 that a quote is read from and the L2 that it is for."""

    l1_chain_id: int
    l2_chain_id: int

    @property
    def name(self) -> str:
        """`mainnet`, `hoodi`, `sepolia`, `devnet`, else `chain-<id>`."""
        if self.l1_chain_id == DEVNET_CHAIN_ID:
            return "devnet"
        return _PUBLIC_NAMES.get(self.l1_chain_id, f"chain-{self.l1_chain_id}")

    @property
    def is_public(self) -> bool:
        """Whether Ethereum's consensus stands behind the L1, so that an impossible header is a lie."""
        return self.l1_chain_id in _PUBLIC_NAMES
