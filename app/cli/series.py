"""The L1 blocks that a simulation runs over: a file, standard input, the journal, or a seeded scenario."""

import hashlib
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO, Final

from app.cli.invocation import Invocation
from app.cli.output import say
from app.cli.progress import shown
from app.cli.usage import Parser
from app.cli.values import gwei, price, whole
from app.domain.errors import OracleError
from app.domain.simulation import SeriesBlock
from app.engine.history_file import History, HistoryError, TimeStyle
from app.engine.recorded import RecordedBlock
from app.research.fetching import manifest_of
from app.settings import LoadedSettings

STANDARD_INPUT: Final = Path("-")


class SeriesError(OracleError):
    """The series cannot be read."""


@dataclass(frozen=True, slots=True)
class Series:
    """A series of blocks, to be taken once."""

    name: str
    blocks: Iterable[SeriesBlock]
    time_text: Callable[[int], str]
    """Writes Unix seconds as the series has them."""
    recorded: Sequence[RecordedBlock] = ()
    """Of a journal: what was quoted for each block."""


def add_series_options(parser: Parser) -> None:
    """Where the blocks come from."""
    group = parser.add_argument_group("history", "the L1 blocks: a file, the journal, or a seeded scenario")
    group.add_argument("file", nargs="?", type=Path, metavar="FILE", help="history CSV; - is standard input")
    group.add_argument(
        "--journal", action="store_true", help="the blocks of TAIKO_STATE_URL, with the vault as recorded"
    )
    group.add_argument("--scenario", metavar="calm|spike|drift", help="blocks of the devnet's demand, by a seed")
    group.add_argument("--seed", type=whole, default=1, metavar="N", help="seed of the scenario [1]")
    group.add_argument("--blocks", type=whole, default=7_200, metavar="N", help="blocks of the scenario [7200]")
    group.add_argument(
        "--level-gwei", type=price(gwei), default=25 * 10**9, metavar="X", help="base fee of the scenario [25]"
    )
    group.add_argument("--allow-gaps", action="store_true", help="report missing blocks instead of refusing them")
    group.add_argument("--any-base-fee", action="store_true", help="take base fees that Ethereum never had")


@contextmanager
def opened_series(invocation: Invocation, loaded: LoadedSettings) -> Iterator[Series]:
    """The series that the arguments name. Raises `SeriesError` or, of the journal, `StoreError`."""
    arguments = invocation.arguments
    named = [arguments.file is not None, arguments.journal, arguments.scenario is not None]
    if sum(named) != 1:
        invocation.usage_error("expected one of FILE (or -), --journal and --scenario")
    if arguments.journal:
        recorded = _journaled(invocation, loaded)
        blocks = shown((each.block for each in recorded), "blocks", len(recorded))
        yield Series("the journal", blocks, TimeStyle.UNIX.written, recorded)
    elif arguments.scenario is not None:
        blocks = invocation.services.scenario_blocks(
            arguments.scenario, arguments.seed, arguments.level_gwei, arguments.blocks
        )
        name = f"scenario {arguments.scenario}, seed {arguments.seed}"
        yield Series(name, shown(blocks, "blocks", arguments.blocks), TimeStyle.UNIX.written)
    elif arguments.file == STANDARD_INPUT:
        yield _of_file("standard input", sys.stdin.buffer, invocation)
    else:
        with _opened(arguments.file) as file:
            yield _of_file(str(arguments.file), _held_to_manifest(arguments.file, file), invocation)


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: OSError) -> SeriesError:
    return SeriesError(f"cannot read the history file {path}: {error.strerror}")


def _journaled(invocation: Invocation, loaded: LoadedSettings) -> Sequence[RecordedBlock]:
    recorded = invocation.services.journaled_blocks(loaded)
    missing = [(before.block.number + 1, after.block.number - 1) for before, after in pairwise(recorded)]
    for first, last in missing:
        if first <= last and not invocation.arguments.allow_gaps:
            raise SeriesError(f"the journal has no blocks {first} to {last} (--allow-gaps reports gaps instead)")
        if first <= last:
            _say_gap(first, last)
    return recorded


def _of_file(name: str, lines: Iterable[bytes], invocation: Invocation) -> Series:
    arguments = invocation.arguments
    history = History(
        lines,
        allow_gaps=arguments.allow_gaps,
        gap_advice=" (or --allow-gaps)",
        any_base_fee=arguments.any_base_fee,
        on_gap=_say_gap,
    )

    def time_text(at: int) -> str:
        return history.style.written(at)  # known only once the first block is read

    return Series(name, shown(_named(name, history), "blocks"), time_text)


def _held_to_manifest(path: Path, lines: Iterable[bytes]) -> Iterator[bytes]:
    """The same lines; a file that is not the one its manifest describes is refused at its end."""
    manifest = manifest_of(path)
    digest = hashlib.sha256()
    try:
        if manifest is None:
            yield from lines
            return
        for line in lines:
            digest.update(line)
            yield line
    except OSError as error:
        raise _unreadable(path, error) from None
    if digest.hexdigest() != manifest["sha256"]:
        raise SeriesError(f"{path} is not the file that its manifest describes: it was changed, or is incomplete")


def _named(name: str, history: History) -> Iterator[SeriesBlock]:
    try:
        yield from history
    except HistoryError as error:
        raise SeriesError(f"{name}: {error}") from None


def _say_gap(first: int, last: int) -> None:
    blocks = f"block {first} is" if first == last else f"blocks {first} to {last} are"
    say(f"gap: {blocks} missing, and not filled")
