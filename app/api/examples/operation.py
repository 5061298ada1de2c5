"""Of what an operator's machinery asks."""

from typing import Any, Final

LIVENESS: Final[dict[str, Any]] = {"status": "ok", "network": "mainnet", "lastPulseAgeSeconds": 0.8}

READINESS: Final[dict[str, Any]] = {"status": "ready", "network": "mainnet", "journal": "ok"}

METRICS: Final = (
    "# HELP taiko_fee_oracle_recommended_fee_gwei The L2 fee to charge now.\n"
    "# TYPE taiko_fee_oracle_recommended_fee_gwei gauge\n"
    "taiko_fee_oracle_recommended_fee_gwei 12.521739131\n"
)
