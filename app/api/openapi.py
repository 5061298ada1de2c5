"""What `/openapi.json` says."""

from typing import Any, Final

from pydantic.json_schema import models_json_schema

from app.api import problems
from app.api.bodies import JsonObject
from app.api.examples.problems import PROBLEM_DETAILS, PROBLEM_MEMBERS
from app.api.operations import (
    administration,
    audit,
    fee,
    history,
    json_rpc,
    operation,
    parameters,
    simulation,
    state,
    stream,
)
from app.api.operations.parts import BEARER
from app.api.problems import Problem, ProblemType
from app.api.shapes.problem import ProblemDetails
from app.api.shapes.wire import REFERENCE

TITLE: Final = "Taiko fee oracle"
DESCRIPTION: Final = (
    "Tells the sequencers of a Taiko L2 what fee to charge now, and why. Per-gas prices are JSON integers in wei,"
    " balances are decimal strings in wei, and every answer names its network. Errors are problem+json (RFC 9457)"
    " with a stable `type`. HEAD answers like GET, without the body; OPTIONS names the methods of a path."
)

_BEARER_DESCRIPTION: Final = "`TAIKO_ADMIN_TOKEN`, or a token of `TAIKO_ADMIN_TOKENS_FILE`"
_EXAMPLE_NETWORK: Final = "mainnet"
_PARTS: Final = (fee, simulation, json_rpc, stream, history, state, parameters, administration, audit, operation)
_PROBLEMS: Final = (
    problems.INVALID_JSON,
    problems.NOT_ACCEPTABLE,
    problems.REQUEST_TIMEOUT,
    problems.BODY_TOO_LARGE,
    problems.UNSUPPORTED_MEDIA_TYPE,
    problems.UNSUPPORTED_CONTENT_CODING,
    problems.INVALID_VALUE,
    problems.NUMBER_OUT_OF_RANGE,
    problems.INTERNAL_ERROR,
    problems.QUOTE_UNAVAILABLE,
    problems.QUOTE_EXPIRED,
    problems.QUOTE_TOO_OLD,
    problems.NO_PULSE,
    problems.NOT_READY,
    problems.UNAUTHORIZED,
    problems.INVALID_TOKEN,
    problems.VAULT_NOT_PUSHED,
    problems.SEQUENCE_REFUSED,
    problems.PARAMETERS_CHANGED,
    problems.JOURNAL_DEGRADED,
    problems.CHAIN_UNKNOWN,
    problems.ARCHIVE_BUSY,
    problems.TOO_MANY_STREAMS,
    problems.OVERLOADED,
)

OPERATIONS: Final = {name: described for part in _PARTS for name, described in part.OPERATIONS.items()}
"""By the name of the route's function."""


def components() -> dict[str, Any]:
    """The schemas and examples that the operations refer to.

    FastAPI drops every null from what it is given of a route, so the examples stand here.
    """
    shown = {shape: example for part in _PARTS for shape, example in part.EXAMPLES.items()}
    _, shapes = models_json_schema(
        [(shape, "validation") for shape in (*shown, ProblemDetails)], ref_template=REFERENCE
    )
    answers = {shape.__name__: {"value": example} for shape, example in shown.items()}
    refusals = {kind.name: {"summary": kind.title, "value": _problem_example(kind)} for kind in _PROBLEMS}
    return {
        "schemas": shapes["$defs"],
        "examples": answers | refusals,
        "securitySchemes": {BEARER: {"type": "http", "scheme": "bearer", "description": _BEARER_DESCRIPTION}},
    }


def _problem_example(kind: ProblemType) -> JsonObject:
    members = PROBLEM_MEMBERS.get(kind.name, {})
    return Problem(kind, PROBLEM_DETAILS[kind.name], members=members).document(_EXAMPLE_NETWORK)
