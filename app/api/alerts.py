"""`GET /v1/alerts`: what each alert does, as the last evaluation said. The body is made then, and only sent here."""

from collections.abc import Callable
from fractions import Fraction

from starlette.requests import Request
from starlette.responses import Response

from app.api.bodies import JsonObject, encoded, optional_timestamp, timestamp_text
from app.api.context import ApiContext
from app.api.requests import query_of
from app.domain.alert_states import AlertReport, AlertStatus, Amount
from app.domain.alert_table import AlertTiming

PATH = "/v1/alerts"


class AlertBoard:
    """The last report as it is sent. Every change is one assignment; reading changes nothing."""

    def __init__(self, timing: AlertTiming, network_name: Callable[[], str | None]) -> None:
        """`timing` is what the alerts are judged by; `network_name` tells the network as far as it is known."""
        self._timing = timing
        self._network_name = network_name
        self._body = b""

    def show(self, report: AlertReport) -> None:
        """Serve `report` from now on."""
        self._body = encoded(self._document(report))

    @property
    def body(self) -> bytes:
        """The answer. There is a report before there is a server."""
        return self._body

    def _document(self, report: AlertReport) -> JsonObject:
        return {
            "network": self._network_name(),
            "evaluatedAt": timestamp_text(report.at),
            "alerts": [self._alert(status) for status in report.statuses],
        }

    def _alert(self, status: AlertStatus) -> JsonObject:
        rule, timing = status.rule, self._timing
        has_window = rule.window_seconds is not None
        return {
            "name": rule.alert.value,
            "severity": rule.severity.value,
            "state": status.state.value,
            "since": optional_timestamp(status.since),
            "value": _number(status.value),
            "threshold": {"min": _number(status.least), "max": _number(status.greatest)},
            "unit": rule.unit.value,
            "windowSeconds": _number(timing.seconds(timing.window_units(rule))) if has_window else None,
            "forSeconds": _number(timing.seconds(timing.for_units(rule))),
            "subjects": list(status.subjects),
            "detail": status.detail,
        }


async def get_alerts(context: ApiContext, request: Request) -> Response:
    """Every alert that the process can tell of itself."""
    query_of(request)
    return Response(context.alerts(), media_type="application/json", headers={"Cache-Control": "no-store"})


def _number(amount: Amount | None) -> int | float | None:
    """Whole numbers as such, others as floats."""
    if isinstance(amount, Fraction):
        return amount.numerator if amount.denominator == 1 else float(amount)
    return amount
