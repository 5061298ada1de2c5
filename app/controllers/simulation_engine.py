"""A controller over a series of L1 base fees: the same fold as the service's and the command line's `backtest`."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypedDict, Unpack

from app.controllers.arguments import at_least_zero, count, gas_price, naming_arguments
from app.controllers.fee_controller import AlphaFeeController, StatefulController
from app.domain.alerts import AlertThresholds
from app.domain.errors import InvalidValueError
from app.domain.scorecard import Scorecard, scored
from app.domain.simulation import SeriesBlock, SimulatedBlock, SimulatedVault, SimulationPlan, simulated
from app.domain.units import BlockNumber, UnixSeconds, Wei

SECONDS_PER_BLOCK: Final = 12
"""Between two blocks of a series without times of its own."""


class AlphaKeywords(TypedDict, total=False):
    """The keywords of `AlphaFeeController`, with its defaults."""

    alpha_data: float
    nu: float
    horizon_h: int
    l2_gas_per_batch: int
    proof_gas_per_batch: int
    base_fee_gwei: float


@dataclass(frozen=True, slots=True)
class SimulationResult:
    """What became of a series."""

    rows: tuple[SimulatedBlock, ...]
    """One a block, numbered from 0. Prices are whole wei per gas, amounts whole wei; `balance` is the vault after the
    block, `deficit` target − balance before it."""
    scorecard: Scorecard
    """The same in a few numbers, exact."""

    @property
    def fees_wei(self) -> tuple[int, ...]:
        """The fees, in wei per L2 gas."""
        return tuple(row.fee for row in self.rows)


class AlphaSimulationEngine:
    """Runs a controller over L1 base fees, with a vault that lives from its fees.

    Takes a controller, alpha or legacy, or the keywords of `AlphaFeeController`. A simulation begins where the
    controller stands (its `previous_fee`, its smoothed cost) and leaves it as it was, so that one series always gives
    one result. Raises `InvalidValueError`, which names the argument, and `TypeError` for a controller with keywords.
    """

    def __init__(self, controller: StatefulController | None = None, **parameters: Unpack[AlphaKeywords]) -> None:
        if controller is not None and parameters:
            raise TypeError(f"a controller has its parameters already: {', '.join(parameters)}")
        if controller is not None and not isinstance(controller, StatefulController):
            raise InvalidValueError("controller", controller, "AlphaFeeController, FeeController, or keywords alone")
        self.controller: Final = AlphaFeeController(**parameters) if controller is None else controller

    def simulate(
        self,
        l1_basefees_wei: Iterable[float],
        *,
        timestamps: Iterable[float] | None = None,
        vault_balance_wei: float | None = None,
        vault_target_wei: float | None = None,
        surplus_discount: bool = False,
        blocks_per_batch: int = 1,
        thresholds: AlertThresholds | None = None,
    ) -> SimulationResult:
        """The fees of consecutive L1 blocks, what batches cost and earn, and what becomes of the vault.

        Base fees are wei per L1 gas, one a block; `timestamps` are Unix seconds, as many, never going back, and 12 s
        apart unless given. The vault begins at `vault_balance_wei` (the controller's `vault_balance` unless given) and
        should hold `vault_target_wei`; without a target there is no vault and the deficit is 0. Amounts in wei are
        rounded to the nearest whole wei, so 1000 ether may be written 1000e18. A surplus lowers the fee with
        `surplus_discount` alone. With `blocks_per_batch` n each block carries 1/n of a batch: of its cost, rounded up,
        and of its revenue, rounded down. The vault moves by V' = V + R − min(cost, V). The scorecard's alerts compare
        with `thresholds`, the recommended ones unless given.

        Raises `InvalidValueError`, which names the argument and the place in it.
        """
        controller = self.controller
        blocks = tuple(_blocks(tuple(l1_basefees_wei), None if timestamps is None else tuple(timestamps)))
        with naming_arguments({"blocks per batch": "blocks_per_batch"}):
            plan = SimulationPlan(
                formula=controller.formula,
                vault=self._vault(vault_balance_wei, vault_target_wei, surplus_discount=surplus_discount),
                blocks_per_batch=count("blocks_per_batch", blocks_per_batch),
                previous_fee=controller.path.fee,
                previous_smoothed_cost=controller.path.smoothed_cost,
            )
        rows = tuple(simulated(plan, blocks))
        return SimulationResult(rows, scored(plan, thresholds or AlertThresholds(), rows))

    def _vault(
        self, balance_wei: float | None, target_wei: float | None, *, surplus_discount: bool
    ) -> SimulatedVault | None:
        if target_wei is None:
            if balance_wei is not None:
                raise InvalidValueError("vault_target_wei", None, "a target for the vault whose balance is given")
            return None
        balance = self.controller.vault_balance if balance_wei is None else balance_wei
        if balance is None:
            raise InvalidValueError("vault_balance_wei", None, "a balance for the vault whose target is given")
        return SimulatedVault(
            balance=Wei(at_least_zero("vault_balance_wei", balance)),
            target=Wei(at_least_zero("vault_target_wei", target_wei)),
            surplus_discount=surplus_discount,
        )


def _blocks(base_fees: Sequence[float], timestamps: Sequence[float] | None) -> Iterator[SeriesBlock]:
    if not base_fees:
        raise InvalidValueError("l1_basefees_wei", "nothing", "at least one base fee")
    times = range(0, SECONDS_PER_BLOCK * len(base_fees), SECONDS_PER_BLOCK) if timestamps is None else timestamps
    if len(times) != len(base_fees):
        raise InvalidValueError("timestamps", f"{len(times)} times", f"one for each of {len(base_fees)} base fees")
    before = 0
    for number, (base_fee, time) in enumerate(zip(base_fees, times, strict=True)):
        at = count(f"timestamps[{number}]", time)
        if at < before:
            raise InvalidValueError(f"timestamps[{number}]", at, f"Unix seconds, no earlier than {before}")
        before = at
        yield SeriesBlock(BlockNumber(number), UnixSeconds(at), gas_price(f"l1_basefees_wei[{number}]", base_fee))
