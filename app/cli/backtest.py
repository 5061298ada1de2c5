"""`backtest`: one configuration over a history."""

from collections.abc import Iterable
from pathlib import Path

from app.cli.exits import EXIT_CHECK_FAILED, EXIT_OK
from app.cli.files import STANDARD_OUTPUT, written_to
from app.cli.invocation import Invocation
from app.cli.options import add_settings, simulation_settings
from app.cli.output import print_columns, print_json, say
from app.cli.plans import plan_of
from app.cli.series import Series, add_series_options, opened_series
from app.cli.usage import Parser
from app.domain.alerts import AlertThresholds
from app.domain.scorecard import Scorecard, scored
from app.domain.simulation import SimulatedBlock, SimulationPlan, simulated
from app.research.agreement import Agreement, agreement_object, agreement_rows
from app.research.presentation import scorecard_object, scorecard_rows
from app.research.table import written
from app.settings import LoadedSettings


def add_options(parser: Parser) -> None:
    """The command's options."""
    add_series_options(parser)
    parser.add_argument("--out", type=Path, metavar="OUT", help="write a line a block into OUT, as CSV; - is stdout")
    add_settings(parser, simulation_settings())


def backtest_command(invocation: Invocation) -> int:
    loaded = invocation.load()
    thresholds, out = loaded.settings.alert_thresholds(), invocation.arguments.out
    with opened_series(invocation, loaded) as series:
        plan = plan_of(invocation, loaded, recorded=series.recorded)
        agreement = Agreement(plan, series.recorded)
        card = _run(plan, thresholds, series, out, agreement)
    if out != STANDARD_OUTPUT:
        _report(invocation, loaded, series, card, agreement)
    if not agreement.holds:
        say(f"error: block {agreement.first_difference} comes to another fee than the one that was quoted")
        return EXIT_CHECK_FAILED
    return EXIT_OK


def _run(
    plan: SimulationPlan, thresholds: AlertThresholds, series: Series, out: Path | None, agreement: Agreement
) -> Scorecard:
    blocks: Iterable[SimulatedBlock] = simulated(plan, series.blocks)
    if series.recorded:
        blocks = agreement.compared(blocks)
    if out is None:
        return scored(plan, thresholds, blocks)
    with written_to(out) as file:
        return scored(plan, thresholds, written(blocks, file.write, series.time_text))


def _report(
    invocation: Invocation, loaded: LoadedSettings, series: Series, card: Scorecard, agreement: Agreement
) -> None:
    if invocation.wants_json:
        document = {
            "history": series.name,
            "parameters": loaded.settings.parameter_set().texts(),
            "scorecard": scorecard_object(card),
        }
        print_json(document | ({"agreement": agreement_object(agreement)} if series.recorded else {}))
    else:
        print_columns((*scorecard_rows(card), *(agreement_rows(agreement) if series.recorded else ())))
