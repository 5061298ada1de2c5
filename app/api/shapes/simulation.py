"""A simulation: what is asked, and what comes of it."""

from typing import Annotated, Final, Literal

from pydantic import Field

from app.api.shapes.parameters import ParameterChanges
from app.api.shapes.wire import ABOVE_ZERO, BALANCE_TEXT, RATIO_TEXT, WEI_TEXT, Wire
from app.api.simulation_request import (
    GREATEST_INTERVAL_SECONDS,
    GREATEST_NUMBER,
    MOST_BLOCKS,
    MOST_ROWS,
    MOST_STORED_BLOCKS,
)

Price = Annotated[int, Field(ge=0, lt=2**53)]
Seconds = Annotated[int, Field(ge=0, lt=2**53)]
LEVEL_TEXT: Final = r"^\+?0{0,30}([0-9]{1,4}(\.[0-9]{1,9}0{0,30})?|10000(\.0{1,39})?)$"
"""0 to 10000 gwei, whole wei."""
Amount = Annotated[str, Field(pattern=BALANCE_TEXT)] | Annotated[int, Field(ge=0, lt=10**30)]


class PostedSeriesShape(Wire):
    """L1 base fees, one a block."""

    l1_base_fees_per_gas: list[Price] = Field(min_length=1, max_length=MOST_BLOCKS, description="wei per L1 gas")
    timestamps: list[Seconds] | None = Field(
        default=None,
        min_length=1,
        max_length=MOST_BLOCKS,
        description="Unix seconds, as many as there are base fees, none earlier than the one before",
    )
    block_interval_seconds: int | None = Field(
        default=None,
        ge=1,
        le=GREATEST_INTERVAL_SECONDS,
        description="in place of timestamps: blocks so far apart, from 0 on; 12",
    )
    first_block_number: int | None = Field(default=None, ge=0, le=GREATEST_NUMBER, description="0")


class ScenarioSeriesShape(Wire):
    """Demand as the embedded L1 makes it, the same for the same seed."""

    scenario: Literal["calm", "spike", "drift"]
    blocks: int = Field(ge=1, le=MOST_BLOCKS)
    level_gwei: Annotated[str, Field(pattern=LEVEL_TEXT, json_schema_extra=ABOVE_ZERO)] = Field(
        description="the base fee that it begins at, above 0 and at most 10000"
    )
    seed: int | None = Field(default=None, ge=0, lt=2**53, description="1")


class StoredSeriesShape(Wire):
    """The newest blocks that the journal holds: their base fees and times. Fewer where it holds fewer."""

    stored_blocks: int = Field(ge=1, le=MOST_STORED_BLOCKS)


class SimulatedVaultShape(Wire):
    """The vault before the first block; then it lives from the fees."""

    balance_wei: Amount = Field(description="wei")
    target_wei: Amount = Field(description="wei")
    surplus_discount: bool | None = Field(default=None, description="whether a surplus lowers the fee; false")


class SimulationRequest(Wire):
    """What is to be simulated."""

    series: PostedSeriesShape | ScenarioSeriesShape | StoredSeriesShape
    parameters: ParameterChanges | None = None
    vault: SimulatedVaultShape | None = Field(default=None, description="left out: no vault, and no deficit")
    blocks_per_batch: int | None = Field(
        default=None, ge=1, lt=2**53, description="L1 blocks that share a batch; left out: `TAIKO_BLOCKS_PER_BATCH`"
    )
    previous_fee_per_gas: int | None = Field(
        default=None, ge=0, lt=2**53, description="before the first block; left out: none, so no rate limit there"
    )
    cost_alpha_data: str | None = Field(
        default=None,
        pattern=RATIO_TEXT,
        description="α that L1 charges for, a decimal string; left out: that of the parameters, under which a lower α"
        " looks cheap for being wrong",
    )
    include_blocks: bool | None = Field(default=None, description=f"list the blocks, {MOST_ROWS} at most; false")


class FeeScoreShape(Wire):
    """Of the fees, in wei per L2 gas, block by block."""

    mean: float
    p50: int = Field(description="nearest rank, as p95 and p99")
    p95: int
    p99: int
    least: int
    greatest: int
    variation: float | None = Field(description="standard deviation / mean")
    hourly_variation: float | None = Field(description="the mean of it over whole hours; null without one")
    six_hourly_variation: float | None
    p95_step: float | None = Field(description="|fee − previous| / previous")
    blocks_at_bound: dict[Literal["none", "min", "max", "rate_up", "rate_down"], int]


class VaultScoreShape(Wire):
    """Of the vault."""

    final_balance_wei: str = Field(pattern=WEI_TEXT)
    least_balance_wei: str = Field(pattern=WEI_TEXT)
    greatest_deficit_wei: str = Field(pattern=WEI_TEXT)
    underfunded_share: float | None = Field(description="of the time, with a deficit above the alert's threshold")
    longest_underfunded_seconds: int
    deficit_wei_seconds: str = Field(pattern=WEI_TEXT)
    insolvent_blocks: int = Field(description="blocks whose cost was above what the vault held")
    unpaid_wei: str = Field(pattern=WEI_TEXT)


class AlertScoreShape(Wire):
    """What an alert would have done."""

    fired: int = Field(description="how often it would have begun to fire")
    firing_seconds: int
    first_at: int | None = Field(description="Unix seconds")


class ScorecardShape(Wire):
    """The simulation in a few numbers, as `backtest --json` has them; ratios have six decimals."""

    blocks: int
    first_block: int
    last_block: int
    seconds: int
    missing_blocks: int
    revenue_wei: str = Field(pattern=WEI_TEXT)
    cost_wei: str = Field(pattern=WEI_TEXT)
    cost_recovery_ratio: float | None = Field(description="Σ revenue / Σ cost")
    fee: FeeScoreShape
    vault: VaultScoreShape | None
    alerts: dict[str, AlertScoreShape] = Field(description="by the alert's name")


class SimulatedBlockShape(Wire):
    """What became of one block."""

    block_number: int
    timestamp: int
    l1_base_fee_per_gas: int
    raw_fee_per_gas: int | None = Field(description="before the bounds and the rate limit; null where it leaves 2^53")
    fee_per_gas: int
    bound: Literal["none", "min", "max", "rate_up", "rate_down"]
    cost_wei: str = Field(pattern=WEI_TEXT)
    revenue_wei: str = Field(pattern=WEI_TEXT)
    vault_balance_wei: str | None = Field(pattern=WEI_TEXT, description="after the block; null without a vault")
    unpaid_wei: str = Field(pattern=WEI_TEXT)


class Simulation(Wire):
    """What came of it."""

    network: str | None
    parameters_id: str
    scorecard: ScorecardShape
    blocks: list[SimulatedBlockShape] | None = Field(description="null unless `includeBlocks`")
