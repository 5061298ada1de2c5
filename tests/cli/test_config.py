"""`config check` and `config show`."""

import re
from pathlib import Path

from app.settings import VARIABLES
from tests.cli.command_line import NODE, SECRET, CommandLine


class TestConfig:
    def test_check_passes_with_advice(self, cli: CommandLine) -> None:
        outcome = cli("config", "check")
        assert outcome.status == 0
        assert outcome.err.startswith("advice: TAIKO_BASE_FEE_GWEI")

    def test_check_says_where_serve_would_stop_for_want_of_an_l1(self, cli: CommandLine) -> None:
        note = "no L1 node is set: serve needs TAIKO_L1_RPC_URLS or --devnet"
        outcome = cli("config", "check")
        assert (outcome.status, outcome.err.splitlines()[-1]) == (0, f"note: {note}")
        assert cli("config", "check", "--json").document["notes"] == [note]
        assert "note:" not in cli("config", "check", environ=NODE).err
        assert cli("config", "check", "--json", environ=NODE).document["notes"] == []

    def test_check_fails_with_every_problem(self, cli: CommandLine, tmp_path: Path) -> None:
        (tmp_path / ".env").write_text("TAIKO_HTTP_PORT=y\n")
        outcome = cli("config", "check", "--alpha-data", "x")
        assert outcome.status == 3
        assert outcome.out == ""
        assert outcome.err.splitlines() == [
            "error: TAIKO_ALPHA_DATA: got 'x', expected a plain decimal number such as 0.18 (set by --alpha-data)",
            "error: TAIKO_HTTP_PORT: got 'y', expected a whole number, at least 0 and at most 65535 (set in .env)",
        ]

    def test_check_as_json(self, cli: CommandLine) -> None:
        good = cli("--json", "config", "check", environ={"TAIKO_ZZZ": "1"}).document
        assert good["ok"] is True
        assert good["advice"][0]["code"] == "base_fee_above_protocol_maximum"
        assert "TAIKO_ZZZ" in good["warnings"][0]
        bad = cli("config", "check", "--json", "--alpha-data", "x")
        assert bad.status == 3
        assert bad.document["ok"] is False
        assert bad.document["problems"][0].startswith("TAIKO_ALPHA_DATA")

    def test_show_has_every_setting_with_its_source_and_no_url(self, cli: CommandLine) -> None:
        argv = ("config", "show", "--preset", "responsive", "--surplus-discount", "--json")
        shown = cli(*argv, environ=NODE).document
        assert set(shown) == {variable.name for variable in VARIABLES}
        assert shown["TAIKO_L1_RPC_URLS"] == {"value": "main=https://***", "source": "environment"}
        assert shown["TAIKO_PRESET"] == {"value": "responsive", "source": "flag"}
        assert shown["TAIKO_ALPHA_DATA"] == {"value": "0.2", "source": "preset"}
        assert shown["TAIKO_SURPLUS_DISCOUNT"] == {"value": "true", "source": "flag"}
        assert shown["TAIKO_VAULT_SOURCE"] == {"value": None, "source": "default"}

    def test_nodes_given_as_flags_win_over_the_environment_and_are_shown_without_their_urls(
        self, cli: CommandLine
    ) -> None:
        argv = (
            "--l1-rpc-urls",
            f"spare=http://127.0.0.1:8545/{SECRET}",
            "--l2-rpc-urls",
            f"https://x.example/{SECRET}",
        )
        shown = cli("config", "show", *argv, "--json", environ=NODE).document
        assert shown["TAIKO_L1_RPC_URLS"] == {"value": "spare=http://***", "source": "flag"}
        assert shown["TAIKO_L2_RPC_URLS"] == {"value": "l2-p1=https://***", "source": "flag"}

    def test_show_as_text(self, cli: CommandLine) -> None:
        shown = cli("config", "show", environ=NODE).out
        assert re.search(r"^TAIKO_L1_RPC_URLS +main=https://\*\*\* +environment$", shown, re.MULTILINE)
        assert re.search(r"^TAIKO_L1_CHAIN_ID +unset +default$", shown, re.MULTILINE)

    def test_the_file_of_the_working_directory_is_read_and_another_one_when_named(
        self, cli: CommandLine, tmp_path: Path
    ) -> None:
        (tmp_path / ".env").write_text("TAIKO_HTTP_PORT=9001\n")
        (tmp_path / "other").write_text("TAIKO_HTTP_PORT=9002\n")
        usual = cli("config", "show", "--json").document
        named = cli("--env-file", "other", "config", "show", "--json").document
        assert usual["TAIKO_HTTP_PORT"] == {"value": "9001", "source": "env file"}
        assert named["TAIKO_HTTP_PORT"] == {"value": "9002", "source": "env file"}
        assert cli("config", "show", "--env-file", "absent").status == 3
