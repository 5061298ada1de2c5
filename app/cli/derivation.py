"""How a price comes about, term by term, as the command line shows it."""

from collections.abc import Iterator

from app.api.what_if_body import Inputs, require_safe
from app.domain.derivation import Derivation, parts_of, price_steps, recovery_step, smoothing_steps
from app.domain.formula import Bound, FeeFormula
from app.domain.parameter_set import ParameterSet
from app.domain.units import gwei_text


def derive(inputs: Inputs) -> Derivation:
    """The derivation of a what-if. Raises `NumberOutOfRangeError` where a part of it leaves 2^53."""
    formula = FeeFormula.of(inputs.parameters)
    price = formula.price(inputs.l1_base_fee, inputs.deficit, inputs.previous)
    components = formula.components(price, inputs.l1_base_fee, inputs.deficit)
    require_safe(price, components)
    return Derivation(
        formula=formula,
        base_fee=inputs.l1_base_fee,
        deficit=inputs.deficit,
        previous=formula.used_path(inputs.previous),
        price=price,
        components=components,
    )


def derivation_lines(derivation: Derivation, parameter_set: ParameterSet) -> Iterator[str]:
    """The derivation as people read it."""
    price, parameters = derivation.price, parameter_set.parameters
    bound = "no bound applied" if price.bound is Bound.NONE else f"bound: {price.bound}"
    yield f"L2 fee       {gwei_text(price.fee)} gwei per L2 gas = {price.fee} wei ({bound})"
    yield f"L1 base fee  {gwei_text(derivation.base_fee)} gwei per L1 gas"
    yield ""
    yield from (step.text for step in smoothing_steps(derivation))
    yield from _table(derivation)
    yield ""
    yield from (step.text for step in price_steps(derivation) if step.term != "fee")
    yield recovery_step(derivation).text
    yield ""
    yield f"parameters   {parameter_set.preset} preset, {parameters.controller} formula,"
    yield f"             id {parameters.parameters_id}"


def _table(derivation: Derivation) -> Iterator[str]:
    """The parts of the fee, in columns: name, term, the term with its numbers, gwei per L2 gas."""
    rows = [(part.name, part.symbols, part.numbers, part.value) for part in parts_of(derivation)]
    rows.append(("Adjustment", "", "rounding, bounds, rate limit", derivation.components.adjustment))
    rows.append(("", "", "= fee", derivation.price.fee))
    names, terms, numbers = (max(len(str(row[column])) for row in rows) for column in range(3))
    amounts = [gwei_text(row[3]) for row in rows]
    wholes = max(len(amount.partition(".")[0]) for amount in amounts)
    for (name, term, number, _), amount in zip(rows, amounts, strict=True):
        indent = " " * (wholes - len(amount.partition(".")[0]))
        yield f"  {name:<{names}}  {term:<{terms}}  {number:<{numbers}}  {indent}{amount} gwei"
