"""Of the status."""

from typing import Any, Final

from app.api.examples.common import BLOCK_HASH, COMPUTED_AT, PARAMETERS_ID, QUOTE_ID

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
        "hash": BLOCK_HASH,
        "timestamp": 1764157403,
        "ageSeconds": 1.512,
        "baseFeeVerified": True,
    },
    "quote": {
        "quoteId": QUOTE_ID,
        "status": "fresh",
        "staleReason": None,
        "ageSeconds": 1.512,
        "feePerGas": 12521739131,
        "bound": "none",
        "computedAt": COMPUTED_AT,
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
    "parametersId": PARAMETERS_ID,
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
