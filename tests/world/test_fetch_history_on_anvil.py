"""`fetch-history` from a real node: checked against what the node says itself, and gone on with after a kill."""

import csv
import hashlib
import json
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.service import bare_environment, wait_until
from tests.world.anvil import Anvil

BLOCKS = 300
CHUNK = 2
FIRST, LAST = 2, BLOCKS
"""Block 1 is the only one whose base fee anvil does not derive from its parent's."""


@pytest.fixture
def node(anvil: Anvil) -> Anvil:
    """Full and empty blocks in turn, by transfers, so that the base fees move."""
    for block in range(BLOCKS):
        if block % 3:
            anvil.pay("0x00000000000000000000000000000000000b0b00", 1)
        anvil.mine()
    return anvil


def command(node: Anvil, out: str, *options: str) -> tuple[list[str], Mapping[str, str]]:
    arguments = ["fetch-history", "--from-block", str(FIRST), "--to-block", str(LAST), "--out", out, *options]
    return [sys.executable, "-m", "app", *arguments], bare_environment(TAIKO_L1_RPC_URLS=f"anvil={node.url}")


def fetch(node: Anvil, directory: Path, out: str, *options: str) -> subprocess.CompletedProcess[str]:
    argv, environ = command(node, out, *options)
    return subprocess.run(argv, cwd=directory, env=environ, capture_output=True, text=True, timeout=60, check=False)


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def as_the_node_has_it(node: Anvil) -> list[dict[str, str]]:
    """The same columns by the node's own answers, block by block."""
    fees: dict[str, Any] = node.rpc("eth_feeHistory", hex(LAST - FIRST + 1), hex(LAST), [])
    blocks = [node.block(number) for number in range(FIRST, LAST + 1)]
    return [
        {
            "block_number": str(int(block["number"], 16)),
            "timestamp": str(int(block["timestamp"], 16)),
            "basefee_wei": str(int(block["baseFeePerGas"], 16)),
            "blob_basefee_wei": str(int(blob_fee, 16)),
        }
        for block, blob_fee in zip(blocks, fees["baseFeePerBlobGas"], strict=False)
    ]


def test_every_block_as_the_node_has_it(node: Anvil, tmp_path: Path) -> None:
    fetched = fetch(node, tmp_path, "h.csv", "--json")
    assert fetched.returncode == 0, fetched.stderr
    rows = rows_of(tmp_path / "h.csv")
    assert rows == as_the_node_has_it(node)
    assert rows[-1]["blob_basefee_wei"] == str(int(node.rpc("eth_blobBaseFee"), 16))
    assert len({row["basefee_wei"] for row in rows}) > 100
    manifest = json.loads(fetched.stdout)
    assert manifest == json.loads((tmp_path / "h.csv.manifest.json").read_text())
    assert (manifest["chainId"], manifest["blocks"]) == (node.chain_id, LAST - FIRST + 1)
    assert manifest["sha256"] == hashlib.sha256((tmp_path / "h.csv").read_bytes()).hexdigest()


def test_a_fetch_that_was_killed_half_way_goes_on_and_makes_the_same_file(node: Anvil, tmp_path: Path) -> None:
    unfinished = tmp_path / "h.csv.unfinished"
    argv, environ = command(node, "h.csv", "--chunk", str(CHUNK))
    with subprocess.Popen(argv, cwd=tmp_path, env=environ) as process:
        wait_until(lambda: unfinished.exists() and unfinished.read_bytes().count(b"\n") > 40, "a part of the file")
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert not (tmp_path / "h.csv").exists()
    written = unfinished.read_bytes()
    assert 40 < written.count(b"\n") < BLOCKS
    unfinished.write_bytes(written[:-3])
    resumed = fetch(node, tmp_path, "h.csv")
    assert resumed.returncode == 0, resumed.stderr
    assert fetch(node, tmp_path, "whole.csv").returncode == 0
    assert (tmp_path / "h.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert (tmp_path / "h.csv").read_bytes().startswith(written[: written.rfind(b"\n", 0, -1) + 1])
    assert not unfinished.exists()


def test_blocks_that_the_node_does_not_have_yet_end_with_4_and_what_is_there_is_kept(
    anvil: Anvil, tmp_path: Path
) -> None:
    anvil.mine(20)
    refused = fetch(anvil, tmp_path, "h.csv", "--chunk", "8")
    assert refused.returncode == 4
    assert "anvil: " in refused.stderr
    assert "Traceback" not in refused.stderr
    kept = rows_of(tmp_path / "h.csv.unfinished")
    assert [int(row["block_number"]) for row in kept] == list(range(FIRST, 18))
