"""Of a simulation."""

from typing import Any, Final

from app.api.examples.common import PARAMETERS_ID
from app.domain.alert_windows import EconomicAlert

SIMULATION_REQUEST: Final[dict[str, Any]] = {
    "series": {
        "l1BaseFeesPerGas": [20000000000, 40000000000, 30000000000],
        "timestamps": [1764157415, 1764157427, 1764157439],
        "firstBlockNumber": 23882698,
    },
    "parameters": {"maxFeeIncrease": "0.125"},
    "vault": {"balanceWei": "9000000000000000000", "targetWei": "10000000000000000000"},
    "includeBlocks": True,
}

_QUIET: Final = {"fired": 0, "firingSeconds": 0, "firstAt": None}

SIMULATION: Final[dict[str, Any]] = {
    "network": "mainnet",
    "parametersId": PARAMETERS_ID,
    "scorecard": {
        "blocks": 3,
        "firstBlock": 23882698,
        "lastBlock": 23882700,
        "seconds": 24,
        "missingBlocks": 0,
        "revenueWei": "33556262153100000",
        "costWei": "27378000000000000",
        "costRecoveryRatio": 1.225665,
        "fee": {
            "mean": 16210754663.333332,
            "p50": 16136050725,
            "p95": 18153057065,
            "p99": 18153057065,
            "least": 14343156200,
            "greatest": 18153057065,
            "variation": 0.096003,
            "hourlyVariation": None,
            "sixHourlyVariation": None,
            "p95Step": 0.125,
            "blocksAtBound": {"none": 1, "min": 0, "max": 0, "rate_up": 2, "rate_down": 0},
        },
        "vault": {
            "finalBalanceWei": "9006178262153100000",
            "leastBalanceWei": "9002778652778250000",
            "greatestDeficitWei": "1000000000000000000",
            "underfundedShare": 0.0,
            "longestUnderfundedSeconds": 0,
            "deficitWeiSeconds": "23954246666664000000",
            "insolventBlocks": 0,
            "unpaidWei": "0",
        },
        "alerts": {alert.value: _QUIET for alert in EconomicAlert},
    },
    "blocks": [
        {
            "blockNumber": 23882698,
            "timestamp": 1764157415,
            "l1BaseFeePerGas": 20000000000,
            "rawFeePerGas": 14343156200,
            "feePerGas": 14343156200,
            "bound": "none",
            "costWei": "6084000000000000",
            "revenueWei": "9896777778000000",
            "vaultBalanceWei": "9003812777778000000",
            "unpaidWei": "0",
        },
        {
            "blockNumber": 23882699,
            "timestamp": 1764157427,
            "l1BaseFeePerGas": 40000000000,
            "rawFeePerGas": 23145198158,
            "feePerGas": 16136050725,
            "bound": "rate_up",
            "costWei": "12168000000000000",
            "revenueWei": "11133875000250000",
            "vaultBalanceWei": "9002778652778250000",
            "unpaidWei": "0",
        },
        {
            "blockNumber": 23882700,
            "timestamp": 1764157439,
            "l1BaseFeePerGas": 30000000000,
            "rawFeePerGas": 18740665650,
            "feePerGas": 18153057065,
            "bound": "rate_up",
            "costWei": "9126000000000000",
            "revenueWei": "12525609374850000",
            "vaultBalanceWei": "9006178262153100000",
            "unpaidWei": "0",
        },
    ],
}
