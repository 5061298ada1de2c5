"""The settings as a simulation takes them."""

from fractions import Fraction
from typing import Final

from app.cli.invocation import Invocation
from app.cli.usage import Parser
from app.cli.values import at_least_zero
from app.domain.formula import FeeFormula
from app.domain.parameter_set import ParameterSet
from app.domain.simulation import SimulatedVault, SimulationPlan
from app.domain.vault import VaultSource
from app.settings import LoadedSettings, Source

_OWN: Final = "own"


def plan_of(
    invocation: Invocation,
    loaded: LoadedSettings,
    parameter_set: ParameterSet | None = None,
    cost_alpha: Fraction | None = None,
) -> SimulationPlan:
    """The simulation that the settings describe, under `parameter_set` and with costs of `cost_alpha` where given.

    The first block has no previous fee, as the service's path begins, unless `TAIKO_INITIAL_FEE_GWEI` is set.
    A vault whose balance is on chain or pushed is unknown here: then the balance has to be given.
    """
    settings = loaded.settings
    chosen = settings.parameter_set() if parameter_set is None else parameter_set
    has_initial_fee = loaded.sources["TAIKO_INITIAL_FEE_GWEI"] is not Source.DEFAULT
    return SimulationPlan(
        formula=FeeFormula.of(chosen.parameters),
        vault=_vault(invocation, loaded),
        blocks_per_batch=settings.blocks_per_batch,
        cost_alpha=cost_alpha,
        previous_fee=settings.initial_fee_gwei if has_initial_fee else None,
    )


def _vault(invocation: Invocation, loaded: LoadedSettings) -> SimulatedVault | None:
    plan = loaded.settings.vault_plan()
    if plan.source is VaultSource.NONE:
        return None
    if plan.balance is None or plan.target is None:
        invocation.usage_error(
            f"the vault's source is {plan.source}, and its balance unknown here: give --vault-source static,"
            " --vault-balance-eth and --vault-target-eth"
        )
    return SimulatedVault(balance=plan.balance, target=plan.target, surplus_discount=plan.surplus_discount)


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
