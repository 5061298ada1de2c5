"""`verify`: recompute the journal and compare every quote to the wei."""

import sys
from collections.abc import Callable
from typing import Final

from app.cli.exits import EXIT_CHECK_FAILED, EXIT_OK
from app.cli.invocation import Invocation
from app.cli.output import JsonObject, print_json, print_line
from app.engine.verify import Finding, Verification

_MOST_LISTED: Final = 1000
"""Findings shown at most; all are counted."""
_ENTRIES_PER_PROGRESS: Final = 2000


def verify_command(invocation: Invocation) -> int:
    arguments = invocation.arguments
    first, last = arguments.from_block, arguments.to_block
    if last is not None and last < first:
        invocation.usage_error(f"--to-block: got {last}, expected at least --from-block ({first})")
    found: list[Finding] = []
    result = invocation.services.verify(invocation.load(), first, last, found.append, _progress())
    if invocation.wants_json:
        print_json(_document(result, found))
    else:
        print_line("\n".join([*map(_line, found[:_MOST_LISTED]), *_summary(result, found)]))
    return EXIT_CHECK_FAILED if found else EXIT_OK


def _progress() -> Callable[[int], None]:
    """Says on a terminal how far the reading is."""

    def show(entries: int) -> None:
        if entries % _ENTRIES_PER_PROGRESS == 0:
            sys.stderr.write(f"\r{entries} entries verified")
            sys.stderr.flush()

    def keep_quiet(_entries: int) -> None: ...

    return show if sys.stderr.isatty() else keep_quiet


def _line(finding: Finding) -> str:
    block = "" if finding.block_number is None else f", block {finding.block_number}"
    return f"entry {finding.sequence}{block}: {finding.kind}: {finding.detail}"


def _summary(result: Verification, found: list[Finding]) -> list[str]:
    lines = []
    if len(found) > _MOST_LISTED:
        lines.append(f"… and {len(found) - _MOST_LISTED} more findings")
    blocks = "" if result.first_block is None else f", blocks {result.first_block} to {result.last_block}"
    lines.append(f"{result.entries} entries{blocks}: {len(found)} findings")
    lines += [f"gap: blocks {gap.first} to {gap.last} have no quote ({gap.reason})" for gap in result.gaps]
    if result.breaks:
        lines.append(
            f"{len(result.breaks)} entries go on from another fee than their parent's: a path that was rebuilt"
        )
    if result.divergences:
        lines.append(
            f"{result.divergences} divergences: quotes that lost against another instance's for the same block"
        )
    return lines


def _document(result: Verification, found: list[Finding]) -> JsonObject:
    return {
        "ok": not found,
        "entries": result.entries,
        "firstBlock": result.first_block,
        "lastBlock": result.last_block,
        "findingsTotal": len(found),
        "findings": [
            {
                "sequence": finding.sequence,
                "blockNumber": finding.block_number,
                "kind": finding.kind,
                "detail": finding.detail,
            }
            for finding in found[:_MOST_LISTED]
        ],
        "pathBreaks": [{"sequence": entry.sequence, "blockNumber": entry.block_number} for entry in result.breaks],
        "gaps": [{"first": gap.first, "last": gap.last, "reason": gap.reason} for gap in result.gaps],
        "divergences": result.divergences,
    }
