"""Of the vault."""

from typing import Any, Final

from app.api.examples.common import COMPUTED_AT, TREASURY

VAULT: Final[dict[str, Any]] = {
    "network": "mainnet",
    "configured": True,
    "explanation": None,
    "source": "onchain",
    "condition": "current",
    "failureReason": None,
    "observedAt": "2025-11-26T11:43:23.000Z",
    "balanceWei": "10000000000000000000",
    "targetWei": "10000000000000000000",
    "deficitWei": "0",
    "deficitRatio": 0.0,
    "pricedDeficitWei": "0",
    "surplusDiscount": False,
    "maxAgeSeconds": 600,
    "sequence": None,
    "reportedAt": None,
    "fromBlock": None,
    "reportedBy": None,
    "addresses": [{"layer": "l2", "address": TREASURY}],
    "readings": [
        {"layer": "l2", "address": TREASURY, "blockNumber": 12367835, "balanceWei": "10000000000000000000"},
    ],
}

VAULT_REPORT_REQUEST: Final[dict[str, Any]] = {"balanceWei": "9000000000000000000", "sequence": 42}

VAULT_REPORT: Final[dict[str, Any]] = {
    "balanceWei": "9000000000000000000",
    "sequence": 42,
    "fromBlock": 23882698,
    "reportedAt": COMPUTED_AT,
    "actor": "treasurer",
    "network": "mainnet",
}
