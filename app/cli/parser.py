"""The commands and their options."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from app.cli import backtest, compare, fetch_history, sweep, validate
from app.cli.config import check_command, show_command
from app.cli.healthcheck import healthcheck_command
from app.cli.invocation import DEFAULT_ENV_FILE, Invocation
from app.cli.metrics import metrics_command
from app.cli.options import add_settings, settings_named
from app.cli.output import print_line
from app.cli.quote import quote_command
from app.cli.serve import devnet_command, serve_command
from app.cli.usage import PROGRAM, Parser
from app.cli.values import ether, gwei, price, seconds, wei, whole
from app.cli.verify import verify_command
from app.settings import VARIABLES


def build_parser() -> Parser:
    """The whole command line."""
    parser = Parser(prog=PROGRAM, description="Tells the sequencers of a Taiko L2 what fee to charge now.")
    parser.add_argument("--version", action=_VersionAction, nargs=0, help="show the version and exit")
    _add_common(parser, json_default=False, env_file_default=None)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True, prog=PROGRAM)

    serve = _command(commands, "serve", serve_command, "run the service", usage="serve [--devnet] [settings]")
    add_settings(serve, VARIABLES)
    devnet = serve.add_argument_group("devnet")
    devnet.add_argument(
        "--devnet", action="store_true", help="run on the embedded devnet where TAIKO_L1_RPC_URLS is not set"
    )
    _add_devnet(devnet, "devnet-")

    quote = _command(
        commands,
        "quote",
        quote_command,
        "show the fee and how it comes about",
        usage="quote [--l1-base-fee-gwei X] [settings]",
    )
    _add_quote_inputs(quote)
    add_settings(quote, VARIABLES)

    fetch_history.add_options(
        _command(
            commands,
            "fetch-history",
            fetch_history.fetch_history_command,
            "fetch an L1's past base fees into a history file",
            usage="fetch-history --from-block N --to-block N --out OUT [settings]",
        )
    )
    backtest.add_options(
        _command(
            commands,
            "backtest",
            backtest.backtest_command,
            "run one configuration over a history",
            usage="backtest (FILE | - | --journal | --scenario NAME) [--out OUT] [settings]",
        )
    )

    compare.add_options(
        _command(
            commands,
            "compare",
            compare.compare_command,
            "run several configurations over the same history, side by side",
            usage="compare (FILE | - | --journal | --scenario NAME) [--with NAME|FILE]… [--report HTML] [settings]",
        )
    )

    sweep.add_options(
        _command(
            commands,
            "sweep",
            sweep.sweep_command,
            "search for parameters, and score the best on blocks that the search has not seen",
            usage="sweep (FILE | - | --journal | --scenario NAME) --vary KEY=FIRST..LAST/STEP … [--out OUT] [settings]",
        )
    )

    validate.add_options(
        _command(
            commands,
            "validate",
            validate.validate_command,
            "check the source document's numbers, the settings, or a live oracle",
            usage="validate [--url URL [--watch TIME --for TIME]] [settings]",
        )
    )

    verify = _command(
        commands,
        "verify",
        verify_command,
        "recompute the journal and compare every quote to the wei",
        usage="verify [--from-block N] [--to-block N] [settings]",
    )
    verify.add_argument("--from-block", type=whole, default=0, metavar="N", help="first block [the journal's first]")
    verify.add_argument("--to-block", type=whole, metavar="N", help="last block [the journal's last]")
    add_settings(verify, settings_named("TAIKO_STATE_URL", "TAIKO_STATE_URL_FILE"))

    config = _command(commands, "config", None, "check or show the settings", usage="config {check,show} [settings]")
    actions = config.add_subparsers(title="actions", metavar="ACTION", required=True, prog=f"{PROGRAM} config")
    for name, command, text in (
        ("check", check_command, "validate the settings and say what is dangerous"),
        ("show", show_command, "show every setting, its value and who set it"),
    ):
        add_settings(_command(actions, name, command, text, usage=f"config {name} [settings]"), VARIABLES)

    _command(commands, "metrics", metrics_command, "list every metric", usage="metrics [--json]")
    health = _command(
        commands,
        "healthcheck",
        healthcheck_command,
        "ask the running service whether it is ready",
        usage="healthcheck [--url URL | --from-outside]",
    )
    where = health.add_mutually_exclusive_group()
    where.add_argument("--url", help="what to ask instead of /readyz at the configured address")
    where.add_argument(
        "--from-outside", action="store_true", help="ask as another host would: a service on loopback is not reachable"
    )
    add_settings(health, settings_named("TAIKO_HTTP_HOST", "TAIKO_HTTP_PORT"))
    alone = _command(commands, "devnet", devnet_command, "run the embedded L1 alone", usage="devnet [options]")
    _add_devnet(alone, "")
    _add_devnet_alone(alone)
    return parser


def _command(
    commands: Any,  # noqa: ANN401 - argparse keeps the type to itself
    name: str,
    command: Callable[[Invocation], int] | None,
    text: str,
    *,
    usage: str,
) -> Parser:
    """A command's parser. Its usage is ours: argparse would list every setting."""
    parser: Parser = commands.add_parser(
        name,
        help=text,
        description=f"{text[0].upper()}{text[1:]}.",
        usage=f"{PROGRAM} {usage}",
    )
    _add_common(parser, json_default=argparse.SUPPRESS, env_file_default=argparse.SUPPRESS)
    if command is not None:
        parser.set_defaults(command=command, parser=parser)
    return parser


def _add_common(parser: Parser, *, json_default: object, env_file_default: object) -> None:
    """Options that may stand before the command and after it."""
    parser.add_argument("--json", action="store_true", default=json_default, help="data as JSON")
    parser.add_argument(
        "--env-file",
        metavar="FILE",
        default=env_file_default,
        help=f"read settings from FILE instead of {DEFAULT_ENV_FILE}",
    )


def _add_quote_inputs(parser: Parser) -> None:
    inputs = parser.add_argument_group("inputs", "without an L1 base fee, the L1 is asked for its head")
    base_fee = inputs.add_mutually_exclusive_group()
    base_fee.add_argument("--l1-base-fee-gwei", dest="l1_base_fee", type=price(gwei), metavar="X", help="L1 base fee")
    base_fee.add_argument("--l1-base-fee-wei", dest="l1_base_fee", type=price(wei), metavar="N", help="L1 base fee")
    deficit = inputs.add_mutually_exclusive_group()
    deficit_help = "the vault's deficit, negative for a surplus, taken as it is given"
    deficit.add_argument("--deficit-eth", dest="deficit", type=ether, metavar="X", help=deficit_help)
    deficit.add_argument("--deficit-wei", dest="deficit", type=wei, metavar="N", help=deficit_help)
    previous = inputs.add_mutually_exclusive_group()
    previous_help = "the fee at the block before, from which a rate limit counts"
    previous.add_argument("--previous-fee-gwei", dest="previous_fee", type=price(gwei), metavar="X", help=previous_help)
    previous.add_argument("--previous-fee-wei", dest="previous_fee", type=price(wei), metavar="N", help=previous_help)


def _add_devnet(parser: Any, prefix: str) -> None:  # noqa: ANN401 - a parser or a group of one
    """What is left out takes the devnet's own default."""
    parser.add_argument(f"--{prefix}scenario", metavar="calm|spike|drift", help="demand on L1 [calm]")
    parser.add_argument(f"--{prefix}seed", type=whole, metavar="N", help="seed of the demand [1]")
    parser.add_argument(
        f"--{prefix}replay", type=Path, metavar="FILE", help="replay a history file's base fees instead"
    )
    parser.add_argument(
        f"--{prefix}block-time",
        type=seconds,
        metavar="SECONDS",
        help="time between two blocks; 0 mines on request only [12]",
    )
    parser.add_argument(
        f"--{prefix}port",
        type=whole,
        metavar="PORT",
        help=f"port of its JSON-RPC; 0 is any free one [{0 if prefix else 8545}]",
    )


def _add_devnet_alone(parser: Parser) -> None:
    parser.add_argument("--host", help="address to listen on [127.0.0.1]")
    parser.add_argument(
        "--allow-remote",
        action="store_true",
        help="let --host be other than loopback: whoever reaches the port controls the chain",
    )
    parser.add_argument(
        "--recorded-timestamps", action="store_true", help="give a replay's blocks the times in the file"
    )
    parser.add_argument("--history-blocks", type=whole, metavar="N", help="blocks below the head at the start")
    parser.add_argument("--start-base-fee-gwei", metavar="X", help="base fee of the first block [25]")


class _VersionAction(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        from importlib.metadata import version  # noqa: PLC0415 - slow, and rarely wanted

        print_line(f"{PROGRAM} {version(PROGRAM)}")
        parser.exit()
