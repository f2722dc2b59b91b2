"""Small pipelines, catalogues and sources; a test changes only what matters to it."""

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hotfire_pipelines.catalogue import Catalogue, load_platforms
from hotfire_pipelines.freeze import freeze
from hotfire_pipelines.load import Pipeline, load_pipeline
from hotfire_pipelines.plan import Plan, Source

STAMP = Source(repository="hotfire", revision="3f2a91c" + "0" * 33)

PLATFORMS: dict[str, Any] = {
    "schema": "hotfire.dev/platforms/1",
    "platforms": {
        "pc": {
            "dimensions": {"os": "linux", "arch": "x86_64"},
            "run": {"facts": {"os": "linux"}},
            "build": {"facts": {"os": "linux"}, "executables": ["g++"]},
            "reach": ["local"],
        },
        "board": {
            "dimensions": {"os": "l4t", "arch": "aarch64"},
            "execution": "emulated",
            "launcher": ["qemu-aarch64-static"],
            "run": {"executables": ["qemu-aarch64-static"]},
            "reach": ["local", "ssh"],
            "speed": {"case_seconds": 0.5, "operations_per_second": 1000.0},
        },
        "gpu": {
            "dimensions": {"os": "linux", "arch": "x86_64", "accelerator": "nvidia"},
            "built_as": "pc",
            "run": {"devices": ["nvidia:sm_90"]},
            "reach": ["kubernetes"],
        },
    },
}

PIPELINE: dict[str, Any] = {
    "schema": "hotfire.dev/pipeline/1",
    "name": "small",
    "axes": {
        "platform": {"values": ["pc", "board", "gpu"]},
        "build_type": {"values": ["release", "debug"], "default": "release"},
    },
    "required": {"gpu": "when-available"},
    "tasks": {
        "build": {
            "role": "build",
            "harness": "command",
            "matrix": {"platform": ["pc", "board"]},
            "inputs": [{"name": "source", "source": True}],
            "command": ["make", "{platform}", "-j{cpus}"],
            "outputs": [{"name": "out.tar.gz", "path": "out"}],
        },
        "kernels": {
            "harness": "cases",
            "matrix": {"platform": ["pc", "board", "gpu"]},
            "inputs": [{"name": "out", "task": "build", "artifact": "out.tar.gz"}],
            "command": ["{input:out}/run{exe}"],
            "cases": {"files": ["cases/*.cases"]},
        },
        "unit": {
            "harness": "gtest",
            "matrix": {"platform": ["pc"]},
            "needs": ["build"],
            "command": ["unit"],
        },
    },
}

CASES = [
    "gemm.f32:m=1,n=1,k=1,data=exact,seed=1",
    "gemm.f32:m=2,n=2,k=2,data=uniform,seed=1",
    "gemm.f32:m=2,n=2,k=3,data=uniform,seed=2",
    "gemm.f32:m=64,n=64,k=64,data=uniform,seed=3",
    "softmax.f32:rows=4,d=8,data=normal,seed=1",
]


@dataclass
class House:
    """A folder with a catalogue, a pipeline and a source tree, ready to be planned."""

    root: Path
    pipeline: dict[str, Any]
    platforms: dict[str, Any]

    def load(self) -> tuple[Pipeline, Catalogue]:
        return self.write_pipeline(), self.write_platforms()

    def write_pipeline(self) -> Pipeline:
        path = self.root / "small.yaml"
        path.write_text(json.dumps(self.pipeline, indent=1))  # JSON is YAML
        return load_pipeline(path)

    def write_platforms(self) -> Catalogue:
        path = self.root / "platforms.yaml"
        path.write_text(json.dumps(self.platforms, indent=1))
        return load_platforms(path)

    def freeze(self, **changes: Any) -> Plan:
        pipeline, catalogue = self.load()
        arguments: dict[str, Any] = {
            "inventory": lambda key: None,
            "history": None,
            "source_root": self.root,
            **changes,
        }
        source = arguments.pop("source", STAMP)
        return freeze(pipeline, catalogue, source, **arguments)


@pytest.fixture
def house(tmp_path: Path) -> House:
    (tmp_path / "cases").mkdir()
    (tmp_path / "cases" / "all.cases").write_text("# kernels\n" + "\n".join(CASES) + "\n")
    return House(
        root=tmp_path, pipeline=copy.deepcopy(PIPELINE), platforms=copy.deepcopy(PLATFORMS)
    )


@pytest.fixture
def yaml_file(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        path = tmp_path / "written.yaml"
        path.write_text(text)
        return path

    return write


@pytest.fixture(scope="session")
def repository() -> Path:
    return Path(__file__).resolve().parents[2]
