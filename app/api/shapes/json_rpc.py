"""JSON-RPC 2.0: what is asked and answered."""

from typing import Any, Literal

from pydantic import ConfigDict, Field

from app.api.shapes.problem import ProblemDetails
from app.api.shapes.quote import FeeQuote
from app.api.shapes.wire import Wire, without_default


class JsonRpcRequest(Wire):
    """One request. Without an id it is a notification, and is not answered."""

    model_config = ConfigDict(extra="allow")

    jsonrpc: Literal["2.0"]
    method: str
    params: list[Any] | dict[str, Any] = Field(default=[], json_schema_extra=without_default)
    id: str | int | float | None = Field(
        default=None, description="comes back as it is, to the digit", json_schema_extra=without_default
    )


class JsonRpcResult(Wire):
    """The answer to a request that could be served."""

    jsonrpc: Literal["2.0"]
    id: str | int | float | None
    result: str | FeeQuote = Field(description="a hexadecimal quantity or a text; of taiko_feeQuote, the quote")


class JsonRpcErrorShape(Wire):
    """Why a request could not be served."""

    code: Literal[-32700, -32600, -32601, -32602, -32603, -32001]
    message: str
    data: ProblemDetails | None = Field(
        default=None,
        description="only of -32001: the problem that GET /v1/fee would answer with",
        json_schema_extra=without_default,
    )


class JsonRpcFailure(Wire):
    """The answer to a request that could not be served. The id is null where there was no valid request."""

    jsonrpc: Literal["2.0"]
    id: str | int | float | None
    error: JsonRpcErrorShape
