"""Sample sizes and power: published tables, simulation and enumeration."""

import itertools

import pytest

from hotfire_infra.analysis.accuracy.pairs import Pairs, p_worse
from hotfire_infra.analysis.accuracy.planning import (
    detectable,
    pairs_needed,
    pairs_needed_exactly,
    power_of_pairs,
    unpaired_detectable,
    unpaired_needed,
)

# α = .05, power .8, p = .7: pairs by drop (rows) and discordance, and independent items.
DISCORDANCE = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
TABLE = {
    0.03: (2_885, (None, None, None, 341, 685, 1_372)),
    0.02: (6_492, (None, None, 307, 771, 1_544, 3_089)),
    0.01: (25_967, (None, 616, 1_234, 3_089, 6_180, 12_363)),
    0.005: (103_867, (1_234, 2_471, 4_944, 12_363, 24_728, 49_458)),
    0.002: (649_169, (7_726, 15_454, 30_911, 77_280, 154_562, 309_126)),
    0.001: (2_596_674, (30_911, 61_823, 123_649, 309_126, None, None)),
}


@pytest.mark.parametrize("drop", TABLE)
def test_sample_sizes_are_those_of_the_table(drop):
    unpaired, paired = TABLE[drop]
    found = unpaired_needed(drop=drop, share=0.7, alpha=0.05, power=0.8)
    assert found == pytest.approx(unpaired, abs=1)
    for discordance, expected in zip(DISCORDANCE, paired, strict=True):
        if expected is not None:
            n = pairs_needed(drop=drop, discordance=discordance, alpha=0.05, power=0.8)
            assert n == pytest.approx(expected, abs=1)


def test_a_drop_beyond_the_discordance_is_refused():
    with pytest.raises(ValueError, match=r"0\.03 cannot come with a discordance of 0\.02"):
        pairs_needed(drop=0.03, discordance=0.02, alpha=0.05, power=0.8)


def test_two_hundred_checks_are_affordable_only_in_pairs():
    level = {"alpha": 2e-4, "power": 0.8}
    assert pairs_needed(drop=0.01, discordance=0.02, **level) == pytest.approx(3_836, abs=1)
    assert unpaired_needed(drop=0.01, share=0.7, **level) == pytest.approx(80_600, rel=2e-3)


# Simulated by others, 200,000 runs of 4,096 items: probability that the exact test flags at .05.
@pytest.mark.parametrize(
    ("discordance", "drop", "flagged"),
    [
        (0.01, 0.0, 0.037), (0.01, 0.005, 0.935), (0.01, 0.01, 1.0), (0.02, 0.005, 0.697),
        (0.02, 0.01, 0.998), (0.05, 0.0, 0.043), (0.05, 0.01, 0.877), (0.05, 0.02, 1.0),
        (0.10, 0.0, 0.046), (0.10, 0.01, 0.630), (0.10, 0.02, 0.992),
    ],
)  # fmt: skip
def test_exact_power_is_that_of_the_simulation(discordance, drop, flagged):
    power = power_of_pairs(n=4096, drop=drop, discordance=discordance, alpha=0.05)
    assert power == pytest.approx(flagged, abs=0.0025)


def test_power_is_the_sum_over_all_tables():
    n, better, worse, alpha = 9, 0.1, 0.35, 0.1
    shares = {-1: better, 0: 1 - better - worse, 1: worse}
    total = 0.0
    for items in itertools.product(shares, repeat=n):
        chance = 1.0
        for item in items:
            chance *= shares[item]
        pairs = Pairs(n=n, better=items.count(-1), worse=items.count(1))
        total += chance * (p_worse(pairs) <= alpha)
    found = power_of_pairs(n=n, drop=worse - better, discordance=better + worse, alpha=alpha)
    assert found == pytest.approx(total, rel=1e-10)


@pytest.mark.parametrize("discordance", [0.01, 0.015, 0.02])
def test_a_drop_of_a_point_is_seen_by_four_thousand_pairs(discordance):
    assert power_of_pairs(n=4000, drop=0.01, discordance=discordance, alpha=2e-4) >= 0.8


def test_exact_and_normal_power_agree_where_they_meet():
    exact = power_of_pairs(n=9_990, drop=0.006, discordance=0.05, alpha=1e-3)
    normal = power_of_pairs(n=10_010, drop=0.006, discordance=0.05, alpha=1e-3)
    assert exact == pytest.approx(normal, abs=0.03)


def test_the_detectable_drop_is_where_power_is_reached():
    found = detectable(n=1319, discordance=0.02, alpha=2e-4, power=0.8)
    case = {"n": 1319, "discordance": 0.02, "alpha": 2e-4}
    assert power_of_pairs(drop=found, **case) >= 0.8 > power_of_pairs(drop=found * 0.995, **case)


def test_too_few_pairs_see_nothing_at_all():
    assert detectable(n=3, discordance=0.1, alpha=2e-4, power=0.8) == float("inf")


def test_the_exact_number_of_pairs_has_the_power():
    n = pairs_needed_exactly(drop=0.01, discordance=0.02, alpha=2e-4, power=0.8)
    assert power_of_pairs(n=n, drop=0.01, discordance=0.02, alpha=2e-4) >= 0.8
    assert n == pytest.approx(3_836, rel=0.02)


def test_unpaired_runs_see_what_tensorrt_llm_says():
    found = unpaired_detectable(n=1319, sigma=50, alpha=0.05, power=0.8)
    assert found == pytest.approx(4.841, abs=5e-4)
    found = unpaired_detectable(n=32, sigma=50, alpha=0.05, power=0.8)
    assert found == pytest.approx(31.08, abs=5e-3)
