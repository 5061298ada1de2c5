"""Recorded months, block by block, on a real node: every served fee is the formula's."""

import time
from pathlib import Path

import pytest

from tests.service import Service
from tests.world.anvil import running_anvil
from tests.world.series import LONG_FRESHNESS, base_fees, follow

QUIET = "l1-basefee-2025-11-quiet.csv"
LUNA = "l1-basefee-2022-05-luna.csv"


@pytest.mark.parametrize(
    ("name", "window"),
    [
        pytest.param(QUIET, slice(None), id="all of November 2025"),
        pytest.param(LUNA, slice(900, 1600), id="the spike of May 2022"),
    ],
)
def test_every_block_of_a_recorded_series_is_served_to_the_wei(tmp_path: Path, name: str, window: slice) -> None:
    recorded = base_fees(name)[window]
    with (
        running_anvil(tmp_path, genesis_timestamp=int(time.time()) - 7200) as anvil,
        Service(
            "serve",
            environment={"TAIKO_L1_RPC_URLS": anvil.url, "TAIKO_POLL_INTERVAL_SECONDS": "0.1", **LONG_FRESHNESS},
        ) as service,
    ):
        follow(anvil, service, recorded)
