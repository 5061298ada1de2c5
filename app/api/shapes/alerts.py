"""What the alerts do."""

from typing import Literal

from pydantic import Field

from app.api.shapes.wire import Wire


class ThresholdShape(Wire):
    """What the value is compared with."""

    min: float | None = Field(description="below it the condition holds; null where there is no lower side")
    max: float | None = Field(description="above it the condition holds; null where there is no upper side")


class AlertShape(Wire):
    """One alert."""

    name: str
    severity: Literal["critical", "warning", "info"]
    state: Literal["ok", "pending", "firing", "unsatisfiable", "unknown"] = Field(
        description="pending: the condition holds, and not for long enough yet; unsatisfiable: the parameters alone"
        " exceed the upper threshold at an L1 price of the window, the lower one is kept; unknown: `detail` says why"
    )
    since: str | None = Field(description="since when the condition holds; null where it does not")
    value: float | None = Field(description="what is compared with the threshold, in `unit`; null where it is unknown")
    threshold: ThresholdShape
    unit: Literal["wei", "ratio", "seconds", "boolean", "thresholds", "providers", "headers"] = Field(
        description="of value and threshold: wei is per L2 gas, boolean is 0 or 1, plurals are counts"
    )
    window_seconds: float | None = Field(description="over how long it looks; null where it looks at the moment")
    for_seconds: float = Field(description="for how long the condition has to hold")
    subjects: list[str] = Field(description="the providers, reasons or thresholds that it holds for")
    detail: str | None


class Alerts(Wire):
    """Every alert that the process can tell of itself."""

    network: str | None
    evaluated_at: str
    alerts: list[AlertShape]
