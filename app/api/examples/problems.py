"""Of every refusal, by the name of its type."""

from types import MappingProxyType
from typing import Any, Final

from app.api.examples.common import OTHER_PARAMETERS_ID, PARAMETERS_ID
from app.api.examples.quote import FEE

PROBLEM_DETAILS: Final = MappingProxyType(
    {
        "invalid-json": "the body is JSON, but not an object",
        "unauthorized": "expected Authorization: Bearer and a token",
        "invalid-token": "the token is not one of those configured",
        "vault-not-pushed": "the vault's source is onchain, expected push: TAIKO_VAULT_SOURCE decides",
        "sequence-refused": (
            "sequence: got 41, expected at least 42; only an identical repeat of the last one is taken"
        ),
        "parameters-changed": f"If-Match: got {OTHER_PARAMETERS_ID}, the parameters in force are {PARAMETERS_ID}",
        "journal-degraded": "the journal fails (full), and nothing is served without it",
        "archive-busy": (
            "as many requests as may be at once are being answered from the journal; quotes do not wait for them"
        ),
        "not-acceptable": (
            "Accept: got text/html, expected one that takes application/json or text/csv; charset=utf-8; header=present"
        ),
        "chain-unknown": "the L1 cannot be read (timeout)",
        "request-timeout": "the body took longer than 10.0 s",
        "body-too-large": "a body has at most 65536 bytes",
        "unsupported-media-type": "Content-Type is 'text/plain', expected application/json in UTF-8",
        "unsupported-content-coding": "Content-Encoding: got gzip, expected none",
        "overloaded": "64 requests wait to be worked on, and no more may; GET /v1/fee does not wait for them",
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
        "too-many-streams": (
            "2000 streams are open, and no more may be: TAIKO_STREAM_CLIENTS_MAX decides; GET /v1/fee goes on"
        ),
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
        "parameters-changed": {"expected": OTHER_PARAMETERS_ID, "found": PARAMETERS_ID},
        "journal-degraded": {"reason": "full"},
        "not-acceptable": {
            "expected": ["application/json", "text/csv; charset=utf-8; header=present"],
            "found": "text/html",
        },
        "chain-unknown": {"failureReason": "timeout"},
        "unsupported-content-coding": {"expected": "identity", "found": "gzip"},
    }
)
