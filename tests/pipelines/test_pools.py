"""Pools: the machines of a cluster beside the platforms, checked, and no part of a plan."""

from __future__ import annotations

from pathlib import Path

import pytest

from hotfire_pipelines.catalogue import load_platforms
from hotfire_pipelines.errors import PipelineError
from hotfire_pipelines.freeze import freeze
from hotfire_pipelines.load import load_pipeline
from hotfire_pipelines.plan import Source

CATALOGUE = """\
schema: hotfire.dev/platforms/1
platforms:
  host: {dimensions: {os: linux}, reach: [kubernetes]}
  desk: {dimensions: {os: linux}, reach: [local]}
  gpu: {dimensions: {os: linux}, run: {devices: ["nvidia:sm_90"]}, reach: [kubernetes]}
  slice: {dimensions: {os: linux}, run: {devices: ["nvidia:mig-1g.18gb"]}, reach: [kubernetes]}
pools:
  hosts: {serves: [host], machines: 3, cpus: 8, memory_gib: 16}
  dgx: {serves: [gpu], machines: 2, cpus: 8, memory_gib: 16, gpus: 8}
  cut:
    serves: [slice]
    machines: 1
    cpus: 8
    memory_gib: 16
    gpus: 4
    mig: {profile: 1g.18gb, instances: 7}
"""

WRONG = [
    ("serves: [host]", "serves: [hots]", "8:20", "'hots', which is not declared", "'host'"),
    ("serves: [host]", "serves: [desk]", "8:20", "which Kubernetes does not reach", "`reach:`"),
    ("serves: [host]", "serves: [gpu]", "8:20", "these machines have no GPU", "Name a pool"),
    ("serves: [gpu]", "serves: [host]", "9:18", "needs no device and would hold", "Name a pool"),
    ("serves: [gpu]", "serves: [slice]", "9:18", "these machines offer whole GPUs", "Name a"),
    ("serves: [slice]", "serves: [gpu]", "11:14", "offer mig-1g.18gb", "of its own"),
    ("    gpus: 4\n", "", "15:10", "'cut' has no GPU that could be cut", "`gpus:`"),
    ("1g.18gb, instances", "9g.18gb, instances", "16:20", "'9g.18gb' is refused", "as the driver does"),
    ("instances: 7", "instances: 8", "16:40", "instances: 8 is refused", "docs/formats"),
    ("machines: 3", "machines: 0", "8:37", "machines: 0 is refused", "docs/formats"),
    ("machines: 3", "machine: 3", "8:27", "unknown key 'machine'", "'machines'"),
    ("cpus: 8, memory_gib: 16}\n  dgx", "memory_gib: 16}\n  dgx", "8:3", "'cpus' is missing", "Add"),
    ("  hosts:", "  Hosts:", "8:10", "Hosts", "Use lower-case letters"),
]  # fmt: skip


@pytest.fixture
def catalogue(tmp_path: Path) -> Path:
    path = tmp_path / "platforms.yaml"
    path.write_text(CATALOGUE)
    return path


def test_a_catalogue_may_declare_pools(catalogue: Path) -> None:
    found = load_platforms(catalogue)
    assert set(found.pools_of("gpu")) == {"dgx"}
    assert found.pools_of("desk") == {}
    assert found.pools["dgx"].devices == 8
    assert found.pools["cut"].devices == 28


@pytest.mark.parametrize(("old", "new", "place", "fact", "remedy"), WRONG)
def test_a_wrong_pool_gets_one_clear_error(
    catalogue: Path, old: str, new: str, place: str, fact: str, remedy: str
) -> None:
    assert CATALOGUE.count(old) == 1
    catalogue.write_text(CATALOGUE.replace(old, new))
    with pytest.raises(PipelineError) as caught:
        load_platforms(catalogue)
    said = str(caught.value)
    assert said.startswith(f"{catalogue}:{place}: "), said
    assert fact in said, said
    assert remedy in said, said


def test_pools_are_no_part_of_a_plan(tmp_path: Path, repository: Path) -> None:
    definitions = repository / "pipelines" / "definitions"
    text = (definitions / "platforms.yaml").read_text()
    bare = tmp_path / "platforms.yaml"
    bare.write_text(text[: text.index("\npools:\n")])
    digests = {
        freeze(
            load_pipeline(definitions / "pre-merge.yaml"),
            load_platforms(path),
            Source(repository="hotfire", revision="0" * 40),
            inventory=lambda key: None,
            history=None,
            source_root=repository,
        ).digest
        for path in (definitions / "platforms.yaml", bare)
    }
    assert len(digests) == 1
