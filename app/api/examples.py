"""The examples in the OpenAPI document. The tests hold them to the schemas, and the numbers to the code."""

from types import MappingProxyType
from typing import Any, Final

_COMPUTED_AT: Final = "2025-11-26T11:43:24.512Z"
_QUOTE_ID: Final = "6d1f0c52a9b34e7780c1d2e3f4a5b6c7"
_PARAMETERS_ID: Final = "0a1b2c3d4e5f60718293a4b5c6d7e8f9"
_OTHER_PARAMETERS_ID: Final = "f9e8d7c6b5a4938271605f4e3d2c1b0a"
_COMPONENTS: Final = {"da": 4500000000, "proof": 6521739130, "deficit": 0, "base": 1500000000, "adjustment": 1}
_BATCH: Final = {"costWei": "7605000000000000", "revenueWei": "8640000000390000", "costRecoveryRatio": 1.136095}
_BLOCK_HASH: Final = "0x5b3f6d0e1c2a49788f7e6d5c4b3a29180f1e2d3c4b5a69788796a5b4c3d2e1f0"
_PARENT_HASH: Final = "0x9a8b7c6d5e4f30211203f4e5d6c7b8a90f1e2d3c4b5a69788796a5b4c3d2e1f0"
_TREASURY: Final = "0x1670000000000000000000000000000000010001"

FEE: Final[dict[str, Any]] = {
    "feePerGas": 12521739131,
    "rawFeePerGas": 12521739131,
    "bound": "none",
    "status": "fresh",
    "staleReason": None,
    "ceilingFeePerGas": None,
    "network": "mainnet",
    "l2ChainId": 167000,
    "quoteId": _QUOTE_ID,
    "parametersId": _PARAMETERS_ID,
    "components": _COMPONENTS,
    "l1": {
        "chainId": 1,
        "blockNumber": 23882697,
        "blockHash": _BLOCK_HASH,
        "parentHash": _PARENT_HASH,
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
    "batch": _BATCH,
    "computedAt": _COMPUTED_AT,
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
    "parametersId": _PARAMETERS_ID,
    "components": _COMPONENTS | {"deficit": 2012882447, "adjustment": 2},
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
    "computedAt": _COMPUTED_AT,
    "staleAt": None,
    "expiresAt": None,
}

_PROVIDER: Final[dict[str, Any]] = {
    "alias": "p2",
    "transport": "http",
    "state": "closed",
    "headNumber": 23882697,
    "failureReason": None,
    "dissenting": False,
    "subscribed": None,
}

STATUS: Final[dict[str, Any]] = {
    "network": "mainnet",
    "l2ChainId": 167000,
    "version": "0.1.0",
    "startedAt": "2025-11-26T08:00:00.000Z",
    "uptimeSeconds": 13404.512,
    "draining": False,
    "head": {
        "number": 23882697,
        "hash": _BLOCK_HASH,
        "timestamp": 1764157403,
        "ageSeconds": 1.512,
        "baseFeeVerified": True,
    },
    "quote": {
        "quoteId": _QUOTE_ID,
        "status": "fresh",
        "staleReason": None,
        "ageSeconds": 1.512,
        "feePerGas": 12521739131,
        "bound": "none",
        "computedAt": _COMPUTED_AT,
        "staleAt": "2025-11-26T11:44:11.000Z",
        "expiresAt": "2025-11-26T11:58:23.000Z",
    },
    "feed": {
        "provider": "p1",
        "agreeingProviders": 2,
        "quorum": 2,
        "dissentingProviders": ["p3"],
        "clockOffsetSeconds": -0.035,
        "polls": 6702,
        "consecutiveFailures": 0,
        "failureReason": None,
        "lastPollAt": "2025-11-26T11:43:24.500Z",
        "lastSuccessAt": "2025-11-26T11:43:24.500Z",
        "lastPulseAgeSeconds": 0.012,
    },
    "vault": {"source": "onchain", "condition": "current", "failureReason": None},
    "journal": "ok",
    "store": {
        "kind": "postgresql",
        "required": False,
        "reason": None,
        "detail": None,
        "degradedSince": None,
        "spooled": 0,
        "lost": 0,
        "divergences": 0,
        "lastEntryAt": "2025-11-26T11:43:24.512Z",
    },
    "parametersId": _PARAMETERS_ID,
    "advice": [{"code": "base_fee_above_protocol_maximum", "message": "TAIKO_BASE_FEE_GWEI is 1.5 gwei, above …"}],
    "providers": [
        _PROVIDER | {"alias": "p1", "transport": "websocket", "subscribed": True},
        _PROVIDER | {"alias": "p2"},
        _PROVIDER | {"alias": "p3", "dissenting": True},
    ],
    "settings": {
        "pollIntervalSeconds": 2.0,
        "pulseLimitSeconds": 30.0,
        "staleAfterSeconds": 48,
        "expiresAfterSeconds": 180,
        "vaultMaxAgeSeconds": 600,
        "blocksPerBatch": 1,
    },
}

PARAMETERS: Final[dict[str, Any]] = {
    "network": "mainnet",
    "parametersId": _PARAMETERS_ID,
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
    "addresses": [{"layer": "l2", "address": _TREASURY}],
    "readings": [
        {"layer": "l2", "address": _TREASURY, "blockNumber": 12367835, "balanceWei": "10000000000000000000"},
    ],
}

LIVENESS: Final[dict[str, Any]] = {"status": "ok", "network": "mainnet", "lastPulseAgeSeconds": 0.8}
READINESS: Final[dict[str, Any]] = {"status": "ready", "network": "mainnet", "journal": "ok"}
VAULT_REPORT_REQUEST: Final[dict[str, Any]] = {"balanceWei": "9000000000000000000", "sequence": 42}
VAULT_REPORT: Final[dict[str, Any]] = {
    "balanceWei": "9000000000000000000",
    "sequence": 42,
    "fromBlock": 23882698,
    "reportedAt": _COMPUTED_AT,
    "actor": "treasurer",
    "network": "mainnet",
}
METRICS: Final = (
    "# HELP taiko_fee_oracle_recommended_fee_gwei The L2 fee to charge now.\n"
    "# TYPE taiko_fee_oracle_recommended_fee_gwei gauge\n"
    "taiko_fee_oracle_recommended_fee_gwei 12.521739131\n"
)

PROBLEM_DETAILS: Final = MappingProxyType(
    {
        "invalid-json": "the body is JSON, but not an object",
        "unauthorized": "expected Authorization: Bearer and a token",
        "invalid-token": "the token is not one of those configured",
        "vault-not-pushed": "the vault's source is onchain, expected push: TAIKO_VAULT_SOURCE decides",
        "sequence-refused": (
            "sequence: got 41, expected at least 42; only an identical repeat of the last one is taken"
        ),
        "parameters-changed": f"If-Match: got {_OTHER_PARAMETERS_ID}, the parameters in force are {_PARAMETERS_ID}",
        "journal-degraded": "the journal fails (full), and nothing is served without it",
        "chain-unknown": "the L1 cannot be read (timeout)",
        "request-timeout": "the body took longer than 10.0 s",
        "body-too-large": "a body has at most 65536 bytes",
        "unsupported-media-type": "Content-Type is 'text/plain', expected application/json in UTF-8",
        "invalid-value": "blocks: got 65, expected a whole number from 1 to 64",
        "internal-error": "an unexpected error; the log has it",
        "quote-unavailable": "the L1 head cannot be read (timeout, 3 polls in a row)",
        "quote-expired": (
            "the L1 head of the last quote is 181.0 s old, and it was to be served until 2025-11-26T11:46:23.000Z"
        ),
        "number-out-of-range": "rawFeePerGas: got 90071992547409911, expected a result below 2^53 in size",
        "quote-too-old": (
            "the L1 head of the last quote is 25.2 s old, and it was to be served until 2025-11-26T11:43:47.000Z"
        ),
        "no-pulse": "the poll loop's last iteration was 31.2 s ago, expected at most 30.0 s",
        "not-ready": "not ready: no_quote_yet",
    }
)
PROBLEM_MEMBERS: Final[MappingProxyType[str, dict[str, Any]]] = MappingProxyType(
    {
        "invalid-value": {
            "errors": [{"name": "blocks", "value": "65", "allowed": "a whole number from 1 to 64"}],
        },
        "quote-unavailable": {"failureReason": "timeout", "vaultFailureReason": None},
        "quote-expired": {
            "staleReason": "l1_unreachable",
            "ageSeconds": 181.0,
            "lastQuote": FEE | {"status": "expired", "staleReason": "l1_unreachable", "ceilingFeePerGas": 61340962817},
        },
        "number-out-of-range": {
            "errors": [
                {"name": "rawFeePerGas", "value": "90071992547409911", "allowed": "a result below 2^53 in size"},
            ],
        },
        "quote-too-old": {
            "staleReason": "l1_late",
            "ageSeconds": 25.2,
            "lastQuote": FEE
            | {"status": "expired", "staleReason": "l1_late", "ceilingFeePerGas": 13936416761}
            | {"expiresAt": "2025-11-26T11:43:47.000Z"},
        },
        "no-pulse": {"lastPulseAgeSeconds": 31.2},
        "not-ready": {"reasons": ["no_quote_yet"], "journal": "ok"},
        "vault-not-pushed": {"expected": "push", "found": "onchain"},
        "sequence-refused": {"expected": 42, "found": 41},
        "parameters-changed": {"expected": _OTHER_PARAMETERS_ID, "found": _PARAMETERS_ID},
        "journal-degraded": {"reason": "full"},
        "chain-unknown": {"failureReason": "timeout"},
    }
)
