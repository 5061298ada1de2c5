"""The programs of docs/clients.md: taken from it, built once, and run as a reader would."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from tests.service import bare_environment

ROOT = Path(__file__).parents[3]
DOCUMENT = (ROOT / "docs" / "clients.md").read_text(encoding="utf-8")
PROGRAM = re.compile(r"[Ss]ave as `([\w.]+)`(?:(?!^```).)*^```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TOOLS = ROOT / "node_modules" / ".bin"
TYPES = ROOT / "node_modules" / "@types"
WITHOUT_MODULES = {"GO111MODULE": "auto", "GOFLAGS": "-mod=mod", "GOPROXY": "off"}
PATIENCE_SECONDS = 60

Decision = dict[str, Any]
Command = tuple[str, ...]
Outcome = TypeVar("Outcome")


@dataclass(frozen=True)
class Run:
    """What a client did, from its start to its end."""

    decisions: list[Decision]
    code: int
    said: str

    @property
    def bases(self) -> list[str]:
        """Why it charged what it charged, each reason once for as long as it stood."""
        every = [decision["basis"] for decision in self.decisions]
        return [basis for before, basis in zip([None, *every], every, strict=False) if basis != before]


def environment() -> dict[str, str]:
    """That of a reader who has the tools."""
    plain = bare_environment(**WITHOUT_MODULES)
    return plain | {"PATH": f"{TOOLS}:{plain['PATH']}"}


def write_programs(folder: Path) -> None:
    """Save every program of the page in `folder`, as the page says."""
    for name, text in PROGRAM.findall(DOCUMENT):
        (folder / name).write_text(text)


def tool(folder: Path, *command: str) -> str:
    """What a tool prints in `folder`. Fails with all that it says where it does not end well."""
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def built(folder: Path) -> Mapping[str, Command]:
    """How each client is started, by its language, once the two that are compiled are."""
    compiler = ("--strict", "--target", "es2022", "--module", "nodenext", "--types", "node")
    tool(folder, "tsc", *compiler, "--noUnusedLocals", "--typeRoots", str(TYPES), "fee_client.mts")
    tool(folder, "go", "build", "fee_client.go")
    return {
        "shell": ("bash", str(folder / "fee_client.sh")),
        "python": (sys.executable, str(folder / "fee_client.py")),
        "typescript": ("node", str(folder / "fee_client.mjs")),
        "go": (str(folder / "fee_client"),),
    }


def run(command: Command, arguments: Sequence[str]) -> Run:
    """Run a client to its end."""
    done = subprocess.run(
        [*command, *arguments],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    return Run([json.loads(line) for line in done.stdout.splitlines()], done.returncode, done.stderr)


def each(clients: Mapping[str, Command], act: Callable[[Command], Outcome]) -> dict[str, Outcome]:
    """What `act` gives for each client, all at the same time."""
    with ThreadPoolExecutor(len(clients)) as pool:
        return dict(zip(clients, pool.map(act, clients.values()), strict=True))
