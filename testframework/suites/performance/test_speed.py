"""Rates, times and sizes of Aestus on the bundled model; a slow figure is recorded, not failed."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from statistics import median
from typing import Any

import pytest

from hotfire_testframework.accuracy.launch import Toolbox
from hotfire_testframework.contract.metrics import METRICS
from hotfire_testframework.measuring.canary import WORK
from hotfire_testframework.measuring.replicates import Point, Session

Record = Callable[[str, Point], None]
DECODE_PARTS = {str(one.name) for one in METRICS if one.part_of == "aestus.decode_rate"}
CANARIES = {str(one.name) for one in METRICS if one.name.startswith("canary.")}
# All tests read one session of launches: it must run in one worker.
pytestmark = pytest.mark.xdist_group("performance")


@pytest.mark.parametrize(
    ("what", "metrics"),
    [
        pytest.param(what, metrics, id=what, marks=pytest.mark.launches(what))
        for what, metrics in (
            ("load", {"aestus.load_time"}),
            ("decode", {"aestus.decode_rate", "aestus.bandwidth_share", *DECODE_PARTS}),
            ("prefill", {"aestus.prefill_rate"}),
            ("memory", {"aestus.peak_memory"}),
        )
    ],
)
def test_model(what: str, metrics: set[str], bench: Session, record_point: Record) -> None:
    points = bench.points(what)
    for point in points:
        record_point(what, point)
    assert {point.metric for point in points} == metrics
    assert all(min(point.replicates) > 0 for point in points)
    assert all(point.valid or point.reason for point in points)


# What `aestus-bench --what kernels` times; one series each. A kernel more is a failure here, so that
# it gets a series on purpose.
KERNELS = (
    "gemm.f32:m=64,n=256,k=256",
    "gemm.f32:m=64,n=1536,k=576",
    "qmatmul.q4_1:m=1,n=1536,k=576,cold",
    "qmatmul.q8_0:m=1,n=1536,k=576,cold",
    "qmatmul.q4_1:m=64,n=1536,k=576,cold",
    "qmatmul.q8_0:m=64,n=1536,k=576,cold",
    "attention.f32:tokens=1,past=511",
    "attention.f32:tokens=64,past=0",
    "rmsnorm.f32:rows=64,d=576",
    "softmax.f32:rows=64,d=576",
    "swiglu.f32:n=36864",
)


@pytest.mark.launches("kernels")
@pytest.mark.parametrize("kernel", KERNELS)
def test_kernel(kernel: str, bench: Session, record_point: Record) -> None:
    (point,) = (point for point in bench.points("kernels") if point.name == kernel)
    record_point("kernels", point)
    assert point.metric == "aestus.kernel_rate"
    assert min(point.replicates) > 0


@pytest.mark.launches("kernels")
def test_every_timed_kernel_has_a_series(bench: Session) -> None:
    assert {point.name for point in bench.points("kernels")} == set(KERNELS)


def test_read_bandwidth_beside_the_measurements(bench: Session, hotfire_record: Any) -> None:
    point = bench.probe()
    hotfire_record.measurement(
        point.metric,
        point.replicates,
        launches=point.launches,
        estimator="median",
        canary=point.canary,
        valid=point.valid,
        reason=point.reason,
        definition={"what": "probe", "name": point.name},
    )
    assert median(point.replicates) > 0


def test_canaries_beside_the_measurements(bench: Session, hotfire_record: Any) -> None:
    points = bench.canaries()
    for point in points:
        hotfire_record.measurement(
            point.metric,
            point.replicates,
            launches=point.launches,
            estimator="median",
            canary=point.canary,
            valid=point.valid,
            reason=point.reason,
            # Compiled code of this Python: another one begins anew.
            definition={"what": "canary", "name": point.name, **WORK, "python": sys.version},
        )
    assert {point.metric for point in points} == CANARIES
    assert all(min(point.replicates) > 0 for point in points)


def test_binary_size(toolbox: Toolbox, hotfire_record: Any) -> None:
    library = _library(toolbox)
    hotfire_record.measurement(
        "aestus.binary_size", [library.stat().st_size], definition={"file": "libaestus"}
    )
    assert library.stat().st_size > 0


def test_the_implementation_that_was_asked_for_ran(bench: Session) -> None:
    asked = os.environ.get("AESTUS_FORCE_IMPL", "auto")
    ran = {launch.answer["impl"] for group in bench.launches.values() for launch in group}
    assert len(ran) == 1
    assert asked == "auto" or ran == {asked}


def _library(toolbox: Toolbox) -> Any:
    """libaestus beside the tools: lib/ on Linux, bin/ on Windows."""
    folders = (toolbox.binaries.parent / "lib", toolbox.binaries)
    found = [
        path
        for folder in folders
        for name in ("libaestus.so", "libaestus.dll")
        if (path := folder / name).is_file()
    ]
    assert found, f"no libaestus in {folders[0]} or {folders[1]}"
    return found[0].resolve()
