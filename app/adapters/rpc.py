"""One JSON-RPC node over HTTP, by web3's async provider. Every call is bounded in time and in size."""

import asyncio
import base64
import errno
import re
import socket
import sys
from collections.abc import Callable
from typing import Final
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

import aiohttp
from web3 import AsyncHTTPProvider
from web3.types import RPCEndpoint, RPCResponse

from app.adapters.nodes import NodeRefusedError
from app.domain.errors import InvalidValueError
from app.engine.events import Observer, RpcFinished
from app.engine.ports import Endpoint, UpstreamError

LONGEST_ANSWER_BYTES: Final = 4 * 2**20
"""A block of 2,000 transaction hashes is 140 kB."""
LONGEST_DETAIL: Final = 200
LONGEST_QUOTE: Final = 2_000
"""Characters of a node's message that are looked at."""
SHORTEST_SECRET: Final = 3
"""Parts of a path or query below this length are taken for words, such as `v2`."""
SHORTEST_SECRET_LABEL: Final = 8
"""Likewise of a host's name, some of which begin with a key."""

PYTHONS_RECURSION_LIMIT: Final = 1_000
sys.setrecursionlimit(PYTHONS_RECURSION_LIMIT)
"""web3 imports py_ecc, which raises the limit to 100,000 for the whole process: more than the stack holds, so that a
body of nested JSON, from a node or from a client of our own server, would end it with a segmentation fault."""

_ANY_URL: Final = re.compile(r"[a-z][a-z0-9+.-]{0,15}://\S+", re.IGNORECASE)
_HIDDEN: Final = "[hidden]"


class RpcClient:
    """One node. It opens its connections at the first call and keeps them until `close`."""

    def __init__(
        self, endpoint: Endpoint, timeout_seconds: float, observe: Observer, monotonic: Callable[[], float]
    ) -> None:
        """Raises `InvalidValueError`, without the URL, where the endpoint's URL is not an http(s) one."""
        self._alias = endpoint.alias
        self._secrets = _secrets_of(_http_url(endpoint))
        self._timeout_seconds = timeout_seconds
        self._observe = observe
        self._monotonic = monotonic
        self._provider = _BoundedProvider(endpoint.url, timeout_seconds)

    @property
    def alias(self) -> str:
        """The name that people know the node by."""
        return self._alias

    def __repr__(self) -> str:
        return f"RpcClient({self._alias!r})"

    async def call(self, method: str, params: list[object]) -> object:
        """The `result` of one call, null included.

        Raises `UpstreamError` (`timeout`, `unreachable`, `http_status`, `invalid_answer`) and `NodeRefusedError`.
        """
        started = self._monotonic()
        outcome = await self._outcome(method, params)
        failure = outcome if isinstance(outcome, UpstreamError) else None
        result = failure.reason if failure else "ok"
        self._observe(RpcFinished(self._alias, method, result, self._monotonic() - started))
        if failure:
            raise failure
        return outcome

    def redacted(self, text: str) -> str:
        """`text` on one short line, without URLs and without any part of this node's URL."""
        line = self._secrets.sub(_HIDDEN, _ANY_URL.sub(_HIDDEN, _whole_words(text)))
        printable = "".join(character if character.isprintable() else "�" for character in line)
        return printable if len(printable) <= LONGEST_DETAIL else f"{printable[:LONGEST_DETAIL]}…"

    async def close(self) -> None:
        """Close the node's connections."""
        await self._provider.disconnect()

    async def _outcome(self, method: str, params: list[object]) -> object:
        # Failures are returned, not raised from the handlers: so no error of ours carries, as its context, one of
        # the HTTP library's, which print the URL.
        try:
            async with asyncio.timeout(self._timeout_seconds):
                answer = await self._provider.make_request(RPCEndpoint(method), params)
        except TimeoutError:
            return self._failure(method, "timeout", f"no answer within {self._timeout_seconds:g} s")
        except _HttpStatusError as error:
            return self._failure(method, "http_status", f"HTTP status {error.status}")
        except (_UnusableAnswerError, aiohttp.ClientPayloadError, aiohttp.ClientResponseError) as error:
            return self._failure(method, "invalid_answer", _unusable(error))
        except (aiohttp.ClientError, OSError) as error:
            return self._failure(method, "unreachable", _connection_failure(error))
        return self._result(method, answer)

    def _result(self, method: str, answer: RPCResponse) -> object:
        error = answer.get("error")
        if error is None:
            return answer["result"]
        return NodeRefusedError(self._alias, method, error["code"], self.redacted(str(error.get("message"))))

    def _failure(self, method: str, reason: str, detail: str) -> UpstreamError:
        return UpstreamError(self._alias, reason, f"{method}: {detail}")


class _HttpStatusError(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class _UnusableAnswerError(Exception):
    """What came is not the answer to the request. The message quotes nothing of it."""


class _BoundedProvider(AsyncHTTPProvider):
    """web3's provider on a session of its own.

    The stock one opens a new connection, with its TLS handshake, for each call; logs the URL; reads answers of any
    size; follows redirects; and passes every request through a thread lock that all clients of the process share.
    """

    def __init__(self, url: str, timeout_seconds: float) -> None:
        timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        super().__init__(url, request_kwargs={"timeout": timeout}, exception_retry_configuration=None)
        self._url = url
        self._session: aiohttp.ClientSession | None = None

    async def make_request(self, method: RPCEndpoint, params: object) -> RPCResponse:
        request = self.form_request(method, params)
        body = await self._post(self.encode_rpc_dict(request))
        try:
            answer: object = self.decode_rpc_response(body)
        except (ValueError, RecursionError):
            answer = None
        return _answer_to(request["id"], answer)

    async def disconnect(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _post(self, data: bytes) -> bytes:
        if self._session is None:
            self._session = aiohttp.ClientSession()
        kwargs = self.get_request_kwargs()
        async with self._session.post(self._url, data=data, allow_redirects=False, **kwargs) as response:
            if response.status != 200:  # noqa: PLR2004 - HTTP's own number
                raise _HttpStatusError(response.status)
            return await _bounded_body(response)


async def _bounded_body(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > LONGEST_ANSWER_BYTES:
            raise _UnusableAnswerError(f"over {LONGEST_ANSWER_BYTES} bytes")
    return bytes(body)


def _answer_to(request_id: object, answer: object) -> RPCResponse:
    if not isinstance(answer, dict):
        raise _UnusableAnswerError("not a JSON object")
    error = answer.get("error")
    if error is None and "result" not in answer:
        raise _UnusableAnswerError("neither a result nor an error")
    if error is not None and not (isinstance(error, dict) and type(error.get("code")) is int):
        raise _UnusableAnswerError("an error without a code")
    answer_id = answer.get("id")
    request_was_unreadable = answer_id is None and error is not None
    if not request_was_unreadable and (type(answer_id) is not int or answer_id != request_id):
        raise _UnusableAnswerError("the id of another request")
    return RPCResponse(**answer)  # type: ignore[typeddict-item]


def _whole_words(text: str) -> str:
    """The words of `text` on one line; of a long text its beginning, without the word that the cut went through."""
    line = " ".join(text[:LONGEST_QUOTE].split())
    return line if len(text) <= LONGEST_QUOTE else f"{line.rpartition(' ')[0]} …"


def _unusable(error: Exception) -> str:
    return str(error) if isinstance(error, _UnusableAnswerError) else f"broken HTTP ({type(error).__name__})"


def _connection_failure(error: Exception) -> str:
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(cause, socket.gaierror):
        return "the host's name cannot be resolved"
    code = cause.errno if isinstance(cause, OSError) else None
    names = (type(error).__name__, errno.errorcode.get(code) if code else None)
    return f"no connection ({', '.join(name for name in names if name)})"


def _http_url(endpoint: Endpoint) -> SplitResult:
    """The parts of an http(s) URL. Raises `InvalidValueError`, without the URL, for any other."""
    try:
        parts = urlsplit(endpoint.url)
        usable = parts.scheme in ("http", "https") and bool((parts.hostname or "").encode("idna")) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        shown = "a ws(s) URL" if endpoint.url.lower().startswith(("ws://", "wss://")) else "another text (hidden)"
        raise InvalidValueError(f"RPC URL of {endpoint.alias}", shown, "http://… or https://… with a host")
    return parts


def _secrets_of(parts: SplitResult) -> re.Pattern[str]:
    """Matches whatever of a URL must not be shown: user, password, host, path and query, plain or encoded."""
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    queries = parse_qsl(parts.query, keep_blank_values=True)
    pieces = {
        *parts.path.split("/"),
        *re.split("[&=]", parts.query),
        *(text for pair in queries for text in pair),
        parts.fragment,
        parts.username or "",
        parts.password or "",
        base64.b64encode(f"{user}:{password}".encode()).decode(),
    }
    labels = {label for label in (parts.hostname or "").split(".") if len(label) >= SHORTEST_SECRET_LABEL}
    texts = {unquote(piece) for piece in pieces} | pieces
    secrets = {text for text in texts if len(text) >= SHORTEST_SECRET} | labels | {parts.netloc, parts.hostname or ""}
    longest_first = sorted(filter(None, secrets), key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first)), re.IGNORECASE)
