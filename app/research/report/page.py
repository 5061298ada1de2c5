"""The page: figures first, the best marked, then fee against L1, vault, recovery and distributions."""

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from html import escape
from typing import Final

from app.domain.units import WEI_PER_ETHER, WEI_PER_GWEI
from app.research.compare import FIGURES, Contender, best
from app.research.presentation import alert_text, figure_text
from app.research.report.charts import Line, histogram, line_chart
from app.research.report.style import STYLE

_BINS: Final = 60
_SHOWN_SHARE: Final = Fraction(99, 100)
"""Of all fees: the distribution's last bin takes the rest."""


def report_page(title: str, notes: Sequence[str], contenders: Sequence[Contender]) -> str:
    """The whole page. `notes` say what was compared, on what, and by which command."""
    said = "".join(f"<p>{escape(note)}</p>" for note in notes)
    charts = "".join(
        (_fee_chart(contenders), _vault_chart(contenders), _recovery_chart(contenders), _distribution(contenders))
    )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head><body>'
        f"<h1>{escape(title)}</h1>{said}{_table(contenders)}{charts}{_alerts(contenders)}</body></html>\n"
    )


def _table(contenders: Sequence[Contender]) -> str:
    heads = "".join(f"<th>{escape(each.candidate.name)}</th>" for each in contenders)
    rows = []
    for figure in FIGURES:
        winners = best(figure, contenders)
        cells = "".join(_cell(figure_text(figure, each.card), each.candidate.name in winners) for each in contenders)
        rows.append(f"<tr><th>{escape(figure.name)} <small>{escape(figure.unit)}</small></th>{cells}</tr>")
    return _wide(f"<thead><tr><td></td>{heads}</tr></thead><tbody>{''.join(rows)}</tbody>")


def _wide(rows: str) -> str:
    """A table that is moved within the page where the page is narrower."""
    return f'<div class="wide"><table>{rows}</table></div>'


def _cell(text: str, is_best: bool) -> str:  # noqa: FBT001 - a fact of the cell
    return f'<td class="best">{escape(text)} ★</td>' if is_best else f"<td>{escape(text)}</td>"


def _fee_chart(contenders: Sequence[Contender]) -> str:
    first = contenders[0].course
    lines = [
        Line(
            each.candidate.name,
            index,
            [point.greatest_fee / WEI_PER_GWEI for point in each.course],
            [point.least_fee / WEI_PER_GWEI for point in each.course],
        )
        for index, each in enumerate(contenders)
    ]
    base_fee = Line("L1 base fee", 9, [point.greatest_base_fee / WEI_PER_GWEI for point in first], is_dashed=True)
    return line_chart("L2 fee against the L1 base fee", "gwei", _times(contenders), [*lines, base_fee])


def _vault_chart(contenders: Sequence[Contender]) -> str:
    lines = [
        Line(each.candidate.name, index, [_ether(point.balance) for point in each.course])
        for index, each in enumerate(contenders)
        if each.card.vault is not None
    ]
    return line_chart("Vault", "ETH", _times(contenders), lines, from_zero=False) if lines else ""


def _recovery_chart(contenders: Sequence[Contender]) -> str:
    lines = [
        Line(
            each.candidate.name,
            index,
            [point.revenue / point.cost if point.cost else None for point in each.course],
        )
        for index, each in enumerate(contenders)
    ]
    return line_chart("Cost recovery since the beginning", "Σ revenue / Σ cost", _times(contenders), lines)


def _distribution(contenders: Sequence[Contender]) -> str:
    """Greatest fees of the stretches: for series that fit the chart, of the blocks."""
    fees = [[point.greatest_fee / WEI_PER_GWEI for point in each.course] for each in contenders]
    everything = sorted(fee for each in fees for fee in each)
    least, greatest = everything[0], everything[int((len(everything) - 1) * _SHOWN_SHARE)]
    width = (greatest - least) / _BINS or 1.0
    edges = [least + width * index for index in range(_BINS + 1)]
    shares = []
    for index, (each, values) in enumerate(zip(contenders, fees, strict=True)):
        counts = Counter(min(_BINS - 1, int((fee - least) / width)) for fee in values)
        shares.append((each.candidate.name, index, [counts[place] / len(values) for place in range(_BINS)]))
    return histogram("Distribution of the fee", "gwei; the last step holds all that is above", edges, shares)


def _alerts(contenders: Sequence[Contender]) -> str:
    heads = "".join(f"<th>{escape(each.candidate.name)}</th>" for each in contenders)
    rows = "".join(
        f"<tr><th>{escape(alert.value)}</th>"
        + "".join(f"<td>{escape(alert_text(each.card.alerts[alert]))}</td>" for each in contenders)
        + "</tr>"
        for alert in contenders[0].card.alerts
    )
    table = _wide(f"<thead><tr><td></td>{heads}</tr></thead><tbody>{rows}</tbody>")
    return f"<h2>What the alerts would have done</h2>{table}"


def _times(contenders: Sequence[Contender]) -> list[int]:
    return [point.timestamp for point in contenders[0].course]


def _ether(balance: int | None) -> float | None:
    return None if balance is None else balance / WEI_PER_ETHER
