from pathlib import Path
from typing import Any

import pytest

from app.devnet.replay import ReplayFileError
from app.devnet.run import Devnet, DevnetOptions
from app.domain.errors import InvalidValueError
from tests.devnet.support import ALICE
from tests.fakes import ManualClock

DATA = Path(__file__).parent / "data"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"scenario": "panic"}, "scenario: got 'panic', expected calm, spike, drift"),
        ({"host": "0.0.0.0"}, "host: got '0.0.0.0', expected a loopback address"),  # noqa: S104 - it is refused
        ({"host": ""}, "host: got ''"),
        ({"host": "example.org"}, "host: got 'example.org'"),
        ({"port": 65_536}, "port: got 65536, expected 0 to 65535"),
        ({"block_time_seconds": 0.001}, "block_time_seconds: got 0.001"),
        ({"start_base_fee_gwei": "0"}, "start_base_fee_gwei: got '0'"),
        ({"start_base_fee_gwei": "1e3"}, "start_base_fee_gwei: got '1e3'"),
        ({"history_blocks": 8_192}, "history_blocks: got 8192, expected 0 to 8191"),
        ({"balances": {"vault": 1}}, "balances: got 'vault', expected 0x and 40 hex digits"),
        ({"balances": {ALICE: -1}}, f"balances {ALICE}: got -1"),
        ({"balances": {f"0x{number:040x}": 1 for number in range(129)}}, "balances: got 129"),
    ],
)
def test_a_wrong_option_is_refused_by_name(options: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidValueError, match=said):
        DevnetOptions(**options)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.3.2.1", "::1", "localhost"])
def test_loopback_goes_by_any_of_its_names(host: str) -> None:
    assert DevnetOptions(host=host).host == host


def test_another_host_is_allowed_when_asked_for() -> None:
    assert DevnetOptions(host="192.0.2.1", allow_remote=True).host == "192.0.2.1"


def test_a_history_that_uses_the_whole_file_up_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="history_blocks: got 60, expected fewer than the 60 blocks of"):
        Devnet(DevnetOptions(replay=DATA / "quiet.csv", history_blocks=60), ManualClock(), version="1")


def test_a_file_that_is_not_there_stops_the_start() -> None:
    with pytest.raises(ReplayFileError):
        Devnet(DevnetOptions(replay=DATA / "none.csv"), ManualClock(), version="1")
