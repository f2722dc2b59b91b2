"""Figures of an executor that is connected to something far away, for a scrape."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from hotfire_infra.executors.protocol import Connected


class ExecutorMetrics(Collector):
    """Register with a registry; what it shows is in memory, so a scrape asks nobody."""

    def __init__(self, executor: Connected) -> None:
        self._executor = executor

    def describe(self) -> Iterable[Metric]:
        """Name nothing at registration."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Return all families."""
        for figure in self._executor.figures():
            kind = CounterMetricFamily if figure.is_counter else GaugeMetricFamily
            family = kind(figure.name, figure.text, labels=figure.labels)
            for values, value in sorted(figure.values.items()):
                family.add_metric(list(values), value)
            yield family
