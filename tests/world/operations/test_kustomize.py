"""What kustomize makes of the manifests, and the commands of their README, by the real kubectl."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest
import yaml

from tests.deploy.manifests import (
    KUBERNETES,
    OVERLAYS,
    PROMETHEUS_OPERATOR,
    VERSIONS,
    Object,
    container_of,
    documents,
    only,
    overlay_environment,
    readme_commands,
    require_schema,
    with_secrets,
)
from tests.service import bare_environment

GREATEST_CONFIG_MAP = 2**20


def kubectl(*arguments: str | Path) -> str:
    """What it prints."""
    assert shutil.which("kubectl"), "no kubectl: run make test-world"
    done = subprocess.run(["kubectl", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "deprecated" not in done.stderr, done.stderr
    return done.stdout


@cache
def rendered(directory: Path) -> str:
    return kubectl("kustomize", directory)


def objects_of(directory: Path) -> list[Object]:
    return list(yaml.safe_load_all(rendered(directory)))


@pytest.mark.parametrize("directory", [*(f"overlays/{overlay}" for overlay in OVERLAYS), "monitoring"])
def test_what_is_rendered_follows_the_strict_schema(directory: str) -> None:
    checked = [each for each in objects_of(KUBERNETES / directory) if each["apiVersion"] != PROMETHEUS_OPERATOR]
    assert checked
    for version in VERSIONS:
        for each in checked:
            require_schema(each, version)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_overlay_has_every_object_in_its_namespace_and_its_own_settings_and_image(overlay: str) -> None:
    found = objects_of(KUBERNETES / "overlays" / overlay)
    kustomization = documents(KUBERNETES / "overlays" / overlay / "kustomization.yaml")[0]
    namespace = kustomization["namespace"]
    assert only("Namespace", found)["metadata"]["name"] == namespace
    others = [each for each in found if each["kind"] != "Namespace"]
    assert {each["kind"] for each in others} == {
        *("ConfigMap", "Deployment", "NetworkPolicy", "PodDisruptionBudget"),
        *("Service", "ServiceAccount", "ServiceMonitor"),
    }
    assert {each["metadata"]["namespace"] for each in others} == {namespace}
    settings = only("ConfigMap", found)
    container = container_of(only("Deployment", found))
    assert settings["data"] == overlay_environment(overlay)
    assert container["envFrom"] == [{"configMapRef": {"name": settings["metadata"]["name"]}}]
    (image,) = kustomization["images"]
    assert container["image"] == f"{image['newName']}:{image['newTag']}"


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_what_a_pod_is_given_passes_the_programs_own_check(overlay: str, tmp_path: Path) -> None:
    found = objects_of(KUBERNETES / "overlays" / overlay)
    environment = with_secrets(only("ConfigMap", found)["data"], only("Deployment", found), tmp_path)
    checked = config_check(environment, tmp_path)
    assert checked["ok"]
    assert checked["warnings"] == checked["notes"] == []


def test_the_vault_on_chain_goes_into_an_overlay(tmp_path: Path) -> None:
    copied = shutil.copytree(KUBERNETES, tmp_path / "kubernetes")
    path = copied / "overlays" / "mainnet" / "kustomization.yaml"
    overlay = documents(path)[0]
    overlay["components"].append("../../components/onchain-vault")
    (made,) = overlay["configMapGenerator"]
    made["literals"] += [
        "TAIKO_VAULT_ADDRESSES=l2:0x1670000000000000000000000000000000010001",
        "TAIKO_VAULT_TARGET_ETH=80",
    ]
    path.write_text(yaml.safe_dump(overlay))
    found = objects_of(path.parent)
    deployment = only("Deployment", found)
    require_schema(deployment, VERSIONS[-1])
    environment = with_secrets(only("ConfigMap", found)["data"], deployment, tmp_path)
    assert environment["TAIKO_VAULT_SOURCE"] == "onchain"
    assert config_check(environment, tmp_path)["ok"]


def test_the_dashboard_fits_into_its_object_unchanged(project_root: Path) -> None:
    found = only("ConfigMap", objects_of(KUBERNETES / "monitoring"))
    ((name, text),) = found["data"].items()
    assert text == (project_root / "deploy" / "grafana" / "dashboards" / name).read_text(encoding="utf-8")
    assert found["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert len(json.dumps(found).encode()) < GREATEST_CONFIG_MAP


def test_every_option_of_the_readmes_commands_is_one_of_kubectl() -> None:
    everywhere = kubectl("options")
    for command in readme_commands():
        assert command[0] == "kubectl"
        ours = command[: command.index("--")] if "--" in command else command
        known = everywhere + _help_of(ours[1:])
        for word in ours:
            if word.startswith("--"):
                assert re.search(rf"[ ,]{word.partition('=')[0]}=", known), f"{word} in {command}"


def _help_of(words: Sequence[str]) -> str:
    """What kubectl says of the command, which may be of several words; its global options have values of their own."""
    plain = [word for place, word in enumerate(words) if not word.startswith("-") and words[place - 1] != "--namespace"]
    nested = 3 if plain[:2] == ["create", "secret"] else 2 if plain[0] in ("create", "rollout") else 1
    return kubectl(*plain[:nested], "--help")


def config_check(environment: dict[str, str], directory: Path) -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, "-m", "app", "config", "check", "--json"],
        env=bare_environment(**environment),
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found
