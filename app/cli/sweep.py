"""`sweep`: a search over parameters, chosen on one part of a history and scored on the rest."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

from app.cli.exits import EXIT_CHECK_FAILED, EXIT_OK
from app.cli.files import UnwritableFileError, written_to
from app.cli.invocation import Invocation
from app.cli.options import add_settings, simulation_settings
from app.cli.output import print_columns, print_json, say
from app.cli.plans import add_cost_option, cost_alpha_of, plan_of
from app.cli.progress import shown
from app.cli.series import add_series_options, opened_series
from app.cli.usage import Parser
from app.cli.values import gwei, price, ratio, whole
from app.domain.errors import InvalidValueError
from app.domain.parameter_set import ParameterSet
from app.domain.parameters import Parameters
from app.domain.units import WEI_PER_ETHER, decimal_text, gwei_text
from app.research import notebook
from app.research.compact import CompactSeries
from app.research.presentation import ratio_text
from app.research.sweep import (
    Axis,
    Choice,
    Constraints,
    Outcome,
    axis_of,
    candidates,
    pareto_front,
    parts,
)
from app.research.workers import Setting, Workers

_FIRST, _REST = 0, 1
"""The part of the series that choices are made on, and the part that they are held against."""
_COLUMNS: Final = (
    "recovery_ratio",
    "p99_fee_wei",
    "mean_fee_wei",
    "deficit_wei_seconds",
    "greatest_deficit_wei",
    "insolvent_blocks",
)


@dataclass(frozen=True, slots=True)
class Searched:
    """A finished sweep."""

    choices: Sequence[Choice]
    chosen_on: Mapping[int, Outcome]
    feasible: frozenset[int]
    front: Sequence[int]
    held_out: Mapping[int, Outcome]
    """Of the front alone: nothing else was ever scored there."""


def add_options(parser: Parser) -> None:
    """The command's options."""
    add_series_options(parser)
    search = parser.add_argument_group("search")
    search.add_argument(
        "--vary",
        action="append",
        required=True,
        metavar="KEY=FIRST..LAST/STEP",
        help="a parameter and its values, or KEY=VALUE,VALUE; repeatable",
    )
    search.add_argument("--random", type=whole, metavar="N", help="so many combinations at random instead of all")
    search.add_argument(
        "--held-out",
        type=ratio,
        default=Fraction(3, 10),
        metavar="SHARE",
        help="the last blocks, which no choice is made on and the front alone is scored on [0.3]",
    )
    search.add_argument(
        "--recovery-within",
        type=ratio,
        default=Fraction(1, 10),
        metavar="D",
        help="keep only a cost recovery of 1 ± D [0.1]",
    )
    search.add_argument(
        "--insolvent-blocks",
        type=whole,
        default=0,
        metavar="N",
        help="keep only at most N blocks that the vault could not pay [0]",
    )
    search.add_argument(
        "--p99-fee-gwei", dest="p99", type=price(gwei), metavar="X", help="keep only a p99 of at most X [no limit]"
    )
    search.add_argument("--workers", type=whole, metavar="N", help="processes [one a core]")
    parser.add_argument("--out", type=Path, metavar="OUT", help="write every candidate into OUT, as CSV; resumable")
    add_cost_option(parser)
    add_settings(parser, simulation_settings())


def sweep_command(invocation: Invocation) -> int:
    loaded, arguments = invocation.load(), invocation.arguments
    axes = _axes(invocation)
    cost_alpha, thresholds = cost_alpha_of(invocation, loaded), loaded.settings.alert_thresholds()
    choices = _choices(invocation, axes)
    candidates_parameters = [_parameters(invocation, loaded.settings.parameter_set(), choice) for choice in choices]
    with opened_series(invocation, loaded) as opened:
        base = plan_of(invocation, loaded, recorded=opened.recorded)
        setting = Setting(base.vault, base.blocks_per_batch, base.previous_fee, cost_alpha, thresholds)
        series = CompactSeries.of(opened.blocks)
    try:
        split = parts(series, arguments.held_out)
    except InvalidValueError as error:
        invocation.usage_error(str(error))
    constraints = Constraints(arguments.recovery_within, arguments.insolvent_blocks, arguments.p99)
    with Workers(setting, split, arguments.workers or len(os.sched_getaffinity(0))) as workers:
        chosen_on = _chosen_on(arguments.out, setting, candidates_parameters, split[_FIRST], workers)
        feasible = {index: each for index, each in chosen_on.items() if each.keeps(constraints)}
        front = pareto_front(feasible)
        held_out = dict(workers.outcomes(_REST, ((index, candidates_parameters[index]) for index in front)))
    searched = Searched(choices, chosen_on, frozenset(feasible), front, held_out)
    if arguments.out is not None:
        _write(arguments.out, axes, searched)
    if invocation.wants_json:
        print_json(_document(searched))
    else:
        print_columns(tuple(_rows(axes, searched)))
    if not searched.feasible:
        say("no candidate keeps the constraints")
        return EXIT_CHECK_FAILED
    return EXIT_OK


def _axes(invocation: Invocation) -> list[Axis]:
    try:
        return [axis_of(text) for text in invocation.arguments.vary]
    except InvalidValueError as error:
        invocation.usage_error(str(error))


def _choices(invocation: Invocation, axes: Sequence[Axis]) -> list[Choice]:
    arguments = invocation.arguments
    try:
        return candidates(axes, at_random=arguments.random, seed=arguments.seed)
    except InvalidValueError as error:
        invocation.usage_error(str(error))


def _parameters(invocation: Invocation, present: ParameterSet, choice: Choice) -> Parameters:
    problems = present.problems(choice)
    if problems:
        invocation.usage_error(f"--vary: {problems[0]}")
    return present.changed(choice).parameters


def _chosen_on(
    out: Path | None, setting: Setting, parameters: Sequence[Parameters], first: CompactSeries, workers: Workers
) -> dict[int, Outcome]:
    """The outcome of every candidate on the first part; with a file to write, each is noted down as it comes."""
    if out is None:
        return dict(shown(workers.outcomes(_FIRST, enumerate(parameters)), "candidates", len(parameters)))
    path = out.with_name(f"{out.name}.unfinished")
    try:
        file, done = notebook.opened(path, notebook.fingerprint(setting, parameters, first))
        with file:
            left = [(index, each) for index, each in enumerate(parameters) if index not in done]
            if done:
                say(f"{path}: {len(done)} of {len(parameters)} candidates are done already")
            for index, found in shown(workers.outcomes(_FIRST, left), "candidates", len(left)):
                done[index] = found
                file.write(f"{notebook.line(index, found)}\n")
                file.flush()
    except OSError as error:
        raise UnwritableFileError(f"cannot write {path}: {error.strerror}") from None
    return done


def _write(out: Path, axes: Sequence[Axis], searched: Searched) -> None:
    """Every candidate in its order, so that the same search gives the same file."""
    with written_to(out) as file:
        keys = [axis.key for axis in axes]
        scored = (*_COLUMNS, *(f"held_out_{column}" for column in _COLUMNS))
        file.write(f"{','.join(('candidate', *keys, 'feasible', 'pareto', *scored))}\n")
        for index, choice in enumerate(searched.choices):
            marks = (str(index in searched.feasible).lower(), str(index in searched.held_out).lower())
            cells = (*_cells(searched.chosen_on[index]), *_cells(searched.held_out.get(index)))
            values = ("none" if choice[key] is None else str(choice[key]) for key in keys)
            file.write(f"{','.join((str(index), *values, *marks, *cells))}\n")
    out.with_name(f"{out.name}.unfinished").unlink()


def _cells(found: Outcome | None) -> tuple[str, ...]:
    if found is None:
        return ("",) * len(_COLUMNS)
    return (
        ratio_text(found.recovery) or "",
        str(found.p99),
        decimal_text(round(found.user_cost, 6)),
        str(found.robustness),
        str(found.capital),
        str(found.insolvent_blocks),
    )


def _document(searched: Searched) -> dict[str, object]:
    return {
        "candidates": len(searched.choices),
        "feasible": len(searched.feasible),
        "pareto": [
            {
                "candidate": index,
                "parameters": dict(searched.choices[index]),
                "chosenOn": _outcome_object(searched.chosen_on[index]),
                "heldOut": _outcome_object(searched.held_out[index]),
            }
            for index in searched.front
        ],
    }


def _outcome_object(found: Outcome) -> dict[str, object]:
    return {
        "costRecoveryRatio": ratio_text(found.recovery),
        "p99FeePerGas": found.p99,
        "meanFeePerGas": decimal_text(round(found.user_cost, 6)),
        "deficitWeiSeconds": str(found.robustness),
        "greatestDeficitWei": str(found.capital),
        "insolventBlocks": found.insolvent_blocks,
    }


def _rows(axes: Sequence[Axis], searched: Searched) -> Iterator[tuple[str, ...]]:
    keys = [axis.key for axis in axes]
    total, feasible = len(searched.choices), len(searched.feasible)
    say(f"{total} candidates, {feasible} keep the constraints, {len(searched.front)} on the Pareto front")
    yield (*keys, "recovery", "mean fee", "p99", "deficit·time", "greatest deficit", "held out: recovery", "mean fee")
    for index in searched.front:
        found, unseen = searched.chosen_on[index], searched.held_out[index]
        yield (
            *("none" if searched.choices[index][key] is None else str(searched.choices[index][key]) for key in keys),
            ratio_text(found.recovery) or "–",
            f"{gwei_text(round(found.user_cost))} gwei",
            f"{gwei_text(found.p99)} gwei",
            f"{decimal_text(round(Fraction(found.robustness, 3600 * WEI_PER_ETHER), 6))} ETH·h",
            f"{decimal_text(round(Fraction(found.capital, WEI_PER_ETHER), 6))} ETH",
            ratio_text(unseen.recovery) or "–",
            f"{gwei_text(round(unseen.user_cost))} gwei",
        )
