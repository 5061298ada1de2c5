"""The image, built and run for real on a stand-in for the official Python image."""

import httpx
import pytest

from tests.container.engine import ORACLE_IMAGE, Engine, answers
from tests.service import wait_until

pytestmark = pytest.mark.proof

EXIT_CONFIGURATION = 3


def ready_address(engine: Engine, container: str) -> str:
    address = engine.address(container)
    try:
        wait_until(lambda: answers(f"{address}/readyz"), "a ready container")
    except AssertionError as error:
        error.add_note(engine.attempt("podman", "logs", container).stderr)
        raise
    return address


def test_the_hardened_container_quotes_from_its_devnet_and_ends_well(engine: Engine) -> None:
    container = engine.start("serve", "--devnet")
    address = ready_address(engine, container)

    quote = httpx.get(f"{address}/v1/fee", timeout=5).json()
    assert quote["network"] == "devnet"
    assert quote["status"] == "fresh"
    assert quote["feePerGas"] > 0
    assert httpx.get(f"{address}/readyz", timeout=5).json()["journal"] == "ok", "the volume takes the journal"
    engine.run("podman", "healthcheck", "run", container)

    engine.run("podman", "stop", "--time", "15", container)
    assert engine.exit_code(container) == 0, engine.attempt("podman", "logs", container).stderr


def test_the_process_is_nobody_special(engine: Engine) -> None:
    container = engine.start("serve", "--devnet")
    status = engine.run("podman", "exec", container, "cat", "/proc/1/status")
    facts = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert facts["Uid"].split() == ["10001"] * 4
    assert facts["Gid"].split() == ["10001"] * 4
    assert int(facts["CapBnd"], 16) == 0
    assert facts["NoNewPrivs"] == "1"
    assert engine.attempt("podman", "exec", container, "touch", "/opt/oracle/mine").returncode != 0


def test_without_a_node_the_image_refuses_to_start(engine: Engine) -> None:
    refused = engine.attempt("podman", "run", "--rm", ORACLE_IMAGE)
    assert refused.returncode == EXIT_CONFIGURATION, refused.stderr
    assert "TAIKO_L1_RPC_URLS" in refused.stderr


def test_the_image_carries_the_service_and_nothing_that_builds_it(engine: Engine) -> None:
    listed = engine.run(
        *("podman", "run", "--rm", "--entrypoint", "python", ORACLE_IMAGE, "-c"),
        "from importlib.metadata import distributions; print(*(d.name.lower() for d in distributions()))",
    )
    installed = set(listed.split())
    assert {"taiko-fee-oracle", "web3"} <= installed
    assert not installed & {"pip", "setuptools", "hatchling", "pytest", "mypy", "uv"}


def test_everything_that_the_service_imports_is_compiled_in(engine: Engine) -> None:
    not_compiled = (
        "import os, sys, app.bootstrap;"
        "modules = [module for module in sys.modules.values() if getattr(module, '__cached__', None)];"
        "assert len(modules) > 500, len(modules);"
        "print(*(module.__name__ for module in modules if not os.path.exists(module.__cached__)))"
    )
    assert engine.run("podman", "run", "--rm", "--entrypoint", "python", ORACLE_IMAGE, "-c", not_compiled) == ""


def test_no_program_in_the_image_gives_more_rights(engine: Engine) -> None:
    find = ("find", "/", "-xdev", "-type", "f", "-perm", "/6000")
    assert engine.run("podman", "run", "--rm", "--user", "0", "--entrypoint", find[0], ORACLE_IMAGE, *find[1:]) == ""


def test_a_service_that_nobody_outside_reaches_is_unhealthy(engine: Engine) -> None:
    container = engine.start("serve", "--devnet", "--http-host", "127.0.0.1")
    alone = ("podman", "exec", container, "taiko-fee-oracle", "healthcheck", "--http-host", "127.0.0.1")
    wait_until(lambda: engine.attempt(*alone).returncode == 0, "a service that is ready on the container's loopback")
    assert engine.attempt("podman", "healthcheck", "run", container).returncode != 0


def test_a_service_without_a_quote_is_unhealthy(engine: Engine) -> None:
    container = engine.start("serve", "--l1-rpc-urls", "http://127.0.0.1:9")
    address = engine.address(container)
    wait_until(lambda: answers(f"{address}/livez"), "a service that lives without an L1")
    assert engine.attempt("podman", "healthcheck", "run", container).returncode != 0
