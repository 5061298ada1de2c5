"""How figures are printed: a Markdown row each, with the target and the baseline of the same run."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure."""

    what: str
    value: float
    unit: str
    baseline: str
    baseline_value: float
    target: str
    held: bool

    @property
    def row(self) -> str:
        """The figure as a Markdown table row."""
        ratio = self.value / self.baseline_value if self.baseline_value else float("nan")
        verdict = "yes" if self.held else "NO"
        return (
            f"| {self.what} | {self.value:.3g} {self.unit} | {self.baseline}: {self.baseline_value:.3g} {self.unit} "
            f"| {ratio:.2f} | {self.target} | {verdict} |"
        )


HEADER = "| figure | measured | baseline in the same run | ratio | target | held |\n|---|---|---|---|---|---|"


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of `values` do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -int(-share * len(ordered) // 1) - 1)]
