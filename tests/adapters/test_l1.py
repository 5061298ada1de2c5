from collections.abc import Sequence

import pytest

from app.adapters.l1 import L1HeaderSource
from app.adapters.nodes import Node, NodeGroup
from app.domain.errors import InvalidValueError
from app.domain.units import BlockNumber
from app.engine.events import Event, ProviderChanged
from app.engine.ports import HeaderSource, UpstreamError
from tests.adapters.fake_nodes import FakeNode, block, block_hash, chain_node, failing, header
from tests.fakes import ManualClock

HEADERS = [header(number) for number in range(95, 101)]
HEAD = HEADERS[-1]


def source(nodes: Sequence[Node], chain_id: int | None = 1) -> tuple[HeaderSource, list[Event]]:
    events: list[Event] = []
    group, clock = NodeGroup(nodes, chain_id), ManualClock(HEAD.timestamp + 2)
    return L1HeaderSource(group, events.append, clock=clock, quorum=1, failback_seconds=0), events


async def failure_of(nodes: Sequence[Node], chain_id: int | None = 1) -> UpstreamError:
    with pytest.raises(UpstreamError) as caught:
        await source(nodes, chain_id)[0].latest()
    return caught.value


async def test_the_head_comes_from_the_first_node() -> None:
    first, second = chain_node("p1", HEADERS), chain_node("p2", HEADERS)
    l1, events = source([first, second])
    sighting = await l1.latest()
    assert (sighting.header, sighting.provider) == (HEAD, "p1")
    assert events == []


async def test_every_node_is_asked_and_is_a_witness() -> None:
    nodes = [chain_node("p1", HEADERS), chain_node("p2", HEADERS), chain_node("p3", HEADERS[:-1])]
    l1, _ = source(nodes)
    await l1.latest()
    assert [node.methods() for node in nodes] == [["eth_chainId", "eth_getBlockByNumber"]] * 3
    assert (await l1.latest()).agreeing == 2


async def test_the_chain_id_is_checked_once_before_the_first_use() -> None:
    node = chain_node("p1", HEADERS)
    l1, _ = source([node])
    await l1.latest()
    await l1.latest()
    assert node.methods() == ["eth_chainId", "eth_getBlockByNumber", "eth_getBlockByNumber"]


async def test_the_chain_id_is_checked_again_after_a_failure() -> None:
    node = chain_node("p1", HEADERS)
    l1, _ = source([node])
    await l1.latest()
    working, node.calls = node.answers, []
    node.breaks()
    with pytest.raises(UpstreamError):
        await l1.latest()
    node.answers = working | {"eth_chainId": lambda _: "0x5"}
    with pytest.raises(UpstreamError, match="p1: wrong_chain: expected chain id 1, got 5"):
        await l1.latest()
    assert node.methods() == ["eth_getBlockByNumber", "eth_chainId"]


async def test_a_node_on_another_chain_is_never_asked_for_a_head() -> None:
    node = chain_node("p1", HEADERS, chain_id=5)
    failure = await failure_of([node])
    assert (failure.provider, failure.reason) == ("p1", "wrong_chain")
    assert node.methods() == ["eth_chainId"]


async def test_a_node_that_comes_to_the_right_chain_is_used() -> None:
    node = chain_node("p1", HEADERS, chain_id=5)
    l1, _ = source([node])
    with pytest.raises(UpstreamError):
        await l1.latest()
    node.answers["eth_chainId"] = lambda _: "0x1"
    assert (await l1.latest()).header == HEAD


async def test_the_first_node_to_answer_fixes_an_unknown_chain_id() -> None:
    first, second = chain_node("p1", HEADERS, chain_id=7), chain_node("p2", HEADERS, chain_id=8)
    l1, _ = source([first, second], None)
    await l1.latest()
    first.breaks()
    with pytest.raises(UpstreamError, match="p2: wrong_chain: expected chain id 7, got 8"):
        await l1.latest()


async def test_the_chain_id_is_that_of_the_nodes() -> None:
    l1, _ = source([chain_node("p1", HEADERS, chain_id=7)], None)
    assert await l1.chain_id() == 7


async def test_there_is_no_chain_id_while_no_node_answers() -> None:
    node = chain_node("p1", HEADERS)
    node.breaks("unreachable")
    l1, _ = source([node])
    with pytest.raises(UpstreamError, match="unreachable"):
        await l1.chain_id()


@pytest.mark.parametrize("wrong", [None, 1, "1", "0x0", "0x", hex(2**53), {}], ids=repr)
async def test_an_unusable_chain_id_is_an_invalid_answer(wrong: object) -> None:
    node = chain_node("p1", HEADERS)
    node.answers["eth_chainId"] = lambda _: wrong
    assert (await failure_of([node])).reason == "invalid_answer"


async def test_the_next_node_answers_where_one_fails() -> None:
    first, second = chain_node("p1", HEADERS), chain_node("p2", HEADERS)
    l1, events = source([first, second])
    first.breaks()
    assert (await l1.latest()).provider == "p2"
    assert events == [ProviderChanged("p2", "p1", "timeout")]


async def test_the_preferred_node_is_taken_back_when_it_answers() -> None:
    first, second = chain_node("p1", HEADERS), chain_node("p2", HEADERS)
    working = first.answers
    l1, events = source([first, second])
    first.breaks()
    await l1.latest()
    await l1.latest()
    first.answers = working
    assert (await l1.latest()).provider == "p1"
    assert events[1:] == [ProviderChanged("p1", "p2", "recovered")]


async def test_the_head_of_a_node_with_an_invalid_header_is_not_taken() -> None:
    first, second = chain_node("p1", HEADERS), chain_node("p2", HEADERS)
    first.answers["eth_getBlockByNumber"] = lambda _: block(HEAD) | {"baseFeePerGas": "0x0"}
    l1, events = source([first, second])
    assert (await l1.latest()).provider == "p2"
    assert events == [ProviderChanged("p2", "p1", "invalid_header")]


async def test_an_invalid_header_names_the_field() -> None:
    node = chain_node("p1", HEADERS)
    node.answers["eth_getBlockByNumber"] = lambda _: block(HEAD) | {"baseFeePerGas": "0x0"}
    failure = await failure_of([node])
    assert failure.reason == "invalid_header"
    assert "baseFeePerGas: got '0x0'" in failure.detail


async def test_a_null_head_is_a_missing_block() -> None:
    node = chain_node("p1", HEADERS)
    node.answers["eth_getBlockByNumber"] = lambda _: None
    assert (await failure_of([node])).reason == "missing_block"


async def test_when_all_fail_the_first_reason_stands_and_every_node_is_named() -> None:
    first, second = chain_node("p1", HEADERS), chain_node("p2", HEADERS, chain_id=5)
    first.breaks()
    failure = await failure_of([first, second])
    assert failure.reason == "timeout"
    assert str(failure) == "p1: timeout: broken; p2: wrong_chain: expected chain id 1, got 5"


async def test_headers_by_hash_come_first_from_the_node_that_gave_the_head() -> None:
    first, second = chain_node("p1", HEADERS), chain_node("p2", HEADERS)
    working = first.answers
    l1, _ = source([first, second])
    first.breaks()
    await l1.latest()
    first.answers, first.calls = working, []
    assert await l1.by_hash(block_hash(97)) == header(97)
    assert first.calls == []


async def test_a_header_that_one_node_lacks_comes_from_another() -> None:
    first, second = chain_node("p1", HEADERS[-1:]), chain_node("p2", HEADERS)
    l1, _ = source([first, second])
    assert await l1.by_hash(block_hash(96)) == header(96)
    assert await l1.by_number(BlockNumber(95)) == header(95)


async def test_a_header_that_no_node_has_is_a_missing_block() -> None:
    l1, _ = source([chain_node("p1", HEADERS)])
    with pytest.raises(UpstreamError, match="missing_block"):
        await l1.by_number(BlockNumber(101))


async def test_another_hash_than_the_one_asked_for_is_refused() -> None:
    node = chain_node("p1", HEADERS)
    node.answers["eth_getBlockByHash"] = lambda _: block(HEAD)
    l1, _ = source([node])
    with pytest.raises(UpstreamError, match="invalid_answer: asked for the block of hash"):
        await l1.by_hash(block_hash(97))


async def test_another_number_than_the_one_asked_for_is_refused() -> None:
    node = chain_node("p1", HEADERS)
    node.answers["eth_getBlockByNumber"] = lambda _: block(HEAD)
    l1, _ = source([node])
    with pytest.raises(UpstreamError, match="invalid_answer: asked for the block of number 97, got 100"):
        await l1.by_number(BlockNumber(97))


async def test_what_is_no_upstream_failure_is_not_hidden() -> None:
    node = FakeNode("p1", {})
    l1, _ = source([node, chain_node("p2", HEADERS)])
    with pytest.raises(KeyError):
        await l1.latest()


async def test_a_failure_keeps_its_node_and_reason() -> None:
    node = chain_node("p1", HEADERS)
    node.answers["eth_getBlockByNumber"] = failing(UpstreamError("p1", "http_status", "HTTP status 503"))
    assert str(await failure_of([node])) == "p1: http_status: HTTP status 503"


def test_a_chain_needs_a_node() -> None:
    with pytest.raises(InvalidValueError, match="at least one"):
        NodeGroup([], 1)
