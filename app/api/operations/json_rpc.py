"""JSON-RPC."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from app.api import problems
from app.api.board import GREATEST_BLOCKS_ASKED
from app.api.examples.json_rpc import JSON_RPC_FAILURE, JSON_RPC_REQUEST, JSON_RPC_RESULT
from app.api.fee import GREATEST_MAX_AGE_SECONDS
from app.api.json_rpc import MOST_REQUESTS_IN_A_BATCH
from app.api.operations.parts import (
    INTERNAL,
    INVALID_QUERY,
    UNCACHED_HEADERS,
    example_reference,
    refusal,
    schema_reference,
)
from app.api.shapes.json_rpc import JsonRpcFailure, JsonRpcRequest, JsonRpcResult
from app.api.shapes.wire import Wire

EXAMPLES: Final[Mapping[type[Wire], dict[str, Any]]] = MappingProxyType(
    {JsonRpcRequest: JSON_RPC_REQUEST, JsonRpcResult: JSON_RPC_RESULT, JsonRpcFailure: JSON_RPC_FAILURE}
)

_REQUEST: Final = schema_reference(JsonRpcRequest.__name__)
_ANSWER: Final = {"anyOf": [schema_reference(JsonRpcResult.__name__), schema_reference(JsonRpcFailure.__name__)]}

OPERATIONS: Final[Mapping[str, dict[str, Any]]] = MappingProxyType(
    {
        "post_rpc": {
            "tags": ["fee"],
            "summary": "The fee by JSON-RPC 2.0, for any Ethereum client",
            "description": (
                "`eth_gasPrice`: the fee in wei, as a hexadecimal quantity; error -32001 unless it is fresh, or stale"
                " where `TAIKO_JSON_RPC_ALLOW_STALE` is set. `taiko_feeQuote`: the body of `GET /v1/fee`, a stale one"
                f" too, by `blocks` (1 to {GREATEST_BLOCKS_ASKED}) and `maxAgeSeconds` (1 to"
                f" {GREATEST_MAX_AGE_SECONDS}), in this order or by name, each of which may be left out; error -32001"
                " where that would be 503, with the same problem in `data`. `eth_chainId`: the L2's."
                " `web3_clientVersion`: this program's. A batch has at most"
                f" {MOST_REQUESTS_IN_A_BATCH} requests, which are all answered from one moment."
            ),
            "responses": {
                200: {
                    "description": (
                        "The answer, an error object too: -32700 no JSON, -32600 no request, -32601 no such method,"
                        " -32602 params that the method does not take, -32603 a failure of the service, -32001 no fee."
                    ),
                    "headers": UNCACHED_HEADERS,
                    "content": {
                        "application/json": {
                            "schema": {
                                "anyOf": [*_ANSWER["anyOf"], {"type": "array", "minItems": 1, "items": _ANSWER}]
                            },
                            "examples": example_reference(JsonRpcResult.__name__)
                            | example_reference(JsonRpcFailure.__name__),
                        }
                    },
                },
                204: {"description": "There were only notifications.", "headers": UNCACHED_HEADERS},
                400: refusal(problems.INVALID_JSON),
                408: refusal(problems.REQUEST_TIMEOUT),
                413: refusal(problems.BODY_TOO_LARGE),
                415: refusal(problems.UNSUPPORTED_MEDIA_TYPE, problems.UNSUPPORTED_CONTENT_CODING),
                **INVALID_QUERY,
                503: refusal(problems.OVERLOADED),
                **INTERNAL,
            },
            "openapi_extra": {
                "requestBody": {
                    "required": True,
                    "content": {
                        "application/json": {
                            "schema": {
                                "description": "a request or a batch; anything else gets an error object",
                                "anyOf": [
                                    _REQUEST,
                                    {"type": "array", "maxItems": MOST_REQUESTS_IN_A_BATCH, "items": _REQUEST},
                                    {},
                                ],
                            },
                            "examples": example_reference(JsonRpcRequest.__name__),
                        }
                    },
                }
            },
        },
    }
)
