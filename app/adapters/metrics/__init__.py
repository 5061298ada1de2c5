"""What Prometheus scrapes. One registry of our own; prices in gwei, balances in ether, times in Unix seconds."""

from app.adapters.metrics.observer import Metrics
from app.adapters.metrics.table import METRICS, PREFIX, Kind, Label, Metric

__all__ = ["METRICS", "PREFIX", "Kind", "Label", "Metric", "Metrics"]
