"""`compare`: presets, parameter files and the legacy controller on the same history."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from app.cli.exits import EXIT_OK
from app.cli.files import written_to
from app.cli.invocation import Invocation
from app.cli.options import add_settings, simulation_settings
from app.cli.output import print_columns, print_json, say
from app.cli.plans import add_cost_option, cost_alpha_of, plan_of
from app.cli.series import add_series_options, opened_series
from app.cli.usage import Parser
from app.domain.errors import OracleError
from app.domain.parameter_set import ParameterSet
from app.domain.parameters import Controller, Preset
from app.domain.units import decimal_text
from app.engine.recorded import RecordedBlock
from app.research.compact import CompactSeries
from app.research.compare import FIGURES, Candidate, Contender, best, compared
from app.research.presentation import figure_text, scorecard_object
from app.research.report import report_page
from app.settings import LoadedSettings

CONFIGURED: Final = "configured"
LEGACY: Final = Controller.LEGACY.value
MOST_CANDIDATES: Final = 9
"""As many as the report has colours for."""
_CHART_POINTS: Final = 900


class ParameterFileError(OracleError):
    """A file of parameters that cannot be used."""


def add_options(parser: Parser) -> None:
    """The command's options."""
    add_series_options(parser)
    parser.add_argument(
        "--with",
        dest="candidates",
        action="append",
        metavar="NAME|FILE",
        help=f"{', '.join(Preset)}, {LEGACY}, {CONFIGURED} (the settings), or a JSON file of parameters; repeatable"
        f" [{', '.join(Preset)}, {LEGACY}]",
    )
    parser.add_argument("--report", type=Path, metavar="HTML", help="write a page with charts that works offline")
    add_cost_option(parser)
    add_settings(parser, simulation_settings())


def compare_command(invocation: Invocation) -> int:
    loaded = invocation.load()
    with opened_series(invocation, loaded) as opened:
        candidates = list(_candidates(invocation, loaded, opened.recorded))
        name, series = opened.name, CompactSeries.of(opened.blocks)
    contenders = compared(candidates, loaded.settings.alert_thresholds(), series, _CHART_POINTS)
    if invocation.arguments.report is not None:
        with written_to(invocation.arguments.report) as file:
            file.write(report_page("Fee configurations compared", tuple(_notes(name, contenders)), contenders))
        say(f"report written: {invocation.arguments.report}")
    if invocation.wants_json:
        print_json({"history": name, "candidates": {each.candidate.name: _document(each) for each in contenders}})
    else:
        print_columns(tuple(_rows(contenders)))
    return EXIT_OK


def parameters_from(path: Path, present: ParameterSet) -> ParameterSet:
    """The parameters of a JSON file over `present`, by the keys of the API.

    Raises `ParameterFileError`, which names the file and every key that is wrong.
    """
    try:
        changes = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ParameterFileError(f"cannot read {path}: {error.strerror}") from None
    except ValueError as error:
        raise ParameterFileError(f"{path} is not JSON: {error}") from None
    if not isinstance(changes, Mapping):
        raise ParameterFileError(f"{path}: expected an object of parameters")
    problems = present.problems(changes)
    if problems:
        raise ParameterFileError(f"{path}: {'; '.join(map(str, problems))}")
    return present.changed(changes)


def _candidates(
    invocation: Invocation, loaded: LoadedSettings, recorded: Sequence[RecordedBlock]
) -> Iterator[Candidate]:
    names = invocation.arguments.candidates or [*Preset, LEGACY]
    if len(names) > MOST_CANDIDATES or len(set(names)) != len(names):
        invocation.usage_error(f"--with: expected at most {MOST_CANDIDATES} configurations, each once")
    present = loaded.settings.parameter_set()
    cost_alpha = cost_alpha_of(invocation, loaded)
    for name in names:
        chosen = _parameter_set(str(name), present)
        yield Candidate(str(name), plan_of(invocation, loaded, chosen, cost_alpha, recorded))


def _parameter_set(name: str, present: ParameterSet) -> ParameterSet:
    if name == CONFIGURED:
        return present
    if name == LEGACY:
        return present.changed({"controller": LEGACY})
    if name in tuple(Preset):
        return present.changed({"controller": Controller.ALPHA.value, "preset": name})
    return parameters_from(Path(name), present)


def _notes(name: str, contenders: Sequence[Contender]) -> Iterator[str]:
    card = contenders[0].card
    yield f"History: {name}, {card.blocks} blocks, {card.first_block} to {card.last_block}."
    alpha = contenders[0].candidate.plan.cost_alpha
    costs = "its own α" if alpha is None else f"α = {decimal_text(alpha)}, whatever it believes itself"
    yield f"Every configuration is charged what a batch costs on L1 with {costs}."
    yield "★ marks the best figure: the least, and the recovery nearest to 1."


def _document(contender: Contender) -> dict[str, object]:
    parameters = contender.candidate.plan.formula.parameters
    return {"parametersId": parameters.parameters_id, "scorecard": scorecard_object(contender.card)}


def _rows(contenders: Sequence[Contender]) -> Iterator[tuple[str, ...]]:
    yield ("", *(each.candidate.name for each in contenders))
    for figure in FIGURES:
        winners = best(figure, contenders)
        label = f"{figure.name}, {figure.unit}" if figure.unit else figure.name
        yield (
            label,
            *(figure_text(figure, each.card) + (" *" if each.candidate.name in winners else "") for each in contenders),
        )
