"""Properties of whole plans, from the file to the digest, judged by code that shares nothing with them."""

import json
import random
from itertools import combinations, product
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from hotfire_pipelines.catalogue import load_platforms
from hotfire_pipelines.errors import DefinitionError
from hotfire_pipelines.freeze import freeze
from hotfire_pipelines.load import load_pipeline
from hotfire_pipelines.plan import Plan, PlannedCoverage, Source

STAMP = Source(repository="hotfire", revision="0" * 40)
PLATFORMS = {
    "pc": {"dimensions": {"os": "linux", "gpu": "NVIDIA A10"}, "reach": ["local"]},
    "board": {"dimensions": {"os": "l4t"}, "reach": ["ssh"], "price": 2.0},
}
AXES = {
    "platform": ["pc", "board"],
    "cuda": ["11", "12", "13"],
    "mode": ["a", "b"],
    "isa": ["x", "y"],
}
LISTS = {
    "schema": "hotfire.dev/testlists/1",
    "lists": {
        "all": [
            {"when": {"wildcards": {"gpu": "*a10*"}, "terms": {"mode": "a"}}, "tests": ["gpu"]},
            {"tests": ["host", {"test": "alone", "isolation": True, "timeout_minutes": 5}]},
        ]
    },
}
PAIRS = st.tuples(*(st.sampled_from(sorted(AXES)),) * 2).filter(lambda pair: pair[0] < pair[1])


@st.composite
def rules(draw: st.DrawFn) -> dict[str, str]:
    return {axis: draw(st.sampled_from(AXES[axis])) for axis in draw(PAIRS)}


@st.composite
def matrices(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "exclude": draw(st.lists(rules(), max_size=3)),
        "forbid": draw(st.lists(rules(), max_size=3, unique_by=lambda rule: tuple(rule.items()))),
        "strength": draw(st.sampled_from(["all", 1, 2, 3])),
        "max_cells": draw(st.none() | st.integers(2, 30)),
    }


def allowed(matrix: dict[str, Any]) -> list[dict[str, str]]:
    cells = (dict(zip(AXES, values, strict=True)) for values in product(*AXES.values()))
    out = [*matrix["exclude"], *matrix["forbid"]]
    return [cell for cell in cells if not any(rule.items() <= cell.items() for rule in out)]


def files_of(matrix: dict[str, Any]) -> dict[str, Any]:
    written = {key: value for key, value in matrix.items() if value is not None}
    written["forbid"] = [
        " and ".join(f"{axis} == '{value}'" for axis, value in rule.items())
        for rule in matrix["forbid"]
    ]
    task = {
        "harness": "pytest",
        "matrix": {**AXES, **written},
        "paths": ["tests"],
        "tests": {"list": "lists.yaml", "conditions": {"gpu": "platform.gpu", "mode": "mode"}},
        "env": {"A": "1", "B": "2"},
    }
    return {
        "small.yaml": {
            "schema": "hotfire.dev/pipeline/1",
            "name": "small",
            "axes": {name: {"values": values} for name, values in AXES.items()},
            "tasks": {"unit": task},
        },
        "platforms.yaml": {"schema": "hotfire.dev/platforms/1", "platforms": PLATFORMS},
        "lists.yaml": LISTS,
    }


def planned(folder: Any, files: dict[str, Any]) -> Plan:
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content))  # JSON is YAML
    return freeze(
        load_pipeline(folder / "small.yaml"),
        load_platforms(folder / "platforms.yaml"),
        STAMP,
        inventory=lambda key: None,
        history=None,
        source_root=folder,
    )


def shuffled(value: Any, lot: random.Random) -> Any:
    """The same value with the keys of every mapping in another order."""
    if isinstance(value, dict):
        keys = list(value)
        lot.shuffle(keys)
        return {key: shuffled(value[key], lot) for key in keys}
    return [shuffled(one, lot) for one in value] if isinstance(value, list) else value


@settings(max_examples=60, deadline=None)
@given(matrices(), st.integers(0, 99))
def test_a_plan_holds_what_is_allowed_and_tells_the_rest(tmp_path_factory, matrix, seed):
    folder = tmp_path_factory.mktemp("plan")
    files = files_of(matrix)
    wanted = allowed(matrix)
    try:
        plan = planned(folder, files)
    except DefinitionError:
        # A rule that never applies (two that say the same), or a budget below what must be in.
        assert matrix["forbid"] or not wanted or matrix["max_cells"]
        return
    cells = [{a: v for a, v in cell.variant.items() if a != "execution"} for cell in plan.cells]
    assert all(cell in wanted for cell in cells), "an excluded cell leaked"
    depth = len(AXES) if matrix["strength"] == "all" else int(matrix["strength"])
    possible = {frozenset(part) for cell in wanted for part in combinations(cell.items(), depth)}
    found = {frozenset(part) for cell in cells for part in combinations(cell.items(), depth)}
    told = {frozenset(gap.assignment.items()) for item in plan.coverage for gap in item.uncovered}
    assert possible - found <= told, "a combination is neither in a cell nor told"
    if matrix["max_cells"] is None:
        assert found == possible
    else:
        assert len(cells) <= matrix["max_cells"]
    for task in plan.tasks:
        cell = next(one for one in plan.cells if one.key == task.cell).variant
        is_gpu = cell["platform"] == "pc" and cell["mode"] == "a"
        names = [test.test for test in task.spec.tests]
        assert names == (["gpu", "host", "alone"] if is_gpu else ["host", "alone"])
    again = planned(folder, shuffled(files, random.Random(seed)))
    assert again.digest == plan.digest
    # Reasons cite a rule as it is written, so that their words may differ.
    assert [_gaps(one) for one in again.coverage] == [_gaps(one) for one in plan.coverage]


def _gaps(coverage: PlannedCoverage) -> list[tuple[dict[str, str], int]]:
    return [(dict(gap.assignment), gap.age) for gap in coverage.uncovered]
