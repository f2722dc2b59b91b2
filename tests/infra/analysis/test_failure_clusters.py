"""What is one cluster and what is not; ids survive restarts, order and growth."""

import itertools
import random
import subprocess
import sys

import pytest

from hotfire_infra.analysis.failure_clusters import (
    ClusterTree,
    cluster_id,
    clusters_of,
    masked,
)

SAME = [
    ("error 3.71 at 5 of 1024", "error 4e-3 at 17 of 64"),
    ("segfault at 0x7ffe12ab in worker-3", "segfault at 0xdeadbeef in worker-12"),
    ("cannot open /tmp/run-1/a/model.gguf", "cannot open /srv/w7/model.gguf"),
    (r"cannot open C:\work\12\model.gguf", "cannot open /srv/w7/model.gguf"),
    ("timed out after 12.5 s", "timed out after 900 ms"),
    ("attempt 01J9ZC3V7QK8M2R4T6W8Y0A1B2 lost", "attempt 01JA0D4W8RM9N3S5V7X9Z1B2C3 lost"),
    ("at 2026-11-21T09:00:01Z: refused", "at 2025-01-02T23:59:59.123+01:00: refused"),
    ("blob 3f2a91c04d77 is missing", "blob 0badc0de1234 is missing"),
    ("assert nan == 0.5", "assert 0.25 == -inf"),
    ("\x1b[31mAssertionError\x1b[0m: sum", "AssertionError: sum"),
    ("case gemm[17] differs", "case gemm[4] differs"),
]
DIFFERENT = [
    ("KeyError: 'a'", "KeyError: 'b'"),
    ("error in gemm.f32", "error in gemm.f16"),
    ("cannot open /tmp/model.gguf", "cannot open /tmp/tokens.json"),
    ("timed out after 3 s", "timed out"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_what_differs_from_run_to_run_makes_no_cluster(one, other):
    assert masked(one) == masked(other)
    assert cluster_id(one) == cluster_id(other) != ""


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_what_was_said_otherwise_is_another_cluster(one, other):
    assert cluster_id(one) != cluster_id(other)


def test_the_last_line_of_a_traceback_is_the_one_that_tells():
    trace = (
        'Traceback (most recent call last):\n  File "a.py", line 3\nValueError: no such shape 17'
    )
    assert masked(trace) == "ValueError: no such shape <number>"
    assert masked("Error:\nno such shape 17") == "no such shape <number>"


def test_nothing_said_is_no_cluster():
    assert cluster_id(" \n") == ""
    assert ClusterTree().add("") is None


def test_id_is_the_same_in_another_process():
    code = (
        "from hotfire_infra.analysis.failure_clusters import cluster_id; print(cluster_id('no 7'))"
    )
    environ = {"PYTHONHASHSEED": "17", "PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environ, check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == cluster_id("no 8")


NODES = [f"Receiving block from node {name} failed with status closed" for name in "abc"]


def test_messages_that_differ_in_a_word_are_laid_together_under_the_oldest():
    first, *_ = clusters_of([*NODES, "Sending block to node a failed with status closed"])
    assert (first.count, first.id) == (3, cluster_id(NODES[0]))
    assert first.template == "Receiving block from node <*> failed with status closed"
    assert len(clusters_of([*NODES, "Sending block to node a failed with status closed"])) == 2


def test_later_messages_move_no_earlier_one():
    lot = random.Random(4)
    words = ["alpha", "beta", "gamma", "delta"]
    messages = [
        " ".join(["Error:", "in", *(lot.choice(words) for _ in range(5))]) for _ in range(300)
    ]
    tree, ids = ClusterTree(), {}
    for message in messages:
        ids.setdefault(message, tree.add(message).id)
    assert all(tree.add(message).id == found for message, found in ids.items())
    again = ClusterTree()
    assert {message: again.add(message).id for message in messages} == ids


def test_order_in_which_equal_firsts_are_asked_changes_nothing():
    stored = [*NODES, "KeyError: 'a'", "error 3 at 5"]
    expected = {text: cluster_id(text) for text in stored}
    for order in itertools.permutations(stored):
        assert {text: cluster_id(text) for text in order} == expected


def test_a_hostile_message_costs_no_time():
    assert masked("/a" * 100_000).startswith("<path>")
    assert masked("0x" * 50_000)
    assert masked("-" * 100_000) == "-" * 500
