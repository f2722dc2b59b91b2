"""The performance suite launches what its tests read, and all of it where none of them says."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

SUITE = Path(__file__).parents[3] / "testframework" / "suites" / "performance" / "conftest.py"


@pytest.fixture(scope="module")
def suite() -> ModuleType:
    spec = importlib.util.spec_from_file_location("performance_conftest", SUITE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def item(*what: str) -> SimpleNamespace:
    marks = [SimpleNamespace(args=what)] if what else []
    return SimpleNamespace(iter_markers=lambda name: marks if name == "launches" else [])


def test_one_benchmark_and_the_canaries_launch_that_benchmark_alone(suite):
    assert suite.needed([item("decode"), item()]) == ["decode"]
    assert suite.needed([item("kernels"), item("load")]) == ["load", "kernels"]


def test_tests_that_name_nothing_get_every_launch(suite):
    assert suite.needed([item(), item()]) == list(suite.ARGUMENTS)
    assert set(suite.ARGUMENTS) == {*suite.RATES, *suite.REST}
