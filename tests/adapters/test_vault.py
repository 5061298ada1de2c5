import asyncio
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.adapters.nodes import Node, NodeGroup, NodeRefusedError
from app.adapters.vault import CONCURRENT_READS, MOST_L2_LOOKUPS, vault_reader
from app.domain.errors import InvalidValueError
from app.domain.units import BlockNumber, UnixSeconds, Wei
from app.domain.vault import (
    NO_VAULT,
    VaultAddress,
    VaultCondition,
    VaultLayer,
    VaultPlan,
    VaultReading,
    VaultSource,
    VaultState,
)
from app.engine.ports import UpstreamError
from tests.adapters.fake_nodes import Answerer, FakeNode, block, chain_node, failing, header, timed_chain

HEAD = header(100)
ON_L1 = VaultAddress(VaultLayer.L1, "0x" + "11" * 20)
ALSO_ON_L1 = VaultAddress(VaultLayer.L1, "0x" + "12" * 20)
ON_L2 = VaultAddress(VaultLayer.L2, "0x" + "22" * 20)
PLAN = VaultPlan(source=VaultSource.ONCHAIN, target=Wei(1000), addresses=(ON_L2, ON_L1))
L1_PLAN = replace(PLAN, addresses=(ON_L1, ALSO_ON_L1))
L2_PLAN = replace(PLAN, addresses=(ON_L2,))


def l1_node(balance: int = 0, alias: str = "p1") -> FakeNode:
    return chain_node(alias, [header(99), HEAD], balance=balance)


def l2_node(balance: int = 0, head_lead_seconds: int = -1) -> FakeNode:
    head_time = HEAD.timestamp + head_lead_seconds
    return timed_chain("l2", [head_time - 2 * back for back in reversed(range(50))], balance=balance)


async def read(plan: VaultPlan, l1: list[Node], l2: list[Node] | None = None) -> VaultState:
    reader = vault_reader(plan, NodeGroup(l1, 1), NodeGroup(l2, 167_000) if l2 else None)
    return await reader.at(HEAD)


async def failure_of(plan: VaultPlan, l1: list[Node], l2: list[Node] | None = None) -> UpstreamError:
    with pytest.raises(UpstreamError) as caught:
        await read(plan, l1, l2)
    return caught.value


def refusing(code: int, message: str, *, only_hashes: bool = False) -> Answerer:
    def answer(params: list[object]) -> object:
        if only_hashes and isinstance(params[1], str):
            return hex(7)
        raise NodeRefusedError("p1", "eth_getBalance", code, message)

    return answer


async def test_without_a_vault_there_is_no_state() -> None:
    assert await read(VaultPlan(), [l1_node()]) == NO_VAULT


async def test_a_static_vault_has_the_plans_balance_at_every_header() -> None:
    plan = VaultPlan(source=VaultSource.STATIC, balance=Wei(7), target=Wei(10), surplus_discount=True)
    assert await read(plan, [l1_node()]) == VaultState(
        VaultSource.STATIC, Wei(7), Wei(10), surplus_discount=True, observed_at=HEAD.timestamp
    )


async def test_an_onchain_vault_is_the_sum_of_its_addresses_and_lists_them() -> None:
    state = await read(PLAN, [l1_node(40)], [l2_node(2)])
    assert state == VaultState(
        source=VaultSource.ONCHAIN,
        balance=Wei(42),
        target=Wei(1000),
        condition=VaultCondition.CURRENT,
        observed_at=HEAD.timestamp,
        readings=(
            VaultReading(VaultLayer.L2, ON_L2.address, BlockNumber(49), Wei(2)),
            VaultReading(VaultLayer.L1, ON_L1.address, HEAD.number, Wei(40)),
        ),
    )


async def test_l1_balances_are_read_at_the_headers_hash() -> None:
    node = l1_node(3)
    await read(L1_PLAN, [node])
    blocks = [params[1] for method, params in node.calls if method == "eth_getBalance"]
    assert blocks == [{"blockHash": HEAD.hash, "requireCanonical": False}] * 2


async def test_an_l1_vault_asks_no_l2_node() -> None:
    l2 = l2_node()
    await read(L1_PLAN, [l1_node()], [l2])
    assert l2.calls == []


@pytest.mark.parametrize("code", [-32602, -32600, -32603, -32000])
async def test_a_node_that_takes_no_hash_is_asked_by_number_and_checked(code: int) -> None:
    node = l1_node()
    node.answers["eth_getBalance"] = refusing(code, "invalid argument 1", only_hashes=True)
    state = await read(replace(PLAN, addresses=(ON_L1,)), [node])
    assert state.balance == 7
    assert node.methods()[-2:] == ["eth_getBalance", "eth_getBlockByNumber"]
    assert node.calls[-2][1] == [ON_L1.address, hex(HEAD.number)]


async def test_balances_by_number_of_another_branch_are_refused() -> None:
    node = l1_node()
    node.answers["eth_getBalance"] = refusing(-32602, "invalid argument 1", only_hashes=True)
    node.answers["eth_getBlockByNumber"] = lambda _: block(header(100, branch=1))
    assert (await failure_of(L1_PLAN, [node])).reason == "missing_block"


@pytest.mark.parametrize("found", [None, {}, 7], ids=repr)
async def test_balances_by_number_without_a_block_to_check_are_refused(found: object) -> None:
    node = l1_node()
    node.answers["eth_getBalance"] = refusing(-32602, "invalid argument 1", only_hashes=True)
    node.answers["eth_getBlockByNumber"] = lambda _: found
    assert (await failure_of(L1_PLAN, [node])).reason == "missing_block"


@pytest.mark.parametrize(
    "message",
    [
        "missing trie node 5c4a (path ) state 0x5c4a is not available",
        "required historical state unavailable (reexec=128)",
        "old data not available due to pruning",
        "No state available for block 0x1",
        "project ID does not have access to archive state",
        "BlockOutOfRangeError: block height is 2 but requested was 1",
    ],
)
async def test_state_that_a_node_has_dropped_is_named_and_not_asked_for_by_number(message: str) -> None:
    node = l1_node()
    node.answers["eth_getBalance"] = refusing(-32000, message, only_hashes=True)
    assert (await failure_of(L1_PLAN, [node])).reason == "missing_state"


async def test_an_unknown_block_hash_is_a_missing_block() -> None:
    node = l1_node()
    node.answers["eth_getBalance"] = refusing(-32000, "header for hash not found")
    assert (await failure_of(L1_PLAN, [node])).reason == "missing_block"


async def test_another_refusal_is_not_retried_by_number() -> None:
    node = l1_node()
    node.answers["eth_getBalance"] = refusing(-32005, "limit exceeded", only_hashes=True)
    assert (await failure_of(L1_PLAN, [node])).reason == "rpc_error"


@pytest.mark.parametrize("wrong", [0, "7", "-0x1", "0x", hex(2**128), True, {}, 1.5], ids=repr)
async def test_a_balance_that_is_no_quantity_is_refused(wrong: object) -> None:
    node = l1_node()
    node.answers["eth_getBalance"] = lambda _: wrong
    failure = await failure_of(L1_PLAN, [node])
    assert failure.reason == "invalid_answer"
    assert f"got {wrong!r}" in failure.detail


async def test_a_null_balance_is_missing_state_and_no_zero() -> None:
    node = l1_node()
    node.answers["eth_getBalance"] = lambda _: None
    assert (await failure_of(L1_PLAN, [node])).reason == "missing_state"


async def test_one_unreadable_address_makes_the_vault_unreadable() -> None:
    node = l1_node(5)

    def answer(params: list[object]) -> object:
        if params[0] == ALSO_ON_L1.address:
            raise UpstreamError("p1", "timeout", "slow")
        return "0x5"

    node.answers["eth_getBalance"] = answer
    assert (await failure_of(L1_PLAN, [node])).reason == "timeout"


async def test_one_unreadable_layer_makes_the_vault_unreadable() -> None:
    l2 = l2_node()
    l2.answers["eth_getBalance"] = failing(UpstreamError("l2", "unreachable", "gone"))
    assert str(await failure_of(PLAN, [l1_node()], [l2])) == "l2: unreachable: gone"


async def test_another_node_reads_all_balances_where_one_fails() -> None:
    first, second = l1_node(5, "p1"), l1_node(5, "p2")
    first.answers["eth_getBalance"] = failing(UpstreamError("p1", "timeout", "slow"))
    assert (await read(L1_PLAN, [first, second])).balance == 10
    assert second.methods().count("eth_getBalance") == 2


async def test_l2_balances_are_read_at_the_newest_block_not_after_the_header() -> None:
    node = l2_node(balance=9, head_lead_seconds=7)
    state = await read(L2_PLAN, [l1_node()], [node])
    assert [(reading.block_number, reading.balance) for reading in state.readings] == [(45, 9)]
    assert node.calls[-1] == ("eth_getBalance", [ON_L2.address, hex(45)])


async def test_a_late_l2_is_read_at_its_head() -> None:
    node = l2_node(head_lead_seconds=-300)
    state = await read(L2_PLAN, [l1_node()], [node])
    assert state.readings[0].block_number == 49


async def test_an_l2_of_even_steps_takes_three_lookups() -> None:
    node = l2_node(head_lead_seconds=7)
    await read(L2_PLAN, [l1_node()], [node])
    assert node.methods().count("eth_getBlockByNumber") == 3


async def test_an_l2_that_begins_after_the_header_has_no_block_for_it() -> None:
    node = timed_chain("l2", [HEAD.timestamp + 1, HEAD.timestamp + 3])
    assert (await failure_of(L2_PLAN, [l1_node()], [node])).reason == "missing_block"


@given(st.lists(st.integers(0, 400), min_size=1, max_size=60), st.integers(0, 3000))
async def test_the_l2_block_is_found_whatever_the_steps(steps: list[int], moment: int) -> None:
    timestamps = [1000 + sum(steps[: index + 1]) for index in range(len(steps))]
    node = timed_chain("l2", timestamps)
    reader = vault_reader(L2_PLAN, NodeGroup([l1_node()], 1), NodeGroup([node], None))
    at = replace(HEAD, timestamp=UnixSeconds(moment))
    expected = max((number for number, time in enumerate(timestamps) if time <= moment), default=None)
    if expected is None:
        with pytest.raises(UpstreamError, match="missing_block"):
            await reader.at(at)
    else:
        assert (await reader.at(at)).readings[0].block_number == expected


@given(st.integers(0, 2**24 - 1), st.integers(0, 2**24 - 1))
async def test_the_search_is_bounded_where_time_jumps(jump_at: int, sought: int) -> None:
    def moment(number: int) -> int:
        return number if number < jump_at else number + 10**9

    def answer(params: list[object]) -> object:
        number = 2**24 if params[0] == "latest" else int(str(params[0]), 16)
        return {"number": hex(number), "timestamp": hex(moment(number))}

    node = timed_chain("l2", [0])
    node.answers["eth_getBlockByNumber"] = answer
    reader = vault_reader(L2_PLAN, NodeGroup([l1_node()], 1), NodeGroup([node], None))
    state = await reader.at(replace(HEAD, timestamp=UnixSeconds(moment(sought))))
    assert state.readings[0].block_number == sought
    assert node.methods().count("eth_getBlockByNumber") <= MOST_L2_LOOKUPS + 1


async def test_an_l2_whose_time_does_not_stand_still_ends_the_search() -> None:
    times = iter(range(2**35, 2**36))
    node = timed_chain("l2", [0])
    node.answers["eth_getBlockByNumber"] = lambda params: {
        "number": hex(2**62) if params[0] == "latest" else params[0],
        "timestamp": hex(next(times)),
    }
    assert (await failure_of(L2_PLAN, [l1_node()], [node])).reason == "missing_block"
    assert node.methods().count("eth_getBlockByNumber") <= MOST_L2_LOOKUPS + 1


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (None, "missing_block"),
        ({"number": "0x1"}, "invalid_answer"),
        ({"number": "0x1", "timestamp": "0x" + "f" * 20}, "invalid_answer"),
        ([], "invalid_answer"),
    ],
    ids=repr,
)
async def test_an_unusable_l2_block_is_named(answer: object, reason: str) -> None:
    node = l2_node()
    node.answers["eth_getBlockByNumber"] = lambda _: answer
    assert (await failure_of(L2_PLAN, [l1_node()], [node])).reason == reason


async def test_another_l2_block_than_the_one_asked_for_is_refused() -> None:
    node = l2_node()
    head = {"number": "0x9", "timestamp": hex(HEAD.timestamp + 4)}
    node.answers["eth_getBlockByNumber"] = lambda _: head
    assert "asked for block 0x7, got 0x9" in (await failure_of(L2_PLAN, [l1_node()], [node])).detail


async def test_an_l2_node_on_another_chain_is_refused() -> None:
    node = timed_chain("l2", [0], chain_id=167_013)
    failure = await failure_of(L2_PLAN, [l1_node()], [node])
    assert str(failure) == "l2: wrong_chain: expected chain id 167000, got 167013"


class SlowNode(FakeNode):
    """Counts the calls that are under way at once."""

    under_way = 0
    most_under_way = 0

    async def call(self, method: str, params: list[object]) -> object:
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        await asyncio.sleep(0)
        self.under_way -= 1
        return await super().call(method, params)


async def test_addresses_are_read_together_but_not_all_at_once() -> None:
    node = SlowNode("p1", l1_node(1).answers)
    addresses = tuple(VaultAddress(VaultLayer.L1, f"0x{index:040x}") for index in range(50))
    state = await read(replace(PLAN, addresses=addresses), [node])
    assert state.balance == 50
    assert [reading.address for reading in state.readings] == [address.address for address in addresses]
    assert node.most_under_way == CONCURRENT_READS


@pytest.mark.parametrize(
    ("plan", "named"),
    [
        (VaultPlan(source=VaultSource.PUSH, target=Wei(1)), "vault source"),
        (VaultPlan(source=VaultSource.STATIC, target=Wei(1)), "vault balance"),
        (VaultPlan(source=VaultSource.STATIC, balance=Wei(1)), "vault target"),
        (VaultPlan(source=VaultSource.ONCHAIN, target=Wei(1)), "vault addresses"),
        (VaultPlan(source=VaultSource.ONCHAIN, addresses=(ON_L1,)), "vault target"),
        (L2_PLAN, "L2 nodes"),
    ],
)
def test_a_plan_without_what_it_needs_is_refused(plan: VaultPlan, named: str) -> None:
    with pytest.raises(InvalidValueError) as caught:
        vault_reader(plan, NodeGroup([l1_node()], 1), None)
    assert caught.value.name == named
