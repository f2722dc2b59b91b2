"""Durations have a spread, and an unknown one is taken from the nearest neighbours."""

import math

import pytest

from hotfire_pipelines.durations import Measured, Origin, expect, groups_of, summarise


def test_a_duration_is_the_median_and_one_outlier_widens_it() -> None:
    calm, wild = summarise([10.0] * 5), summarise([10.0, 10.0, 10.0, 10.0, 80.0])
    assert calm.seconds == wild.seconds == 10.0
    assert calm.spread < 0.3 < wild.spread
    assert summarise([7.0]) == Measured(seconds=7.0, spread=pytest.approx(0.3), samples=1)


def test_a_clock_that_gives_nothing_is_no_error() -> None:
    assert summarise([0.0, 0.0]).seconds == 0.0


@pytest.mark.parametrize(
    ("test", "groups"),
    [
        (
            "m/native/gemm.f32:k=3,m=2,seed=1",
            ["m/native/gemm.f32", "m/native/gemm", "m/native", "m", ""],
        ),
        ("m/gtest/Suite.case", ["m/gtest/Suite", "m/gtest", "m", ""]),
        (
            "m/pytest/a/test_b.py::C::test_d[x-1]",
            [
                "m/pytest/a/test_b.py::C::test_d",
                "m/pytest/a/test_b.py::C",
                "m/pytest/a/test_b.py",
                "m/pytest/a/test_b",
                "m/pytest/a",
                "m/pytest",
                "m",
                "",
            ],
        ),
        ("plain", [""]),
    ],
)
def test_neighbours_are_looked_for_from_near_to_far(test: str, groups: list[str]) -> None:
    assert list(groups_of(test)) == groups


def test_an_unknown_test_takes_the_median_of_its_nearest_neighbours() -> None:
    measured = {
        "m/gtest/A.x": Measured(seconds=2.0),
        "m/gtest/A.y": Measured(seconds=8.0),
        "m/gtest/B.x": Measured(seconds=100.0),
    }
    found = expect(["m/gtest/A.new", "m/gtest/C.new", "other", "m/gtest/A.x"], measured)
    near = found["m/gtest/A.new"]
    assert (near.seconds, near.group) == (pytest.approx(4.0), "m/gtest/A")
    assert near.spread == pytest.approx(math.log(2))
    assert found["m/gtest/C.new"].group == "m/gtest"
    assert found["other"].group == "all"
    assert found["m/gtest/A.x"].origin is Origin.MEASURED


def test_neighbours_say_how_wrong_a_declared_cost_is() -> None:
    declared = {"op:a=1": 1.0, "op:a=2": 10.0, "op:a=3": 100.0}
    measured = {"op:a=1": Measured(seconds=3.0), "op:a=2": Measured(seconds=30.0)}
    found = expect(list(declared), measured, declared)
    assert found["op:a=3"].seconds == pytest.approx(300.0)
    assert found["op:a=3"].origin is Origin.NEIGHBOURS


def test_without_any_measurement_the_declared_cost_counts() -> None:
    [one] = expect(["a"], {}, {"a": 4.0}).values()
    assert (one.seconds, one.origin) == (4.0, Origin.UNKNOWN)
