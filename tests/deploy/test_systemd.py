"""What the unit promises, against the program that it runs."""

import re
from pathlib import Path

import pytest

from app.bootstrap import supervision
from app.cli.exits import EXIT_CONFIGURATION, EXIT_OK, EXIT_USAGE
from app.settings import VARIABLES, SettingsError, StoreKind, load_settings
from tests.deploy.manifests import SECRETS, container_of, objects
from tests.deploy.manifests import only as only_kind
from tests.deploy.units import (
    DROP_IN,
    ENVIRONMENT_FILE,
    SYSTEMD,
    Section,
    credentials_of,
    environment,
    only,
    service_section,
)

STORE_SECONDS = 8
HOST_DIRECTORY = "/etc/taiko-fee-oracle"
OTHER_DESCRIPTORS = supervision._OTHER_CONNECTIONS + supervision._OTHER_DESCRIPTORS


@pytest.fixture
def service() -> Section:
    return service_section()


def laid_out(directory: Path, *drop_ins: Path) -> Path:
    """The credentials as systemd hands them over."""
    for name in credentials_of(*drop_ins):
        (directory / name).write_text(f"{SECRETS[name]}\n", encoding="utf-8")
    return directory


class TestSettings:
    def test_they_are_valid_and_nothing_is_said_against_them(self, tmp_path: Path) -> None:
        given = environment(laid_out(tmp_path), tmp_path)
        loaded = load_settings({}, given, None)
        assert loaded.warnings == ()
        assert [node.alias for node in loaded.settings.l1_endpoints()] == ["main", "spare"]
        assert loaded.settings.state_url.path == f"{tmp_path}/taiko-fee-oracle/journal.db"
        assert loaded.settings.http_host == "127.0.0.1"

    def test_with_the_drop_in_the_journal_is_in_postgresql(self, tmp_path: Path) -> None:
        given = environment(laid_out(tmp_path, DROP_IN), tmp_path, DROP_IN)
        loaded = load_settings({}, given, None)
        assert loaded.warnings == ()
        assert loaded.settings.state_url.kind is StoreKind.POSTGRESQL

    def test_a_url_in_the_settings_beside_the_credential_is_said(self, tmp_path: Path) -> None:
        given = environment(laid_out(tmp_path), tmp_path) | {"TAIKO_L1_RPC_URLS": "https://node.example"}
        with pytest.raises(SettingsError, match="both are set"):
            load_settings({}, given, None)

    def test_every_setting_is_one_of_the_program_also_where_it_is_commented_out(self) -> None:
        text = ENVIRONMENT_FILE.read_text(encoding="utf-8")
        named = set(re.findall(r"^#?(TAIKO_[A-Z0-9_]+)=", text, flags=re.MULTILINE))
        assert len(named) > 4
        assert named <= {variable.name for variable in VARIABLES}

    def test_systemd_and_the_program_read_the_file_of_settings_alike(self, tmp_path: Path) -> None:
        by_systemd = load_settings({}, environment(laid_out(tmp_path), tmp_path), None).settings
        by_program = load_settings({}, {}, ENVIRONMENT_FILE).settings
        assert by_program.l1_chain_id == by_systemd.l1_chain_id == 1
        assert by_program.l2_chain_id == by_systemd.l2_chain_id == 167000

    def test_secrets_are_credentials_and_the_host_keeps_all_in_one_place(self) -> None:
        kept = credentials_of(DROP_IN)
        assert kept == {name: f"{HOST_DIRECTORY}/{name}" for name in ("l1-rpc-urls", "state-url")}
        assert only(service_section(), "EnvironmentFile") == f"{HOST_DIRECTORY}/{ENVIRONMENT_FILE.name}"


class TestLife:
    def test_what_people_have_to_mend_is_not_started_again_and_everything_else_is(self, service: Section) -> None:
        assert only(service, "Restart") == "always"
        prevented = {int(status) for status in only(service, "RestartPreventExitStatus").split()}
        assert prevented == {EXIT_USAGE, EXIT_CONFIGURATION}
        assert not prevented & {EXIT_OK, supervision.EXIT_CRASHED}

    def test_the_end_has_time_for_the_drain_and_the_journal(self, service: Section) -> None:
        drain = supervision._UNREADY_SECONDS + supervision._DRAIN_SECONDS
        assert int(only(service, "TimeoutStopSec")) >= drain + STORE_SECONDS
        assert only(service, "KillMode") == "mixed"

    def test_it_counts_as_started_once_the_program_runs_which_says_nothing_to_systemd(self, service: Section) -> None:
        assert only(service, "Type") == "exec"
        assert "WatchdogSec" not in service


class TestBounds:
    def test_memory_is_that_of_a_replica_in_the_cluster(self, service: Section) -> None:
        limit = container_of(only_kind("Deployment", objects()))["resources"]["limits"]["memory"]
        assert f"{only(service, 'MemoryMax')}i" == limit

    def test_there_are_descriptors_for_all_the_connections_that_the_program_would_take(self, service: Section) -> None:
        (streams,) = (variable.default for variable in VARIABLES if variable.name == "TAIKO_STREAM_CLIENTS_MAX")
        assert int(only(service, "LimitNOFILE")) >= int(streams or "") + OTHER_DESCRIPTORS


def test_the_readme_names_files_that_there_are(project_root: Path) -> None:
    text = (SYSTEMD / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"deploy/systemd/[\w.-]+", text))
    assert named == {f"deploy/systemd/{path.name}" for path in SYSTEMD.iterdir() if path.name != "README.md"}
    assert all((project_root / name).exists() for name in (*named, "requirements.lock", "requirements-build.lock"))
    kept = set(re.findall(rf"{HOST_DIRECTORY}/[\w.-]+", text))
    assert kept == {*credentials_of(DROP_IN).values(), f"{HOST_DIRECTORY}/{ENVIRONMENT_FILE.name}"}
