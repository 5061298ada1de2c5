"""`fetch-history` as it is used: checked, resumable, and with a manifest that holds the file."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from app.domain.header import L1Header
from app.domain.units import WeiPerGas
from tests.cli.command_line import NODE, CommandLine, FakePast


@pytest.fixture
def past(cli: CommandLine) -> FakePast:
    past = FakePast()
    cli.services.past = past
    return past


def fetch(cli: CommandLine, out: Path, first: int = 100, last: int = 119, chunk: int = 8) -> tuple[int, str]:
    outcome = cli(
        *("fetch-history", "--from-block", str(first), "--to-block", str(last), "--chunk", str(chunk)),
        *("--out", str(out)),
        environ=NODE,
    )
    return outcome.status, outcome.err


def test_a_range_in_chunks_with_its_manifest(cli: CommandLine, past: FakePast, tmp_path: Path) -> None:
    out = tmp_path / "h.csv"
    assert fetch(cli, out) == (0, "")
    assert past.asked == [(100, 107), (108, 115), (116, 119)]
    lines = out.read_text().splitlines()
    assert lines[0] == "block_number,timestamp,basefee_wei,blob_basefee_wei"
    assert lines[1] == "100,1700001200,25000000000,100"
    assert len(lines) == 21
    manifest = json.loads((tmp_path / "h.csv.manifest.json").read_text())
    assert manifest == {
        "chainId": 1,
        "network": "mainnet",
        "firstBlock": 100,
        "lastBlock": 119,
        "blocks": 20,
        "columns": ["block_number", "timestamp", "basefee_wei", "blob_basefee_wei"],
        "sha256": hashlib.sha256(out.read_bytes()).hexdigest(),
    }
    assert cli("backtest", str(out)).status == 0


def test_a_fetch_that_was_broken_off_goes_on_where_it_was(cli: CommandLine, past: FakePast, tmp_path: Path) -> None:
    whole, out = tmp_path / "whole.csv", tmp_path / "h.csv"
    fetch(cli, whole)
    past.failure_at = 110
    status, err = fetch(cli, out)
    assert status == 4
    assert "main: timeout" in err
    assert not out.exists()
    unfinished = tmp_path / "h.csv.unfinished"
    unfinished.write_bytes(unfinished.read_bytes()[:-5])
    past.failure_at, past.asked = None, []
    assert fetch(cli, out)[0] == 0
    assert past.asked[0] == (106, 106)
    assert past.asked[1][0] == 107
    assert out.read_bytes() == whole.read_bytes()


def test_a_chain_that_has_changed_meanwhile_is_not_gone_on_with(
    cli: CommandLine, past: FakePast, tmp_path: Path
) -> None:
    past.failure_at = 110
    fetch(cli, tmp_path / "h.csv")
    past.failure_at = None
    past.forged[107] = replace(past._header(107), base_fee_per_gas=WeiPerGas(26 * 10**9))
    status, err = fetch(cli, tmp_path / "h.csv")
    assert status == 3
    assert "block 107 is another one on the chain now" in err


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"base_fee_per_gas": WeiPerGas(26 * 10**9)}, "block 105 rejected (impossible_base_fee)"),
        ({"parent_hash": "0x" + "9" * 64}, "block 105 rejected (parent_hash_mismatch)"),
        ({"timestamp": 5}, "block 105 rejected (timestamp_before_parent)"),
    ],
)
def test_blocks_that_do_not_follow_are_refused_by_name(
    cli: CommandLine, past: FakePast, tmp_path: Path, changes: dict[str, int], problem: str
) -> None:
    header: L1Header = past._header(105)
    past.forged[105] = replace(header, **changes)  # type: ignore[arg-type]
    status, err = fetch(cli, tmp_path / "h.csv")
    assert status == 3
    assert problem in err
    assert not (tmp_path / "h.csv").exists()


def test_the_file_of_another_range_is_not_gone_on_with(cli: CommandLine, past: FakePast, tmp_path: Path) -> None:
    past.failure_at = 110
    fetch(cli, tmp_path / "h.csv")
    status, err = fetch(cli, tmp_path / "h.csv", first=90)
    assert status == 3
    assert "has the blocks 100 to 107, asked were 90 to 119" in err


def test_without_a_node_nothing_is_fetched(cli: CommandLine, tmp_path: Path) -> None:
    outcome = cli("fetch-history", "--from-block", "1", "--to-block", "2", "--out", str(tmp_path / "h.csv"))
    assert outcome.status == 3
    assert "TAIKO_L1_RPC_URLS: not set" in outcome.err


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--from-block", "2", "--to-block", "1"), "--to-block: got 1, expected at least --from-block"),
        (("--from-block", "1", "--to-block", "2", "--chunk", "0"), "--chunk: got 0, expected 1 to 1024"),
    ],
)
def test_a_range_that_is_none(cli: CommandLine, arguments: tuple[str, ...], problem: str) -> None:
    outcome = cli("fetch-history", *arguments, "--out", "h.csv")
    assert outcome.status == 2
    assert problem in outcome.err
