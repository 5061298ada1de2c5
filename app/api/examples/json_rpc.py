"""Of JSON-RPC."""

from typing import Any, Final

from app.api.examples.quote import FEE

JSON_RPC_REQUEST: Final[dict[str, Any]] = {"jsonrpc": "2.0", "id": 1, "method": "eth_gasPrice", "params": []}

JSON_RPC_RESULT: Final[dict[str, Any]] = {"jsonrpc": "2.0", "id": 1, "result": "0x2ea5a937b"}

_DETAIL: Final = (
    "the L1 head of the last quote is 60.0 s old, and it was fresh until 2025-11-26T11:44:11.000Z;"
    " taiko_feeQuote gives it with its status"
)

JSON_RPC_FAILURE: Final[dict[str, Any]] = {
    "jsonrpc": "2.0",
    "id": 1,
    "error": {
        "code": -32001,
        "message": f"The fee cannot be served: {_DETAIL}",
        "data": {
            "type": "urn:taiko-fee-oracle:problem:quote-stale",
            "title": "The quote is not fresh",
            "status": 503,
            "detail": _DETAIL,
            "network": "mainnet",
            "staleReason": "l1_late",
            "ageSeconds": 60.0,
            "lastQuote": FEE | {"status": "stale", "staleReason": "l1_late", "ceilingFeePerGas": 19225376735},
        },
    },
}
