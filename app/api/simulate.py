"""`POST /v1/simulate`: a configuration over a series that is posted, stored or made. It changes nothing."""

from collections.abc import Iterator, Sequence
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from app.api.bodies import JsonObject, amount_text, encoded, ratio_number, safe_integer
from app.api.context import ApiContext
from app.api.problems import chain_unknown, invalid_values
from app.api.requests import json_object_of, query_of
from app.api.simulating import scored_in_slices, sliced
from app.api.simulation_request import PostedSeries, ScenarioSeries, Series, simulation_request_of
from app.domain.errors import InvalidValueError
from app.domain.scorecard_members import scorecard_members
from app.domain.simulation import SeriesBlock, SimulatedBlock
from app.engine.recorded import newest_blocks

GREATEST_BODY_BYTES: Final = 192 * 1024
"""Room for the base fees of a day, below a thousand gwei, and as many timestamps, with blanks between them."""
GREATEST_VALUES: Final = 16_384


async def post_simulation(context: ApiContext, request: Request) -> Response:
    """The scorecard of what the request asks, and its blocks where they are wanted."""
    query_of(request)
    with context.simulations.body():
        document = await json_object_of(
            request,
            context.body_timeout_seconds,
            context.turnstile,
            greatest_bytes=GREATEST_BODY_BYTES,
            greatest_values=GREATEST_VALUES,
        )
    asked = simulation_request_of(
        document, context.parameters_in_force, context.parameter_set, context.blocks_per_batch
    )
    async with context.simulations.seat():
        series = await _blocks(context, asked.series)
        rows: list[SimulatedBlock] | None = [] if asked.include_blocks else None
        card = await scored_in_slices(asked.plan, context.thresholds, series, rows)
        answer = encoded(
            {
                "network": context.network_name,
                "parametersId": asked.plan.formula.parameters.parameters_id,
                "scorecard": scorecard_members(card, ratio_number),
            }
        )
        listed = b"null" if rows is None else await _listed(rows)
    body = b'%b,"blocks":%b}' % (answer[:-1], listed)
    return Response(body, media_type="application/json", headers={"Cache-Control": "no-store"})


async def _blocks(context: ApiContext, series: Series) -> Iterator[SeriesBlock]:
    """The blocks of a series. Raises a `ProblemError` where there are none."""
    if isinstance(series, PostedSeries):
        return series.blocks()
    if isinstance(series, ScenarioSeries):
        try:
            return context.scenario_blocks(series.scenario, series.seed, series.level, series.blocks)
        except InvalidValueError as error:
            raise invalid_values(InvalidValueError(f"series.{error.name}", error.value, error.allowed)) from None
    return iter(await _stored_blocks(context, series.blocks))


async def _stored_blocks(context: ApiContext, count: int) -> Sequence[SeriesBlock]:
    network = context.known_network
    if network is None:
        raise chain_unknown(context.board.feed_status.failure_reason, context.poll_interval_seconds)
    async with context.archive.seat() as archive:
        found = await newest_blocks(archive, network, count)
    if not found:
        raise invalid_values(InvalidValueError("series.storedBlocks", count, "a journal that holds blocks already"))
    return found


async def _listed(rows: Sequence[SimulatedBlock]) -> bytes:
    """The blocks as a JSON list, written in slices."""
    pieces = [b",".join(encoded(_row(block)) for block in piece) async for piece in sliced(rows)]
    return b"[%b]" % b",".join(pieces)


def _row(block: SimulatedBlock) -> JsonObject:
    return {
        "blockNumber": block.number,
        "timestamp": block.timestamp,
        "l1BaseFeePerGas": block.base_fee,
        "rawFeePerGas": safe_integer(block.raw),
        "feePerGas": block.fee,
        "bound": block.bound.value,
        "costWei": str(block.cost),
        "revenueWei": str(block.revenue),
        "vaultBalanceWei": amount_text(block.balance),
        "unpaidWei": str(block.unpaid),
    }
