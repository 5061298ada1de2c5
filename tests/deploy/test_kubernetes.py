"""What the manifests promise, against the program that they run."""

import json
import re
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.api.app import documented_codes
from app.api.connections import Bounds
from app.api.requests import GREATEST_BODY_BYTES
from app.api.turnstile import MOST_LARGE_BODIES
from app.bootstrap import supervision
from app.settings import VARIABLES, load_settings
from deploy.kubernetes.rules import DESTINATION, SOURCES, rendered
from tests.deploy.manifests import (
    OVERLAYS,
    PROMETHEUS_OPERATOR,
    VERSIONS,
    Object,
    SchemaFault,
    container_of,
    documents,
    kustomizations,
    literals,
    manifests,
    objects,
    only,
    overlay_environment,
    pod_of,
    readme_commands,
    require_schema,
    with_secrets,
)

NAME = "taiko-fee-oracle"
VARIABLE_OF = {variable.name: variable for variable in VARIABLES}
UNITS = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30}
STORE_SECONDS = 8
"""What a store that hangs may take of the end: one call to append, one to merge, one to close, 2 s each, and some."""


@pytest.fixture
def deployment() -> Object:
    return only("Deployment", objects())


@pytest.fixture
def pod(deployment: Object) -> Object:
    return pod_of(deployment)


@pytest.fixture
def container(deployment: Object) -> Object:
    return container_of(deployment)


@pytest.fixture
def policy() -> Object:
    return only("NetworkPolicy", objects())


def byte_count(quantity: str) -> int:
    return int(quantity[:-2]) * UNITS[quantity[-2:]]


class TestSchema:
    @pytest.mark.parametrize("version", VERSIONS)
    def test_every_object_follows_the_strict_schema_of_its_kind(self, version: str) -> None:
        checked = 0
        for each in objects():
            if each["apiVersion"] != PROMETHEUS_OPERATOR:
                require_schema(each, version)
                checked += 1
        assert checked > 5

    def test_a_misspelt_field_would_be_found(self, deployment: Object) -> None:
        deployment["spec"]["minReadySecond"] = 1
        with pytest.raises(SchemaFault, match="minReadySecond"):
            require_schema(deployment, VERSIONS[0])

    def test_every_file_is_taken_up_by_the_kustomization_beside_it(self) -> None:
        for path in manifests():
            assert path.name in documents(path.parent / "kustomization.yaml")[0]["resources"], path

    def test_what_a_kustomization_names_is_there(self) -> None:
        for path, found in kustomizations().items():
            for named in (*found.get("resources", ()), *found.get("components", ())):
                assert (path.parent / named).exists(), f"{path} names {named}"


class TestSettings:
    def test_every_setting_is_one_of_the_program(self) -> None:
        named = {name for found in kustomizations().values() for name in literals(found)}
        assert len(named) > 8
        assert named <= VARIABLE_OF.keys()

    @pytest.mark.parametrize("overlay", OVERLAYS)
    def test_the_settings_of_an_overlay_are_valid_and_nothing_is_said_against_them(
        self, overlay: str, deployment: Object, tmp_path: Path
    ) -> None:
        loaded = load_settings({}, with_secrets(overlay_environment(overlay), deployment, tmp_path), None)
        assert loaded.warnings == ()
        assert [advice.code for advice in loaded.settings.advice()] == ["base_fee_above_protocol_maximum"], (
            "the default's"
        )
        assert loaded.settings.has_administration()
        assert [node.alias for node in loaded.settings.l1_endpoints()] == ["main", "spare"]
        assert loaded.settings.state_url.kind.value == "postgresql"
        assert loaded.settings.http_host == "0.0.0.0"  # noqa: S104 - a pod is reached from outside

    def test_each_overlay_is_for_its_own_chains_and_namespace(self) -> None:
        chains = {
            overlay: (environment["TAIKO_L1_CHAIN_ID"], environment["TAIKO_L2_CHAIN_ID"])
            for overlay in OVERLAYS
            if (environment := overlay_environment(overlay))
        }
        assert chains == {"mainnet": ("1", "167000"), "hoodi": ("560048", "167013")}
        namespaces = {found["namespace"] for path, found in kustomizations().items() if path.parent.name in OVERLAYS}
        assert len(namespaces) == len(OVERLAYS)

    def test_no_variable_of_the_cluster_is_taken_for_a_setting(self, pod: Object) -> None:
        service = only("Service", objects())["metadata"]["name"]
        assert service.upper().replace("-", "_").startswith("TAIKO_")
        assert pod["enableServiceLinks"] is False

    def test_secrets_come_as_files_that_the_settings_name_and_none_is_in_the_repository(
        self, pod: Object, container: Object
    ) -> None:
        (mount,) = (each for each in container["volumeMounts"] if each["name"] == "secrets")
        (volume,) = (each for each in pod["volumes"] if each["name"] == "secrets")
        (source,) = volume["projected"]["sources"]
        held = {f"{mount['mountPath']}/{item['path']}" for item in source["secret"]["items"]}
        base = overlay_environment("mainnet")
        assert held == {value for name, value in base.items() if name.endswith("_FILE")}
        assert not any(base.get(name) for name, variable in VARIABLE_OF.items() if variable.holds_urls)
        assert mount["readOnly"]
        assert "subPath" not in mount, "a file that is mounted by itself is never exchanged in a running pod"
        assert volume["projected"]["defaultMode"] == 0o440
        assert "Secret" not in {each["kind"] for each in objects()}

    def test_arguments_are_a_command_and_flags_of_the_program(self, container: Object) -> None:
        command, *flags = container["args"]
        assert command == "serve"
        assert {flag.partition("=")[0] for flag in flags} <= {variable.flag for variable in VARIABLES}
        assert "command" not in container, "the image has the entry point"


class TestProbes:
    def test_life_is_the_pulse_and_readiness_an_honest_answer(self, container: Object) -> None:
        paths = {name: container[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "liveness", "readiness")}
        assert paths == {"startup": "/livez", "liveness": "/livez", "readiness": "/readyz"}
        assert set(paths.values()) <= documented_codes().keys()

    def test_all_of_them_ask_the_one_port(self, container: Object) -> None:
        (port,) = container["ports"]
        assert {container[f"{name}Probe"]["httpGet"]["port"] for name in ("startup", "liveness", "readiness")} == {
            port["name"]
        }

    def test_a_slow_start_has_two_minutes_and_readiness_no_limit(self, container: Object) -> None:
        startup = container["startupProbe"]
        assert startup["periodSeconds"] * startup["failureThreshold"] >= 120

    def test_a_hung_process_is_restarted_and_a_busy_moment_restarts_nothing(self, container: Object) -> None:
        liveness = container["livenessProbe"]
        assert 20 <= liveness["periodSeconds"] * liveness["failureThreshold"] <= 60

    def test_a_replica_that_is_not_ready_is_left_out_within_seconds(self, container: Object) -> None:
        readiness = container["readinessProbe"]
        assert readiness["periodSeconds"] * readiness["failureThreshold"] <= 10

    def test_the_end_has_time_for_load_balancers_the_drain_and_the_journal(
        self, pod: Object, container: Object
    ) -> None:
        pause = container["lifecycle"]["preStop"]["sleep"]["seconds"]
        drain = supervision._UNREADY_SECONDS + supervision._DRAIN_SECONDS
        assert pause >= 5
        assert pod["terminationGracePeriodSeconds"] >= pause + drain + STORE_SECONDS


class TestPorts:
    def test_there_is_one_and_everybody_means_it(self, container: Object, policy: Object) -> None:
        (port,) = container["ports"]
        assert str(port["containerPort"]) == overlay_environment("mainnet")["TAIKO_HTTP_PORT"]
        (service_port,) = only("Service", objects())["spec"]["ports"]
        assert (service_port["port"], service_port["targetPort"]) == (port["containerPort"], port["name"])
        for rule in policy["spec"]["ingress"]:
            assert rule["ports"] == [{"port": port["name"], "protocol": "TCP"}]
        (endpoint,) = only("ServiceMonitor", objects())["spec"]["endpoints"]
        assert endpoint["port"] == service_port["name"]
        assert endpoint["path"] == "/metrics"
        assert endpoint["path"] in documented_codes()


class TestReplicas:
    def test_everything_means_the_same_pods(self, deployment: Object, pod: Object, policy: Object) -> None:
        labels = deployment["spec"]["template"]["metadata"]["labels"]
        service = only("Service", objects())
        selectors = [
            deployment["spec"]["selector"]["matchLabels"],
            service["spec"]["selector"],
            policy["spec"]["podSelector"]["matchLabels"],
            only("PodDisruptionBudget", objects())["spec"]["selector"]["matchLabels"],
            *(each["labelSelector"]["matchLabels"] for each in pod["topologySpreadConstraints"]),
        ]
        for selector in selectors:
            assert selector
            assert selector.items() <= labels.items()
        monitored = only("ServiceMonitor", objects())["spec"]["selector"]["matchLabels"]
        assert monitored.items() <= service["metadata"]["labels"].items()

    def test_there_are_two_and_one_is_always_left(self, deployment: Object) -> None:
        assert deployment["spec"]["replicas"] == 2
        budget = only("PodDisruptionBudget", objects())["spec"]
        assert budget["minAvailable"] == 1
        assert budget["unhealthyPodEvictionPolicy"] == "AlwaysAllow"

    def test_a_rollout_takes_none_away_before_another_is_ready(self, deployment: Object) -> None:
        assert deployment["spec"]["strategy"] == {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1},
        }
        assert deployment["spec"]["minReadySeconds"] > 0

    def test_they_are_on_different_nodes_and_a_rollout_is_not_held_up_by_that(self, pod: Object) -> None:
        by_key = {each["topologyKey"]: each for each in pod["topologySpreadConstraints"]}
        assert by_key["kubernetes.io/hostname"]["whenUnsatisfiable"] == "DoNotSchedule"
        assert by_key["topology.kubernetes.io/zone"]["whenUnsatisfiable"] == "ScheduleAnyway"
        for each in by_key.values():
            assert each["maxSkew"] == 1
            assert each["matchLabelKeys"] == ["pod-template-hash"]


class TestSecurity:
    def test_the_namespace_takes_only_restricted_pods(self) -> None:
        labels = only("Namespace", objects())["metadata"]["labels"]
        assert labels["pod-security.kubernetes.io/enforce"] == "restricted"

    def test_the_pod_is_the_images_user_and_has_no_privileges(
        self, project_root: Path, pod: Object, container: Object
    ) -> None:
        (user,) = re.findall(r"^USER (\d+):(\d+)$", (project_root / "Dockerfile").read_text(), flags=re.MULTILINE)
        context = pod["securityContext"]
        assert (str(context["runAsUser"]), str(context["runAsGroup"])) == user
        assert context["runAsNonRoot"] is True
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert not {"hostNetwork", "hostPID", "hostIPC", "hostPath"} & (pod.keys() | set(json.dumps(pod).split('"')))

    def test_nobody_in_the_pod_can_speak_to_the_cluster(self, pod: Object) -> None:
        account = only("ServiceAccount", objects())
        assert pod["serviceAccountName"] == account["metadata"]["name"]
        assert pod["automountServiceAccountToken"] is False
        assert account["automountServiceAccountToken"] is False

    def test_nothing_reaches_the_pod_or_is_reached_but_what_is_named(self, policy: Object) -> None:
        assert set(policy["spec"]["policyTypes"]) == {"Ingress", "Egress"}
        for rule in policy["spec"]["ingress"]:
            assert all(peer["namespaceSelector"]["matchLabels"] for peer in rule["from"])
        ports = [sorted(port["port"] for port in rule["ports"]) for rule in policy["spec"]["egress"]]
        assert ports == [[53, 53], [5432], [443]]
        assert all(rule["to"] for rule in policy["spec"]["egress"])

    @pytest.mark.parametrize(
        "address", ["10.1.2.3", "100.64.0.1", "169.254.169.254", "172.20.0.1", "192.168.1.1", "fd00::1", "fe80::1"]
    )
    def test_what_goes_to_nodes_goes_to_no_private_network(self, policy: Object, address: str) -> None:
        (nodes,) = (rule for rule in policy["spec"]["egress"] if rule["ports"][0]["port"] == 443)
        assert not _is_let_through(address, nodes)
        assert _is_let_through("203.0.113.7", nodes)
        assert _is_let_through("2001:db8::7", nodes)


def _is_let_through(address: str, rule: dict[str, Any]) -> bool:
    def holds(cidr: str) -> bool:
        return ip_address(address) in ip_network(cidr)

    blocks = [peer["ipBlock"] for peer in rule["to"]]
    return any(holds(block["cidr"]) and not any(map(holds, block.get("except", ()))) for block in blocks)


class TestResources:
    def test_memory_is_what_was_measured_and_the_limit_what_clients_can_make_of_it(
        self, project_root: Path, container: Object
    ) -> None:
        text = (project_root / "docs" / "performance.md").read_text(encoding="utf-8")
        at_rest = int(re.findall(r"^\| resident memory after 10,000 devnet blocks \| (\d+) MB", text, re.MULTILINE)[0])
        a_stream = float(
            re.findall(r"^\| resident memory of one of 1,000 readers \| ([\d.]+) KB", text, re.MULTILINE)[0]
        )
        streams = int(VARIABLE_OF["TAIKO_STREAM_CLIENTS_MAX"].default or "")
        most = at_rest * 10**6 + streams * a_stream * 1000
        most += Bounds().unread_bytes + MOST_LARGE_BODIES * GREATEST_BODY_BYTES
        resources = container["resources"]
        assert at_rest * 10**6 <= byte_count(resources["requests"]["memory"]) <= 2 * at_rest * 10**6
        assert most <= byte_count(resources["limits"]["memory"]) <= 2 * most

    def test_the_only_place_to_write_is_bounded(self, pod: Object, container: Object) -> None:
        writable = {each["name"]: each["mountPath"] for each in container["volumeMounts"] if not each.get("readOnly")}
        assert writable == {"tmp": "/tmp"}  # noqa: S108 - a volume of the pod's own
        (volume,) = (each for each in pod["volumes"] if each["name"] == "tmp")
        assert byte_count(volume["emptyDir"]["sizeLimit"]) <= byte_count(
            container["resources"]["limits"]["ephemeral-storage"]
        )

    def test_each_overlay_says_which_image(self, container: Object) -> None:
        for overlay in OVERLAYS:
            found = next(found for path, found in kustomizations().items() if path.parent.name == overlay)
            (image,) = found["images"]
            assert image["name"] == container["image"]
            assert image["newTag"] not in ("latest", "")


class TestMonitoring:
    def test_the_rules_object_is_made_from_the_rules(self) -> None:
        assert DESTINATION.read_text(encoding="utf-8") == rendered(), "run python -m deploy.kubernetes"

    def test_the_rules_object_holds_every_group_of_the_rules_and_nothing_else(self) -> None:
        found = only("PrometheusRule", objects())
        assert found["apiVersion"] == PROMETHEUS_OPERATOR
        groups = [
            group for path in sorted(SOURCES.glob("*.yml")) for group in yaml.safe_load(path.read_text())["groups"]
        ]
        assert groups
        assert found["spec"] == {"groups": groups}
        names = [group["name"] for group in groups]
        assert len(names) == len(set(names))

    def test_a_file_without_groups_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "rules.yml").write_text("rules: []\n")
        with pytest.raises(ValueError, match="expected a line `groups:`"):
            rendered(tmp_path)

    def test_prometheus_calls_the_job_as_the_rules_do(self) -> None:
        jobs = set(re.findall(r'job="([^"]*)"', DESTINATION.read_text(encoding="utf-8")))
        assert jobs == {only("Service", objects())["metadata"]["name"]} == {NAME}

    def test_the_dashboard_is_what_grafanas_sidecar_looks_for(self, project_root: Path) -> None:
        directory = project_root / "deploy" / "grafana"
        (made,) = documents(directory / "kustomization.yaml")[0]["configMapGenerator"]
        assert made["options"]["labels"]["grafana_dashboard"] == "1"
        (file,) = made["files"]
        assert json.loads((directory / file).read_text(encoding="utf-8"))["panels"]

    def test_the_readme_names_directories_and_keys_that_there_are(self, project_root: Path, pod: Object) -> None:
        words = {word for command in readme_commands() for word in command}
        paths = {word for word in words if word.startswith("deploy/")}
        assert paths == {
            *(f"deploy/kubernetes/overlays/{overlay}" for overlay in OVERLAYS),
            "deploy/kubernetes/monitoring",
        }
        assert all((project_root / path / "kustomization.yaml").exists() for path in paths)
        (volume,) = (each for each in pod["volumes"] if each["name"] == "secrets")
        keys = {item["key"] for source in volume["projected"]["sources"] for item in source["secret"]["items"]}
        assert {word.partition("=")[2] for word in words if word.startswith("--from-file=")} == keys
