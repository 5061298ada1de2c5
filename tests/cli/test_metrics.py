"""`metrics`."""

import json

from app.adapters.metrics.table import METRICS
from tests.cli.command_line import CommandLine


class TestMetrics:
    def test_every_metric_is_listed(self, cli: CommandLine) -> None:
        listed = json.loads(cli("metrics", "--json").out)
        assert [entry["name"] for entry in listed] == [metric.full_name for metric in METRICS]
        assert all(entry["help"] and entry["unit"] and entry["type"] for entry in listed)
        text = cli("metrics").out
        assert len(text.splitlines()) == len(METRICS)
        assert "taiko_fee_oracle_quotes_total{bound}" in text
