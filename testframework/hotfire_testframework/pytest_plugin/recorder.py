"""The fixture `hotfire_record`: measurements, accuracy samples, metrics and artifacts of the running test."""

from __future__ import annotations

import os
import shutil
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hotfire_testframework.contract.canonical import canonical_sha256
from hotfire_testframework.contract.metrics import METRICS
from hotfire_testframework.contract.stream import check_body
from hotfire_testframework.errors import PluginError

if TYPE_CHECKING:
    from hotfire_testframework.pytest_plugin.event_stream import EventStream

_ESTIMATORS: dict[str, Callable[[Sequence[float]], float]] = {
    "median": statistics.median,
    "mean": statistics.fmean,
    "min": min,
    "max": max,
}


class Recorder:
    """Checks everything it is given, also where nothing is streamed, so that a mistake shows at once."""

    def __init__(self, stream: EventStream | None, node_id: str) -> None:
        self._stream = stream
        self.test = stream.identifier_of(node_id) if stream else f"unrecorded/pytest/{node_id}"

    def measurement(
        self,
        metric: str,
        replicates: Sequence[float],
        *,
        definition: str | Mapping[str, Any],
        launches: Sequence[int] | None = None,
        estimator: str = "median",
        value: float | None = None,
        inner: int = 1,
        probe: Mapping[str, Any] | None = None,
        canary: float | None = None,
        valid: bool = True,
        reason: str | None = None,
    ) -> None:
        """Record one point of a registered metric in its base unit.

        `replicates` stand in the order measured, `launches` holds the process index of each (default: one
        process). `definition` is what the benchmark measures: its sha256, or the JSON value to digest.
        """
        known = METRICS.get(metric)
        body: dict[str, Any] = {
            "metric": metric,
            "version": known.version,
            "unit": known.unit.value,
            "value": _estimate(estimator, replicates) if value is None else float(value),
            "test": self.test,
            "estimator": estimator,
            "replicates": [float(item) for item in replicates],
            "launches": list(launches) if launches is not None else [0] * len(replicates),
            "inner": inner,
            "valid": valid,
            "definition": definition
            if isinstance(definition, str)
            else canonical_sha256(definition),
        }
        optional = {"probe": dict(probe) if probe else None, "canary": canary, "reason": reason}
        body.update({name: item for name, item in optional.items() if item is not None})
        if not valid and not reason:
            raise PluginError(f"measurement of {metric}: a point that is not valid needs a reason")
        self._emit("measurement", body)

    def accuracy_sample(
        self,
        *,
        task: str,
        dataset: str,
        item: str,
        prompt: str,
        outcome: int | str,
        decode_seed: int = 0,
        score: float | None = None,
        blob: str | None = None,
    ) -> None:
        """Record one item: outcome 0, 1 or "errored"; pairs form only on equal keys."""
        body: dict[str, Any] = {
            "task": task,
            "dataset": dataset,
            "item": item,
            "prompt": prompt,
            "decode_seed": decode_seed,
            "outcome": outcome,
            "test": self.test,
        }
        optional = {"score": score, "blob": blob}
        body.update({name: value for name, value in optional.items() if value is not None})
        self._emit("accuracy_sample", body)

    def metrics(self, values: Mapping[str, Any]) -> None:
        """Add figures to the result of this test (they are no series; for those use `measurement`)."""
        if self._stream is not None:
            self._stream.add_metrics(dict(values))

    def artifact(
        self,
        path: str | os.PathLike[str],
        *,
        name: str | None = None,
        media_type: str | None = None,
    ) -> None:
        """Keep a file of this test."""
        source = Path(path)
        kept = name or source.name
        if Path(kept).name != kept or not source.is_file():
            raise PluginError(
                f"artifact {kept!r}: needs a plain name and a file; {source} is not both"
            )
        folder = os.environ.get("HOTFIRE_ARTIFACTS")
        if self._stream is None or not folder:
            return
        target = Path(folder, kept)
        if not target.exists() or not target.samefile(source):
            shutil.copyfile(source, target)
        body = {"name": kept, "media_type": media_type} if media_type else {"name": kept}
        self._stream.emit("artifact_file", body)

    def _emit(self, kind: str, body: dict[str, Any]) -> None:
        check_body(kind, body)
        if self._stream is not None:
            self._stream.emit(kind, body)


def _estimate(estimator: str, replicates: Sequence[float]) -> float:
    function = _ESTIMATORS.get(estimator)
    if function is None or not replicates:
        known = ", ".join(_ESTIMATORS)
        raise PluginError(
            f"estimator {estimator!r} over {len(replicates)} replicates: give `value`, or one of {known}"
        )
    return float(function(replicates))
