"""What every JSON-RPC node has, whatever its transport: a name, a measured call, and words without its URL."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from app.adapters.redaction import Redaction
from app.engine.events import Observer, RpcFinished
from app.engine.ports import Endpoint, UpstreamError


class RemoteNode(ABC):
    """One node behind a URL, which is shown nowhere."""

    def __init__(
        self,
        endpoint: Endpoint,
        timeout_seconds: float,
        observe: Observer,
        monotonic: Callable[[], float],
        *,
        schemes: Sequence[str],
    ) -> None:
        """Raises `InvalidValueError`, without the URL, where the endpoint's URL is of none of `schemes`."""
        self._alias = endpoint.alias
        self._redaction = Redaction(endpoint, schemes)
        self._timeout_seconds = timeout_seconds
        self._observe = observe
        self._monotonic = monotonic

    @property
    def alias(self) -> str:
        """The name that people know the node by."""
        return self._alias

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._alias!r})"

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
        return self._redaction(text)

    @abstractmethod
    async def close(self) -> None:
        """Close the node's connections."""

    @abstractmethod
    async def _outcome(self, method: str, params: list[object]) -> object:
        """The result of one call, or its failure.

        Failures are returned, not raised from the handlers of a library's errors: so no error of ours carries, as its
        context, one that prints the URL.
        """

    def _failure(self, method: str, reason: str, detail: str) -> UpstreamError:
        return UpstreamError(self._alias, reason, f"{method}: {detail}")
