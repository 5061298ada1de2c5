"""How a price comes about, term by term."""

from collections.abc import Iterator
from dataclasses import dataclass

from app.api.what_if_body import Inputs, require_safe
from app.domain.formula import Bound, Components, FeeFormula, Price
from app.domain.parameter_set import ParameterSet
from app.domain.parameters import Controller
from app.domain.quote import Quote
from app.domain.units import (
    Wei,
    WeiDelta,
    WeiPerGas,
    decimal_text,
    ether_text,
    gwei_text,
    rounded_ratio,
)


@dataclass(frozen=True, slots=True)
class Derivation:
    """A price, and everything that it was made from."""

    parameter_set: ParameterSet
    base_fee: WeiPerGas
    deficit: WeiDelta
    price: Price
    components: Components
    cost: Wei
    revenue: Wei


def derive(parameter_set: ParameterSet, inputs: Inputs) -> Derivation:
    """The price of a what-if. Raises `NumberOutOfRangeError` where a part of it leaves 2^53."""
    formula = FeeFormula.of(inputs.parameters)
    price = formula.price(inputs.l1_base_fee, inputs.deficit, inputs.previous)
    components = formula.components(price, inputs.l1_base_fee, inputs.deficit)
    require_safe(price, components)
    return Derivation(
        parameter_set=parameter_set,
        base_fee=inputs.l1_base_fee,
        deficit=inputs.deficit,
        price=price,
        components=components,
        cost=formula.batch_cost(inputs.l1_base_fee),
        revenue=formula.batch_revenue(price.fee),
    )


def derivation_of(quote: Quote, parameter_set: ParameterSet) -> Derivation:
    return Derivation(
        parameter_set=parameter_set,
        base_fee=quote.header.base_fee_per_gas,
        deficit=quote.vault.priced_deficit,
        price=quote.price,
        components=quote.components,
        cost=quote.batch_cost,
        revenue=quote.batch_revenue,
    )


def derivation_lines(derivation: Derivation) -> Iterator[str]:
    """The derivation as people read it."""
    price, parameters = derivation.price, derivation.parameter_set.parameters
    bound = "no bound applied" if price.bound is Bound.NONE else f"bound: {price.bound}"
    yield f"L2 fee       {gwei_text(price.fee)} gwei per L2 gas = {price.fee} wei ({bound})"
    yield f"L1 base fee  {gwei_text(derivation.base_fee)} gwei per L1 gas"
    yield ""
    rows = [*_component_rows(derivation), ("", "", "= fee", price.fee)]
    names, terms, numbers = (max(len(str(row[column])) for row in rows) for column in range(3))
    amounts = [gwei_text(row[3]) for row in rows]
    wholes = max(len(amount.partition(".")[0]) for amount in amounts)
    for (name, term, number, _), amount in zip(rows, amounts, strict=True):
        indent = " " * (wholes - len(amount.partition(".")[0]))
        yield f"  {name:<{names}}  {term:<{terms}}  {number:<{numbers}}  {indent}{amount} gwei"
    yield ""
    if price.raw != price.fee:
        yield f"raw fee      {gwei_text(price.raw)} gwei per L2 gas"
    recovery = rounded_ratio(derivation.revenue, derivation.cost)
    shown = "no cost to recover" if recovery is None else f"cost recovery {decimal_text(recovery)}"
    yield f"batch        cost {ether_text(derivation.cost)} ETH, revenue {ether_text(derivation.revenue)} ETH, {shown}"
    yield f"parameters   {derivation.parameter_set.preset} preset, {parameters.controller} formula,"
    yield f"             id {parameters.parameters_id}"


def _component_rows(derivation: Derivation) -> list[tuple[str, str, str, int]]:
    """Name, term, the term with its numbers, and wei per L2 gas."""
    p, parts, price = derivation.parameter_set.parameters, derivation.components, derivation.price
    base_fee, gas = gwei_text(derivation.base_fee), p.l2_gas_per_batch
    weight, deficit = decimal_text(p.deficit_weight), ether_text(derivation.deficit)
    healing = ("deficit", "ν·D/(H·G)", f"{weight} · {deficit} ETH / ({p.horizon_batches} · {gas})", parts.deficit)
    adjustment = ("adjustment", "", "rounding, bounds, rate limit", parts.adjustment)
    if p.controller is Controller.LEGACY:
        smoothed = ether_text(price.smoothed_cost or 0)
        return [
            ("L1 cost", "μ·Ĉ/G", f"{decimal_text(p.legacy_mu)} · {smoothed} ETH / {gas}", parts.da),
            healing,
            adjustment,
        ]
    return [
        ("L1 data", "α·B", f"{decimal_text(p.alpha_data)} · {base_fee} gwei", parts.da),
        ("L1 proof", "P·B/G", f"{p.proof_gas_per_batch} · {base_fee} gwei / {gas}", parts.proof),
        healing,
        ("base fee", "", "operating cost", parts.base),
        adjustment,
    ]
