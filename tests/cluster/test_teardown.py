"""`up` with a real node is killed at any moment: `down` then leaves the machine as it was before."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hotfire_k8s import processes, real_node
from hotfire_k8s.home import Home

pytestmark = pytest.mark.scale

PATIENCE_S = 120
MOMENTS = ("etcd", "node-namespace", "containerd", "kubelet", "the end")
"""What was started last when `up` is killed."""
SETTING = Path("/proc/sys/kernel/panic")
"""One that kubelet would set for the whole machine; how long a kernel waits that is dead anyway."""


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "hotfire_k8s", *map(str, arguments)]


def machine(home: Home) -> dict[str, object]:
    """All of this machine that a cluster with a real node could leave something in."""
    own = f"hotfire-{real_node.token(home)}"
    found: dict[str, object] = {
        "processes": processes.marked(home),
        "mounts": _lines("/proc/self/mountinfo"),
        "cgroups": sorted(str(path) for path in Path("/sys/fs/cgroup").glob(f"**/{own}")),
        "bridges": sorted(path.name for path in real_node.LINKS.glob(f"hf{real_node.token(home)}")),
        "settings": {name: _lines(f"/proc/sys/{name}") for name in real_node.TUNED},
        "tables": _lines("/proc/net/ip_tables_names"),
        "folders": {
            place: sorted(entry.name for entry in Path(place).iterdir())
            for place in ("/run", "/var/lib", "/var/log", "/etc/cni", "/opt/cni")
            if Path(place).is_dir()
        },
    }
    for tool in ("iptables-save", "ip6tables-save", "nft"):
        if (program := shutil.which(tool, path=real_node.TOOL_PATH)) is not None:
            words = [program, "list", "ruleset"] if tool == "nft" else [program]
            said = subprocess.run(words, capture_output=True, text=True, check=False).stdout
            # Counters and times change by themselves.
            found[tool] = [line for line in said.splitlines() if line.startswith(("-", "table"))]
    return found


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return []


@pytest.fixture
def before() -> Iterator[str]:
    """A setting of the kernel with another value than kubelet's, for the time of a test."""
    kept = SETTING.read_text()
    SETTING.write_text("7")
    yield "7"
    SETTING.write_text(kept)


@pytest.mark.parametrize("moment", MOMENTS)
def test_what_a_killed_up_left_is_taken_away_whole(tmp_path: Path, moment: str, before: str):
    home = Home.at(tmp_path / "home")
    was = machine(home)
    words = command("up", "--home", home.folder, "--nodes", "0", "--no-kueue", "--real-node")
    # As `make cluster` from a terminal that is closed: nobody of the session hears a polite word.
    up = subprocess.Popen(words, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          start_new_session=True)  # fmt: skip
    try:
        deadline = time.monotonic() + PATIENCE_S
        while processes.recorded(home, moment) is None and up.poll() is None:
            assert time.monotonic() < deadline, moment
            time.sleep(0.01)
    finally:
        if up.poll() is None:
            os.killpg(up.pid, 9)
        up.wait()
    assert processes.marked(home) != []
    if moment == "the end":
        assert up.returncode == 0
        real_links = {path.name for path in real_node.LINKS.iterdir()}
        assert real_node.network_of(home).bridge in real_links
    down = subprocess.run(command("down", "--home", home.folder), capture_output=True, text=True)
    assert down.returncode == 0, down.stderr
    is_now = machine(home)
    assert {name: value for name, value in is_now.items() if value != was[name]} == {}
    assert SETTING.read_text().strip() == before
    assert list(tmp_path.iterdir()) == []
