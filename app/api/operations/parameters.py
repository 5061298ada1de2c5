"""The fee parameters."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from app.api import problems
from app.api.examples.parameter_change import PARAMETER_CHANGE, PARAMETER_CHANGE_REQUEST
from app.api.examples.parameters import PARAMETERS
from app.api.operations.parts import (
    BEARER,
    INTERNAL,
    INVALID_QUERY,
    UNCACHED_HEADERS,
    answer,
    json_content,
    query_parameter,
    refusal,
)
from app.api.shapes.parameter_change import ParameterChangeAnswer, ParameterChangeRequest
from app.api.shapes.parameters import ParametersAnswer
from app.api.shapes.wire import NOT_BLANK, Wire
from app.domain.amendment import LONGEST_REASON

_TAG: Final = '"0a1b2c3d4e5f60718293a4b5c6d7e8f9.7"'
_HEADERS: Final = UNCACHED_HEADERS | {
    "ETag": {
        "description": "for If-Match: the `parametersId` in force and the number of the change that put it there",
        "schema": {"type": "string"},
        "example": _TAG,
    }
}
_IF_MATCH: Final = {
    "name": "If-Match",
    "in": "header",
    "description": "an `ETag` of the parameters, or a `parametersId`: 412 where others are in force",
    "schema": {"type": "string"},
    "example": _TAG,
}
_IF_NONE_MATCH: Final = {
    "name": "If-None-Match",
    "in": "header",
    "description": "an `ETag` of the parameters: 304 where nothing has changed",
    "schema": {"type": "string"},
    "example": _TAG,
}
_DRY_RUN: Final = query_parameter(
    "dryRun",
    "`true` answers what would come of it, with the fee before and after, and changes nothing",
    {"type": "boolean", "default": False},
    example=True,
)
_CHANGES: Final[Mapping[int, dict[str, Any]]] = MappingProxyType(
    {
        200: answer("The parameters after it.", ParameterChangeAnswer, _HEADERS),
        401: refusal(problems.UNAUTHORIZED, problems.INVALID_TOKEN),
        412: refusal(problems.PARAMETERS_CHANGED),
        **INVALID_QUERY,
        503: refusal(problems.JOURNAL_DEGRADED, problems.CHAIN_UNKNOWN),
        **INTERNAL,
    }
)

EXAMPLES: Final[Mapping[type[Wire], dict[str, Any]]] = MappingProxyType(
    {
        ParametersAnswer: PARAMETERS,
        ParameterChangeRequest: PARAMETER_CHANGE_REQUEST,
        ParameterChangeAnswer: PARAMETER_CHANGE,
    }
)

OPERATIONS: Final[Mapping[str, dict[str, Any]]] = MappingProxyType(
    {
        "get_parameters": {
            "tags": ["state"],
            "summary": "The parameters in force, their sources, and what follows from them",
            "responses": {
                200: answer("The parameters.", ParametersAnswer, _HEADERS),
                304: {"description": "the reader has these parameters", "headers": _HEADERS},
                412: refusal(problems.PARAMETERS_CHANGED),
                **INVALID_QUERY,
                **INTERNAL,
            },
            "openapi_extra": {"parameters": [_IF_MATCH, _IF_NONE_MATCH]},
        },
        "patch_parameters": {
            "tags": ["administration"],
            "summary": "Change parameters",
            "description": (
                "Governs from the next L1 block on, once the journal has it. `preset` sets alphaData, deficitWeight and"
                " horizonBatches over anything earlier; other keys of the same request go over it. Null unsets. What"
                " is in force already changes nothing, and the answer is that of the change in force."
            ),
            "responses": {
                **_CHANGES,
                400: refusal(problems.INVALID_JSON),
                408: refusal(problems.REQUEST_TIMEOUT),
                413: refusal(problems.BODY_TOO_LARGE),
                415: refusal(problems.UNSUPPORTED_MEDIA_TYPE, problems.UNSUPPORTED_CONTENT_CODING),
            },
            "openapi_extra": {
                "security": [{BEARER: []}],
                "requestBody": {"required": True, "content": json_content(ParameterChangeRequest)},
                "parameters": [_DRY_RUN, _IF_MATCH],
            },
        },
        "delete_parameters": {
            "tags": ["administration"],
            "summary": "Drop every override",
            "description": (
                "From the next L1 block on the parameters are those of the environment, its preset and the defaults,"
                " once the journal has it. Where nothing is overridden, nothing changes."
            ),
            "responses": _CHANGES,
            "openapi_extra": {
                "security": [{BEARER: []}],
                "parameters": [
                    _DRY_RUN,
                    query_parameter(
                        "reason",
                        "for the audit trail; on one line, without control characters",
                        {"type": "string", "minLength": 1, "maxLength": LONGEST_REASON, "pattern": NOT_BLANK},
                        example="blob prices are back to normal",
                    ),
                    _IF_MATCH,
                ],
            },
        },
    }
)
