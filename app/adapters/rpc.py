"""One JSON-RPC node over HTTP, by web3's async provider. Every call is bounded in time and in size."""

import asyncio
import sys
from collections.abc import Callable, Mapping
from typing import Final

import aiohttp
from web3 import AsyncHTTPProvider
from web3.types import RPCEndpoint

from app.adapters.jsonrpc import LONGEST_ANSWER_BYTES, UnusableAnswerError, answer_to, http_date, result_of
from app.adapters.nodes import Dated
from app.adapters.redaction import HTTP_SCHEMES, connection_failure
from app.adapters.remote_node import RemoteNode
from app.engine.events import Observer
from app.engine.ports import Endpoint

PYTHONS_RECURSION_LIMIT: Final = 1_000
sys.setrecursionlimit(PYTHONS_RECURSION_LIMIT)
"""web3 imports py_ecc, which raises the limit to 100,000 for the whole process: more than the stack holds, so that a
body of nested JSON, from a node or from a client of our own server, would end it with a segmentation fault."""


class RpcClient(RemoteNode):
    """One node. It opens its connections at the first call and keeps them until `close`."""

    def __init__(
        self, endpoint: Endpoint, timeout_seconds: float, observe: Observer, monotonic: Callable[[], float]
    ) -> None:
        """Raises `InvalidValueError`, without the URL, where the endpoint's URL is not an http(s) one."""
        super().__init__(endpoint, timeout_seconds, observe, monotonic, schemes=HTTP_SCHEMES)
        self._provider = _BoundedProvider(endpoint.url, timeout_seconds, monotonic)

    @property
    def dated(self) -> Dated | None:
        """What time the node's newest answer says it is; None before the first that says so."""
        return self._provider.dated

    async def close(self) -> None:
        """Close the node's connections."""
        await self._provider.disconnect()

    async def _outcome(self, method: str, params: list[object]) -> object:
        try:
            async with asyncio.timeout(self._timeout_seconds):
                answer = await self._provider.ask(method, params)
        except TimeoutError:
            return self._failure(method, "timeout", f"no answer within {self._timeout_seconds:g} s")
        except _HttpStatusError as error:
            return self._failure(method, "http_status", f"HTTP status {error.status}")
        except (UnusableAnswerError, aiohttp.ClientPayloadError, aiohttp.ClientResponseError) as error:
            return self._failure(method, "invalid_answer", _unusable(error))
        except (aiohttp.ClientError, OSError) as error:
            cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else None
            return self._failure(method, "unreachable", connection_failure(error, cause))
        return result_of(answer, alias=self._alias, method=method, redacted=self.redacted)


class _HttpStatusError(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class _BoundedProvider(AsyncHTTPProvider):
    """web3's provider on a session of its own.

    The stock one opens a new connection, with its TLS handshake, for each call; logs the URL; reads answers of any
    size; follows redirects; and passes every request through a thread lock that all clients of the process share.
    """

    def __init__(self, url: str, timeout_seconds: float, monotonic: Callable[[], float]) -> None:
        timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        super().__init__(url, request_kwargs={"timeout": timeout}, exception_retry_configuration=None)
        self.dated: Dated | None = None
        self._url = url
        self._monotonic = monotonic
        self._session: aiohttp.ClientSession | None = None

    async def ask(self, method: str, params: list[object]) -> Mapping[str, object]:
        request = self.form_request(RPCEndpoint(method), params)
        body = await self._post(self.encode_rpc_dict(request))
        try:
            answer: object = self.decode_rpc_response(body)
        except (ValueError, RecursionError):
            answer = None
        return answer_to(request["id"], answer)

    async def disconnect(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _post(self, data: bytes) -> bytes:
        if self._session is None:
            self._session = aiohttp.ClientSession()
        kwargs = self.get_request_kwargs()
        sent = self._monotonic()
        async with self._session.post(self._url, data=data, allow_redirects=False, **kwargs) as response:
            if (date := http_date(response.headers.get("Date"))) is not None:
                self.dated = Dated(date, sent, self._monotonic())
            if response.status != 200:  # noqa: PLR2004 - HTTP's own number
                raise _HttpStatusError(response.status)
            return await _bounded_body(response)


async def _bounded_body(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > LONGEST_ANSWER_BYTES:
            raise UnusableAnswerError(f"over {LONGEST_ANSWER_BYTES} bytes")
    return bytes(body)


def _unusable(error: Exception) -> str:
    return str(error) if isinstance(error, UnusableAnswerError) else f"broken HTTP ({type(error).__name__})"
