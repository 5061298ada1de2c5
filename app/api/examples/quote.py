"""Of a quote."""

from typing import Any, Final

from app.api.examples.common import BATCH, BLOCK_HASH, COMPONENTS, COMPUTED_AT, PARAMETERS_ID, PARENT_HASH, QUOTE_ID

FEE: Final[dict[str, Any]] = {
    "feePerGas": 12521739131,
    "rawFeePerGas": 12521739131,
    "bound": "none",
    "status": "fresh",
    "staleReason": None,
    "ceilingFeePerGas": None,
    "network": "mainnet",
    "l2ChainId": 167000,
    "quoteId": QUOTE_ID,
    "parametersId": PARAMETERS_ID,
    "components": COMPONENTS,
    "l1": {
        "chainId": 1,
        "blockNumber": 23882697,
        "blockHash": BLOCK_HASH,
        "parentHash": PARENT_HASH,
        "timestamp": 1764157403,
        "baseFeePerGas": 25000000000,
        "nextBaseFeePerGas": 25100000000,
        "baseFeeVerified": True,
    },
    "next": {"blockNumber": 23882698, "feePerGas": 12565826087},
    "vault": {
        "source": "onchain",
        "balanceWei": "10000000000000000000",
        "targetWei": "10000000000000000000",
        "deficitWei": "0",
        "deficitRatio": 0.0,
        "condition": "current",
    },
    "batch": BATCH,
    "computedAt": COMPUTED_AT,
    "staleAt": "2025-11-26T11:44:11.000Z",
    "expiresAt": "2025-11-26T11:46:23.000Z",
}

WHAT_IF_REQUEST: Final[dict[str, Any]] = {
    "l1BaseFeePerGas": 25000000000,
    "deficitWei": "1000000000000000000",
    "previousFeePerGas": None,
    "parameters": {"alphaData": "0.18", "horizonBatches": 144},
}

WHAT_IF: Final[dict[str, Any]] = {
    "feePerGas": 14534621579,
    "rawFeePerGas": 14534621579,
    "bound": "none",
    "status": None,
    "staleReason": None,
    "ceilingFeePerGas": None,
    "network": "mainnet",
    "l2ChainId": 167000,
    "quoteId": None,
    "parametersId": PARAMETERS_ID,
    "components": COMPONENTS | {"deficit": 2012882447, "adjustment": 2},
    "l1": {
        "chainId": 1,
        "blockNumber": None,
        "blockHash": None,
        "parentHash": None,
        "timestamp": None,
        "baseFeePerGas": 25000000000,
        "nextBaseFeePerGas": None,
        "baseFeeVerified": None,
    },
    "next": {"blockNumber": None, "feePerGas": None},
    "vault": {
        "source": None,
        "balanceWei": None,
        "targetWei": None,
        "deficitWei": "1000000000000000000",
        "deficitRatio": None,
        "condition": None,
    },
    "batch": {"costWei": "7605000000000000", "revenueWei": "10028888889510000", "costRecoveryRatio": 1.318723},
    "computedAt": COMPUTED_AT,
    "staleAt": None,
    "expiresAt": None,
}
