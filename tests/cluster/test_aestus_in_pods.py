"""The native cells of pre-merge in real pods through Kueue, beside the same cells by processes.

On the real node: Kueue admits each Job, the pods build and test Aestus, report over HTTP with the
token of their attempt, and the answer is that of the local executor.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from hotfire_infra.executors.processes import identify
from hotfire_k8s.handle import ClusterHandle
from hotfire_k8s.images import build_image

pytestmark = pytest.mark.scale

ROOT = Path(__file__).resolve().parents[2]
HOTFIRE = [str(Path(sys.executable).parent / "hotfire")]
NATIVE = "linux-x86_64"
PORT = 18411
COMPARED = ("task", "variant", "state", "verdict", "reason", "failure_class")


def native_only(document: dict[str, Any]) -> dict[str, Any]:
    """Return a pipeline with the cells of one platform alone."""
    kept = {**document, "name": "native"}
    kept["axes"] = {**document["axes"], "platform": {"values": [NATIVE]}}
    del kept["required"]
    kept["tasks"] = {}
    for name, task in document["tasks"].items():
        overrides = [
            one
            for one in task.get("overrides", ())
            if one["match"].get("platform", NATIVE) == NATIVE and "execution" not in one["match"]
        ]
        matrix = {**task["matrix"], "platform": [NATIVE]}
        kept["tasks"][name] = {**task, "matrix": matrix, "overrides": overrides}
    return kept


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone with one more pipeline: what is planned in it is the same for both services."""
    folder = tmp_path_factory.mktemp("aestus") / "clone"
    subprocess.run(["git", "clone", "-q", ROOT, folder], check=True)
    definitions = folder / "pipelines" / "definitions"
    document = yaml.safe_load((definitions / "pre-merge.yaml").read_text())
    (definitions / "native.yaml").write_text(yaml.safe_dump(native_only(document)))
    return folder


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterHandle]:
    """A cluster with the catalogue's queues, whose real node has the toolchain."""
    folder = tmp_path_factory.mktemp("node") / "home"
    handle = ClusterHandle.start(folder, nodes=24, real_node=True)
    handle.load_image(build_image("cuda", print).path)
    yield handle
    handle.end()


def hotfire(checkout: Path, home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in a checkout, on a store of its own."""
    return subprocess.run(
        [*HOTFIRE, *words],
        cwd=checkout,
        env={**os.environ, "HOTFIRE_HOME": str(home), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def run_and_show(checkout: Path, home: Path) -> tuple[int, dict[str, Any]]:
    """Run the pipeline to its verdict; its exit code and what `show` says of it."""
    done = hotfire(checkout, home, "run", "native", "--no-reuse", "--wait")
    shown = hotfire(checkout, home, "show", "latest", "-o", "json")
    assert shown.returncode == 0, done.stdout + shown.stderr
    return done.returncode, json.loads(shown.stdout)


def serving(checkout: Path, home: Path, address: str) -> subprocess.Popen[bytes]:
    """Start a service, and return when it answers."""
    with (home / "serve.log").open("wb") as log:
        process = subprocess.Popen(
            [*HOTFIRE, "serve", "--host", address, "--port", str(PORT)],
            cwd=checkout,
            env={**os.environ, "HOTFIRE_HOME": str(home)},
            stdout=log,
            stderr=log,
        )
    deadline = time.monotonic() + 60
    while True:
        assert process.poll() is None, (home / "serve.log").read_text()
        try:
            with urllib.request.urlopen(f"http://{address}:{PORT}/healthz", timeout=5):
                return process
        except (urllib.error.URLError, OSError):
            assert time.monotonic() < deadline, (home / "serve.log").read_text()
            time.sleep(0.2)


def test_the_native_cells_pass_in_pods_as_they_do_locally(
    node: ClusterHandle, checkout: Path, tmp_path: Path
) -> None:
    homes = {name: tmp_path / name for name in ("pods", "local")}
    for home in homes.values():
        home.mkdir(mode=0o700)
    configuration = {
        "schema": "hotfire.dev/service/1",
        "access": {"required": True},
        "kubernetes": {
            "service_url": f"http://{node.host_address}:{PORT}",
            "image": build_image("cuda", print).name,
            "image_pull_policy": "Never",
            "kubeconfig": str(node.kubeconfig),
        },
    }
    (homes["pods"] / "service.yaml").write_text(yaml.safe_dump(configuration))
    # Whoever holds the store's lock executes: the command line only asks and watches.
    made = hotfire(checkout, homes["pods"], "tokens", "create", "ci", "--role", "developer")
    assert made.returncode == 0, made.stderr
    service = serving(checkout, homes["pods"], node.host_address)
    try:
        code, in_pods = run_and_show(checkout, homes["pods"])
    finally:
        service.terminate()
        service.wait(60)
    assert (code, in_pods["verdict"]) == (0, "passed"), in_pods["reasons"]
    code, locally = run_and_show(checkout, homes["local"])
    assert (code, locally["verdict"]) == (0, "passed"), locally["reasons"]
    assert in_pods["plan_digest"] == locally["plan_digest"]
    assert in_pods["totals"] == locally["totals"]
    for pod, local in zip(in_pods["cells"], locally["cells"], strict=True):
        assert {key: pod[key] for key in COMPARED} == {key: local[key] for key in COMPARED}
        assert pod["tests"] == local["tests"]
    assert executors_of(homes["pods"]) == {"kubernetes"}
    assert identify(service.pid).is_alive() is False


def executors_of(home: Path) -> set[str]:
    """Return who carried the attempts out."""
    from sqlalchemy import select

    from hotfire_infra.store.database import open_store
    from hotfire_infra.store.models import Attempt

    store = open_store(home)
    with store.reading() as connection:
        found = set(connection.execute(select(Attempt.executor)).scalars())
    store.close()
    return found
