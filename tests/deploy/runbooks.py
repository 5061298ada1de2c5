"""The runbooks' pages, and the commands in them, for the tests that hold them to what there is."""

import re
import shlex
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

RUNBOOKS: Final = Path(__file__).parents[2] / "deploy" / "runbooks"
PAGES: Final = tuple(sorted(RUNBOOKS.glob("*.md")))
PROGRAM: Final = "taiko-fee-oracle"
_BLOCK: Final = re.compile(r"^( *)```(\S[^\n]*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_ENDS: Final = {"|", "||", "&&", ";", ">", ">>", "<", "&"}


@dataclass(frozen=True)
class Block:
    """A block of commands of a page."""

    kind: str
    """`sh` is run by the tests as it stands; `sh not-run` needs a cluster, a service manager or hours."""
    script: str


def text_of(page: Path) -> str:
    """What a page says."""
    return page.read_text(encoding="utf-8")


def blocks_of(page: Path, *, since: str = "") -> tuple[Block, ...]:
    """The blocks of a page in their order, without indentation; only from the heading `since` on, if given."""
    text = text_of(page)
    if since:
        text = text.partition(f"\n{since}\n")[2]
    return tuple(Block(kind, textwrap.dedent(script)) for _, kind, script in _BLOCK.findall(text))


def prose_of(page: Path) -> str:
    """The page without its blocks."""
    return _BLOCK.sub("", text_of(page))


def commands_of(script: str) -> Iterator[list[str]]:
    """The words of each simple command of a script, quoting and continued lines resolved; of a pipeline each part."""
    words = shlex.shlex(script.replace("\\\n", " ").replace("\n", " ;\n"), posix=True, punctuation_chars="|&;<>")
    words.whitespace_split = True
    words.commenters = "#"
    command: list[str] = []
    for word in words:
        if set(word) <= set("|&;<>"):
            if command:
                yield command
            command = []
        else:
            command.append(word)
    if command:
        yield command


def program_arguments(script: str) -> Iterator[list[str]]:
    """The arguments of each call of the program, whether called here, in a container or in a pod."""
    for command in commands_of(script):
        yield from (command[place + 1 :] for place, word in enumerate(command) if _is_call(command, place, word))


def _is_call(command: list[str], place: int, word: str) -> bool:
    """Whether this word is the program: the names of services, pods and units that it has too come after an option."""
    before = command[:place]
    return word == PROGRAM and (all("=" in assigned for assigned in before) or before[-1] == "--" or "exec" in before)


def queries_of(page: Path) -> list[str]:
    """The PromQL expressions that a page asks Prometheus for."""
    return [query for block in blocks_of(page) for query in re.findall(r"'query=([^']+)'", block.script)]


def jq_programs_of(page: Path) -> list[str]:
    """The programs that a page gives to jq."""
    return [
        next(word for word in command[1:] if not word.startswith("-"))
        for block in blocks_of(page)
        for command in commands_of(block.script)
        if command[0] == "jq"
    ]
