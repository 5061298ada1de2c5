"""A client for each kind of RPC URL."""

from collections.abc import Callable

from app.adapters.redaction import WEB_SOCKET_SCHEMES
from app.adapters.rpc import RpcClient
from app.adapters.websocket import WebSocketNode
from app.engine.events import Observer
from app.engine.ports import Endpoint


def node_client(
    endpoint: Endpoint, timeout_seconds: float, observe: Observer, monotonic: Callable[[], float]
) -> RpcClient | WebSocketNode:
    """The client that the URL's scheme asks for. Raises `InvalidValueError`, without the URL, where none fits."""
    is_web_socket = endpoint.url.partition("://")[0].lower() in WEB_SOCKET_SCHEMES
    client = WebSocketNode if is_web_socket else RpcClient
    return client(endpoint, timeout_seconds, observe, monotonic)
