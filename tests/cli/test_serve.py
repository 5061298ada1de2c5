"""`serve` and `devnet`."""

import pytest

from app.devnet.run import DevnetOptions
from tests.cli.command_line import NODE, CommandLine


class TestServe:
    def test_without_an_l1_it_refuses_and_names_the_ways_out(self, cli: CommandLine) -> None:
        outcome = cli("serve")
        assert outcome.status == 3
        assert "TAIKO_L1_RPC_URLS=main=https://" in outcome.err
        assert "--devnet" in outcome.err
        assert cli.services.served == []

    def test_with_an_l1_it_serves_and_says_what_is_dangerous(self, cli: CommandLine) -> None:
        outcome = cli("serve", environ={**NODE, "TAIKO_ALHPA_DATA": "1"})
        assert outcome.status == 0
        assert cli.services.served == [None]
        assert "advice: TAIKO_BASE_FEE_GWEI is 1.5 gwei" in outcome.err
        assert "warning: TAIKO_ALHPA_DATA" in outcome.err
        assert outcome.out == ""

    def test_the_l1_may_be_given_as_a_flag(self, cli: CommandLine) -> None:
        assert cli("serve", "--l1-rpc-urls", "main=http://127.0.0.1:8545").status == 0
        assert cli.services.served == [None]

    def test_the_devnet_takes_its_own_options_and_any_free_port(self, cli: CommandLine) -> None:
        argv = ("--devnet-scenario", "spike", "--devnet-seed", "7", "--devnet-block-time", "0.5")
        assert cli("serve", "--devnet", *argv).status == 0
        assert cli.services.served == [DevnetOptions(scenario="spike", seed=7, block_time_seconds=0.5, port=0)]

    def test_configured_nodes_win_over_the_devnet(self, cli: CommandLine) -> None:
        outcome = cli("serve", "--devnet", environ=NODE)
        assert cli.services.served == [None]
        assert "the devnet is not used" in outcome.err

    def test_the_devnet_is_no_other_chain(self, cli: CommandLine) -> None:
        outcome = cli("serve", "--devnet", "--l1-chain-id", "1")
        assert outcome.status == 3
        assert "TAIKO_L1_CHAIN_ID: got 1" in outcome.err

    @pytest.mark.parametrize(
        "argv",
        [
            ("--devnet-seed", "1"),
            ("--devnet", "--devnet-scenario", "wild"),
            ("--devnet", "--devnet-port", "70000"),
            ("--devnet", "--devnet-block-time", "soon"),
        ],
    )
    def test_devnet_options_that_make_no_sense_are_usage_errors(self, cli: CommandLine, argv: tuple[str, ...]) -> None:
        outcome = cli("serve", *argv)
        assert outcome.status == 2
        assert "--devnet-" in outcome.err
        assert cli.services.served == []


class TestDevnet:
    def test_it_runs_with_its_options(self, cli: CommandLine) -> None:
        argv = ("--port", "0", "--history-blocks", "3", "--start-base-fee-gwei", "0.5", "--scenario", "drift")
        assert cli("devnet", *argv).status == 0
        assert cli("devnet").status == 0
        assert cli.services.devnets == [
            DevnetOptions(scenario="drift", port=0, history_blocks=3, start_base_fee_gwei="0.5"),
            DevnetOptions(),
        ]

    @pytest.mark.parametrize(
        ("option", "value"),
        [("--block-time", "-1"), ("--port", "70000"), ("--scenario", "wild"), ("--start-base-fee-gwei", "x")],
    )
    def test_what_makes_no_sense_is_named_by_its_option(self, cli: CommandLine, option: str, value: str) -> None:
        outcome = cli("devnet", option, value)
        assert outcome.status == 2
        assert f"{option}: got " in outcome.err
        assert cli.services.devnets == []

    def test_it_is_kept_to_loopback_unless_told(self, cli: CommandLine) -> None:
        refused = cli("devnet", "--host", "0.0.0.0")  # noqa: S104 - refused
        assert refused.status == 2
        assert "--host" in refused.err
        assert cli("devnet", "--host", "0.0.0.0", "--allow-remote").status == 0  # noqa: S104 - not bound by the fake
