"""Many checks in one run: corrected p-values, and the α that a run's budget leaves for each.

The budget is what people feel: how often may a run fail though nothing changed?
"""

from __future__ import annotations

from collections.abc import Sequence


def alpha_per_check(*, false_failures_per_run: float, checks: int) -> float:
    """Return the level of each of m checks so that a run fails falsely with at most this chance.

    Bonferroni: budget / m, whatever the dependence. 200 checks, one false failure in 100 runs:
    5e-5. ValueError without checks or for a budget outside (0, 1).
    """
    if checks < 1 or not 0 < false_failures_per_run < 1:
        raise ValueError(f"no level for {checks} checks and {false_failures_per_run!r} per run")
    return false_failures_per_run / checks


def false_failure_chance(*, alpha: float, checks: int) -> float:
    """Return 1 - (1 - α)^m: how likely a run fails falsely with m independent checks at level α."""
    return 1 - (1 - alpha) ** checks


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Adjusted p-values, in the order given: at most α for any false alarm where p ≤ α counts.

    p̃_(i) = max over j ≤ i of min(1, (m - j + 1)·p_(j)). Holm (1979), Scand. J. Stat. 6, 65; holds
    under any dependence. Complexity O(m log m).
    """
    m = len(p_values)
    adjusted = [0.0] * m
    running = 0.0
    for place, index in enumerate(sorted(range(m), key=p_values.__getitem__)):
        running = max(running, min(1.0, (m - place) * p_values[index]))
        adjusted[index] = running
    return tuple(adjusted)


def benjamini_hochberg(p_values: Sequence[float]) -> tuple[float, ...]:
    """Adjusted p-values, in the order given: of those ≤ q at most a share q is false on average.

    p̃_(i) = min over j ≥ i of min(1, m·p_(j)/j). Benjamini & Hochberg (1995), JRSS B 57, 289; for
    independent or positively dependent tests. Complexity O(m log m).
    """
    m = len(p_values)
    adjusted = [0.0] * m
    running = 1.0
    order = sorted(range(m), key=p_values.__getitem__)
    for place in range(m, 0, -1):
        index = order[place - 1]
        running = min(running, m * p_values[index] / place)
        adjusted[index] = running
    return tuple(adjusted)
