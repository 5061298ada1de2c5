"""What the oracle is doing."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from app.api.examples.state import STATUS
from app.api.examples.vault import VAULT
from app.api.operations.parts import INTERNAL, INVALID_QUERY, answer
from app.api.shapes.state import Status
from app.api.shapes.vault import VaultAnswer
from app.api.shapes.wire import Wire

EXAMPLES: Final[Mapping[type[Wire], dict[str, Any]]] = MappingProxyType({Status: STATUS, VaultAnswer: VAULT})

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
    }
)
