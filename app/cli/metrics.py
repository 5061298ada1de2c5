"""`metrics`: every metric that the service exports."""

from collections.abc import Sequence

from app.cli.exits import EXIT_OK
from app.cli.invocation import Invocation
from app.cli.output import print_columns, print_json


def metrics_command(invocation: Invocation) -> int:
    from app.adapters.metrics.table import METRICS  # noqa: PLC0415 - of this command alone

    if invocation.wants_json:
        print_json(
            [
                {
                    "name": metric.full_name,
                    "type": metric.kind.value,
                    "unit": metric.unit,
                    "labels": [label.name for label in metric.labels],
                    "help": metric.help,
                }
                for metric in METRICS
            ]
        )
        return EXIT_OK
    print_columns(
        [
            (
                metric.full_name + _braced([label.name for label in metric.labels]),
                metric.kind.value,
                metric.unit,
                metric.help,
            )
            for metric in METRICS
        ]
    )
    return EXIT_OK


def _braced(labels: Sequence[str]) -> str:
    return f"{{{','.join(labels)}}}" if labels else ""
