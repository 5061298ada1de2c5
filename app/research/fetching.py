"""The past of an L1, written into a history file: in chunks, checked block by block, and resumable."""

import hashlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from app.domain.errors import HeaderRejectedError, OracleError
from app.domain.header import L1Header, check_link
from app.domain.network import Network
from app.domain.units import BlockNumber
from app.engine.history_file import BLOB_BASE_FEE, REQUIRED, History, HistoryError
from app.engine.ports import PastBlock, PastBlockSource

GREATEST_CHUNK: Final = 1_024
"""Blocks that a node's eth_feeHistory gives at most."""
_UNFINISHED: Final = ".unfinished"
_MANIFEST: Final = ".manifest.json"
_READ_AT_ONCE: Final = 1 << 20


class FetchError(OracleError):
    """The history cannot be fetched as it was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be fetched, and where to."""

    first: BlockNumber
    last: BlockNumber
    out: Path
    chunk: int = GREATEST_CHUNK

    @property
    def unfinished(self) -> Path:
        """The file while it grows; a fetch that was broken off goes on with it."""
        return self.out.with_name(f"{self.out.name}{_UNFINISHED}")


async def fetched(source: PastBlockSource, order: Order, on_progress: Callable[[int], object]) -> dict[str, Any]:
    """Fetch what `order` asks for, from where an earlier run stopped; the manifest, which stands beside the file.

    Each block is held to its parent: number, hash, time, and on Ethereum's public chains the base fee that EIP-1559
    makes of the parent's gas. `on_progress` takes the blocks that are in the file. Raises `FetchError` where a block
    does not follow, or the unfinished file is of other blocks; `UpstreamError` where no node answers; `OSError`.
    """
    chain_id = await source.chain_id()
    is_public = Network(chain_id, 0).is_public
    next_block = _resumed_at(order)
    previous = None if next_block == order.first else await _last_written(source, order, next_block)
    with order.unfinished.open("a", encoding="ascii") as file:
        on_progress(next_block - order.first)
        async for block in _followed(source, order, next_block, previous, is_public=is_public):
            if file.tell() == 0:
                file.write(f"{_header_line(block)}\n")
            file.write(f"{_line(block)}\n")
            if (block.header.number - order.first + 1) % order.chunk == 0 or block.header.number == order.last:
                file.flush()
                on_progress(block.header.number - order.first + 1)
    order.unfinished.replace(order.out)
    return _write_manifest(order, chain_id)


def manifest_of(path: Path) -> dict[str, Any] | None:
    """What stands beside a history file; None where nothing does. Raises `FetchError` for one that is none."""
    beside = path.with_name(f"{path.name}{_MANIFEST}")
    if not beside.exists():
        return None
    try:
        manifest = json.loads(beside.read_text(encoding="ascii"))
        digest = manifest["sha256"]
    except (ValueError, KeyError, TypeError) as error:
        raise FetchError(f"{beside} is no manifest: {error}") from None
    if not isinstance(digest, str):
        raise FetchError(f"{beside} is no manifest: its sha256 is no text")
    return dict(manifest)


async def _followed(
    source: PastBlockSource, order: Order, first: BlockNumber, previous: L1Header | None, *, is_public: bool
) -> AsyncIterator[PastBlock]:
    number = int(first)
    while number <= order.last:
        end = min(number + order.chunk - 1, order.last)
        for block in await source.blocks(BlockNumber(number), BlockNumber(end)):
            if previous is not None:
                _check(previous, block.header, is_public=is_public)
            previous = block.header
            yield block
        number = end + 1


def _check(parent: L1Header, child: L1Header, *, is_public: bool) -> None:
    try:
        check_link(parent, child)
    except HeaderRejectedError as error:
        if error.reason == "impossible_base_fee" and not is_public:
            return
        raise FetchError(f"{error}: the node's blocks do not follow from one another; nothing of it was kept") from None


def _resumed_at(order: Order) -> BlockNumber:
    """The first block that is not in the unfinished file, whose last line may have been cut off."""
    if not order.unfinished.exists():
        return order.first
    content = order.unfinished.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if whole != content:
        order.unfinished.write_bytes(whole)
    if whole.count(b"\n") <= 1:
        order.unfinished.write_bytes(b"")
        return order.first
    try:
        blocks = [block.number for block in History(whole.splitlines(keepends=True), any_base_fee=True)]
    except HistoryError as error:
        raise FetchError(f"{order.unfinished} cannot be gone on with: {error}") from None
    if blocks[0] != order.first or blocks[-1] > order.last:
        raise FetchError(
            f"{order.unfinished} has the blocks {blocks[0]} to {blocks[-1]}, asked were {order.first} to {order.last}:"
            " remove it, or choose another file"
        )
    return BlockNumber(blocks[-1] + 1)


async def _last_written(source: PastBlockSource, order: Order, next_block: BlockNumber) -> L1Header:
    """The header of the last block in the file, if the chain still has it as it is written."""
    last = BlockNumber(next_block - 1)
    (block,) = await source.blocks(last, last)
    lines = order.unfinished.read_text(encoding="ascii").splitlines()
    if lines[-1] not in {_line(block), _line(PastBlock(block.header, None))}:
        raise FetchError(f"block {last} is another one on the chain now than in {order.unfinished}: remove it")
    return block.header


def _header_line(block: PastBlock) -> str:
    columns = REQUIRED if block.blob_base_fee is None else (*REQUIRED, BLOB_BASE_FEE)
    return ",".join(columns)


def _line(block: PastBlock) -> str:
    header = block.header
    line = f"{header.number},{header.timestamp},{header.base_fee_per_gas}"
    return line if block.blob_base_fee is None else f"{line},{block.blob_base_fee}"


def _write_manifest(order: Order, chain_id: int) -> dict[str, Any]:
    digest, lines = hashlib.sha256(), 0
    with order.out.open("rb") as file:
        while part := file.read(_READ_AT_ONCE):
            digest.update(part)
            lines += part.count(b"\n")
    with order.out.open(encoding="ascii") as text:
        columns = text.readline().rstrip("\n").split(",")
    manifest = {
        "chainId": chain_id,
        "network": Network(chain_id, 0).name,
        "firstBlock": order.first,
        "lastBlock": order.last,
        "blocks": lines - 1,
        "columns": columns,
        "sha256": digest.hexdigest(),
    }
    beside = order.out.with_name(f"{order.out.name}{_MANIFEST}")
    beside.write_text(f"{json.dumps(manifest, indent=2)}\n", encoding="ascii")
    return manifest
