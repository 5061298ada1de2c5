"""What an operator's machinery asks."""

from typing import Literal

from app.api.shapes.wire import Wire


class Liveness(Wire):
    """The poll loop turns."""

    status: Literal["ok"]
    network: str | None
    last_pulse_age_seconds: float


class Readiness(Wire):
    """There is a quote to answer with."""

    status: Literal["ready"]
    network: str | None
    journal: Literal["opening", "ok", "degraded"]
