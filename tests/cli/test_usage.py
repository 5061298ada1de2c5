"""Wrong command lines, and the descriptions of right ones."""

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.cli import PROGRAM, build_parser
from app.settings import VARIABLES
from tests.cli.command_line import SECRET, CommandLine


class TestUsage:
    @pytest.mark.parametrize(
        "argv",
        [
            (),
            ("bogus",),
            ("config",),
            ("serve", "--bogus"),
            ("quote", "--l1-base-fee-g", "25"),
            ("serve", "--alpha", "0.2"),
            ("metrics", "extra"),
        ],
    )
    def test_usage_errors_end_with_2(self, cli: CommandLine, argv: tuple[str, ...]) -> None:
        outcome = cli(*argv)
        assert (outcome.status, outcome.out) == (2, "")

    @pytest.mark.parametrize(
        "argv",
        [
            (f"--l1-rpc-urls=https://node.example/{SECRET}", "serve"),
            ("--l1-rpc-urls", SECRET, "serve"),
            ("serve", "--l1-rpc-urls", f"main=https://node.example/{SECRET},", SECRET),
            ("serve", "--l1-rpc-url", SECRET),
            ("metrics", f"--l1-rpc-urls=https://node.example/{SECRET}"),
            ("config", SECRET),
            (SECRET,),
            ("--l1-rpc-urls", f"https://node.example/{SECRET}", "serve"),
            (f"https://node.example/{SECRET}",),
            ("serve", f"https://node.example/{SECRET}"),
            ("quote", "--l1-base-fee-gwei", f"https://node.example/{SECRET}"),
            ("serve", "--devnet", "--devnet-scenario", f"https://node.example/{SECRET}"),
            ("healthcheck", "--url", f"ftp://node.example/{SECRET}"),
        ],
    )
    def test_a_url_on_the_command_line_is_refused_and_not_repeated(
        self, cli: CommandLine, argv: tuple[str, ...]
    ) -> None:
        assert cli(*argv).status == 2

    @pytest.mark.parametrize("option", ["--l1-rpc-urls", "--l2-rpc-urls"])
    @pytest.mark.parametrize(
        "value",
        [
            SECRET,
            f"main={SECRET}",
            f"ftp://node.example/{SECRET}",
            f"https://{SECRET}@",
            f"https://node.example/{SECRET} https://spare.example/{SECRET}",
            f"https://node.example;https://spare.example/{SECRET}",
        ],
    )
    def test_a_list_of_nodes_that_is_wrong_names_the_flag_and_not_its_value(
        self, cli: CommandLine, option: str, value: str
    ) -> None:
        for given in ((option, value), (f"{option}={value}",)):
            outcome = cli("config", "check", *given)
            assert outcome.status == 3
            assert outcome.err.endswith(f"(set by {option})\n")

    def test_an_option_of_a_command_stands_after_it(self, cli: CommandLine) -> None:
        assert "--alpha-data stands after the command" in cli("--alpha-data=0.2", "serve").err
        assert (
            "one of serve, quote, fetch-history, backtest, compare, sweep, validate, verify, config"
            in cli("--alpha-data", "0.2", "serve").err
        )

    def test_an_argument_too_many_is_named_by_its_place(self, cli: CommandLine) -> None:
        assert "argument 3 is unexpected" in cli("config", "check", "everything").err
        assert "argument 2 is unexpected" in cli("serve", "--", SECRET).err

    @pytest.mark.parametrize(("argv", "nearest"), [(("serv",), "serve"), (("config", "chek"), "check")])
    def test_a_misspelt_command_gets_the_nearest_known_one(
        self, cli: CommandLine, argv: tuple[str, ...], nearest: str
    ) -> None:
        assert f"did you mean {nearest}?" in cli(*argv).err

    def test_a_hint_is_an_option_of_the_command_at_hand(self, cli: CommandLine) -> None:
        assert "did you mean --l1-base-fee-gwei?" in cli("quote", "--l1-base-fee-gwe", "25").err
        assert "did you mean" not in cli("metrics", "--alpha-data", "1").err

    def test_a_misspelt_option_gets_the_nearest_known_one(self, cli: CommandLine) -> None:
        assert "did you mean --alpha-data?" in cli("serve", "--alpha-dat", "1").err

    @pytest.mark.parametrize("command", [("serve",), ("quote",), ("config", "check"), ("config", "show")])
    def test_every_setting_is_a_described_flag(self, cli: CommandLine, command: tuple[str, ...]) -> None:
        shown = " ".join(cli(*command, "--help").out.split())
        for variable in VARIABLES:
            assert (f"{variable.flag} " in shown) is not variable.is_secret
            assert (f"[{variable.name}," in shown) is not variable.is_secret

    def test_a_secret_has_no_flag_and_is_not_repeated(self, cli: CommandLine) -> None:
        for given in (("--admin-token", SECRET), (f"--admin-token={SECRET}",)):
            outcome = cli("serve", *given)
            assert outcome.status == 2
            assert "unknown option --admin-token" in outcome.err

    def test_every_option_that_is_no_setting_is_documented(self, project_root: Path) -> None:
        document = (project_root / "docs" / "configuration.md").read_text(encoding="utf-8")
        settings = {variable.flag for variable in VARIABLES}
        for command, option in _options(build_parser()):
            assert f"`{command}`" in document
            short = option.removeprefix("--")
            assert option in settings or re.search(rf"`--{re.escape(short)}[` ]", document), option

    @pytest.mark.parametrize(
        "argv",
        [
            ("quote", "--l1-base-fee-gwei"),
            ("quote", "--l1-base-fee-wei"),
            ("quote", "--deficit-eth"),
            ("serve", "--devnet-seed"),
            ("devnet", "--block-time"),
        ],
    )
    def test_a_number_of_any_length_is_refused_in_a_short_line(self, cli: CommandLine, argv: tuple[str, ...]) -> None:
        outcome = cli(*argv, "9" * 5000)
        assert outcome.status == 2
        said = outcome.err.splitlines()[-1]
        assert "(5002 characters), expected " in said
        assert len(said) < 400

    def test_the_version_is_said(self, cli: CommandLine) -> None:
        assert re.fullmatch(rf"{PROGRAM} [0-9.]+\n", cli("--version").out)


def _options(parser: argparse.ArgumentParser, command: str = "serve") -> Iterator[tuple[str, str]]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, inner in action.choices.items():
                yield from _options(inner, f"{command} {name}" if command == "config" else name)
        yield from ((command, option) for option in action.option_strings if option.startswith("--"))
