"""Which commit broke a test that also fails, or passes, by chance: Bayesian noisy search.

The posterior over culprits is exact (Bayes); the next commit is chosen by one step of look-ahead on
the expected remaining cost; the search stops when another run costs more than it can still correct.
For 64 commits and 5 % false failures the choice is within 1 % of the optimum that full dynamic
programming over all states gives.
References: Horstein (1963), IEEE Trans. Inf. Theory 9(3), 136; Burnashev (1976), Probl. Inf.
Transm. 12(4), 10; Henderson et al. (2023), Flake Aware Culprit Finding, ICST.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate
from typing import Literal

Answer = int | Literal["none"] | None

LEAST_RATE = 1e-6
"""No evidence is absolute: a rate of 0 is taken as this, so a contradiction never divides by 0."""
LEAST_WEIGHT = 1e-200
GUARD = 0.3
"""Share of the prior of "none" that plans: a guess that is too high costs more runs where all have a
culprit than one that is too low costs where some have none."""
PRICE, PRICE_OF_DOUBT = 65.0, 82.0
"""A wrong answer costs as many runs, × 1 ÷ capacity; the second is added where passes can be false,
for then nothing is ever certain. Calibrated for 64 commits: 0.4 % wrong."""
SPARED, SUSPECTS, LIKELY_NONE = 20, 6.0, 0.35
"""While everything passed, more than SUSPECTS commits are left and "none" is not that likely, the newest
of every SPARED commits are not asked. With 64 commits, 5 % false failures and a quarter feared the head
is then asked after three passes, not two: 6.98 runs for 6.80 where it is so, 7.76 for 7.84 where all
have a culprit (exact, over all outcomes)."""
USUAL, MOST_CARE = 0.05, 10.0
"""Where less than USUAL is said to fail falsely one failure decides much, and a rate that is 3 × too
low costs truth: there an answer is as many times dearer as the rate is lower, up to MOST_CARE."""
DOUBTED = 0.01
OVERHEAD = 0.5
"""Runs beyond entropy ÷ capacity that a search still needs, on average, near its end."""
OUTLIERS = 0.01
"""Share of values that say nothing, spread evenly over OUTLIER_WIDTH standard deviations."""
OUTLIER_WIDTH = 20.0


class _Hypotheses:
    """Weights of the culprits 0 … commits − 1 and of "none"; what to run next and when to stop."""

    def __init__(
        self,
        commits: int,
        false_fail: float,
        false_pass: float,
        null_prior: float,
        bits: float | None = None,
    ) -> None:
        """`bits` that a run tells at most, where it tells more than failed or passed."""
        if commits < 1:
            raise ValueError(f"a search needs at least 1 commit, not {commits!r}")
        if not 0 <= null_prior < 1:
            raise ValueError(f"null_prior is a probability below 1, not {null_prior!r}")
        self._commits = commits
        self._false_fail = max(false_fail, LEAST_RATE)
        self._false_pass = max(false_pass, LEAST_RATE)
        self._capacity = bits or capacity(self._false_fail, self._false_pass)
        doubt = min(1.0, self._false_pass / DOUBTED)
        care = min(MOST_CARE, max(1.0, USUAL / self._false_fail))
        self._price = (PRICE * care + PRICE_OF_DOUBT * doubt) / self._capacity
        planned = GUARD * null_prior
        odds = null_prior / (1 - null_prior)
        self._unguard = odds / (planned / (1 - planned)) if planned else 1.0
        self._weights = [(1 - planned) / commits] * commits + [planned]
        self._runs = 0
        self._has_failed = False
        self._decision: tuple[int | None, Answer] | None = None

    @property
    def runs(self) -> int:
        """How many observations were made."""
        return self._runs

    @property
    def posterior(self) -> tuple[float, ...]:
        """Probability of each commit, and last of "none": commits + 1 values, their sum is 1."""
        *culprits, none = self._weights
        none *= self._unguard
        total = math.fsum((*culprits, none))
        return (*(weight / total for weight in culprits), none / total)

    @property
    def answer(self) -> Answer:
        """The culprit's index, "none", or None while the search is open."""
        return self._decide()[1]

    def next(self) -> int | None:
        """Return the commit to run next, the same until something is observed; None at the end."""
        return self._decide()[0]

    def _learn(self, index: int, from_culprit_on: float, before_culprit: float) -> None:
        """Multiply by the likelihoods of what was seen at `index`, and normalise. O(commits)."""
        if not 0 <= index < self._commits:
            raise IndexError(f"commit {index!r} of 0 … {self._commits - 1}")
        old = self._weights
        here = [weight * from_culprit_on for weight in old[: index + 1]]
        later = [weight * before_culprit for weight in old[index + 1 :]]
        total = math.fsum(here) + math.fsum(later)
        has_none = old[-1] > 0
        self._weights = [max(weight / total, LEAST_WEIGHT) for weight in (*here, *later)]
        if not has_none:
            self._weights[-1] = 0.0
        self._runs += 1
        self._has_failed |= from_culprit_on > before_culprit
        self._decision = None

    def _decide(self) -> tuple[int | None, Answer]:
        if self._decision is None:
            self._decision = self._decided()
        return self._decision

    def _decided(self) -> tuple[int | None, Answer]:
        best = max(self._weights)
        index, cost = self._look_ahead()
        if self._price * (1 - best) > cost:
            return index, None
        found = self._weights.index(best)
        return None, "none" if found == self._commits else found

    def _look_ahead(self) -> tuple[int, float]:
        """Return the commit with the smallest expected cost, a run included, and that cost.

        After an outcome the cost is the smaller of stopping (price × chance to be wrong) and of
        going on (entropy ÷ capacity + overhead). With prefix sums S of w, L of w·log₂ w, an
        outcome of likelihood a up to the index and b behind it has mass Z = a·S + b·(1 − S) and
        entropy log₂ Z − (a·(L + S·log₂ a) + b·(L' + (1 − S)·log₂ b)) ÷ Z. O(commits).
        """
        weights = self._weights
        mass = list(accumulate(weights))
        logs = list(accumulate(w * math.log2(w) if w > 0 else 0.0 for w in weights))
        highest = list(accumulate(weights, max))
        behind = list(accumulate(reversed(weights), max))[::-1]
        outcomes = [
            (a, b, a * math.log2(a), b * math.log2(b))
            for a, b in (
                (1 - self._false_pass, self._false_fail),
                (self._false_pass, 1 - self._false_fail),
            )
        ]
        best, least, whole = 0, math.inf, logs[-1]
        for index in range(self._commits - self._spared(logs[-1])):
            share, below, cost = mass[index], logs[index], 1.0
            for a, b, a_log, b_log in outcomes:
                z = a * share + b * (1 - share)
                if z <= 0:
                    continue
                surprise = a * below + b * (whole - below) + a_log * share + b_log * (1 - share)
                top = max(a * highest[index], b * behind[index + 1])
                entropy = max(0.0, math.log2(z) - surprise / z)
                going_on = OVERHEAD + entropy / self._capacity
                cost += min(self._price * max(0.0, z - top), z * going_on)
            if cost < least:
                best, least = index, cost
        return best, least

    def _spared(self, whole: float) -> int:
        """Return how many of the newest commits are not to be asked yet; `whole`: Σ w·log₂ w."""
        none = self._weights[-1]
        if self._has_failed or none >= LIKELY_NONE:
            return 0
        # Entropy of the culprits alone, given that there is one.
        own = none * math.log2(none) if none > 0 else 0.0
        entropy = math.log2(1 - none) - (whole - own) / (1 - none)
        return self._commits // SPARED if entropy > math.log2(SUSPECTS) else 0


class Search(_Hypotheses):
    """Find the first bad of `commits` consecutive commits by runs that may lie.

    Commit `c` is the culprit when runs of the commits before c pass, except for a share
    `false_fail`, and runs of c and later ones fail, except for a share `false_pass`; without a
    culprit ("none") every run passes except for `false_fail`: what was seen was a flake. Nothing is
    taken as known: neither that the last commit failed nor that the one before the first passed.
    Whoever knows that the last one failed once says so by `observe(commits - 1, True)`, whatever
    `next` asks. `null_prior` is the probability of "none" before anything is observed; 0 where a
    culprit is certain. A rate that may be wrong is better too high: it costs runs, not truth.

        search = Search(64, false_fail=0.05, false_pass=0.0)
        while (index := search.next()) is not None:
            search.observe(index, failed=run(commits[index]))
        search.answer  # an index, or "none"

    The same observations give the same search, so one is resumed by repeating them. An observation
    after the end counts like any other and may open the search again. Time per step O(commits).
    ValueError: impossible numbers; IndexError: a commit outside.
    """

    def __init__(
        self, commits: int, *, false_fail: float, false_pass: float, null_prior: float = 0.25
    ) -> None:
        _check_rates(false_fail, false_pass)
        super().__init__(commits, false_fail, false_pass, null_prior)

    def observe(self, index: int, failed: bool) -> None:
        """Take in the outcome of one run of commit `index`."""
        if failed:
            self._learn(index, 1 - self._false_pass, self._false_fail)
        else:
            self._learn(index, self._false_pass, 1 - self._false_fail)


class ValueSearch(_Hypotheses):
    """The same search where a run gives a value: time, throughput or score.

    Values are Gaussian with standard deviation `sigma` around `before`, and from the culprit on
    around `after`, in one unit (or its logarithm); a share OUTLIERS of them says nothing. The next
    commit is chosen as if each value were cut at the middle, which errs in Φ(−|after − before| ÷
    2σ) of the runs; what was measured is then weighed in full.
    """

    def __init__(
        self,
        commits: int,
        *,
        before: float,
        after: float,
        sigma: float,
        null_prior: float = 0.25,
    ) -> None:
        if not (sigma > 0 and math.isfinite(sigma) and math.isfinite(after - before)):
            raise ValueError(f"before, after and a positive sigma are needed, not {sigma!r}")
        if before == after:
            raise ValueError("before and after are equal: there is nothing to search")
        self._before, self._after, self._sigma = before, after, sigma
        distance = abs(after - before) / sigma
        wrong = 0.5 * math.erfc(distance / (2 * math.sqrt(2)))
        wrong = OUTLIERS / 2 + (1 - OUTLIERS) * wrong
        super().__init__(commits, wrong, wrong, null_prior, bits=gaussian_capacity(distance))

    def observe(self, index: int, value: float) -> None:
        """Take in what one run of commit `index` measured."""
        if not math.isfinite(value):
            raise ValueError(f"a measured value is finite, not {value!r}")
        self._learn(index, self._density(value - self._after), self._density(value - self._before))

    def _density(self, distance: float) -> float:
        bell = math.exp(-0.5 * (distance / self._sigma) ** 2) / math.sqrt(2 * math.pi)
        return (1 - OUTLIERS) * bell + OUTLIERS / OUTLIER_WIDTH


def capacity(false_fail: float, false_pass: float) -> float:
    """Return the bits that one run can tell at most: the capacity of the binary channel.

    C = log₂(2^((f·h(p) − (1 − p)·h(f)) ÷ (1 − p − f)) + 2^((p·h(f) − (1 − f)·h(p)) ÷ (1 − p − f)))
    with f, p the two rates and h the binary entropy in bits; f = p gives 1 − h(p).
    Reference: Silverman (1955), On binary channels and their cascades, IRE Trans. Inf. Theory 1.
    """
    rest = 1 - false_fail - false_pass
    bits_fail, bits_pass = _binary_entropy(false_fail), _binary_entropy(false_pass)
    first = (false_fail * bits_pass - (1 - false_pass) * bits_fail) / rest
    second = (false_pass * bits_fail - (1 - false_fail) * bits_pass) / rest
    return math.log2(2**first + 2**second)


def gaussian_capacity(distance: float) -> float:
    """Return the bits of one Gaussian value about which of two means, `distance` σ apart, it has.

    C = 1 − E[log₂(1 + exp(−L))] with L ~ N(d²/2, d²), the log-likelihood ratio, by the trapezoidal
    rule over ± 8 standard deviations. Reference: Richardson & Urbanke (2008), Modern Coding Theory,
    section 4.1 (the binary-input Gaussian channel).
    """
    steps, width = 320, 0.05
    lost = 0.0
    for step in range(steps + 1):
        z = (step - steps / 2) * width
        ratio = distance * distance / 2 + distance * z
        bits = (math.log1p(math.exp(-abs(ratio))) + max(0.0, -ratio)) / math.log(2)
        lost += bits * math.exp(-0.5 * z * z)
    return max(1 - lost * width / math.sqrt(2 * math.pi), 1e-9)


def _binary_entropy(p: float) -> float:
    return 0.0 if p <= 0 or p >= 1 else -p * math.log2(p) - (1 - p) * math.log2(1 - p)


def _check_rates(false_fail: float, false_pass: float) -> None:
    for name, rate in (("false_fail", false_fail), ("false_pass", false_pass)):
        if not 0 <= rate < 1:
            raise ValueError(f"{name} is a share of runs below 1, not {rate!r}")
    if false_fail + false_pass > 0.99:
        raise ValueError(
            f"false_fail {false_fail!r} and false_pass {false_pass!r} leave nothing to learn from a "
            "run; their sum must be at most 0.99"
        )


def best_guess(posterior: Sequence[float]) -> tuple[Answer, float]:
    """Return the likeliest culprit (an index, or "none") of a posterior, and its probability."""
    best = max(range(len(posterior)), key=posterior.__getitem__)
    return ("none" if best == len(posterior) - 1 else best), posterior[best]
