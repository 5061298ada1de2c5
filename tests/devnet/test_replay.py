from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.devnet.chain import ChainRefusedError
from app.devnet.node import Node
from app.devnet.replay import LEAST_GAS_TARGET, Replay, ReplayFileError, gas_for_step, read_replay
from app.domain.errors import InvalidValueError
from app.domain.header import L1Header, check_link, greatest_next_base_fee, next_base_fee
from app.domain.units import SAFE_INTEGER_LIMIT, BlockNumber, Gas, UnixSeconds, WeiPerGas
from tests.devnet.support import NOW

DATA = Path(__file__).parent / "data"
HEADER = "block_number,timestamp,basefee_wei"
GREATEST_GAS_LIMIT = 2**63 - 1


def header_with(base_fee: int, gas_limit: int, gas_used: int) -> L1Header:
    return L1Header(BlockNumber(1), "0x1", "0x0", UnixSeconds(1), WeiPerGas(base_fee), Gas(gas_limit), Gas(gas_used))


def written(folder: Path, *rows: str, header: str = HEADER) -> Path:
    path = folder / "history.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def played(replay: Replay) -> list[L1Header]:
    node = Node(replay, seed=1, now=NOW, balances={})
    headers = [node.chain.head.header]
    while not node.is_over:
        headers.append(node.mine(NOW).header)
    return headers


class TestEveryStepIsExact:
    @pytest.mark.parametrize("name", ["quiet.csv", "steeper-than-an-eighth.csv"])
    def test_of_the_recorded_series(self, name: str) -> None:
        rows = [line.split(",") for line in (DATA / name).read_text().splitlines()[1:]]

        headers = played(read_replay(DATA / name))

        assert [(str(header.number), str(header.base_fee_per_gas)) for header in headers] == [
            (number, base_fee) for number, _, base_fee in rows
        ]
        for parent, child in pairwise(headers):
            check_link(parent, child)

    def test_of_the_rise_above_nine_eighths_in_may_2022(self) -> None:
        before, after = 330_523_505_845, 371_838_946_832
        assert after > before * 9 // 8

        gas_limit, gas_used = gas_for_step(WeiPerGas(before), WeiPerGas(after))

        assert (gas_limit, gas_used) == (29_978_097, 29_978_097)
        assert next_base_fee(header_with(before, gas_limit, gas_used)) == after

    @given(
        base_fee=st.integers(1, SAFE_INTEGER_LIMIT - 1),
        gas_limit=st.one_of(
            st.integers(2 * LEAST_GAS_TARGET, 100_000_000), st.integers(2 * LEAST_GAS_TARGET, GREATEST_GAS_LIMIT)
        ),
        share=st.one_of(st.sampled_from([0, 500_000, 1_000_000]), st.integers(0, 1_000_000)),
    )
    @example(base_fee=1, gas_limit=30_000_000, share=1_000_000)
    @example(base_fee=7, gas_limit=30_000_000, share=1_000_000)
    @example(base_fee=SAFE_INTEGER_LIMIT - 1, gas_limit=2 * LEAST_GAS_TARGET + 1, share=1_000_000)
    def test_that_any_block_can_make(self, base_fee: int, gas_limit: int, share: int) -> None:
        successor = next_base_fee(header_with(base_fee, gas_limit, gas_limit * share // 1_000_000))

        chosen_limit, chosen_used = gas_for_step(WeiPerGas(base_fee), successor)

        assert 0 <= chosen_used <= chosen_limit <= GREATEST_GAS_LIMIT
        assert next_base_fee(header_with(base_fee, chosen_limit, chosen_used)) == successor
        assert successor <= greatest_next_base_fee(WeiPerGas(base_fee))

    @given(base_fee=st.integers(1, SAFE_INTEGER_LIMIT - 1), share=st.integers(0, 1_000_000))
    def test_within_an_eighth(self, base_fee: int, share: int) -> None:
        eighth = base_fee // 8
        successor = WeiPerGas(base_fee - eighth + 2 * eighth * share // 1_000_000)

        assert next_base_fee(header_with(base_fee, *gas_for_step(WeiPerGas(base_fee), successor))) == successor

    @given(base_fee=st.integers(1, SAFE_INTEGER_LIMIT - 1), beyond=st.integers(1, 10**6))
    def test_or_it_is_refused(self, base_fee: int, beyond: int) -> None:
        for successor in (
            base_fee - base_fee // 8 - beyond,
            base_fee + base_fee // 8 + base_fee // 10**6 + 1 + beyond,
        ):
            with pytest.raises(InvalidValueError, match="no EIP-1559 block makes this step"):
                gas_for_step(WeiPerGas(base_fee), WeiPerGas(successor))


class TestTheReplayedChain:
    def test_starts_at_the_files_first_number_and_stops_after_its_last(self) -> None:
        replay = read_replay(DATA / "quiet.csv")
        node = Node(replay, seed=1, now=NOW, balances={})
        assert node.chain.head.header.number == 23_882_734

        while not node.is_over:
            node.mine(NOW)

        assert node.chain.head.header.number == replay.last_number == 23_882_793
        with pytest.raises(ChainRefusedError, match="the replay is over: block 23882793 was its last"):
            node.mine(NOW)

    def test_runs_now(self) -> None:
        node = Node(read_replay(DATA / "quiet.csv"), seed=1, now=NOW, balances={})

        assert node.chain.head.header.timestamp == NOW
        assert node.mine(UnixSeconds(NOW + 5)).header.timestamp == NOW + 5

    def test_runs_at_the_recorded_times_when_told_to(self) -> None:
        node = Node(read_replay(DATA / "quiet.csv", recorded_timestamps=True), seed=1, now=NOW, balances={})

        assert node.chain.head.header.timestamp == 1_764_157_847
        assert node.mine(NOW).header.timestamp == 1_764_157_859

    def test_keeps_the_recorded_base_fees_through_a_reorg(self) -> None:
        replay = read_replay(DATA / "steeper-than-an-eighth.csv")
        node = Node(replay, seed=1, now=NOW, balances={})
        for _ in range(30):
            node.mine(NOW)
        replaced = node.chain.head.header

        node.reorg(10)

        assert node.chain.head.header.hash != replaced.hash
        assert node.chain.head.header.base_fee_per_gas == replaced.base_fee_per_gas


class TestAFile:
    def test_may_give_unix_seconds(self, tmp_path: Path) -> None:
        replay = read_replay(written(tmp_path, "5,1764157847,100", "6,1764157859,100"))

        assert list(replay.timestamps) == [1_764_157_847, 1_764_157_859]

    def test_may_be_any_that_a_backtest_takes(self, tmp_path: Path) -> None:
        header = "basefee_wei,l2_gas,block_number,timestamp"

        replay = read_replay(written(tmp_path, "100,7,5,1764157847", "101,8,6,1764157859", header=header))

        assert (replay.first_number, list(replay.base_fees)) == (5, [100, 101])

    def test_may_come_from_windows(self, tmp_path: Path) -> None:
        path = tmp_path / "history.csv"
        path.write_bytes(b"\xef\xbb\xbf" + f"{HEADER}\r\n5,1764157847,100\r\n".encode())

        assert list(read_replay(path).base_fees) == [100]

    @pytest.mark.parametrize(
        ("rows", "said"),
        [
            (["5,100,80", "7,101,80"], r"line 3, column block_number: block 6 is missing: got 7, expected 6$"),
            (["5,100,80", "5,101,80"], r"line 3, column block_number: block 5 is there twice"),
            (["5,100,80", "6,99,80"], r"line 3, column timestamp: got 99, expected no earlier"),
            (["5,100,80", "6,101,1e9"], r"line 3, column basefee_wei: got '1e9', expected whole wei"),
            (["5,100,0"], r"line 2, column basefee_wei: got 0, expected at least 1 wei"),
            (["5,100,80", "6,101,0"], r"line 3, column basefee_wei: got 0, expected at least 1 wei"),
            (["5,100"], r"line 2: got 2 fields, expected 3"),
            ([], r"line 2: there are no blocks below the header"),
            (["5,100,80", "6,101,91"], r"line 3, column basefee_wei: got 91, expected 70 to 90 after a block with 80"),
            (["5,100,80", "6,101,69"], r"line 3, column basefee_wei: got 69, expected 70 to 90 after a block with 80"),
        ],
    )
    def test_that_cannot_be_replayed_is_refused_at_its_line(self, tmp_path: Path, rows: list[str], said: str) -> None:
        with pytest.raises(ReplayFileError, match=rf"history\.csv {said}"):
            read_replay(written(tmp_path, *rows))

    @pytest.mark.parametrize("content", [b"", b"block,time,fee\n5,100,80\n", b"\xff\xfe\x00", b"\x1f\x8b\x08"])
    def test_that_is_no_history_is_refused_at_its_header(self, tmp_path: Path, content: bytes) -> None:
        path = tmp_path / "history.csv"
        path.write_bytes(content)

        with pytest.raises(ReplayFileError, match=r"history\.csv line 1: "):
            read_replay(path)

    def test_that_is_not_there_is_refused_by_name(self, tmp_path: Path) -> None:
        with pytest.raises(ReplayFileError, match=r"nothing-here\.csv: No such file"):
            read_replay(tmp_path / "nothing-here.csv")
