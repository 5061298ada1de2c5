"""Of changes of the parameters."""

from typing import Any, Final

from app.api.examples.common import COMPUTED_AT, OTHER_PARAMETERS_ID, PARAMETERS_ID
from app.api.examples.parameters import PARAMETERS

PARAMETER_CHANGE_REQUEST: Final[dict[str, Any]] = {
    "alphaData": "0.16",
    "reason": "blobs are cheap: recovery was above 1.3 all night",
}

PARAMETER_CHANGE: Final[dict[str, Any]] = {
    "network": "mainnet",
    "dryRun": False,
    "number": 2,
    "fromBlock": 23882698,
    "at": COMPUTED_AT,
    "actor": "alice",
    "reason": PARAMETER_CHANGE_REQUEST["reason"],
    "changed": {
        "alphaData": {"old": "0.18", "oldSource": "default", "new": "0.16", "newSource": "override"},
    },
    "previousParametersId": PARAMETERS_ID,
    "parametersId": OTHER_PARAMETERS_ID,
    "parameters": PARAMETERS["parameters"] | {"alphaData": "0.16"},
    "sources": PARAMETERS["sources"] | {"alphaData": "override"},
    "fee": {
        "l1": {"blockNumber": 23882697, "baseFeePerGas": 25000000000, "nextBaseFeePerGas": 25100000000},
        "before": {
            "feePerGas": 12521739131,
            "rawFeePerGas": 12521739131,
            "bound": "none",
            "next": {"blockNumber": 23882698, "feePerGas": 12565826087},
        },
        "after": {
            "feePerGas": 12021739131,
            "rawFeePerGas": 12021739131,
            "bound": "none",
            "next": {"blockNumber": 23882698, "feePerGas": 12063826087},
        },
    },
    "advice": [],
}
