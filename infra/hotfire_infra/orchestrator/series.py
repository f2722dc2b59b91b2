"""Name the series of a run's measurements: what must be equal for two points to be comparable."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import select, update

from hotfire_infra.analysis.series import SeriesIdentity, series_key
from hotfire_infra.store.database import Store
from hotfire_infra.store.models import Attempt, Environment, Measurement, Task, Test, Variant

UNKNOWN = "unknown"
# Levels of the x86-64 psABI, highest first, by one feature that only this level and those above have.
_X86_LEVELS = (("avx512f", "x86-64-v4"), ("avx2", "x86-64-v3"), ("sse4_2", "x86-64-v2"))


def name_series(store: Store, run_id: int) -> tuple[str, ...]:
    """Fill in series key and environment class of a run's measurements; nothing here blocks."""
    query = (
        select(
            Measurement.month,
            Measurement.attempt_id,
            Measurement.seq,
            Measurement.metric,
            Measurement.version,
            Measurement.definition,
            Test.module,
            Test.scheme,
            Test.name,
            Variant.hash,
            Variant.axes,
            Environment.fields,
        )
        .join(Attempt, Attempt.id == Measurement.attempt_id)
        .join(Task, Task.id == Attempt.task_id)
        .join(Test, Test.id == Measurement.test_id)
        .join(Variant, Variant.id == Measurement.variant_id)
        .outerjoin(Environment, Environment.id == Attempt.environment_id)
        .where(
            Task.run_id == run_id,
            Measurement.series_key.is_(None),
            # A rerun that asks about a device is no point of a series.
            Attempt.purpose == "result",
        )
    )
    with store.writing() as connection:
        for row in connection.execute(query).all():
            environment = environment_class(row.fields or {}, row.axes)
            identity = SeriesIdentity(
                test=f"{row.module}/{row.scheme}/{row.name}",
                metric=row.metric,
                version=row.version,
                variant_hash=row.hash,
                environment_class=environment,
                definition=row.definition,
            )
            connection.execute(
                update(Measurement)
                .where(
                    Measurement.month == row.month,
                    Measurement.attempt_id == row.attempt_id,
                    Measurement.seq == row.seq,
                )
                .values(series_key=series_key(identity), environment_class=environment)
            )
    return ()


def environment_class(fields: Mapping[str, Any], axes: Mapping[str, str]) -> str:
    """Reduce an observed environment to the part that splits series: device, ISA, how, clock."""
    parts = (
        _text(fields.get("gpu_model") or fields.get("cpu_model")),
        _isa(fields),
        axes.get("execution", UNKNOWN),
        f"clock {_text(fields.get('governor'))}",
    )
    return "; ".join(parts)


def _isa(fields: Mapping[str, Any]) -> str:
    flags = fields.get("cpu_flags")
    if not isinstance(flags, list):
        return _text(fields.get("machine"))
    level = next((level for flag, level in _X86_LEVELS if flag in flags), None)
    return level or _text(fields.get("machine"))


def _text(value: Any) -> str:
    if isinstance(value, str) and value:
        return value
    if isinstance(value, dict):
        return next(iter(value), UNKNOWN)
    return UNKNOWN if value is None else json.dumps(value)
