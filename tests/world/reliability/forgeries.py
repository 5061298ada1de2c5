"""Providers that say what is not so: faults of the proxy that put other words into a node's mouth."""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.proxy import Connection, Rewrite, Rewriter

Block = dict[str, Any]
Forger = Callable[[Block], None]
"""Changes a block in place."""


@dataclass(frozen=True)
class HttpStatus(Rewrite):
    """Every answer has another HTTP status, and the body that `rewriter` makes."""

    status: str

    async def answer(self, chunk: bytes, connection: Connection) -> None:
        other = chunk.replace(b"HTTP/1.1 200 OK", b"HTTP/1.1 " + self.status.encode(), 1)
        await super().answer(other, connection)


def forged(forge: Forger) -> Rewrite:
    """Every block that the node gives, asked for or pushed, is as `forge` makes it; its hash stays."""
    return Rewrite(_in_every_block(forge))


def raised(name: str, change: int | Callable[[int], int]) -> Forger:
    """Forges one quantity: adds `change`, or applies it."""

    def forge(block: Block) -> None:
        true = int(block[name], 16)
        block[name] = hex(true + change if isinstance(change, int) else change(true))

    return forge


def without(name: str) -> Forger:
    """Leaves one field out."""

    def forge(block: Block) -> None:
        block.pop(name, None)

    return forge


def refusing(code: int, message: str) -> Rewrite:
    """Every answer is this JSON-RPC error."""

    def rewrite(body: bytes) -> bytes:
        request_id = json.loads(body)["id"]
        error = {"code": code, "message": message}
        return json.dumps({"jsonrpc": "2.0", "id": request_id, "error": error}).encode()

    return Rewrite(rewrite)


def without_pushes(muted: threading.Event) -> Rewrite:
    """A subscription that says nothing while `muted` is set; calls are answered."""

    def rewrite(body: bytes) -> bytes:
        nobodys = b'{"jsonrpc":"2.0","id":4294967295,"result":null}'
        return nobodys if muted.is_set() and b'"eth_subscription"' in body else body

    return Rewrite(rewrite)


def _in_every_block(forge: Forger) -> Rewriter:
    def rewrite(body: bytes) -> bytes:
        message = json.loads(body)
        for holder in (message, message.get("params")):
            if isinstance(holder, dict) and isinstance(holder.get("result"), dict) and "hash" in holder["result"]:
                forge(holder["result"])
        return json.dumps(message).encode()

    return rewrite
