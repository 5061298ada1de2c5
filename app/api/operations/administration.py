"""What a bearer token opens."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from app.api import problems
from app.api.examples.vault import VAULT_REPORT, VAULT_REPORT_REQUEST
from app.api.operations.parts import BEARER, INTERNAL, INVALID_QUERY, answer, json_content, refusal
from app.api.shapes.vault import VaultReportAnswer, VaultReportRequest
from app.api.shapes.wire import Wire

EXAMPLES: Final[Mapping[type[Wire], dict[str, Any]]] = MappingProxyType(
    {VaultReportRequest: VAULT_REPORT_REQUEST, VaultReportAnswer: VAULT_REPORT}
)

OPERATIONS: Final[Mapping[str, dict[str, Any]]] = MappingProxyType(
    {
        "put_vault": {
            "tags": ["administration"],
            "summary": "Push the vault's balance",
            "description": (
                "Governs from the next L1 block on, once the journal has it. A sequence that was used before is"
                " refused, so that nothing can be replayed; an identical repeat is answered like the first."
            ),
            "responses": {
                200: answer("The balance in force.", VaultReportAnswer),
                400: refusal(problems.INVALID_JSON),
                401: refusal(problems.UNAUTHORIZED, problems.INVALID_TOKEN),
                408: refusal(problems.REQUEST_TIMEOUT),
                409: refusal(problems.SEQUENCE_REFUSED, problems.VAULT_NOT_PUSHED),
                412: refusal(problems.PARAMETERS_CHANGED),
                413: refusal(problems.BODY_TOO_LARGE),
                415: refusal(problems.UNSUPPORTED_MEDIA_TYPE, problems.UNSUPPORTED_CONTENT_CODING),
                **INVALID_QUERY,
                503: refusal(problems.JOURNAL_DEGRADED, problems.CHAIN_UNKNOWN),
                **INTERNAL,
            },
            "openapi_extra": {
                "security": [{BEARER: []}],
                "requestBody": {"required": True, "content": json_content(VaultReportRequest)},
                "parameters": [
                    {
                        "name": "If-Match",
                        "in": "header",
                        "description": "a `parametersId`, or the parameters' `ETag`: 412 where others are in force",
                        "schema": {"type": "string"},
                        "example": '"0a1b2c3d4e5f60718293a4b5c6d7e8f9"',
                    }
                ],
            },
        },
    }
)
