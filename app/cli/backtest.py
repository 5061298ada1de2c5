"""`backtest`: one configuration over a history."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.cli.exits import EXIT_OK
from app.cli.files import STANDARD_OUTPUT, written_to
from app.cli.invocation import Invocation
from app.cli.options import add_settings, simulation_settings
from app.cli.output import print_columns, print_json
from app.cli.plans import plan_of
from app.cli.series import Series, add_series_options, opened_series
from app.cli.usage import Parser
from app.domain.alerts import AlertThresholds
from app.domain.scorecard import Scorecard, scored
from app.domain.simulation import SimulatedBlock, SimulationPlan, simulated
from app.engine.recorded import RecordedBlock
from app.research.presentation import scorecard_object, scorecard_rows
from app.research.table import written


@dataclass(slots=True)
class Agreement:
    """Whether a backtest of a journal makes the fees that were quoted."""

    recorded: Sequence[RecordedBlock]
    parameters_id: str
    identical: int = 0
    comparable: int = 0
    first_difference: int | None = None

    def compared(self, blocks: Iterable[SimulatedBlock]) -> Iterable[SimulatedBlock]:
        """The same blocks, compared with what was quoted under the same parameters."""
        return self._compared(blocks) if self.recorded else blocks

    def document(self) -> dict[str, object]:
        """As JSON."""
        return {
            "comparableQuotes": self.comparable,
            "identicalQuotes": self.identical,
            "otherParameters": len(self.recorded) - self.comparable,
            "firstDifferingBlock": self.first_difference,
        }

    def rows(self) -> Iterator[tuple[str, str]]:
        """For people."""
        yield "quotes identical to those served", f"{self.identical} of {self.comparable}"
        if self.first_difference is not None:
            yield "first that differs", f"block {self.first_difference}"
        if len(self.recorded) > self.comparable:
            yield "quoted with other parameters", f"{len(self.recorded) - self.comparable}, not compared"

    def _compared(self, blocks: Iterable[SimulatedBlock]) -> Iterator[SimulatedBlock]:
        for block, quoted in zip(blocks, self.recorded, strict=True):
            if quoted.parameters_id == self.parameters_id:
                self.comparable += 1
                if block.fee == quoted.fee:
                    self.identical += 1
                elif self.first_difference is None:
                    self.first_difference = block.number
            yield block


def add_options(parser: Parser) -> None:
    """The command's options."""
    add_series_options(parser)
    parser.add_argument("--out", type=Path, metavar="OUT", help="write a line a block into OUT, as CSV; - is stdout")
    add_settings(parser, simulation_settings())


def backtest_command(invocation: Invocation) -> int:
    loaded = invocation.load()
    plan, thresholds = plan_of(invocation, loaded), loaded.settings.alert_thresholds()
    out: Path | None = invocation.arguments.out
    with opened_series(invocation, loaded) as series:
        agreement = Agreement(series.recorded, plan.formula.parameters.parameters_id)
        card = _run(plan, thresholds, series, out, agreement)
    if out == STANDARD_OUTPUT:
        return EXIT_OK
    if invocation.wants_json:
        parameters = loaded.settings.parameter_set().texts()
        document = {"history": series.name, "parameters": parameters, "scorecard": scorecard_object(card)}
        print_json(document | ({"agreement": agreement.document()} if series.recorded else {}))
    else:
        print_columns((*scorecard_rows(card), *(agreement.rows() if series.recorded else ())))
    return EXIT_OK


def _run(
    plan: SimulationPlan, thresholds: AlertThresholds, series: Series, out: Path | None, agreement: Agreement
) -> Scorecard:
    blocks = agreement.compared(simulated(plan, series.blocks))
    if out is None:
        return scored(plan, thresholds, blocks)
    with written_to(out) as file:
        return scored(plan, thresholds, written(blocks, file.write, series.time_text))
