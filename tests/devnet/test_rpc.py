import pytest

from app.devnet.chain import Block
from app.devnet.demand import Scenario
from app.devnet.node import Node
from app.devnet.rpc import MOST_CALLS_IN_A_BATCH
from app.domain.header import next_base_fee
from app.domain.network import DEVNET_CHAIN_ID
from tests.devnet.support import ALICE, GWEI_25, NOW, Caller, node_of

CALL = {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId"}
HASHES_ONLY, FULL_TRANSACTIONS = False, True
UNKNOWN_HASH = "0x" + "ab" * 32


@pytest.fixture
def caller() -> Caller:
    return Caller(node_of(blocks=100, window=80))


def block_at(node: Node, number: int) -> Block:
    block = node.chain.at(number)
    assert block is not None
    return block


class TestMessages:
    @pytest.mark.parametrize(
        "message", ["", "{", b"\xff", '{"id": NaN}', "[" * 900, '{"id": 1' + "0" * 5000 + "}"], ids=range(6)
    )
    def test_that_are_not_json_are_parse_errors(self, caller: Caller, message: str | bytes) -> None:
        answer = caller.send(message)

        assert (answer["error"]["code"], answer["id"]) == (-32700, None)

    def test_that_would_nest_deeper_than_the_stack_are_refused_unread(self, caller: Caller) -> None:
        assert caller.send("[" * 1_000_000)["error"]["code"] == -32600

    def test_nested_to_the_edge_of_what_can_be_read_never_break_the_server(self, caller: Caller) -> None:
        for depth in range(400, 1_100, 3):
            message = '{"jsonrpc":"2.0","id":1,"method":"eth_getBalance","params":[' + "[" * depth + "]" * depth + "]}"

            assert caller.send(message)["error"]["code"] in {-32700, -32602, -32600}

    @pytest.mark.parametrize(
        "request_",
        [
            1,
            '"eth_chainId"',
            None,
            {},
            CALL | {"jsonrpc": "1.0"},
            CALL | {"method": 1},
            CALL | {"id": {}},
            CALL | {"id": True},
            CALL | {"id": 1.5},
        ],
    )
    def test_that_are_no_calls_are_invalid_requests(self, caller: Caller, request_: object) -> None:
        assert caller.send(request_)["error"]["code"] == -32600

    @pytest.mark.parametrize("call_id", [1, "one", None, 2**70])
    def test_are_answered_with_their_id(self, caller: Caller, call_id: object) -> None:
        assert caller.send(CALL | {"id": call_id}) == {
            "jsonrpc": "2.0",
            "id": call_id,
            "result": hex(DEVNET_CHAIN_ID),
        }

    def test_without_an_id_are_obeyed_and_not_answered(self, caller: Caller) -> None:
        assert caller.send({"jsonrpc": "2.0", "method": "devnet_mine"}) is None
        assert caller.node.chain.head.header.number == 101

    def test_without_an_id_are_not_answered_when_they_fail_either(self, caller: Caller) -> None:
        assert caller.send({"jsonrpc": "2.0", "method": "no_such"}) is None

    def test_with_an_unknown_method_say_so(self, caller: Caller) -> None:
        assert caller.error("eth_sendRawTransaction", "0x")[0] == -32601

    def test_with_named_params_say_so(self, caller: Caller) -> None:
        assert caller.send(CALL | {"params": {"a": 1}})["error"]["code"] == -32602

    def test_in_a_batch_are_answered_in_order(self, caller: Caller) -> None:
        answers = caller.send([CALL | {"id": 5}, {"jsonrpc": "2.0", "method": "eth_chainId"}, 1, CALL | {"id": 4}])

        assert [answer["id"] for answer in answers] == [5, None, 4]
        assert answers[1]["error"]["code"] == -32600

    def test_in_a_batch_of_notifications_are_not_answered(self, caller: Caller) -> None:
        assert caller.send([{"jsonrpc": "2.0", "method": "eth_chainId"}] * 2) is None

    @pytest.mark.parametrize("calls", [0, MOST_CALLS_IN_A_BATCH + 1])
    def test_in_a_batch_of_the_wrong_size_are_one_error(self, caller: Caller, calls: int) -> None:
        answer = caller.send([CALL] * calls)

        assert answer["error"]["code"] == -32600
        assert f"1 to 100 calls, not {calls}" in answer["error"]["message"]


class TestBlocks:
    def test_carry_the_chains_numbers(self, caller: Caller) -> None:
        header = caller.node.chain.head.header
        block = caller.result("eth_getBlockByNumber", "latest", HASHES_ONLY)

        assert block["number"] == "0x64"
        assert block["hash"] == header.hash
        assert block["parentHash"] == header.parent_hash
        assert int(block["timestamp"], 16) == NOW + 100
        assert int(block["baseFeePerGas"], 16) == header.base_fee_per_gas
        assert int(block["gasLimit"], 16) == header.gas_limit
        assert int(block["gasUsed"], 16) == header.gas_used
        assert (block["transactions"], block["uncles"], block["withdrawals"]) == ([], [], [])

    @pytest.mark.parametrize(
        ("place", "number"),
        [
            ("latest", 100),
            ("pending", 100),
            ("safe", 68),
            ("finalized", 36),
            ("earliest", 21),
            ("0x15", 21),
            ("0x64", 100),
        ],
    )
    def test_are_found_by_number_and_tag(self, caller: Caller, place: str, number: int) -> None:
        assert caller.result("eth_getBlockByNumber", place, FULL_TRANSACTIONS)["number"] == hex(number)

    @pytest.mark.parametrize("place", ["0x0", "0x14", "0x65"])
    def test_that_are_pruned_or_not_there_yet_are_null(self, caller: Caller, place: str) -> None:
        assert caller.result("eth_getBlockByNumber", place, HASHES_ONLY) is None
        assert caller.result("eth_getBlockTransactionCountByNumber", place) is None

    def test_are_found_by_hash(self, caller: Caller) -> None:
        block = block_at(caller.node, 50)

        shouted = block.header.hash.upper().replace("X", "x")

        assert caller.result("eth_getBlockByHash", shouted, HASHES_ONLY)["number"] == "0x32"
        assert caller.result("eth_getBlockByHash", UNKNOWN_HASH, HASHES_ONLY) is None

    def test_hold_no_transactions(self, caller: Caller) -> None:
        assert caller.result("eth_getBlockTransactionCountByNumber", "latest") == "0x0"

    @pytest.mark.parametrize(
        "place", ["", "newest", "0x", "0x00", "0x064", "100", 100, None, True, [], "0x" + "f" * 65]
    )
    def test_are_not_found_by_anything_else(self, caller: Caller, place: object) -> None:
        assert caller.error("eth_getBlockByNumber", place, HASHES_ONLY)[0] == -32602

    @pytest.mark.parametrize("params", [[], ["latest", 1], ["latest", True, 1]])
    def test_take_a_number_and_a_flag(self, caller: Caller, params: list[object]) -> None:
        assert caller.error("eth_getBlockByNumber", *params)[0] == -32602

    @pytest.mark.parametrize("block_hash", ["0x12", 12, None, "ab" * 33])
    def test_need_a_whole_hash(self, caller: Caller, block_hash: object) -> None:
        assert caller.error("eth_getBlockByHash", block_hash, HASHES_ONLY)[0] == -32602


class TestBalances:
    @pytest.fixture
    def caller(self, caller: Caller) -> Caller:
        assert caller.result("devnet_setBalance", ALICE, "0xff") == "0x65"
        caller.result("devnet_mine", 2)
        return caller

    @pytest.mark.parametrize(
        ("place", "balance"),
        [
            ("latest", "0xff"),
            ("0x65", "0xff"),
            ("0x64", "0x7"),
            ("earliest", "0x7"),
            ({"blockNumber": "0x64"}, "0x7"),
        ],
    )
    def test_are_read_at_a_block(self, caller: Caller, place: object, balance: str) -> None:
        assert caller.result("eth_getBalance", ALICE.upper().replace("X", "x"), place) == balance

    def test_are_read_at_a_hash_even_off_the_chain(self, caller: Caller) -> None:
        replaced = block_at(caller.node, 102).header.hash
        caller.result("devnet_reorg")

        assert caller.result("eth_getBalance", ALICE, {"blockHash": replaced}) == "0xff"
        assert caller.error("eth_getBalance", ALICE, {"blockHash": replaced, "requireCanonical": True}) == (
            -32000,
            "hash is not currently canonical",
        )

    def test_are_zero_for_who_holds_nothing(self, caller: Caller) -> None:
        assert caller.result("eth_getBalance", "0x" + "11" * 20) == "0x0"

    @pytest.mark.parametrize("place", ["0x0", "0x67", {"blockHash": UNKNOWN_HASH}])
    def test_without_a_state_are_an_error_and_never_zero(self, caller: Caller, place: object) -> None:
        code, message = caller.error("eth_getBalance", ALICE, place)

        assert (code, message[:16]) == (-32000, "header not found")

    @pytest.mark.parametrize("params", [[], ["0x1", "latest"], [1, "latest"], [ALICE, {}], [ALICE, {"blockHash": 1}]])
    def test_need_an_address_and_a_block(self, caller: Caller, params: list[object]) -> None:
        assert caller.error("eth_getBalance", *params)[0] == -32602

    @pytest.mark.parametrize("wei", ["12", -1, 1.5, None, True, 1 << 256, "0x1" + "0" * 64])
    def test_are_set_to_whole_wei(self, caller: Caller, wei: object) -> None:
        assert caller.error("devnet_setBalance", ALICE, wei)[0] == -32602


class TestFees:
    def test_history_ends_with_the_next_blocks_base_fee(self, caller: Caller) -> None:
        headers = [block_at(caller.node, number).header for number in range(91, 101)]
        history = caller.result("eth_feeHistory", "0xa", "latest", [])

        assert history["oldestBlock"] == "0x5b"
        assert [int(base_fee, 16) for base_fee in history["baseFeePerGas"]] == [
            *(header.base_fee_per_gas for header in headers),
            next_base_fee(headers[-1]),
        ]
        assert history["gasUsedRatio"] == [header.gas_used / header.gas_limit for header in headers]
        assert "reward" not in history

    def test_history_gives_no_tips_where_there_are_no_transactions(self, caller: Caller) -> None:
        assert caller.result("eth_feeHistory", 2, "latest", [10, 90])["reward"] == [["0x0", "0x0"]] * 2

    def test_history_is_cut_at_the_oldest_block(self, caller: Caller) -> None:
        history = caller.result("eth_feeHistory", hex(2**200), "0x17", None)

        assert (history["oldestBlock"], len(history["gasUsedRatio"])) == ("0x15", 3)

    def test_history_beyond_the_head_is_refused(self, caller: Caller) -> None:
        assert caller.error("eth_feeHistory", "0x1", "0x65", [])[0] == -32000

    @pytest.mark.parametrize(
        "params",
        [["0x0", "latest", []], ["ten", "latest"], ["0x1"], ["0x1", "latest", 5], ["0x1", "latest", [1] * 101]],
    )
    def test_history_takes_a_count_a_block_and_percentiles(self, caller: Caller, params: list[object]) -> None:
        assert caller.error("eth_feeHistory", *params)[0] == -32602

    def test_gas_price_is_the_base_fee_and_a_tip(self, caller: Caller) -> None:
        tip = int(caller.result("eth_maxPriorityFeePerGas"), 16)

        assert int(caller.result("eth_gasPrice"), 16) == caller.node.chain.head.header.base_fee_per_gas + tip


@pytest.mark.parametrize(
    ("method", "result"),
    [
        ("eth_chainId", hex(DEVNET_CHAIN_ID)),
        ("net_version", str(DEVNET_CHAIN_ID)),
        ("net_listening", True),
        ("web3_clientVersion", "taiko-devnet/1.2.3"),
        ("eth_syncing", False),
        ("eth_accounts", []),
        ("eth_blockNumber", "0x64"),
        ("eth_blobBaseFee", "0x1"),
    ],
)
def test_a_client_can_ask_who_answers(caller: Caller, method: str, result: object) -> None:
    assert caller.result(method) == result


class TestControl:
    def test_mines_on_request_at_the_present_time(self, caller: Caller) -> None:
        assert caller.result("devnet_mine") == "0x65"
        assert caller.result("devnet_mine", "0x10") == "0x75"
        assert caller.node.chain.head.header.timestamp == NOW + 500

    @pytest.mark.parametrize("blocks", [0, -1, 1025, "ten", 1.5, True])
    def test_mines_whole_blocks(self, caller: Caller, blocks: object) -> None:
        assert caller.error("devnet_mine", blocks)[0] == -32602

    def test_changes_the_block_time(self, caller: Caller) -> None:
        assert caller.result("devnet_setIntervalMining", 0.5) is True
        assert caller.cadence.seconds == 0.5
        assert caller.result("devnet_setIntervalMining", 0) is True
        assert caller.cadence.seconds == 0

    @pytest.mark.parametrize("seconds", [-1, 0.001, 3601, "12", None, True])
    def test_refuses_other_block_times(self, caller: Caller, seconds: object) -> None:
        assert caller.error("devnet_setIntervalMining", seconds)[0] == -32602
        assert caller.cadence.seconds == 12

    def test_refuses_an_endless_block_time(self, caller: Caller) -> None:
        message = '{"jsonrpc":"2.0","id":1,"method":"devnet_setIntervalMining","params":[1e999]}'

        assert caller.send(message)["error"]["code"] == -32602

    def test_reorganises(self, caller: Caller) -> None:
        old = caller.node.chain.head.header.hash
        new = caller.result("devnet_reorg", 3)

        assert new == caller.node.chain.head.header.hash != old
        assert caller.result("eth_blockNumber") == "0x64"

    def test_refuses_to_reorganise_the_whole_chain(self, caller: Caller) -> None:
        assert caller.error("devnet_reorg", 80) == (-32000, "cannot take 80 blocks off the chain, expected 1 to 79")

    def test_changes_the_demand(self, caller: Caller) -> None:
        assert caller.result("devnet_setDemand", "spike") is True
        caller.result("devnet_mine", 71)

        assert caller.node.chain.head.header.base_fee_per_gas > 70 * GWEI_25

    def test_knows_its_scenarios(self, caller: Caller) -> None:
        assert caller.error("devnet_setDemand", "panic") == (
            -32602,
            f"invalid params: scenario: got 'panic', expected {', '.join(Scenario)}",
        )


class TestSubscriptions:
    def test_get_every_new_head(self, caller: Caller) -> None:
        subscription = caller.result("eth_subscribe", "newHeads", push=True)
        caller.result("devnet_mine", 2)

        assert [message["params"]["subscription"] for message in caller.pushed] == [subscription] * 2
        assert [message["params"]["result"]["number"] for message in caller.pushed] == ["0x65", "0x66"]
        assert {message["method"] for message in caller.pushed} == {"eth_subscription"}
        assert "transactions" not in caller.pushed[0]["params"]["result"]

    def test_get_the_siblings_of_a_reorg(self, caller: Caller) -> None:
        caller.result("eth_subscribe", "newHeads", push=True)
        head = caller.result("devnet_reorg", 2)

        assert [message["params"]["result"]["number"] for message in caller.pushed] == ["0x63", "0x64"]
        assert caller.pushed[-1]["params"]["result"]["hash"] == head

    def test_end(self, caller: Caller) -> None:
        subscription = caller.result("eth_subscribe", "newHeads", push=True)

        assert caller.result("eth_unsubscribe", subscription, push=True) is True
        assert caller.result("eth_unsubscribe", subscription, push=True) is False
        caller.result("devnet_mine")
        assert caller.pushed == []

    def test_are_to_new_heads_only(self, caller: Caller) -> None:
        assert caller.error("eth_subscribe", "logs", push=True)[0] == -32602

    def test_are_bounded(self, caller: Caller) -> None:
        for _ in range(64):
            caller.result("eth_subscribe", "newHeads", push=True)

        assert caller.error("eth_subscribe", "newHeads", push=True)[0] == -32000

    def test_need_a_connection_that_can_push(self, caller: Caller) -> None:
        assert caller.error("eth_subscribe", "newHeads") == (-32601, "subscriptions need a WebSocket connection")
