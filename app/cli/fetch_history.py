"""`fetch-history`: the past of an L1 into a history file."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

from app.cli.exits import EXIT_OK
from app.cli.files import UnwritableFileError
from app.cli.invocation import Invocation
from app.cli.options import add_settings, settings_named
from app.cli.output import print_json, print_line, say
from app.cli.progress import line
from app.cli.usage import Parser
from app.cli.values import whole
from app.domain.units import BlockNumber
from app.research.fetching import GREATEST_CHUNK, Order
from app.settings import SettingsError


def add_options(parser: Parser) -> None:
    """The command's options."""
    parser.add_argument("--from-block", type=whole, metavar="N", required=True, help="first block")
    parser.add_argument("--to-block", type=whole, metavar="N", required=True, help="last block")
    parser.add_argument("--out", type=Path, metavar="OUT", required=True, help="history file; its manifest beside it")
    parser.add_argument(
        "--chunk", type=whole, default=GREATEST_CHUNK, metavar="N", help=f"blocks at once, 1 to {GREATEST_CHUNK} [all]"
    )
    add_settings(
        parser,
        settings_named("TAIKO_L1_RPC_URLS", "TAIKO_L1_RPC_URLS_FILE", "TAIKO_L1_CHAIN_ID", "TAIKO_RPC_TIMEOUT_SECONDS"),
    )


def fetch_history_command(invocation: Invocation) -> int:
    arguments = invocation.arguments
    if arguments.to_block < arguments.from_block:
        invocation.usage_error(f"--to-block: got {arguments.to_block}, expected at least --from-block")
    if not 1 <= arguments.chunk <= GREATEST_CHUNK:
        invocation.usage_error(f"--chunk: got {arguments.chunk}, expected 1 to {GREATEST_CHUNK}")
    loaded = invocation.load()
    if not loaded.settings.l1_endpoints():
        raise SettingsError(("TAIKO_L1_RPC_URLS: not set, expected an L1 node to fetch from",))
    order = Order(
        first=BlockNumber(arguments.from_block),
        last=BlockNumber(arguments.to_block),
        out=arguments.out,
        chunk=arguments.chunk,
    )
    try:
        manifest = invocation.services.fetch_history(loaded, order, _progress(order))
    except OSError as error:
        raise UnwritableFileError(f"cannot write {arguments.out}: {error.strerror}") from None
    if invocation.wants_json:
        print_json(manifest)
    else:
        print_line(
            f"{arguments.out}: {manifest['blocks']} blocks of {manifest['network']}, sha256 {manifest['sha256']}"
        )
    return EXIT_OK


def _progress(order: Order) -> Callable[[int], object]:
    total, began = order.last - order.first + 1, time.monotonic()
    if not sys.stderr.isatty():
        return lambda _count: None

    def show(count: int) -> None:
        sys.stderr.write(f"\r{line(count, total, time.monotonic() - began)} blocks")
        sys.stderr.flush()
        if count == total:
            say("")

    return show
