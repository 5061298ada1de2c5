"""Of the parameters."""

from typing import Any, Final

from app.api.examples.common import PARAMETERS_ID

PARAMETERS: Final[dict[str, Any]] = {
    "network": "mainnet",
    "number": None,
    "fromBlock": None,
    "at": None,
    "parametersId": PARAMETERS_ID,
    "parameters": {
        "preset": "production",
        "controller": "alpha",
        "alphaData": "0.18",
        "deficitWeight": "0.2",
        "horizonBatches": 72,
        "baseFeeGwei": "1.5",
        "l2GasPerBatch": 690000,
        "proofGasPerBatch": 180000,
        "minFeeGwei": "0",
        "maxFeeGwei": "1000",
        "maxFeeIncrease": None,
        "maxFeeDecrease": None,
    },
    "sources": {
        "preset": "default",
        "controller": "default",
        "alphaData": "default",
        "deficitWeight": "default",
        "horizonBatches": "default",
        "baseFeeGwei": "default",
        "l2GasPerBatch": "default",
        "proofGasPerBatch": "default",
        "minFeeGwei": "default",
        "maxFeeGwei": "default",
        "maxFeeIncrease": "default",
        "maxFeeDecrease": "default",
    },
    "legacy": {"mu": "0.7", "smoothing": "0.1"},
    "derived": {
        "deficitSensitivityGweiPerEth": "4.025764896",
        "deficitSensitivityWeiPerEth": 4025764896,
        "l1GasPerBatch": "304200",
        "effectiveL1GasPerL2Gas": "0.44087",
        "deficitFeeGweiAtEmptyVault": "40.257648954",
        "recoveryHighThreshold": "1.3",
        "l1BaseFeeGweiBelowWhichRecoveryExceedsHighThreshold": "11.341223",
    },
    "advice": [],
}
