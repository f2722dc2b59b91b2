"""Shards partition a list into slices of about equal duration."""

from hypothesis import given
from hypothesis import strategies as st

from hotfire_pipelines.shards import split

DURATIONS = st.dictionaries(st.text("abcdef", min_size=1), st.floats(0, 100), min_size=1)


@given(DURATIONS, st.integers(1, 9))
def test_every_test_is_in_exactly_one_shard(durations: dict[str, float], shards: int) -> None:
    cut = split(list(durations), durations, shards)
    assert sorted(test for shard in cut for test in shard.tests) == sorted(durations)
    assert len(cut) == min(shards, len(durations))
    assert all(shard.tests for shard in cut)


@given(DURATIONS, st.integers(1, 9))
def test_no_shard_exceeds_the_bound_of_longest_first(
    durations: dict[str, float], shards: int
) -> None:
    """Graham 1969: makespan ≤ mean load + longest item."""
    cut = split(list(durations), durations, shards)
    mean = sum(durations.values()) / len(cut)
    assert max(shard.seconds for shard in cut) <= mean + max(durations.values()) + 1e-6


@given(DURATIONS, st.integers(1, 9))
def test_the_order_of_durations_does_not_matter(durations: dict[str, float], shards: int) -> None:
    tests = list(durations)
    turned = dict(reversed(durations.items()))
    assert split(tests, durations, shards) == split(tests, turned, shards)


def test_a_test_without_a_duration_costs_the_mean() -> None:
    [first, second] = split(["a", "b", "c"], {"a": 2.0, "b": 4.0}, 2)
    assert (first.tests, second.tests) == (("b",), ("a", "c"))


def test_set_up_is_part_of_each_shard() -> None:
    [only] = split(["a"], {"a": 2.0}, 3, setup_seconds=5.0)
    assert only.seconds == 7.0


def test_no_test_makes_no_shard() -> None:
    assert split([], {}, 3) == []
