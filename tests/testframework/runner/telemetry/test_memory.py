"""Memory: the group's own limit against the machine's want, in both versions of control groups."""

from __future__ import annotations

from pathlib import Path

from hotfire_testframework.runner.telemetry.memory import MemoryCounters, read_counters


def machine(tmp_path: Path, *, cgroup: str, files: dict[str, str], oom_kill: int = 3) -> tuple:
    proc, groups = tmp_path / "proc", tmp_path / "groups"
    (proc / "self").mkdir(parents=True)
    (proc / "self" / "cgroup").write_text(cgroup)
    (proc / "vmstat").write_text(f"nr_free_pages 1\noom_kill {oom_kill}\n")
    for name, text in files.items():
        path = groups / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return proc, groups


def test_version_2_counts_kills_at_the_groups_limit(tmp_path):
    files = {"a/memory.max": "1048576\n", "a/memory.events": "low 0\nmax 9\noom 2\noom_kill 1\n"}
    proc, groups = machine(tmp_path, cgroup="0::/a\n", files=files)
    assert read_counters(proc, groups) == MemoryCounters(at_limit=1, on_machine=3)


def test_version_1_counts_them_elsewhere(tmp_path):
    files = {
        "memory/b/memory.limit_in_bytes": "1048576\n",
        "memory/b/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 4\n",
    }
    proc, groups = machine(tmp_path, cgroup="4:memory:/b\n0::/\n", files=files)
    assert read_counters(proc, groups).at_limit == 4


def test_a_group_without_a_limit_never_hits_it(tmp_path):
    files = {"a/memory.max": "max\n", "a/memory.events": "oom_kill 1\n"}
    proc, groups = machine(tmp_path, cgroup="0::/a\n", files=files)
    assert read_counters(proc, groups).at_limit is None


def test_a_kill_at_our_limit_is_not_the_machines_want():
    before = MemoryCounters(at_limit=1, on_machine=3)
    ours = MemoryCounters(at_limit=2, on_machine=4)
    assert ours.hit_limit_since(before)
    assert not ours.hit_machine_since(before)
    theirs = MemoryCounters(at_limit=1, on_machine=4)
    assert not theirs.hit_limit_since(before)
    assert theirs.hit_machine_since(before)


def test_a_machine_that_says_nothing_accuses_nobody(tmp_path):
    nothing = read_counters(tmp_path, tmp_path)
    assert nothing == MemoryCounters(at_limit=None, on_machine=None)
    assert not nothing.hit_limit_since(nothing)


def test_a_container_that_shows_only_its_own_group_still_knows_its_limit(tmp_path):
    files = {
        "memory/memory.limit_in_bytes": "67108864\n",
        "memory/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
    }
    path = "/kubepods/burstable/pod7/2473"
    proc, groups = machine(tmp_path, cgroup=f"4:memory:{path}\n0::{path}\n", files=files)
    assert read_counters(proc, groups).at_limit == 2
    new = {"memory.max": "67108864\n", "memory.events": "oom 1\noom_kill 1\n"}
    proc, groups = machine(tmp_path / "v2", cgroup=f"0::{path}\n", files=new)
    assert read_counters(proc, groups).at_limit == 1
