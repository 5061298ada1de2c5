"""What a sweep has done so far, a line a candidate, so that one that was broken off goes on where it was."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import IO, Any, Final

from app.domain.errors import OracleError
from app.domain.parameters import Parameters
from app.research.compact import CompactSeries
from app.research.sweep import Outcome
from app.research.workers import Setting

_FORMAT: Final = 1


class NotebookError(OracleError):
    """The file is of another sweep, or no sweep's at all."""


def fingerprint(setting: Setting, parameters: Sequence[Parameters], series: CompactSeries) -> str:
    """A digest of everything that the outcomes depend on."""
    digest = hashlib.sha256(f"{_FORMAT}\n{setting!r}".encode())
    for each in parameters:
        digest.update(each.parameters_id.encode())
    for column in (series.numbers, series.timestamps, series.base_fees, series.l2_gas):
        digest.update(column.tobytes())
    digest.update(repr(series.vault_balances).encode())
    return digest.hexdigest()


def opened(path: Path, digest: str) -> tuple[IO[str], dict[int, Outcome]]:
    """The notebook at `path`, ready to be added to, and what is in it. A line that was cut off counts as not there.

    Raises `NotebookError` for the notebook of another sweep, `OSError` where it cannot be opened.
    """
    done: dict[int, Outcome] = {}
    kept = [json.dumps({"sweep": digest})]
    if path.exists():
        lines = path.read_text(encoding="ascii").splitlines()
        if lines and _parsed(lines[0]) != {"sweep": digest}:
            raise NotebookError(f"{path} belongs to another sweep or history: remove it, or choose another --out")
        for line in lines[1:]:
            entry = _parsed(line)
            if entry is not None:
                done[int(entry["candidate"])] = _outcome(entry)
                kept.append(line)
    path.write_text("".join(f"{line}\n" for line in kept), encoding="ascii")
    return path.open("a", encoding="ascii"), done


def line(candidate: int, outcome: Outcome) -> str:
    """The line of one candidate."""
    return json.dumps(
        {
            "candidate": candidate,
            "recovery": None if outcome.recovery is None else str(outcome.recovery),
            "p99": outcome.p99,
            "userCost": str(outcome.user_cost),
            "robustness": outcome.robustness,
            "capital": outcome.capital,
            "insolventBlocks": outcome.insolvent_blocks,
        }
    )


def _parsed(text: str) -> dict[str, Any] | None:
    try:
        entry = json.loads(text)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) else None


def _outcome(entry: Mapping[str, Any]) -> Outcome:
    return Outcome(
        recovery=None if entry["recovery"] is None else Fraction(entry["recovery"]),
        p99=int(entry["p99"]),
        user_cost=Fraction(entry["userCost"]),
        robustness=int(entry["robustness"]),
        capital=int(entry["capital"]),
        insolvent_blocks=int(entry["insolventBlocks"]),
    )
