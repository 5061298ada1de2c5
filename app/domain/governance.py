"""What people decide while the oracle runs: its parameters, and a vault's balance that is pushed.

Either governs every block that is journaled after it. Which one a block was priced with stands in the block's own
journal entry, so nothing has to be derived from heights, which a reorg or a chain begun anew would shift.
"""

import hashlib
from dataclasses import dataclass
from typing import Final

from app.domain.errors import OracleError
from app.domain.header import L1Header
from app.domain.parameter_set import ParameterSet
from app.domain.units import MILLIS_PER_SECOND, BlockNumber, UnixMillis, UnixSeconds, Wei
from app.domain.vault import VaultCondition, VaultPlan, VaultSource, VaultState

ENVIRONMENT_ACTOR: Final = "environment"
"""Who puts the settings in force at a start; no person may be called so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterChange:
    """A parameter set that was put in force: by the environment at a start, or by a person."""

    number: int
    """1, 2, 3, … in the order of the store."""
    parameter_set: ParameterSet
    environment_id: str
    """Digest of what the environment asked for when this was put in force (`environment_id_of`)."""
    from_block: BlockNumber
    """The block after the newest one that was journaled then: the first that this may govern."""
    at: UnixMillis
    actor: str
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultReport:
    """A vault balance as somebody pushed it."""

    sequence: int
    """Chosen by who pushes; each report's is above the last one's."""
    balance: Wei
    from_block: BlockNumber
    """As of a `ParameterChange`."""
    at: UnixMillis
    actor: str


@dataclass(frozen=True, slots=True)
class Revision:
    """How much of the decisions somebody has seen."""

    change: int = 0
    report: int = 0


@dataclass(frozen=True, slots=True)
class Governance:
    """The newest decisions. Without a change the settings govern; without a report a pushed vault is unknown."""

    change: ParameterChange | None = None
    report: VaultReport | None = None

    @property
    def revision(self) -> Revision:
        """How new this is."""
        return Revision(self.change.number if self.change else 0, self.report.sequence if self.report else 0)


class ReportRefusedError(OracleError):
    """A pushed balance whose sequence was used before: a replay, or two who push."""

    def __init__(self, got: int, last: int) -> None:
        super().__init__(f"vault report with sequence {got} refused: expected more than {last}")
        self.got = got
        self.last = last


def judged_report(report: VaultReport, last: VaultReport | None) -> VaultReport:
    """What is in force after `report`: itself; or `last`, where it only repeats it.

    Raises `ReportRefusedError` for a sequence that is not above the last one, unless the balance is the same too.
    """
    if last is None or report.sequence > last.sequence:
        return report
    if report.sequence == last.sequence and report.balance == last.balance:
        return last
    raise ReportRefusedError(report.sequence, last.sequence)


def environment_id_of(parameter_set: ParameterSet) -> str:
    """A digest of the values and their sources: equal environments have equal ids."""
    parameters = parameter_set.parameters.parameters_id
    sources = (f"{key}={source.value}" for key, source in sorted(parameter_set.sources.items()))
    return hashlib.sha256("\n".join((parameters, parameter_set.preset.value, *sources)).encode()).hexdigest()[:32]


def pushed_vault(report: VaultReport, plan: VaultPlan, header: L1Header) -> VaultState:
    """The pushed vault at `header`: expired where the report is older than the plan allows, never zero for it."""
    reported_at = UnixSeconds(report.at // MILLIS_PER_SECOND)
    too_old = header.timestamp - reported_at > plan.max_age_seconds
    return VaultState(
        source=VaultSource.PUSH,
        balance=report.balance,
        target=plan.target,
        surplus_discount=plan.surplus_discount,
        condition=VaultCondition.EXPIRED if too_old else VaultCondition.CURRENT,
        observed_at=reported_at,
    )
