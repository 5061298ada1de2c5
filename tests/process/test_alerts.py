"""`GET /v1/alerts` of a running service, whose alerts are in a hurry: they fire, say since when, and survive a kill."""

import signal
import sys
from pathlib import Path
from typing import Any

from tests.service import Service, wait_until

IN_A_HURRY = (sys.executable, "-m", "tests.hurried_service", "600")


def oracle_on(url: str, store: Path) -> Service:
    return Service(
        "serve",
        command=IN_A_HURRY,
        environment={
            "TAIKO_L1_RPC_URLS": f"node={url}",
            "TAIKO_POLL_INTERVAL_SECONDS": "0.1",
            "TAIKO_STATE_URL": f"sqlite:///{store}",
            "TAIKO_VAULT_BALANCE_ETH": "7",
            "TAIKO_VAULT_TARGET_ETH": "10",
        },
    )


def alert(service: Service, name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(
        each for each in service.get("/v1/alerts").json()["alerts"] if each["name"] == f"TaikoFeeOracle{name}"
    )
    return found


def firing(service: Service) -> dict[str, Any] | None:
    told = alert(service, "VaultDeficit")
    return told if told["state"] == "firing" else None


def test_an_alert_fires_and_a_killed_service_takes_it_up_from_the_journal(tmp_path: Path) -> None:
    with Service("devnet", "--port", "0", "--block-time", "1") as l1:
        url = str(l1.event("devnet_listening")["url"])
        with oracle_on(url, tmp_path / "journal.db") as oracle:
            told = wait_until(lambda: firing(oracle), "the vault's alert")
            assert (told["value"], told["threshold"], told["forSeconds"]) == (0.3, {"min": None, "max": 0.2}, 1.5)
            assert alert(oracle, "FeedFrozen")["state"] == "ok"
            oracle.stop(signal.SIGKILL)
        with oracle_on(url, tmp_path / "journal.db") as again:
            taken_up = wait_until(lambda: firing(again), "the vault's alert after the restart")
            assert taken_up["since"] == told["since"]
