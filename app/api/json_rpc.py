"""`POST /rpc`: the fee for every Ethereum client, by JSON-RPC 2.0.

The section numbers below are those of the JSON-RPC 2.0 specification. Whatever can be answered by it is answered with
HTTP 200; what cannot be read as a message at all (no JSON declared, too long, too slow) is a problem, as elsewhere.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import structlog
from starlette.requests import Request
from starlette.responses import Response

from app.api.board import GREATEST_BLOCKS_ASKED
from app.api.bodies import JsonObject, encoded
from app.api.context import ApiContext
from app.api.fee import GREATEST_MAX_AGE_SECONDS, served
from app.api.problems import ProblemError, quote_stale
from app.api.requests import json_body_of, query_of, whole_number
from app.api.strict_json import NotJsonError, strict_json
from app.domain.errors import OracleError, shown
from app.domain.freshness import QuoteStatus

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602
INTERNAL_ERROR: Final = -32603
FEE_NOT_SERVABLE: Final = -32001
"""Of ours, among those that section 5.1 leaves to servers."""

MOST_REQUESTS_IN_A_BATCH: Final = 100
FEE_QUOTE_PARAMS: Final = ("blocks", "maxAgeSeconds")
"""In the order of their positions."""

_TITLES: Final = MappingProxyType(
    {
        PARSE_ERROR: "Parse error",
        INVALID_REQUEST: "Invalid Request",
        METHOD_NOT_FOUND: "Method not found",
        INVALID_PARAMS: "Invalid params",
        INTERNAL_ERROR: "Internal error",
        FEE_NOT_SERVABLE: "The fee cannot be served",
    }
)
"""Those of section 5.1, and our own."""
_NO_ID: Final = b"null"
_UNCACHED: Final = MappingProxyType({"Cache-Control": "no-store"})

log = structlog.stdlib.get_logger("app")


@dataclass(frozen=True, slots=True, repr=False)
class JsonNumber:
    """A number as it was written, so that an id goes back as it came, whatever its size and precision."""

    text: str

    def __repr__(self) -> str:
        return self.text


Params = list[object] | dict[str, object]


@dataclass(frozen=True, slots=True)
class RpcRequest:
    """A valid request object (section 4)."""

    method: str
    params: Params
    """Empty where it names none."""
    id_text: bytes | None
    """The id's JSON; None where there is no id, so that it is a notification (section 4.1)."""


class RpcError(OracleError):
    """A request is answered with an error object (section 5.1)."""

    def __init__(self, code: int, detail: str, data: JsonObject | None = None) -> None:
        super().__init__(f"{_TITLES[code]}: {detail}")
        self.code = code
        self.data = data


async def post_rpc(context: ApiContext, request: Request) -> Response:
    """The answer to a request or a batch; 204 where only notifications came."""
    query_of(request)
    answer = answered(context, await json_body_of(request, context.body_timeout_seconds, context.turnstile))
    if answer is None:
        return Response(status_code=204, headers=_UNCACHED)
    return Response(answer, media_type="application/json", headers=_UNCACHED)


def answered(context: ApiContext, body: bytes) -> bytes | None:
    """The JSON that answers the message `body`; None where there is nothing to answer (sections 4.1 and 6)."""
    try:
        message = strict_json(body, JsonNumber)
    except NotJsonError as error:
        return _failure(_NO_ID, RpcError(PARSE_ERROR, str(error)))
    reading = Reading(context)
    if not isinstance(message, list):
        return _answer(reading, message)
    if not 1 <= len(message) <= MOST_REQUESTS_IN_A_BATCH:
        detail = f"got a batch of {len(message)}, expected 1 to {MOST_REQUESTS_IN_A_BATCH} requests"
        return _failure(_NO_ID, RpcError(INVALID_REQUEST, detail))
    answers = [answer for request in message if (answer := _answer(reading, request)) is not None]
    return b"[" + b",".join(answers) + b"]" if answers else None


def _answer(reading: "Reading", message: object) -> bytes | None:
    try:
        request = _request_of(message)
    except RpcError as error:
        return _failure(_NO_ID, error)
    if request.id_text is None:
        return None  # every method only reads, so there is nothing to do for who wants no answer
    try:
        result = _method(request.method)(reading, request.params)
    except RpcError as error:
        return _failure(request.id_text, error)
    except Exception:
        log.exception("json_rpc_failed", method=request.method)
        return _failure(request.id_text, RpcError(INTERNAL_ERROR, "an unexpected error; the log has it"))
    return b'{"jsonrpc":"2.0","id":%b,"result":%b}' % (request.id_text, result)


def _request_of(message: object) -> RpcRequest:
    """The request object that `message` is. Raises `RpcError` where it is none (section 4).

    An id is not looked for in what is no request, so it is answered with null (section 5).
    """
    if not isinstance(message, dict):
        raise RpcError(INVALID_REQUEST, f"got {shown(message)}, expected an object")
    params = message.get("params", [])
    request_id = message.get("id")
    allowed = (
        ("jsonrpc", 'exactly "2.0"', message.get("jsonrpc") == "2.0"),
        ("method", "a string", isinstance(message.get("method"), str)),
        ("params", "an array or an object, or none at all", isinstance(params, list | dict)),
        ("id", "a string, a number or null", request_id is None or isinstance(request_id, str | JsonNumber)),
    )
    for name, expected, ok in allowed:
        if not ok:
            raise RpcError(INVALID_REQUEST, f"{name}: got {shown(message.get(name))}, expected {expected}")
    return RpcRequest(message["method"], params, _id_text(request_id) if "id" in message else None)


def _id_text(request_id: object) -> bytes:
    text = request_id.text if isinstance(request_id, JsonNumber) else json.dumps(request_id)
    return text.encode("ascii")


def _failure(id_text: bytes, error: RpcError) -> bytes:
    described: JsonObject = {"code": error.code, "message": str(error)}
    if error.data is not None:
        described["data"] = error.data
    return b'{"jsonrpc":"2.0","id":%b,"error":%b}' % (id_text, encoded(described))


class Reading:
    """What all requests of one message are answered from, so that their answers agree: one moment, and one quote.

    Each method takes the request's params and gives its result's JSON. It raises `RpcError` for params that it does
    not take, and where the fee cannot be served.
    """

    def __init__(self, context: ApiContext) -> None:
        self._context = context
        self._moment = context.board.moment()

    def gas_price(self, params: Params) -> bytes:
        """`eth_gasPrice`: the fee, where it is fresh, or where a stale one will do."""
        _arguments(params, ())
        try:
            published, freshness = served(self._context, moment=self._moment)
            if freshness.status is not QuoteStatus.FRESH and not self._context.json_rpc_allow_stale:
                raise quote_stale(published, freshness, self._context.poll_interval_seconds)
        except ProblemError as refusal:
            raise self._not_servable(refusal) from None
        return _quantity(published.quote.price.fee)

    def fee_quote(self, params: Params) -> bytes:
        """`taiko_feeQuote`: the body of GET /v1/fee, with `blocks` and `maxAgeSeconds` as there."""
        arguments = _arguments(params, FEE_QUOTE_PARAMS)
        blocks = _whole_number(arguments, "blocks", GREATEST_BLOCKS_ASKED)
        max_age_seconds = _whole_number(arguments, "maxAgeSeconds", GREATEST_MAX_AGE_SECONDS)
        try:
            published, freshness = served(self._context, max_age_seconds, self._moment)
        except ProblemError as refusal:
            raise self._not_servable(refusal) from None
        return published.body(freshness, blocks)

    def chain_id(self, params: Params) -> bytes:
        """`eth_chainId`: the L2's."""
        _arguments(params, ())
        return _quantity(self._context.l2_chain_id)

    def client_version(self, params: Params) -> bytes:
        """`web3_clientVersion`: this program's name and version."""
        _arguments(params, ())
        return json.dumps(f"taiko-fee-oracle/{self._context.version}").encode("ascii")

    def _not_servable(self, refusal: ProblemError) -> RpcError:
        problem = refusal.problem
        return RpcError(FEE_NOT_SERVABLE, problem.detail, problem.document(self._context.network_name))


METHODS: Final[Mapping[str, Callable[[Reading, Params], bytes]]] = MappingProxyType(
    {
        "eth_gasPrice": Reading.gas_price,
        "taiko_feeQuote": Reading.fee_quote,
        "eth_chainId": Reading.chain_id,
        "web3_clientVersion": Reading.client_version,
    }
)


def _method(name: str) -> Callable[[Reading, Params], bytes]:
    method = METHODS.get(name)
    if method is None:
        raise RpcError(METHOD_NOT_FOUND, f"got {shown(name)}, expected one of {', '.join(METHODS)}")
    return method


def _arguments(params: Params, names: tuple[str, ...]) -> Mapping[str, object]:
    """The params by name, given by position or by name (section 4.2); null is one that is left out.

    Raises `RpcError` for more of them, or others, than `names`.
    """
    allowed = ", ".join(names) or "no params"
    if isinstance(params, list):
        if len(params) > len(names):
            raise RpcError(INVALID_PARAMS, f"got {shown(params)}, expected {allowed}")
        params = dict(zip(names, params, strict=False))
    for name in params:
        if name not in names:
            raise RpcError(INVALID_PARAMS, f"got {shown(name)}, expected {allowed}")
    return {name: value for name, value in params.items() if value is not None}


def _whole_number(arguments: Mapping[str, object], name: str, greatest: int) -> int | None:
    """A whole number from 1 to `greatest`, None where it is left out. Raises `RpcError` for anything else."""
    texts = {name: shown(arguments[name])} if name in arguments else {}
    try:
        return whole_number(texts, name, least=1, greatest=greatest)
    except ProblemError as refusal:
        raise RpcError(INVALID_PARAMS, refusal.problem.detail) from None


def _quantity(value: int) -> bytes:
    """An Ethereum quantity: hexadecimal, without leading zeros."""
    return b'"%#x"' % value
