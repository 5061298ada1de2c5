"""What the oracle is doing."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from app.api.examples.alerts import ALERTS
from app.api.examples.state import STATUS
from app.api.examples.vault import VAULT
from app.api.operations.parts import INTERNAL, INVALID_QUERY, answer
from app.api.shapes.alerts import Alerts
from app.api.shapes.state import Status
from app.api.shapes.vault import VaultAnswer
from app.api.shapes.wire import Wire

EXAMPLES: Final[Mapping[type[Wire], dict[str, Any]]] = MappingProxyType(
    {Status: STATUS, VaultAnswer: VAULT, Alerts: ALERTS}
)

OPERATIONS: Final[Mapping[str, dict[str, Any]]] = MappingProxyType(
    {
        "get_status": {
            "tags": ["state"],
            "summary": "What the oracle is doing",
            "responses": {200: answer("The status.", Status), **INVALID_QUERY, **INTERNAL},
        },
        "get_vault": {
            "tags": ["state"],
            "summary": "The vault as the current quote takes it",
            "responses": {200: answer("The vault.", VaultAnswer), **INVALID_QUERY, **INTERNAL},
        },
        "get_alerts": {
            "tags": ["state"],
            "summary": "What each alert does",
            "description": "The conditions of the Prometheus rules over the same windows, as this process sees them"
            " after each poll and each block; all but those that only Prometheus can tell from outside.",
            "responses": {200: answer("The alerts.", Alerts), **INVALID_QUERY, **INTERNAL},
        },
    }
)
