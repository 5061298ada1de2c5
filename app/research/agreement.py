"""Whether a backtest of a journal makes the fees that were quoted, block by block, from the same inputs."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from app.domain.formula import PathPoint
from app.domain.simulation import SimulatedBlock, SimulationPlan
from app.domain.units import WeiDelta, WeiPerGas
from app.engine.recorded import RecordedBlock


@dataclass(slots=True)
class Agreement:
    """A comparison as it goes on.

    A quote is comparable where it was made from what the backtest has at its block: the same parameters, the same
    deficit, and, where the parameters read it, the same path. Every comparable quote has to be identical.
    """

    plan: SimulationPlan
    recorded: Sequence[RecordedBlock]
    identical: int = 0
    comparable: int = 0
    other_parameters: int = 0
    other_deficit: int = 0
    other_path: int = 0
    first_difference: int | None = None
    """Number of the first block whose comparable quote is not identical."""

    @property
    def holds(self) -> bool:
        """Whether every comparable quote is identical."""
        return self.identical == self.comparable

    def compared(self, blocks: Iterable[SimulatedBlock]) -> Iterator[SimulatedBlock]:
        """The same blocks, one for each that was recorded, each compared once it is taken."""
        formula = self.plan.formula
        path = PathPoint(self.plan.previous_fee, self.plan.previous_smoothed_cost)
        discounts = self.plan.vault is not None and self.plan.vault.surplus_discount
        for block, quoted in zip(blocks, self.recorded, strict=True):
            deficit = WeiDelta(block.deficit if discounts else max(0, block.deficit))
            if quoted.parameters_id != formula.parameters.parameters_id:
                self.other_parameters += 1
            elif quoted.priced_deficit != deficit:
                self.other_deficit += 1
            elif formula.used_path(quoted.previous) != formula.used_path(path):
                self.other_path += 1
            else:
                self._compare(block, quoted)
            path = formula.price(WeiPerGas(block.base_fee), deficit, path).point
            yield block

    def _compare(self, block: SimulatedBlock, quoted: RecordedBlock) -> None:
        self.comparable += 1
        if block.fee == quoted.fee:
            self.identical += 1
        elif self.first_difference is None:
            self.first_difference = block.number


def agreement_object(found: Agreement) -> dict[str, object]:
    """As JSON."""
    return {
        "comparableQuotes": found.comparable,
        "identicalQuotes": found.identical,
        "otherParameters": found.other_parameters,
        "otherDeficit": found.other_deficit,
        "otherPath": found.other_path,
        "firstDifferingBlock": found.first_difference,
    }


def agreement_rows(found: Agreement) -> Iterator[tuple[str, str]]:
    """For people."""
    yield "quotes identical to those served", f"{found.identical} of {found.comparable}"
    if found.first_difference is not None:
        yield "first that differs", f"block {found.first_difference}"
    for count, inputs in (
        (found.other_parameters, "other parameters"),
        (found.other_deficit, "another deficit"),
        (found.other_path, "another path"),
    ):
        if count:
            yield f"quoted with {inputs}", f"{count}, not compared"
