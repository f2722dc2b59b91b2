"""Cells: keys, variants, requirements, and the edges between them."""

from typing import Any

import pytest

from hotfire_pipelines.cells import expand_cells
from hotfire_pipelines.edges import EdgeKind, link
from hotfire_pipelines.errors import PipelineError
from hotfire_testframework.contract.variants import variant_hash

House = Any


def test_a_key_is_the_task_and_its_planned_axes(house: House) -> None:
    keys = {cell.key for cell in expand_cells(*house.load())}
    assert {"build|platform=board", "kernels|platform=gpu", "unit|platform=pc"} <= keys


def test_an_axis_at_its_default_keeps_the_variant(house: House) -> None:
    before = {cell.key: cell.variant.hash for cell in expand_cells(*house.load())}
    house.pipeline["axes"]["threads"] = {"values": ["1", "2"], "default": "1"}
    house.pipeline["tasks"]["unit"]["matrix"]["threads"] = ["1", "2"]
    after = {cell.key: cell.variant.hash for cell in expand_cells(*house.load())}
    assert after["unit|platform=pc"] == before["unit|platform=pc"]
    assert "unit|platform=pc,threads=2" in after


def test_platform_and_execution_are_always_in_the_variant(house: House) -> None:
    house.pipeline["axes"]["platform"]["default"] = "pc"
    cells = {cell.key: cell for cell in expand_cells(*house.load())}
    assert dict(cells["unit|platform=pc"].variant) == {"execution": "native", "platform": "pc"}
    board = cells["kernels|platform=board"].variant
    assert board["execution"] == "emulated"
    assert board.hash == variant_hash({"execution": "emulated", "platform": "board"})


def test_an_explicit_default_and_its_absence_are_one_cell(house: House) -> None:
    matrix = house.pipeline["tasks"]["unit"]["matrix"]
    matrix["include"] = [{"platform": "board"}, {"platform": "board", "build_type": "release"}]
    keys = [cell.key for cell in expand_cells(*house.load())]
    assert keys.count("unit|platform=board") == 1


def test_a_build_requires_compilers_and_a_test_requires_the_launcher(house: House) -> None:
    cells = {cell.key: cell for cell in expand_cells(*house.load())}
    assert cells["build|platform=pc"].requires.executables == ("g++",)
    assert cells["kernels|platform=board"].requires.executables == ("qemu-aarch64-static",)


def test_what_a_task_requires_is_added(house: House) -> None:
    house.pipeline["tasks"]["kernels"]["requires"] = {"executables": ["gdb"], "facts": {"a": "b"}}
    cells = {cell.key: cell for cell in expand_cells(*house.load())}
    requires = cells["kernels|platform=board"].requires.to_json()
    assert requires == {"facts": {"a": "b"}, "executables": ["gdb", "qemu-aarch64-static"]}


def test_whether_a_platform_must_execute_comes_from_the_pipeline(house: House) -> None:
    cells = {cell.key: cell for cell in expand_cells(*house.load())}
    assert cells["kernels|platform=gpu"].required.value == "when-available"
    assert cells["kernels|platform=pc"].required.value == "always"


def test_kernels_wait_for_the_build_of_their_own_platform(house: House) -> None:
    pipeline, catalogue = house.load()
    links = link(pipeline, expand_cells(pipeline, catalogue))
    assert links.makers["kernels|platform=board", "out"] == "build|platform=board"
    assert links.makers["kernels|platform=pc", "out"] == "build|platform=pc"


def test_a_platform_without_a_build_uses_the_one_it_is_built_as(house: House) -> None:
    pipeline, catalogue = house.load()
    links = link(pipeline, expand_cells(pipeline, catalogue))
    assert links.makers["kernels|platform=gpu", "out"] == "build|platform=pc"


def test_needs_is_an_edge_on_success_and_an_input_one_on_the_artifact(house: House) -> None:
    pipeline, catalogue = house.load()
    edges = link(pipeline, expand_cells(pipeline, catalogue)).edges
    kinds = {(edge.earlier, edge.later): edge.kind for edge in edges}
    assert kinds["build|platform=pc", "unit|platform=pc"] is EdgeKind.SUCCESS
    assert kinds["build|platform=pc", "kernels|platform=pc"] is EdgeKind.ARTIFACT


def test_axes_that_both_tasks_have_must_agree(house: House) -> None:
    house.pipeline["tasks"]["build"]["matrix"]["build_type"] = ["release", "debug"]
    house.pipeline["tasks"]["unit"]["matrix"]["build_type"] = ["debug"]
    pipeline, catalogue = house.load()
    links = link(pipeline, expand_cells(pipeline, catalogue))
    assert links.makers["kernels|platform=pc", "out"] == "build|platform=pc"
    [debug] = [edge.earlier for edge in links.edges if edge.later.startswith("unit")]
    assert debug == "build|build_type=debug,platform=pc"


def test_an_artifact_from_several_tasks_is_refused(house: House) -> None:
    house.pipeline["axes"]["compiler"] = {"values": ["gcc", "clang"]}
    house.pipeline["tasks"]["build"]["matrix"]["compiler"] = ["gcc", "clang"]
    pipeline, catalogue = house.load()
    with pytest.raises(PipelineError, match=r"reads 'out\.tar\.gz' from more than one task"):
        link(pipeline, expand_cells(pipeline, catalogue))
