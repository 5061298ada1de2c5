"""The settings as a simulation takes them."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Final

from app.cli.invocation import Invocation
from app.cli.usage import Parser
from app.cli.values import at_least_zero
from app.domain.formula import NO_PATH, FeeFormula
from app.domain.parameter_set import ParameterSet
from app.domain.simulation import SimulatedVault, SimulationPlan
from app.domain.vault import VaultPlan, VaultSource
from app.engine.recorded import RecordedBlock
from app.settings import LoadedSettings, Source

_OWN: Final = "own"


def plan_of(
    invocation: Invocation,
    loaded: LoadedSettings,
    parameter_set: ParameterSet | None = None,
    cost_alpha: Fraction | None = None,
    recorded: Sequence[RecordedBlock] = (),
) -> SimulationPlan:
    """The simulation that the settings describe, under `parameter_set` and with costs of `cost_alpha` where given.

    The first block has no previous fee, as the service's path begins, unless `TAIKO_INITIAL_FEE_GWEI` is set or the
    blocks were `recorded`: then the path goes on from where the first one's did. A vault whose balance is on chain or
    pushed is known from the record alone; without one, its balance has to be given.
    """
    settings = loaded.settings
    chosen = settings.parameter_set() if parameter_set is None else parameter_set
    path = recorded[0].previous if recorded else NO_PATH
    has_initial_fee = loaded.sources["TAIKO_INITIAL_FEE_GWEI"] is not Source.DEFAULT
    return SimulationPlan(
        formula=FeeFormula.of(chosen.parameters),
        vault=_vault(invocation, settings.vault_plan(), recorded),
        blocks_per_batch=settings.blocks_per_batch,
        cost_alpha=cost_alpha,
        previous_fee=settings.initial_fee_gwei if has_initial_fee else path.fee,
        previous_smoothed_cost=path.smoothed_cost,
    )


def _vault(invocation: Invocation, plan: VaultPlan, recorded: Sequence[RecordedBlock]) -> SimulatedVault | None:
    if plan.balance is not None and plan.target is not None:
        return SimulatedVault(balance=plan.balance, target=plan.target, surplus_discount=plan.surplus_discount)
    was = _recorded_vault(recorded)
    if was is None and plan.source is not VaultSource.NONE:
        invocation.usage_error(
            f"the vault's source is {plan.source}, and its balance unknown here: give --vault-source static,"
            " --vault-balance-eth and --vault-target-eth"
        )
    if was is None or plan.target is None:
        return was
    return replace(was, target=plan.target, surplus_discount=plan.surplus_discount)


def _recorded_vault(recorded: Sequence[RecordedBlock]) -> SimulatedVault | None:
    """The first balance and the newest target of a record; None where no vault was priced."""
    balances = (each.block.vault_balance for each in recorded if each.block.vault_balance is not None)
    newest = next((each for each in reversed(recorded) if each.target is not None), None)
    if newest is None or newest.target is None:
        return None
    return SimulatedVault(balance=next(balances), target=newest.target, surplus_discount=newest.surplus_discount)


def add_cost_option(parser: Parser) -> None:
    """What a batch really takes, which candidates are measured by."""
    parser.add_argument(
        "--cost-alpha-data",
        dest="cost_alpha",
        type=_cost_alpha,
        metavar="X",
        help="L1 data gas per L2 gas that every candidate is charged for; own: each by its own α [the settings' α]",
    )


def cost_alpha_of(invocation: Invocation, loaded: LoadedSettings) -> Fraction | None:
    """α of the costs, the same for every candidate; None where each is charged by its own."""
    given = invocation.arguments.cost_alpha
    if given == _OWN:
        return None
    return loaded.settings.parameter_set().parameters.alpha_data if given is None else given


def _cost_alpha(text: str) -> Fraction | str:
    return _OWN if text == _OWN else at_least_zero(text)
