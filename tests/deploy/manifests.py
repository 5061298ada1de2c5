"""The objects of `deploy/kubernetes`, as they are in the files or as kustomize renders them."""

import re
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import yaml

Object = dict[str, Any]

KUBERNETES = Path(__file__).parent.parent.parent / "deploy" / "kubernetes"
OVERLAYS = ("hoodi", "mainnet")
PROMETHEUS_OPERATOR = "monitoring.coreos.com/v1"
"""Whose objects have no schema in Kubernetes itself."""
VERSIONS = ("1.30", "1.34", "1.37")
"""Of Kubernetes: the oldest that README.md names, one between, the newest whose schema the validator has."""


SchemaFault: type[Exception] = kubernetes_validate.ValidationError


def require_schema(found: Object, version: str) -> None:
    """Raise `SchemaFault` where an object breaks the schema of its kind, or has a field that is not in it."""
    kubernetes_validate.validate(found, version, strict=True)


def documents(path: Path) -> list[Object]:
    return [document for document in yaml.safe_load_all(path.read_text(encoding="utf-8")) if document is not None]


def manifests() -> dict[Path, list[Object]]:
    """Every file with objects of the cluster, with them."""
    found = {path: documents(path) for path in sorted(KUBERNETES.rglob("*.yaml")) if path.name != "kustomization.yaml"}
    assert len(found) > 6
    return found


def objects() -> list[Object]:
    return [document for found in manifests().values() for document in found]


def only(kind: str, among: Iterable[Object]) -> Object:
    """The one object of its kind."""
    (found,) = (each for each in among if each["kind"] == kind)
    return found


def pod_of(deployment: Object) -> Object:
    pod: Object = deployment["spec"]["template"]["spec"]
    return pod


def container_of(deployment: Object) -> Object:
    container: Object
    (container,) = pod_of(deployment)["containers"]
    return container


def kustomizations() -> dict[Path, Object]:
    found = {path: documents(path)[0] for path in sorted(KUBERNETES.rglob("kustomization.yaml"))}
    assert len(found) > 4
    return found


def literals(kustomization: Mapping[str, Any]) -> dict[str, str]:
    """What its generators set."""
    pairs = [pair for made in kustomization.get("configMapGenerator", ()) for pair in made.get("literals", ())]
    return dict(pair.split("=", 1) for pair in pairs)


def overlay_environment(overlay: str) -> dict[str, str]:
    """The settings of an overlay, over those of the base."""
    base = literals(documents(KUBERNETES / "base" / "kustomization.yaml")[0])
    return base | literals(documents(KUBERNETES / "overlays" / overlay / "kustomization.yaml")[0])


SECRETS = {
    "l1-rpc-urls": "main=wss://l1.example/secret-key,spare=https://other.example/secret-key",
    "l2-rpc-urls": "taiko=https://l2.example/secret-key",
    "state-url": "postgresql://oracle:secret-key@db.example:5432/journal",
    "admin-tokens": f"alice:{'5d' * 32}",
}
"""A content for each key of the Secret."""


def with_secrets(environment: Mapping[str, str], deployment: Object, directory: Path) -> dict[str, str]:
    """`environment` with the mounted secrets laid out under `directory`, in place of where a pod has them."""
    (mount,) = (each for each in container_of(deployment)["volumeMounts"] if each["name"] == "secrets")
    (volume,) = (each for each in pod_of(deployment)["volumes"] if each["name"] == "secrets")
    for source in volume["projected"]["sources"]:
        for item in source["secret"]["items"]:
            (directory / item["path"]).write_text(f"{SECRETS[item['key']]}\n", encoding="utf-8")
    return {name: value.replace(mount["mountPath"], str(directory)) for name, value in environment.items()}


def readme_commands() -> list[list[str]]:
    """Every command of README.md, as its words; of a pipe, each side."""
    text = (KUBERNETES / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.replace("\\\n", "").splitlines()]
    found = [shlex.split(command, comments=True) for line in lines for command in line.split(" | ")]
    assert len(found) > 12
    return found
