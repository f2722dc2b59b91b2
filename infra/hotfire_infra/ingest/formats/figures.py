"""Foreign figures become points of registered metrics, or are refused."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from hotfire_infra.errors import ReportRefusedError
from hotfire_infra.ingest.formats.values import Reading, ReportedPoint, thin_out
from hotfire_testframework.contract.metrics import METRICS
from hotfire_testframework.errors import MetricError

IGNORE = "ignore"
"""Instead of a metric: leave this figure out, and say how often."""


def finite(value: object) -> float | None:
    """Return a number that can be compared, else None."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


class Figures:
    """The points of one benchmark."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._points: list[ReportedPoint] = []

    @property
    def points(self) -> tuple[ReportedPoint, ...]:
        """What was added."""
        return tuple(self._points)

    def add(
        self,
        metric: str,
        values: Sequence[float],
        estimate: Callable[[Sequence[float]], float],
        estimator: str,
        inner: int = 1,
    ) -> None:
        """Add the point of some replicates; without any there is no point."""
        if values:
            self.add_estimated(metric, float(estimate(values)), estimator, values, inner)

    def add_estimated(
        self, metric: str, value: float, estimator: str, replicates: Sequence[float], inner: int = 1
    ) -> None:
        """Add a point whose estimate the tool itself made."""
        if not math.isfinite(value):
            self._reading.ignored[f"{metric} that is no number"] += 1
            return
        self._points.append(
            ReportedPoint(
                metric=metric,
                value=value,
                estimator=estimator,
                replicates=thin_out(replicates, self._reading.limits.replicates, self._reading),
                inner=inner,
            )
        )

    def add_foreign(
        self, name: str, values: Sequence[float], default: str | None, where: str
    ) -> None:
        """Add a figure under the metric that --metric (or the format) gives it; refuse one without."""
        metric = self._reading.metrics.get(name, default)
        if metric is None:
            raise _unregistered(self._reading, name, where)
        if metric == IGNORE:
            self._reading.ignored[f"figure {name[:100]!r}"] += len(values)
            return
        ordered = sorted(values)
        middle = (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2
        self.add_estimated(metric, middle, "median", values)


def _unregistered(reading: Reading, name: str, where: str) -> ReportRefusedError:
    return reading.refuse(
        f"the figure {name[:100]!r} of {where[:100]!r} is no registered metric, so its unit and "
        "direction are not known",
        f"Say what it is with --metric {name[:100]}=METRIC, or leave it out with "
        f"--metric {name[:100]}={IGNORE}.",
    )


def read_mapping(entries: Sequence[str]) -> dict[str, str]:
    """Return `NAME=METRIC` entries as a map; a metric that is not registered is refused."""
    mapping: dict[str, str] = {}
    for entry in entries:
        name, separator, metric = entry.rpartition("=")
        if not separator or not name or not metric:
            raise ReportRefusedError(
                f"--metric {entry!r} is not NAME=METRIC. Example: --metric cells=benchmark.cost"
            )
        if metric != IGNORE:
            try:
                METRICS.get(metric)
            except MetricError as error:
                raise ReportRefusedError(f"--metric {entry!r}: {error}.") from error
        mapping[name] = metric
    return mapping
