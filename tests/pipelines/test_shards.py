"""Shards partition a list into slices of about equal duration, and stay what they were."""

import json
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hotfire_pipelines.durations import Expected, Origin
from hotfire_pipelines.sharding import assign, lower_bound
from hotfire_pipelines.sharding_repair import repair
from hotfire_pipelines.shards import Shard, count_for, split

DURATIONS = st.dictionaries(st.text("abcdef", min_size=1), st.floats(0, 100), min_size=1)
REAL = Path(__file__).parents[1] / "data" / "trtllm" / "test_durations.excerpt.json"


@pytest.fixture(scope="module")
def real() -> dict[str, float]:
    """109 measured durations of TensorRT-LLM."""
    durations: dict[str, float] = json.loads(REAL.read_text())
    return durations


def homes(shards: list[Shard]) -> dict[str, int]:
    return {test: number for number, shard in enumerate(shards) for test in shard.tests}


def moved(before: list[Shard], after: list[Shard]) -> int:
    """Tests with another number; numbers are not matched to flatter us."""
    was, is_now = homes(before), homes(after)
    return sum(was[test] != is_now[test] for test in was.keys() & is_now.keys())


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


@given(DURATIONS, st.integers(1, 9), st.randoms(use_true_random=False))
def test_the_order_of_tests_and_durations_decides_nothing(
    durations: dict[str, float], shards: int, lot: random.Random
) -> None:
    tests = list(durations)
    turned = dict(reversed(durations.items()))
    assert split(tests, durations, shards) == split(tests, turned, shards)
    shuffled = lot.sample(tests, len(tests))
    assert homes(split(shuffled, durations, shards)) == homes(split(tests, durations, shards))


@given(DURATIONS, st.integers(1, 9), st.sets(st.text("abcdef", min_size=1), max_size=3))
def test_an_isolated_test_is_alone(
    durations: dict[str, float], shards: int, isolated: set[str]
) -> None:
    cut = split(list(durations), durations, shards, isolated=isolated)
    assert sorted(homes(cut)) == sorted(durations)
    assert all(len(shard.tests) == 1 for shard in cut if isolated & set(shard.tests))
    assert all(shard.tests for shard in cut)
    assert len(cut) <= max(shards, len(isolated & durations.keys()) + 1)


@settings(max_examples=50)
@given(
    st.dictionaries(st.text("abcdefgh", min_size=3), st.floats(1, 100), min_size=40),
    st.integers(2, 5),
    st.text("xyz", min_size=1),
)
def test_a_new_test_without_a_duration_moves_few(
    durations: dict[str, float], shards: int, name: str
) -> None:
    before = split(list(durations), durations, shards)
    after = split([*durations, name], durations, shards)
    assert len(after) == shards
    if max(shard.seconds for shard in after) <= 1.05 * bound(after):
        assert moved(before, after) <= 0.05 * (len(durations) + 1)


def bound(shards: list[Shard]) -> float:
    return sum(shard.seconds for shard in shards) / len(shards)


@given(DURATIONS, st.integers(1, 5), st.integers(1, 5), st.integers(0, 3))
def test_a_repair_moves_no_more_than_it_may(
    durations: dict[str, float], shards: int, old: int, most: int
) -> None:
    before = assign(durations, old)
    count = min(shards, len(durations))
    after = repair(before, durations, count, max_moves=most)
    assert after.keys() == durations.keys()
    assert set(after.values()) == set(range(count))
    kept = {test for test, shard in before.items() if shard < count}
    emptied = count - len({before[test] for test in kept})
    assert sum(after[test] != before[test] for test in kept) <= most + max(0, emptied)


def test_real_durations_are_within_half_a_percent_of_the_bound(real: dict[str, float]) -> None:
    cut = split(list(real), real, 9)
    best = lower_bound(list(real.values()), 9)
    assert max(shard.seconds for shard in cut) <= 1.005 * best


def test_a_known_history_keeps_95_percent_of_the_tests_in_place(real: dict[str, float]) -> None:
    whole = split(list(real), real, 9)
    shares = sorted(
        moved(split([test for test in real if test != left], real, 9), whole) / len(real)
        for left in real
    )
    assert shares[len(shares) * 9 // 10] <= 0.05


def test_without_memory_a_larger_list_moves_about_three_percent() -> None:
    """The duration of the added test is in both arguments: nothing says which test is new."""
    lot = random.Random(5)
    durations = {f"m{n % 9}/t{n}": lot.lognormvariate(5, 1) for n in range(500)}
    whole = split(list(durations), durations, 9)
    shares = []
    for left in lot.sample(sorted(durations), 21):
        rest = {test: had for test, had in durations.items() if test != left}
        shares.append(moved(split(list(rest), rest, 9), whole) / len(durations))
    assert sorted(shares)[10] <= 0.05


def test_an_earlier_plan_is_kept_where_it_is_good_enough(real: dict[str, float]) -> None:
    before = split(list(real), real, 9)
    slower = {test: had * (1.001 if "Llama" in test else 1.0) for test, had in real.items()}
    after = split(list(slower), slower, 9, previous=[shard.tests for shard in before])
    assert moved(before, after) == 0


def test_an_earlier_plan_with_another_number_of_shards_is_levelled(real: dict[str, float]) -> None:
    before = split(list(real), real, 8)
    after = split(list(real), real, 9, previous=[shard.tests for shard in before])
    assert max(shard.seconds for shard in after) <= 1.005 * lower_bound(list(real.values()), 9)
    assert moved(before, after) < 0.4 * len(real)


def test_a_test_without_a_duration_costs_the_median_of_its_neighbours() -> None:
    durations = {"m/gtest/A.x": 2.0, "m/gtest/A.y": 4.0, "m/gtest/B.x": 100.0}
    cut = split([*durations, "m/gtest/A.new"], durations, 2)
    assert max(shard.seconds for shard in cut) == 100.0
    assert min(shard.seconds for shard in cut) == pytest.approx(6 + 8**0.5)


def test_set_up_is_part_of_each_shard() -> None:
    [only] = split(["a"], {"a": 2.0}, 3, setup_seconds=5.0)
    assert only.seconds == 7.0


def test_no_test_makes_no_shard() -> None:
    assert split([], {}, 3) == []


def test_the_timeout_of_a_shard_covers_those_of_its_tests() -> None:
    [only] = split(["a", "b"], {"a": 2.0, "b": 3.0}, 1, setup_seconds=5.0, timeouts={"a": 60.0})
    assert only.timeout_seconds == 10.0 + 58.0
    [free] = split(["a"], {"a": 2.0}, 1)
    assert free.timeout_seconds is None


def of(seconds: float, spread: float = 0.0) -> Expected:
    return Expected(seconds=seconds, spread=spread, origin=Origin.MEASURED)


def test_the_number_of_shards_follows_from_the_target() -> None:
    tests = [of(60.0)] * 30
    assert count_for(tests, 600.0, 32) == 3
    assert count_for(tests, 600.0, 32, setup_seconds=300.0) == 6
    assert count_for(tests, 600.0, 2) == 2
    assert count_for([of(60.0, 0.5)] * 30, 600.0, 32) > 3


def test_one_long_test_does_not_ask_for_more_shards_than_help() -> None:
    assert count_for([of(1000.0), *[of(100.0)] * 10], 600.0, 32) == 2


def test_the_number_of_shards_stays_near_the_target() -> None:
    tests = [of(60.0)] * 31
    assert count_for(tests, 600.0, 32) == 4
    assert count_for(tests, 600.0, 32, previous=3) == 3
    assert count_for(tests, 600.0, 32, previous=9) == 4


@pytest.mark.parametrize("took", [float("nan"), float("inf"), -5.0, 1e308, None, "5", True])
def test_a_duration_that_says_nothing_counts_as_none(took: object) -> None:
    tests = [f"t{number}" for number in range(20)]
    durations = {test: number + 1.0 for number, test in enumerate(tests)}
    spoilt = {**durations, "t3": took}
    del durations["t3"]
    assert split(tests, spoilt, 3) == split(tests, durations, 3)  # type: ignore[arg-type]


def test_tests_that_can_be_read_once_are_all_there() -> None:
    cut = split((f"t{number}" for number in range(9)), {}, 3)  # type: ignore[arg-type]
    assert sum(len(shard.tests) for shard in cut) == 9
