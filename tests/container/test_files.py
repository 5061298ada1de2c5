"""What the container files promise, without an engine: by the tools that know them, and by running what they name."""

import json
import re
import shlex
import signal
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.settings import VARIABLES
from tests.container.stack import compose_file
from tests.service import Service, bare_environment

TOOLS = Path(sys.executable).parent
DEFAULT_PORT = 8600


def instructions(project_root: Path) -> dict[str, str]:
    """The arguments of the Dockerfile's last stage, by instruction; of repeated ones the last."""
    text = (project_root / "Dockerfile").read_text().replace("\\\n", " ")
    last_stage = text[text.rindex("\nFROM ") :]
    return dict(re.findall(r"^([A-Z]+) +(.*)$", last_stage, flags=re.MULTILINE))


def image_environment(project_root: Path) -> dict[str, str]:
    """The settings that the image sets."""
    pairs = dict(pair.split("=", 1) for pair in shlex.split(instructions(project_root)["ENV"]))
    return {name: value for name, value in pairs.items() if name.startswith("TAIKO_")}


@pytest.fixture
def services(project_root: Path) -> dict[str, Any]:
    found: dict[str, Any] = compose_file(project_root)["services"]
    return found


def check(*command: str | Path) -> None:
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.world
def test_the_dockerfile_passes_hadolint(project_root: Path) -> None:
    check(TOOLS / "hadolint", project_root / "Dockerfile")


@pytest.mark.world
def test_the_compose_files_follow_the_compose_specification(project_root: Path) -> None:
    files = [project_root / "docker-compose.yml", *(project_root / "deploy/compose").glob("*.yml")]
    assert len(files) > 1
    check(TOOLS / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", *files)


@pytest.mark.world
def test_what_the_image_starts_is_healthy_by_the_images_own_check_and_ends_well(
    project_root: Path, tmp_path: Path, free_port: int
) -> None:
    image = instructions(project_root)
    started = [*json.loads(image["ENTRYPOINT"]), *json.loads(image["CMD"]), "--devnet"]
    asked = json.loads(image["HEALTHCHECK"].split("CMD", 1)[1])
    environment = {
        **image_environment(project_root),
        "TAIKO_STATE_URL": f"sqlite:///{tmp_path}/journal.db",
        "TAIKO_HTTP_PORT": str(free_port),
    }

    def is_healthy() -> bool:
        command = [TOOLS / asked[0], *asked[1:]]
        return subprocess.run(command, env=bare_environment(**environment), cwd=tmp_path, check=False).returncode == 0

    with Service(*started[1:], environment=environment, command=(str(TOOLS / started[0]),)) as service:
        service.event("first_quote")
        assert is_healthy()
        assert service.stop(signal.Signals[image["STOPSIGNAL"]]) == 0
    assert not is_healthy()


def test_the_image_sets_settings_that_there_are_and_exposes_their_port(project_root: Path) -> None:
    known = {variable.name: variable for variable in VARIABLES}
    assert image_environment(project_root).keys() <= known.keys()
    assert instructions(project_root)["EXPOSE"] == known["TAIKO_HTTP_PORT"].default == str(DEFAULT_PORT)


def test_the_images_label_tells_the_version_of_the_project(project_root: Path) -> None:
    labels = dict(label.split("=", 1) for label in shlex.split(instructions(project_root)["LABEL"]))
    project = tomllib.loads((project_root / "pyproject.toml").read_text())["project"]
    assert labels["org.opencontainers.image.version"] == project["version"]
    assert labels["org.opencontainers.image.title"] == project["name"]
    assert labels["org.opencontainers.image.description"] == project["description"]


def test_the_compose_file_checks_health_as_the_image_does_and_keeps_the_journal_where_it_is(
    project_root: Path, services: dict[str, Any]
) -> None:
    image = instructions(project_root)
    state = image_environment(project_root)["TAIKO_STATE_URL"]
    for name in ("oracle", "oracle-devnet"):
        assert services[name]["healthcheck"]["test"] == ["CMD", *json.loads(image["HEALTHCHECK"].split("CMD", 1)[1])]
        assert services[name]["volumes"] == [f"journal:{image['VOLUME']}"]
        assert services[name]["user"] == image["USER"]
    assert state.startswith(f"sqlite:///{image['VOLUME']}/")
    assert services["oracle"]["environment"]["TAIKO_STATE_URL"] == f"${{TAIKO_STATE_URL:-{state}}}"


def test_both_profiles_bring_the_monitoring_up(services: dict[str, Any]) -> None:
    by_profile = {
        profile: {name for name, service in services.items() if profile in service["profiles"]}
        for profile in ("devnet", "l1")
    }
    monitoring = {"prometheus", "alertmanager", "grafana"}
    assert by_profile == {"devnet": {"oracle-devnet", *monitoring}, "l1": {"oracle", *monitoring}}


def test_every_service_is_hardened_bounded_watched_and_published_on_loopback_alone(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["user"].split(":")[0] != "0", name
        assert service["mem_limit"], name
        assert service["pids_limit"], name
        assert service["healthcheck"]["test"], name
        assert service["logging"]["options"]["max-size"], name
        assert all(port.startswith("127.0.0.1:") for port in service["ports"]), name


def test_images_from_elsewhere_are_pinned_to_a_version(services: dict[str, Any]) -> None:
    for name in ("prometheus", "alertmanager", "grafana"):
        assert re.search(r":v?\d+\.\d+\.\d+$", services[name]["image"]), name


def test_no_password_is_written_anywhere_and_grafana_makes_no_user(
    project_root: Path, services: dict[str, Any]
) -> None:
    grafana = services["grafana"]["environment"]
    assert grafana["GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION"] == "true"
    assert grafana["GF_AUTH_BASIC_ENABLED"] == "false"
    assert grafana["GF_AUTH_ANONYMOUS_ORG_ROLE"] == "Viewer"
    override = yaml.safe_load((project_root / "deploy/compose/grafana-admin.yml").read_text())
    for environment in (grafana, override["services"]["grafana"]["environment"]):
        assert [name for name in environment if "PASSWORD" in name and not name.endswith("__FILE")] == []


def test_what_the_compose_file_mounts_is_there(project_root: Path, services: dict[str, Any]) -> None:
    mounts = [mount.split(":") for service in services.values() for mount in service["volumes"]]
    from_here = [source for source, *_ in mounts if source.startswith(".")]
    assert len(from_here) == 4
    for source in from_here:
        assert any((project_root / source).iterdir()), source
    assert all(access == ["ro"] for source, _, *access in mounts if source.startswith("."))


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-build.lock", "requirements-dev.lock"])
def test_a_lock_pins_every_package_by_hash_and_names_no_host(project_root: Path, lock: str) -> None:
    text = (project_root / lock).read_text()
    assert "://" not in text
    assert "index-url" not in text
    pinned = re.findall(r"^[a-z0-9][a-z0-9._-]*(?:\[[^]]*\])?==", text, flags=re.MULTILINE)
    entries = re.findall(r"^\S.*(?:\n[ \t].*)*", text, flags=re.MULTILINE)
    assert len(pinned) == len(entries)
    assert all("--hash=sha256:" in entry for entry in entries)
