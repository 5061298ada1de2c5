"""Simulations."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from app.api import problems
from app.api.examples.simulation import SIMULATION, SIMULATION_REQUEST
from app.api.operations.parts import INTERNAL, answer, json_content, refusal
from app.api.shapes.simulation import Simulation, SimulationRequest
from app.api.shapes.wire import Wire
from app.api.simulating import AT_ONCE
from app.api.simulation_request import MOST_BLOCKS, MOST_ROWS, MOST_STORED_BLOCKS

EXAMPLES: Final[Mapping[type[Wire], dict[str, Any]]] = MappingProxyType(
    {SimulationRequest: SIMULATION_REQUEST, Simulation: SIMULATION}
)

OPERATIONS: Final[Mapping[str, dict[str, Any]]] = MappingProxyType(
    {
        "post_simulation": {
            "tags": ["simulation"],
            "summary": "A configuration over a series of L1 blocks",
            "description": (
                "What `backtest` does, with the same engine: over base fees that are posted, over the newest blocks of"
                " the journal, or over a seeded scenario. Parameters that are left out keep their present value."
                f" At most {MOST_BLOCKS} blocks, {MOST_STORED_BLOCKS} of the journal; {MOST_ROWS} can be listed."
                f" {AT_ONCE} simulations run at once, and a third is refused."
            ),
            "responses": {
                200: answer("The scorecard, and the blocks where they are wanted.", Simulation),
                400: refusal(problems.INVALID_JSON),
                408: refusal(problems.REQUEST_TIMEOUT),
                413: refusal(problems.BODY_TOO_LARGE),
                415: refusal(problems.UNSUPPORTED_MEDIA_TYPE, problems.UNSUPPORTED_CONTENT_CODING),
                422: refusal(problems.INVALID_VALUE),
                503: refusal(
                    problems.OVERLOADED, problems.ARCHIVE_BUSY, problems.JOURNAL_DEGRADED, problems.CHAIN_UNKNOWN
                ),
                **INTERNAL,
            },
            "openapi_extra": {"requestBody": {"required": True, "content": json_content(SimulationRequest)}},
        },
    }
)
