"""Schemathesis with all of its checks against the real service: what the OpenAPI document says is what is answered."""

import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.service import Service, bare_environment, wait_until

TOKEN = "a-token-for-schemathesis-alone-with-many-characters"  # noqa: S105 - of this test alone
BEARER = {"Authorization": f"Bearer {TOKEN}"}
SETTINGS = {
    "TAIKO_ADMIN_TOKEN": TOKEN,
    "TAIKO_VAULT_SOURCE": "push",
    "TAIKO_VAULT_TARGET_ETH": "10",
    "TAIKO_POLL_INTERVAL_SECONDS": "0.2",
}
CONFIGURATION = Path(__file__).parent / "schemathesis.toml"
EXAMPLES_PER_OPERATION = 100
PHASES = ("Examples", "Coverage", "Fuzzing")


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.proof)])
def test_every_answer_is_as_it_is_described(seed: int, project_root: Path) -> None:
    with Service("serve", "--devnet", "--devnet-block-time", "1", environment=SETTINGS) as service:
        report = {"balanceWei": "9000000000000000000", "sequence": 1}
        wait_until(lambda: service.client.put("/v1/vault", json=report, headers=BEARER).status_code == 200, "the vault")
        wait_until(service.quote, "a quote")
        described = service.get("/openapi.json").json()["paths"]
        operations = sum(len(methods) for methods in described.values())

        found = fuzzed(service.client.base_url, seed, project_root)

        assert found.returncode == 0, found.stdout + found.stderr
        assert f"Selected: {operations - 1}/{operations}" in found.stdout, "all but the stream"
        assert f"Tested: {operations - 1}" in found.stdout
        for phase in PHASES:
            assert re.search(rf"✅\s+{phase}", found.stdout), found.stdout
        assert wait_until(service.quote, "a quote after all of it")
        assert not service.events("unhandled_exception")
        assert "Traceback" not in service.stderr
        assert service.stop() == 0


def fuzzed(url: httpx.URL, seed: int, project_root: Path) -> subprocess.CompletedProcess[str]:
    """What schemathesis finds; nothing of it is kept."""
    command = [
        *(str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(CONFIGURATION), "--no-color"),
        *("run", f"{url}/openapi.json".replace("//openapi", "/openapi"), "--checks", "all"),
        *("--phases", "examples,coverage,fuzzing,stateful", "--max-examples", str(EXAMPLES_PER_OPERATION)),
        *("--seed", str(seed)),
    ]
    environment = bare_environment(PYTHONPATH=str(project_root), SCHEMATHESIS_BEARER=TOKEN, PYTHONDONTWRITEBYTECODE="1")
    return subprocess.run(
        command, env=environment, cwd=project_root, capture_output=True, text=True, timeout=120, check=False
    )
