"""Recorded base fees, put on anvil block by block, and the fees that the service answers."""

import csv
from pathlib import Path

from tests.reference import alpha_fee
from tests.service import Service
from tests.world.anvil import Anvil

SERIES = Path(__file__).parents[1] / "data"
LONG_FRESHNESS = {"TAIKO_QUOTE_STALE_AFTER_SECONDS": "80000", "TAIKO_QUOTE_EXPIRES_AFTER_SECONDS": "86400"}
"""Blocks are mined faster than their timestamps tell, so they begin in the past."""


def base_fees(name: str) -> list[int]:
    """The base fees of one of the suite's series, in wei."""
    with (SERIES / name).open(newline="") as file:
        return [int(row["basefee_wei"]) for row in csv.DictReader(file)]


def follow(anvil: Anvil, service: Service, series: list[int]) -> None:
    """Set each base fee for the next block, mine it, and hold the served quote against the formula."""
    for base_fee in series:
        block = anvil.mine_with_base_fee(base_fee, interval_seconds=1)
        assert int(block["baseFeePerGas"], 16) == base_fee
        quote = service.quote_for(int(block["number"], 16))
        assert quote["l1"]["blockHash"] == block["hash"]
        assert quote["l1"]["baseFeePerGas"] == base_fee
        assert quote["feePerGas"] == alpha_fee(base_fee)
        assert quote["next"]["feePerGas"] == alpha_fee(quote["l1"]["nextBaseFeePerGas"])
