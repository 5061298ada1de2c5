"""Numbers by metric and labels, kept exact, and shown to Prometheus as the floats that it takes."""

from bisect import bisect_left
from collections.abc import Iterator
from fractions import Fraction
from itertools import accumulate
from typing import Final

from prometheus_client import core
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from app.adapters.metrics.table import Kind, Metric

Value = int | float | Fraction
Labels = tuple[str, ...]


class _Durations:
    """A histogram of one label set."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        self._counts[bisect_left(self._bounds, value)] += 1
        self.sum += value

    def cumulative(self) -> list[tuple[str, float]]:
        uppers = (*map(floatToGoString, self._bounds), "+Inf")
        return [(upper, float(count)) for upper, count in zip(uppers, accumulate(self._counts), strict=True)]


class SeriesCollector(Collector):
    """The samples of a table of metrics. Exact values are rounded once, when they are shown.

    Label values are given in the table's order. A metric that the table does not have is a `KeyError`.
    """

    def __init__(self, metrics: tuple[Metric, ...], providers: tuple[str, ...]) -> None:
        self._metrics: Final = {metric.name: metric for metric in metrics}
        self._values: dict[str, dict[Labels, Value]] = {}
        self._durations: dict[str, dict[Labels, _Durations]] = {}
        for metric in metrics:
            if metric.kind is Kind.HISTOGRAM:
                self._durations[metric.name] = {}
            else:
                self._values[metric.name] = {}
            if metric.kind is not Kind.GAUGE:
                for labels in metric.initial_labels(providers):
                    self.begin(metric.name, *labels)

    def begin(self, name: str, *labels: str) -> None:
        """Show a counter or a histogram before there is anything to count; one that has begun goes on."""
        if name in self._durations:
            self._durations[name].setdefault(labels, _Durations(self._metrics[name].buckets))
        else:
            self._values[name].setdefault(labels, 0)

    def set(self, name: str, value: Value | None, *labels: str) -> None:
        """Give a gauge its value; None is unknown, and takes the sample away."""
        if value is None:
            self._values[name].pop(labels, None)
        else:
            self._values[name][labels] = value

    def clear(self, name: str) -> None:
        """Take every sample of a gauge or a counter away."""
        self._values[name].clear()

    def add(self, name: str, amount: Value, *labels: str) -> None:
        """Raise a counter."""
        samples = self._values[name]
        samples[labels] = samples.get(labels, 0) + amount

    def observe(self, name: str, value: float, *labels: str) -> None:
        """Add one observation to a histogram."""
        histogram = self._durations[name]
        if labels not in histogram:
            self.begin(name, *labels)
        histogram[labels].observe(value)

    def collect(self) -> Iterator[core.Metric]:
        """Every metric of the table, those without a sample too."""
        for metric in self._metrics.values():
            yield self._family(metric)

    def _family(self, metric: Metric) -> core.Metric:
        names = tuple(label.name for label in metric.labels)
        unit = metric.unit if metric.full_name.removesuffix("_total").endswith(f"_{metric.unit}") else ""
        if metric.kind is Kind.HISTOGRAM:
            histogram = core.HistogramMetricFamily(metric.full_name, metric.help, labels=names, unit=unit)
            for labels, durations in self._durations[metric.name].items():
                histogram.add_metric(labels, durations.cumulative(), durations.sum)
            return histogram
        make = core.CounterMetricFamily if metric.kind is Kind.COUNTER else core.GaugeMetricFamily
        family = make(metric.full_name, metric.help, labels=names, unit=unit)
        for labels, value in self._values[metric.name].items():
            family.add_metric(labels, float(value))
        return family
