"""The registry of one service: what it counts itself beside what the store knows.

The names are listed in docs/operations.md; a test compares them. Labels have few values: routes as
they are declared, never paths as they are asked for.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from sqlalchemy import Engine, event

from hotfire_infra.operations.store_metrics import StoreMetrics
from hotfire_infra.store.database import Store

CONTENT_TYPE = CONTENT_TYPE_LATEST
_FAST = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
UNROUTED = "(none)"
"""Label of requests that met no route."""


class Metrics:
    """One per service; `render` is the answer to a scrape."""

    def __init__(
        self, store: Store, *, lock_name: str, leads: Callable[[], bool] = lambda: False
    ) -> None:
        # `…_created` doubles every series and tells nothing that Prometheus does not know.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # theirs has no annotation
        self.registry = CollectorRegistry(auto_describe=False)
        self._requests = Histogram(
            "hotfire_http_request_seconds", "Time to answer a request", ["method", "route"],
            registry=self.registry, buckets=_FAST,
        )  # fmt: skip
        self._answers = Counter(
            "hotfire_http_answers", "Answers by status", ["status"], registry=self.registry
        )
        self._database = Histogram(
            "hotfire_database_seconds", "Time of a statement", ["operation"],
            registry=self.registry, buckets=_FAST,
        )  # fmt: skip
        for engine, operation in ((store.read_engine, "read"), (store.write_engine, "write")):
            _observe(engine, self._database.labels(operation))
        self.stored = StoreMetrics(store, lock_name, leads)
        self.stored.start()
        self.registry.register(self.stored)
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)

    def answered(self, method: str, route: str | None, status: int, seconds: float) -> None:
        """Count an answer; `route` as declared, None where there was none."""
        known = method if method in _METHODS else "other"
        self._requests.labels(known, route or UNROUTED).observe(seconds)
        self._answers.labels(str(status) if 100 <= status < 600 else "broken off").inc()

    def render(self) -> bytes:
        """Return the figures in Prometheus' text format."""
        return generate_latest(self.registry)


def _observe(engine: Engine, histogram: Any) -> None:
    @event.listens_for(engine, "before_cursor_execute")
    def before(_c: Any, _cursor: Any, _s: Any, _p: Any, context: Any, _many: Any) -> None:
        if context is not None:
            context.hotfire_began = time.perf_counter()

    @event.listens_for(engine, "after_cursor_execute")
    def after(_c: Any, _cursor: Any, _s: Any, _p: Any, context: Any, _many: Any) -> None:
        began = getattr(context, "hotfire_began", None)
        if began is not None:
            histogram.observe(time.perf_counter() - began)
