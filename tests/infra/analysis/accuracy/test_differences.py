"""Graded scores: Student's and Wilcoxon's published examples, enumeration, and clusters."""

import itertools
import math
import random
import statistics

import pytest

from hotfire_infra.analysis.accuracy.differences import mean_difference, signed_ranks

# Student (1908), Biometrika 6, 1, table of extra sleep; R's t.test(paired = TRUE) of it.
SLEEP = [1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4]
# Hollander & Wolfe (1973), table 3.1, depression scores; R's wilcox.test of it.
BEFORE = [1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30]
AFTER = [0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29]
# Darwin's plants as in Wilcoxon's own tables; scipy.stats.wilcoxon's documented example.
PLANTS = [6, 8, 14, 16, 23, 24, 28, 29, 41, -48, 49, 56, 60, -67, 75]


def test_students_sleep_is_reproduced():
    found = mean_difference(SLEEP)
    assert found.mean == pytest.approx(1.58)
    assert found.mean / found.standard_error == pytest.approx(4.0621, abs=5e-5)
    assert found.p_changed == pytest.approx(0.002833, abs=5e-7)
    assert found.p_worse == pytest.approx(1 - 0.002833 / 2, abs=5e-7)
    assert found.interval(0.95) == pytest.approx((0.7001142, 2.4598858), abs=1e-6)


def test_the_depression_scores_are_reproduced():
    found = signed_ranks([a - b for a, b in zip(AFTER, BEFORE, strict=True)])
    assert (found.statistic, found.is_exact) == (5, True)
    assert found.p_worse == pytest.approx(0.01953, abs=5e-6)


def test_darwins_plants_are_reproduced():
    found = signed_ranks([float(value) for value in PLANTS])
    assert found.statistic == 120 - 24
    assert found.p_changed == pytest.approx(0.041259765625, rel=1e-12)


@pytest.mark.parametrize("seed", range(6))
def test_signed_ranks_with_ties_are_those_of_all_signs(seed):
    draw = random.Random(seed)
    values = [draw.choice([-3, -2, -1, 0, 1, 2, 3]) for _ in range(10)]
    kept = sorted((value for value in values if value), key=abs)
    sizes = [abs(value) for value in kept]
    ranks = [statistics.fmean([i + 1 for i, s in enumerate(sizes) if s == size]) for size in sizes]
    observed = sum(rank for rank, value in zip(ranks, kept, strict=True) if value > 0)
    sums = [
        sum(rank for rank, sign in zip(ranks, signs, strict=True) if sign)
        for signs in itertools.product((0, 1), repeat=len(kept))
    ]
    found = signed_ranks([float(value) for value in values])
    assert found.statistic == observed
    assert found.p_worse == pytest.approx(sum(s <= observed for s in sums) / len(sums))


def test_many_ranks_are_near_their_exact_distribution():
    draw = random.Random(5)
    values = [draw.gauss(-0.25, 1) for _ in range(60)]
    exact = signed_ranks(values)
    # One difference more, the smallest of all, switches to the normal form and changes little.
    normal = signed_ranks([*values, 1e-9])
    assert (exact.is_exact, normal.is_exact) == (True, False)
    assert normal.p_worse == pytest.approx(exact.p_worse, rel=0.1)


def test_only_zeros_show_nothing():
    assert (signed_ranks([0.0] * 5).p_worse, signed_ranks([0.0] * 5).p_changed) == (1.0, 1.0)
    assert mean_difference([0.0] * 5).p_worse == 1.0


def test_clusters_add_the_products_within_them():
    """Miller (2024), eq. 4, as the double sum that it is written as."""
    draw = random.Random(3)
    clusters = [draw.randrange(7) for _ in range(40)]
    shared = [draw.gauss(0, 1) for _ in range(7)]
    values = [shared[name] + draw.gauss(0, 0.5) for name in clusters]
    mean = statistics.fmean(values)
    total = sum(
        (values[i] - mean) * (values[j] - mean)
        for i in range(40) for j in range(40) if clusters[i] == clusters[j]
    )  # fmt: skip
    found = mean_difference(values, clusters)
    count = len(set(clusters))
    assert (found.clusters, found.degrees) == (count, count - 1)
    assert found.standard_error == pytest.approx(math.sqrt(count / (count - 1) * total) / 40)


def test_clusters_of_one_are_the_ordinary_standard_error():
    found = mean_difference(SLEEP)
    assert found.standard_error == pytest.approx(statistics.stdev(SLEEP) / math.sqrt(len(SLEEP)))


def test_copies_in_clusters_prove_no_more_than_the_originals():
    once = mean_difference(SLEEP)
    copied = mean_difference(SLEEP * 5, list(range(10)) * 5)
    assert copied.standard_error == pytest.approx(once.standard_error)
    assert copied.p_changed == pytest.approx(once.p_changed)


def test_a_clustered_test_keeps_its_level_where_the_plain_one_does_not():
    draw = random.Random(11)
    clustered = plain = 0
    for _ in range(400):
        shared = [draw.gauss(0, 1) for _ in range(30)]
        names = [name for name in range(30) for _ in range(8)]
        values = [shared[name] + draw.gauss(0, 0.5) for name in names]
        clustered += mean_difference(values, names).p_worse <= 0.05
        plain += mean_difference(values).p_worse <= 0.05
    assert 0.02 <= clustered / 400 <= 0.08
    assert plain / 400 > 0.2


def test_one_cluster_has_no_spread():
    with pytest.raises(ValueError, match="1 clusters have no spread"):
        mean_difference([1.0, 2.0], ["a", "a"])
    with pytest.raises(ValueError, match="1 clusters for 2 differences"):
        mean_difference([1.0, 2.0], ["a"])
