"""What several examples share."""

from typing import Final

COMPUTED_AT: Final = "2025-11-26T11:43:24.512Z"
QUOTE_ID: Final = "6d1f0c52a9b34e7780c1d2e3f4a5b6c7"
PARAMETERS_ID: Final = "0a1b2c3d4e5f60718293a4b5c6d7e8f9"
OTHER_PARAMETERS_ID: Final = "f9e8d7c6b5a4938271605f4e3d2c1b0a"
COMPONENTS: Final = {"da": 4500000000, "proof": 6521739130, "deficit": 0, "base": 1500000000, "adjustment": 1}
BATCH: Final = {"costWei": "7605000000000000", "revenueWei": "8640000000390000", "costRecoveryRatio": 1.136095}
BLOCK_HASH: Final = "0x5b3f6d0e1c2a49788f7e6d5c4b3a29180f1e2d3c4b5a69788796a5b4c3d2e1f0"
PARENT_HASH: Final = "0x9a8b7c6d5e4f30211203f4e5d6c7b8a90f1e2d3c4b5a69788796a5b4c3d2e1f0"
TREASURY: Final = "0x1670000000000000000000000000000000010001"
