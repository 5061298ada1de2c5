"""`POST /v1/simulate`: the engine of `backtest` over HTTP, bounded, and out of the way of the fee."""

import asyncio
import csv
import io
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from app.api import simulating
from app.api.examples.simulation import SIMULATION, SIMULATION_REQUEST
from app.api.simulate import GREATEST_BODY_BYTES, GREATEST_VALUES
from app.api.simulating import AT_ONCE, MOST_BODIES
from app.api.simulation_request import MOST_BLOCKS, MOST_ROWS, MOST_STORED_BLOCKS
from app.domain.governance import Revision
from app.domain.network import Network
from app.domain.units import BlockNumber
from app.engine.entries import Entry, Place, StoredEntry, UndecodableEntry
from app.engine.ports import StoreError, StoreFault
from tests.adapters.store_contract import HOODI, an_entry, some_entries
from tests.api.house import House, build_house, sample_quote
from tests.cli.command_line import CommandLine
from tests.fakes_store import FakeStore

URN = "urn:taiko-fee-oracle:problem:"
DATA = Path(__file__).parents[1] / "data"
LUNA = DATA / "l1-basefee-2022-05-luna.csv"
GWEI = 10**9
ETHER = 10**18
JSON = {"Content-Type": "application/json"}
ONE_BLOCK: dict[str, Any] = {"l1BaseFeesPerGas": [25 * GWEI]}
VAULT = {"balanceWei": str(950 * ETHER), "targetWei": str(1_000 * ETHER)}
VAULT_OPTIONS = ("--vault-balance-eth", "950", "--vault-target-eth", "1000")
DAY = {"scenario": "drift", "blocks": MOST_BLOCKS, "levelGwei": "25"}


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(capsys)


def house() -> House:
    return build_house(quote=sample_quote())


async def house_with(*entries: Entry) -> House:
    built = build_house(quote=sample_quote())
    await built.store.append(entries, Revision(change=2**53, report=2**53))
    return built


def posted() -> dict[str, object]:
    """The blocks of May 2022, as they are posted."""
    with LUNA.open(newline="") as file:
        rows = list(csv.DictReader(file))
    times = [datetime.fromisoformat(row["timestamp"]).replace(tzinfo=UTC) for row in rows]
    return {
        "l1BaseFeesPerGas": [int(row["basefee_wei"]) for row in rows],
        "timestamps": [int(at.timestamp()) for at in times],
    }


def numbers(value: object) -> object:
    """The command's JSON with its ratios as numbers, which the HTTP interface has them as."""
    if isinstance(value, dict):
        return {
            key: float(entry) if isinstance(entry, str) and not key.endswith(("Wei", "WeiSeconds")) else numbers(entry)
            for key, entry in value.items()
        }
    return value


async def refused(asked: object, built: House | None = None) -> tuple[int, str, dict[str, Any]]:
    response = await (built or house()).simulate(asked)
    problem: dict[str, Any] = response.json()
    assert response.headers["content-type"] == "application/problem+json"
    return response.status_code, problem["type"].removeprefix(URN), problem


@pytest.mark.parametrize(
    ("body", "options"),
    [
        ({}, ()),
        ({"vault": VAULT}, VAULT_OPTIONS),
        (
            {"vault": VAULT | {"surplusDiscount": True}, "blocksPerBatch": 8},
            (*VAULT_OPTIONS, "--surplus-discount", "--blocks-per-batch", "8"),
        ),
        (
            {"parameters": {"maxFeeIncrease": "0.01", "maxFeeDecrease": "0.01"}, "previousFeePerGas": GWEI},
            ("--max-fee-increase", "0.01", "--max-fee-decrease", "0.01", "--initial-fee-gwei", "1"),
        ),
        ({"vault": VAULT, "parameters": {"controller": "legacy"}}, (*VAULT_OPTIONS, "--controller", "legacy")),
    ],
)
async def test_the_same_numbers_as_backtest(
    cli: CommandLine, body: dict[str, object], options: tuple[str, ...]
) -> None:
    table = list(csv.DictReader(io.StringIO(cli("backtest", str(LUNA), *options, "--out", "-").out)))
    expected = cli("backtest", str(LUNA), *options, "--json").document["scorecard"]
    series = posted() | {"firstBlockNumber": int(table[0]["block_number"])}
    answer = (await house().simulate({"series": series, "includeBlocks": True, **body})).json()
    assert answer["scorecard"] == numbers(expected)
    columns = ("l1BaseFeePerGas", "rawFeePerGas", "feePerGas", "bound", "costWei", "revenueWei", "vaultBalanceWei")
    assert [[str(block[name] or "") for name in columns] for block in answer["blocks"]] == [
        list(row.values())[2:] for row in table
    ]


async def test_a_scenario_is_the_one_of_backtest(cli: CommandLine) -> None:
    options = ("--scenario", "spike", "--seed", "3", "--blocks", "700", "--level-gwei", "2.5", *VAULT_OPTIONS)
    expected = cli("backtest", *options, "--json").document
    series = {"scenario": "spike", "seed": 3, "blocks": 700, "levelGwei": "2.5"}
    answer = (await house().simulate({"series": series, "vault": VAULT})).json()
    assert answer["scorecard"] == numbers(expected["scorecard"])
    assert (answer["network"], answer["blocks"]) == ("mainnet", None)


async def test_the_example_of_the_documentation_is_what_is_answered() -> None:
    response = await house().simulate(SIMULATION_REQUEST)
    assert response.json() == SIMULATION | {"parametersId": response.json()["parametersId"]}
    assert response.headers["cache-control"] == "no-store"


async def test_blocks_without_times_are_a_slot_apart_or_as_far_as_is_said() -> None:
    fees = [25 * GWEI] * 3
    for series, seconds in (({}, 24), ({"blockIntervalSeconds": 2}, 4)):
        answer = (await house().simulate({"series": {"l1BaseFeesPerGas": fees, **series}})).json()
        assert answer["scorecard"]["seconds"] == seconds


async def test_what_l1_charges_for_can_be_held_against_what_a_configuration_believes() -> None:
    believed: dict[str, object] = {"parameters": {"alphaData": "0.1"}}
    bodies: tuple[dict[str, object], ...] = ({}, believed, believed | {"costAlphaData": "0.18"})
    cards = [(await house().simulate({"series": ONE_BLOCK, **body})).json()["scorecard"] for body in bodies]
    assert [int(card["costWei"]) for card in cards] == [
        7_605_000_000_000_000,
        6_225_000_000_000_000,
        7_605_000_000_000_000,
    ]
    assert cards[1]["revenueWei"] == cards[2]["revenueWei"]
    assert cards[1]["costRecoveryRatio"] > cards[2]["costRecoveryRatio"]


async def test_it_changes_nothing() -> None:
    built = house()
    before = [(await built.get(path)).json() for path in ("/v1/fee", "/v1/parameters", "/v1/vault")]
    asked = {"series": ONE_BLOCK, "vault": VAULT, "parameters": {"alphaData": "0.5"}}
    assert (await built.simulate(asked)).status_code == 200
    assert [(await built.get(path)).json() for path in ("/v1/fee", "/v1/parameters", "/v1/vault")] == before


async def test_stored_blocks_are_the_newest_of_the_journal_along_their_parents() -> None:
    entries = some_entries(5, 20)
    stray = an_entry(19, branch="b")
    built = await house_with(*entries, stray, an_entry(99, network=HOODI))
    answer = (await built.simulate({"series": {"storedBlocks": 10}, "includeBlocks": True})).json()
    expected = [entry.quote.header for entry in entries[-10:]]
    assert [(block["blockNumber"], block["l1BaseFeePerGas"], block["timestamp"]) for block in answer["blocks"]] == [
        (header.number, header.base_fee_per_gas, header.timestamp) for header in expected
    ]
    assert (await built.simulate({"series": {"storedBlocks": MOST_STORED_BLOCKS}})).json()["scorecard"]["blocks"] == 16


class DoubtedStore(FakeStore):
    """A store one of whose entries cannot be read, and one of which was changed."""

    async def entries_below(
        self, network: Network, place: Place | None, most: int
    ) -> Sequence[StoredEntry | UndecodableEntry]:
        found = await super().entries_below(network, place, most)
        return [self._doubted(entry) for entry in found]

    def _doubted(self, entry: StoredEntry | UndecodableEntry) -> StoredEntry | UndecodableEntry:
        assert isinstance(entry, StoredEntry)
        number = entry.observation.header.number
        if number == 7:
            return UndecodableEntry(entry.sequence, BlockNumber(7), "it is none")
        return replace(entry, is_intact=False) if number == 8 else entry


async def test_a_stored_block_that_cannot_be_believed_is_one_that_is_missing() -> None:
    built = build_house(quote=sample_quote(), store=DoubtedStore())
    await built.store.append(some_entries(5, 10), Revision(change=2**53, report=2**53))
    card = (await built.simulate({"series": {"storedBlocks": 100}})).json()["scorecard"]
    assert (card["blocks"], card["firstBlock"], card["lastBlock"], card["missingBlocks"]) == (4, 5, 10, 2)


async def test_a_journal_without_blocks_or_that_fails_and_a_chain_that_nobody_knows_are_refused() -> None:
    asked = {"series": {"storedBlocks": 10}}
    code, kind, problem = await refused(asked)
    assert (code, kind, problem["errors"][0]["name"]) == (422, "invalid-value", "series.storedBlocks")
    assert (await refused(asked, build_house(network=None)))[:2] == (503, "chain-unknown")
    built = house()
    built.store.fault = StoreError(StoreFault.UNAVAILABLE, "down")
    assert (await refused(asked, built))[:2] == (503, "journal-degraded")


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ({}, ["series"]),
        ({"series": []}, ["series"]),
        ({"series": {}}, ["series"]),
        ({"series": ONE_BLOCK | {"storedBlocks": 5}}, ["series"]),
        ({"series": ONE_BLOCK, "vaults": 1, "seed": 2}, ["seed", "vaults"]),
        ({"series": ONE_BLOCK | {"fees": 1}}, ["series.fees"]),
        ({"series": {"l1BaseFeesPerGas": []}}, ["series.l1BaseFeesPerGas"]),
        ({"series": {"l1BaseFeesPerGas": "25"}}, ["series.l1BaseFeesPerGas"]),
        ({"series": {"l1BaseFeesPerGas": [1] * (MOST_BLOCKS + 1)}}, ["series.l1BaseFeesPerGas"]),
        ({"series": {"l1BaseFeesPerGas": [1, -1, 2.5, True, "7", 2**53]}},
         [f"series.l1BaseFeesPerGas[{index}]" for index in range(1, 6)]),
        ({"series": {"l1BaseFeesPerGas": [None] * 50}}, [f"series.l1BaseFeesPerGas[{index}]" for index in range(10)]),
        ({"series": {"l1BaseFeesPerGas": [1, 2, 3], "timestamps": [5, 4]}},
         ["series.timestamps", "series.timestamps[1]"]),
        ({"series": {"l1BaseFeesPerGas": [1], "timestamps": [1.5]}}, ["series.timestamps[0]"]),
        ({"series": ONE_BLOCK | {"timestamps": [1], "blockIntervalSeconds": 12}}, ["series.blockIntervalSeconds"]),
        ({"series": ONE_BLOCK | {"blockIntervalSeconds": 0}}, ["series.blockIntervalSeconds"]),
        ({"series": ONE_BLOCK | {"firstBlockNumber": -1}}, ["series.firstBlockNumber"]),
        ({"series": {"storedBlocks": MOST_STORED_BLOCKS + 1}}, ["series.storedBlocks"]),
        ({"series": {"storedBlocks": "5"}}, ["series.storedBlocks"]),
        ({"series": DAY | {"scenario": "crash"}}, ["series.scenario"]),
        ({"series": {"scenario": 5}}, ["series.blocks", "series.levelGwei", "series.scenario"]),
        ({"series": DAY | {"blocks": MOST_BLOCKS + 1}}, ["series.blocks"]),
        ({"series": DAY | {"levelGwei": "0"}}, ["series.levelGwei"]),
        ({"series": DAY | {"levelGwei": "10000.000000001", "seed": -1}}, ["series.levelGwei", "series.seed"]),
        ({"series": ONE_BLOCK, "vault": {"balanceWei": "1"}}, ["vault.targetWei"]),
        ({"series": ONE_BLOCK, "vault": VAULT | {"surplusDiscount": "yes", "x": 1}},
         ["vault.surplusDiscount", "vault.x"]),
        ({"series": ONE_BLOCK, "vault": {"balanceWei": "-1", "targetWei": 10**30}},
         ["vault.balanceWei", "vault.targetWei"]),
        ({"series": ONE_BLOCK, "vault": 5}, ["vault"]),
        ({"series": ONE_BLOCK, "parameters": {"alphaData": "-1", "horizon": 5}},
         ["parameters.alphaData", "parameters.horizon"]),
        ({"series": ONE_BLOCK, "parameters": 5}, ["parameters"]),
        ({"series": ONE_BLOCK, "blocksPerBatch": 0}, ["blocksPerBatch"]),
        ({"series": ONE_BLOCK, "previousFeePerGas": "1"}, ["previousFeePerGas"]),
        ({"series": ONE_BLOCK, "costAlphaData": 0.2}, ["costAlphaData"]),
        ({"series": ONE_BLOCK, "includeBlocks": 1}, ["includeBlocks"]),
        ({"series": DAY, "includeBlocks": True}, ["includeBlocks"]),
    ],
)  # fmt: skip
async def test_every_value_that_is_not_allowed_is_named(asked: object, names: list[str]) -> None:
    code, kind, problem = await refused(asked)
    assert (code, kind) == (422, "invalid-value")
    assert sorted(error["name"] for error in problem["errors"]) == sorted(names)[:10]


async def test_a_day_of_base_fees_and_times_fits_into_a_body_and_more_does_not() -> None:
    series = {
        "l1BaseFeesPerGas": [999 * GWEI + index for index in range(MOST_BLOCKS)],
        "timestamps": [1_764_157_415 + 12 * index for index in range(MOST_BLOCKS)],
    }
    body = json.dumps({"series": series}).encode()
    assert len(body) <= GREATEST_BODY_BYTES
    answer = await house().request("POST", "/v1/simulate", headers=JSON, content=body)
    assert answer.json()["scorecard"]["blocks"] == MOST_BLOCKS
    padded = body + b" " * (GREATEST_BODY_BYTES + 1 - len(body))
    large = await house().request("POST", "/v1/simulate", headers=JSON, content=padded)
    assert (large.status_code, large.json()["type"]) == (413, f"{URN}body-too-large")
    many = b'{"series":[%b]}' % b",".join([b"1"] * (GREATEST_VALUES + 1))
    values = await house().request("POST", "/v1/simulate", headers=JSON, content=many)
    assert (values.status_code, values.json()["type"]) == (400, f"{URN}invalid-json")


async def test_as_many_blocks_as_may_be_are_listed() -> None:
    answer = (await house().simulate({"series": DAY | {"blocks": MOST_ROWS}, "includeBlocks": True})).json()
    assert [block["blockNumber"] for block in answer["blocks"]] == list(range(1, MOST_ROWS + 1))


async def test_few_simulations_run_at_once_and_the_next_one_is_told_when_to_come_back() -> None:
    built = house()
    answers = await asyncio.gather(*(built.simulate({"series": DAY | {"blocks": 500}}) for _ in range(AT_ONCE + 1)))
    assert sorted(answer.status_code for answer in answers) == [200] * AT_ONCE + [503]
    refusal = next(answer for answer in answers if answer.status_code == 503)
    assert refusal.json()["type"] == f"{URN}overloaded"
    assert refusal.headers["retry-after"] == "1"
    assert (await built.simulate({"series": ONE_BLOCK})).status_code == 200


async def test_few_bodies_are_received_at_once() -> None:
    built = house()
    opened = [built.context.simulations.body() for _ in range(MOST_BODIES)]
    for body in opened:
        body.__enter__()
    assert (await refused({"series": ONE_BLOCK}, built))[:2] == (503, "overloaded")
    opened[0].__exit__(None, None, None)
    assert (await built.simulate({"series": ONE_BLOCK})).status_code == 200


async def test_a_simulation_that_gets_too_little_of_the_processor_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    built = house()
    monkeypatch.setattr(simulating, "SECONDS", 0.01)
    code, kind, problem = await refused({"series": DAY}, built)
    assert (code, kind) == (503, "overloaded")
    assert "0.01 s" in problem["detail"]
    monkeypatch.undo()
    assert (await built.simulate({"series": ONE_BLOCK})).status_code == 200


async def test_the_fee_is_answered_again_and_again_while_a_simulation_runs() -> None:
    built = house()
    async with built.client() as client:
        running = asyncio.create_task(built.simulate({"series": DAY | {"blocks": 1_000}}))
        answered = 0
        while not running.done():
            assert (await client.get("/v1/fee")).status_code == 200
            answered += 1
            await asyncio.sleep(0)
    assert (await running).status_code == 200
    assert answered > 1_000 // simulating.SLICE_BLOCKS
