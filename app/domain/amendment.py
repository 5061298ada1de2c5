"""What somebody asks to change of the parameters, judged against the set that is in force when its turn comes.

A request is never turned into a finished set before that: two people who change different parameters at once would
take back each other's change.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from app.domain.advance import OracleState
from app.domain.errors import InvalidValueError, OracleError
from app.domain.formula import NO_PATH, FeeFormula
from app.domain.governance import ParameterChange
from app.domain.parameter_set import ParameterSet
from app.domain.parameters import Parameters
from app.domain.quote import Quote, make_quote
from app.domain.units import WeiPerGas

LONGEST_REASON: Final = 500
"""In characters."""
_REASON_ALLOWED: Final = f"1 to {LONGEST_REASON} printable characters on one line, with plain spaces, or nothing"


class OtherParametersError(OracleError):
    """The amendment is meant for other parameters than are in force."""

    def __init__(self, expected: Collection[str], found: str) -> None:
        super().__init__(f"the parameters in force are {found}, expected {', '.join(expected)}")
        self.expected = tuple(expected)
        self.found = found


class AmendmentRefusedError(OracleError):
    """Values that are not allowed; every one of them is named."""

    def __init__(self, problems: tuple[InvalidValueError, ...]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = problems


def tag_of(chosen: ParameterSet, number: int) -> str:
    """What names `chosen` as the change `number` put it in force; 0 is none: the settings as they are.

    A `parametersId` names the values alone, whoever set them, and however often they were in force before.
    """
    return f"{chosen.parameters.parameters_id}.{number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Amendment:
    """A change as it was asked for."""

    changes: Mapping[str, object] | None
    """By JSON key, as `ParameterSet.changed` takes them; None drops every override."""
    actor: str
    reason: str | None = None
    expected: tuple[str, ...] | None = None
    """One of these, each a `parametersId` or a `tag_of`, has to be in force; None for whichever is."""

    def applied_to(self, in_force: ParameterSet, environment: ParameterSet, number: int) -> ParameterSet:
        """What is in force after it; `environment` is what there is without any override.

        `number` is that of the change that put `in_force` in force.

        Raises `OtherParametersError` where it is not meant for `in_force`, then `AmendmentRefusedError` for values
        that are not allowed.
        """
        found = in_force.parameters.parameters_id
        if self.expected is not None and not {found, tag_of(in_force, number)} & set(self.expected):
            raise OtherParametersError(self.expected, found)
        if self.changes is None:
            return environment
        problems = in_force.problems(self.changes, environment)
        if problems:
            raise AmendmentRefusedError(problems)
        return in_force.changed(self.changes, fallback=environment)


@dataclass(frozen=True, slots=True)
class FeeOutlook:
    """The newest head's quote, and what it would be under other parameters."""

    quote: Quote
    amended: Quote
    """At the same head, on the same path: the parent's fee and smoothed cost, whichever of them counts now."""
    next_fee: WeiPerGas
    """At the next block's exact base fee, under the other parameters and after `quote`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Amended:
    """What became of an amendment, or would become of it."""

    before: ParameterSet
    after: ParameterSet
    change: ParameterChange | None
    """The one in force now: its own, or the one before where nothing was to be changed, and after a dry run."""
    outlook: FeeOutlook | None
    """None before the first quote."""


def outlook(state: OracleState, parameters: Parameters) -> FeeOutlook | None:
    """What `parameters` would make of the newest head of `state`; None where it has none."""
    quote = state.quote
    if quote is None:
        return None
    formula = FeeFormula.of(parameters)
    amended = make_quote(
        network=quote.network,
        header=quote.header,
        vault=quote.vault,
        formula=formula,
        previous=state.points.get(quote.header.parent_hash, NO_PATH),
        block_interval_seconds=quote.block_interval_seconds,
    )
    following = formula.price(quote.next_base_fee, quote.vault.priced_deficit, quote.price.point)
    return FeeOutlook(quote, amended, following.fee)


def reason_of(value: object) -> str | None:
    """The reason for a change as somebody gave it; None for none.

    Raises `InvalidValueError` for a blank one, one that is too long, and one that could forge lines of a log.
    """
    if value is None:
        return None
    if not isinstance(value, str) or not value.strip() or len(value) > LONGEST_REASON or not value.isprintable():
        raise InvalidValueError("reason", value, _REASON_ALLOWED)
    return value
