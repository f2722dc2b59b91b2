"""Planning grows with the matrix, not with its square."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from hotfire_pipelines.matrix import expand
from hotfire_pipelines.shards import split

pytestmark = pytest.mark.scale

# Linear work takes 4 times as long on 4 times the input, quadratic 16 times.
FACTOR = 4
ALLOWED_GROWTH = 8


def growth(work: Callable[[int], None], size: int) -> float:
    """Return how much longer `work` takes on FACTOR times `size`, best of three each."""

    def seconds(count: int) -> float:
        spent = []
        for _ in range(3):
            started = time.process_time()
            work(count)
            spent.append(time.process_time() - started)
        return min(spent)

    return seconds(FACTOR * size) / seconds(size)


def test_a_matrix_of_a_hundred_thousand_assignments_expands_in_linear_time() -> None:
    def work(count: int) -> None:
        axes = {"a": [str(i) for i in range(count // 100)], "b": [str(i) for i in range(100)]}
        assert len(expand(axes, exclude=[{"a": "1", "b": "2"}])) == count - 1

    assert growth(work, 25_000) < ALLOWED_GROWTH


def test_a_hundred_thousand_tests_are_cut_into_shards_in_linear_time() -> None:
    def work(count: int) -> None:
        tests = [f"t{i}" for i in range(count)]
        assert len(split(tests, dict.fromkeys(tests, 1.0), 16)) == 16

    assert growth(work, 25_000) < ALLOWED_GROWTH
