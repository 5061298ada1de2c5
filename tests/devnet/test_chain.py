from itertools import pairwise

import pytest

from app.devnet.chain import ChainRefusedError
from app.devnet.demand import Scenario
from app.devnet.node import MOST_ACCOUNTS, account_address
from app.domain.errors import InvalidValueError
from app.domain.header import check_link
from app.domain.units import UnixSeconds, Wei
from tests.devnet.support import ALICE, NOW, mine, node_of

BOB = "0x0000000000000000000000000000000000000b0b"


def test_the_same_seed_makes_the_same_chain_to_the_byte() -> None:
    assert node_of(seed=3, blocks=40).chain.head == node_of(seed=3, blocks=40).chain.head


def test_the_chain_of_seed_1_is_pinned() -> None:
    header = node_of(blocks=3).chain.head.header

    assert (header.hash, header.base_fee_per_gas) == (
        "0xc93fa4e6ebde4e6ac91cf721994db134639cb957fc91ace66d4b2e7a659d344a",
        25_294_264_895,
    )


def test_another_seed_makes_other_hashes_and_other_base_fees() -> None:
    one, other = node_of(seed=1, blocks=40).chain.head.header, node_of(seed=2, blocks=40).chain.head.header

    assert one.hash != other.hash
    assert one.base_fee_per_gas != other.base_fee_per_gas


def test_the_genesis_has_the_zero_parent() -> None:
    assert node_of().chain.head.header.parent_hash == "0x" + "0" * 64


def test_only_a_window_of_blocks_is_kept() -> None:
    chain = node_of(blocks=100, window=10).chain

    assert chain.oldest.header.number == 91
    assert chain.at(90) is None
    assert chain.at(101) is None
    assert [block.header.number for number in range(91, 101) if (block := chain.at(number))] == list(range(91, 101))


def test_a_pruned_block_is_unknown_by_its_hash_too() -> None:
    node = node_of(window=10)
    first = node.chain.head
    mine(node, 10)

    assert node.chain.by_hash(first.header.hash) is None


def test_a_clock_that_goes_back_does_not_take_the_timestamps_with_it() -> None:
    node = node_of()
    node.mine(UnixSeconds(NOW - 100))

    assert node.chain.head.header.timestamp == NOW


def test_a_new_balance_holds_from_the_next_block_and_old_blocks_keep_theirs() -> None:
    node = node_of(blocks=1)
    before = node.chain.head

    assert node.set_balance(ALICE, Wei(9)) == 2
    assert node.chain.head.balances[ALICE] == 7
    mine(node, 2)
    assert before.balances[ALICE] == 7
    assert node.chain.head.balances[ALICE] == 9


def test_the_number_of_accounts_is_bounded() -> None:
    node = node_of()
    for number in range(MOST_ACCOUNTS - 1):
        node.set_balance(f"0x{number:040x}", Wei(1))

    with pytest.raises(ChainRefusedError, match="at most 128 accounts"):
        node.set_balance(BOB, Wei(1))


@pytest.mark.parametrize("address", ["", "0x", "0xZZ" + "0" * 38, "0x" + "0" * 39, "0x" + "0" * 41, "0X" + "0" * 40])
def test_an_address_is_twenty_bytes_of_hex(address: str) -> None:
    with pytest.raises(InvalidValueError, match="40 hex digits"):
        account_address(address)


class TestReorg:
    def test_siblings_take_the_places_of_the_newest_blocks(self) -> None:
        node = node_of(blocks=10)
        old = [node.chain.at(number) for number in range(11)]

        new = node.reorg(3)

        assert [block.header.number for block in new] == [8, 9, 10]
        assert node.chain.at(7) is old[7]
        assert node.chain.head is new[-1]
        for block, replaced in zip(new, old[8:], strict=True):
            assert replaced is not None
            assert block.header.hash != replaced.header.hash
            assert block.header.timestamp == replaced.header.timestamp
            assert block.balances == replaced.balances

    def test_the_new_branch_obeys_eip_1559_and_has_other_base_fees(self) -> None:
        node = node_of(blocks=10)
        replaced = node.chain.head.header
        fork = node.chain.at(7)
        assert fork is not None

        chain = [fork, *node.reorg(3)]

        for parent, child in pairwise(chain):
            check_link(parent.header, child.header)
        assert node.chain.head.header.base_fee_per_gas != replaced.base_fee_per_gas

    def test_replaced_blocks_can_still_be_read_by_hash(self) -> None:
        node = node_of(blocks=10)
        replaced = node.chain.head

        node.reorg(1)

        assert node.chain.by_hash(replaced.header.hash) is replaced
        assert not node.chain.is_canonical(replaced)
        assert node.chain.is_canonical(node.chain.head)

    def test_it_is_deterministic(self) -> None:
        one, other = node_of(blocks=10), node_of(blocks=10)

        assert one.reorg(4) == other.reorg(4)
        assert one.reorg(2) == other.reorg(2)

    def test_a_second_reorg_makes_yet_other_siblings(self) -> None:
        node = node_of(blocks=10)

        hashes = {node.chain.head.header.hash, node.reorg(1)[0].header.hash, node.reorg(1)[0].header.hash}

        assert len(hashes) == 3

    @pytest.mark.parametrize("depth", [-1, 0, 11])
    def test_a_depth_that_leaves_nothing_to_build_on_is_refused(self, depth: int) -> None:
        with pytest.raises(ChainRefusedError, match=f"cannot take {depth} blocks off the chain, expected 1 to 10"):
            node_of(blocks=10).reorg(depth)

    def test_the_replaced_blocks_that_are_kept_are_bounded(self) -> None:
        node = node_of(blocks=10, window=8)
        first = node.chain.head
        for _ in range(9):
            node.reorg(1)

        assert node.chain.by_hash(first.header.hash) is None

    def test_a_balance_set_before_the_reorg_waits_for_a_new_block(self) -> None:
        node = node_of(blocks=3)
        node.set_balance(ALICE, Wei(9))

        node.reorg(1)
        assert node.chain.head.balances[ALICE] == 7
        mine(node, 1)
        assert node.chain.head.balances[ALICE] == 9


def test_listeners_hear_every_block_until_they_leave() -> None:
    node = node_of(Scenario.SPIKE)
    heard: list[int] = []
    leave = node.listen(lambda block: heard.append(block.header.number))
    mine(node, 3)
    node.reorg(2)
    leave()
    mine(node, 1)

    assert heard == [1, 2, 3, 2, 3]
