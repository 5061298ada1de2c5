"""Of the trail."""

from typing import Any, Final

from app.api.examples.parameter_change import PARAMETER_CHANGE

AUDIT: Final[dict[str, Any]] = {
    "entries": [
        {
            name: PARAMETER_CHANGE[name]
            for name in (
                "number",
                "at",
                "actor",
                "reason",
                "fromBlock",
                "previousParametersId",
                "parametersId",
                "changed",
            )
        }
    ],
    "undecodable": [],
    "kind": "parameters",
    "next": "/v1/audit?kind=parameters&limit=1&before=2",
    "network": "mainnet",
}
