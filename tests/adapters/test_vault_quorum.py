"""A balance moves the fee as a base fee does: where two providers must agree on a header, they must on a balance."""

import asyncio

import pytest

from app.adapters.nodes import Node, NodeGroup
from app.adapters.vault import vault_reader
from app.domain.units import Wei
from app.domain.vault import VaultAddress, VaultLayer, VaultPlan, VaultSource, VaultState
from app.engine.ports import UpstreamError
from tests.adapters.fake_nodes import FakeNode, chain_node, header
from tests.adapters.feed import in_virtual_time

HEAD = header(100)
PLAN = VaultPlan(
    source=VaultSource.ONCHAIN, target=Wei(100), addresses=(VaultAddress(VaultLayer.L1, "0x" + "a1" * 20),)
)


def nodes(*balances: int) -> list[FakeNode]:
    return [
        chain_node(f"p{place}", [header(99), HEAD], balance=balance) for place, balance in enumerate(balances, start=1)
    ]


async def read(among: list[FakeNode], quorum: int) -> VaultState:
    group: list[Node] = [*among]
    return await vault_reader(PLAN, NodeGroup(group, 1), None, l1_quorum=quorum).at(HEAD)


@pytest.mark.parametrize("balances", [(7, 10, 10), (10, 7, 10), (10, 10, 7)])
async def test_one_of_three_that_lies_about_a_balance_is_outvoted(balances: tuple[int, ...]) -> None:
    assert (await read(nodes(*balances), 2)).balance == 10


async def test_no_more_providers_are_asked_than_must_agree() -> None:
    among = nodes(10, 10, 10)
    await read(among, 2)
    assert among[2].calls == []


async def test_a_balance_that_too_few_confirm_is_unreadable() -> None:
    with pytest.raises(UpstreamError, match="no_quorum: 2 must agree"):
        await read(nodes(7, 10), 2)


async def test_where_the_others_fail_it_is_their_failure_that_is_named() -> None:
    among = nodes(10, 10)
    among[1].breaks("timeout")
    with pytest.raises(UpstreamError, match="timeout"):
        await read(among, 2)


async def test_with_a_quorum_of_one_the_first_node_counts() -> None:
    assert (await read(nodes(7, 10, 10), 1)).balance == 7


class SlowNode(FakeNode):
    """A node that takes its time, and less than an attempt may."""

    async def call(self, method: str, params: list[object]) -> object:
        await asyncio.sleep(1.5)
        return await super().call(method, params)


@in_virtual_time
async def test_with_a_quorum_of_one_a_slow_first_node_is_not_overtaken_by_one_that_lies() -> None:
    honest, liar = nodes(10, 7)
    assert (await read([SlowNode(honest.alias, honest.answers), liar], 1)).balance == 10
    assert liar.calls == []


@in_virtual_time
async def test_where_two_must_agree_a_slow_node_is_not_waited_for() -> None:
    among = nodes(10, 10, 10)
    began = asyncio.get_running_loop().time()
    assert (await read([SlowNode("p1", among[0].answers), *among[1:]], 2)).balance == 10
    assert asyncio.get_running_loop().time() - began < 1
