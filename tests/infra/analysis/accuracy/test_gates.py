"""Accuracy gates: the linter that refuses blind ones, and decisions on pairs."""

import pytest

from hotfire_infra.analysis.accuracy.gates import (
    Decision,
    Gate,
    inspect,
    inspect_unpaired,
    judge,
    points,
)
from hotfire_infra.analysis.accuracy.multiplicity import alpha_per_check, false_failure_chance
from hotfire_infra.analysis.accuracy.pairs import Pairs
from hotfire_infra.analysis.accuracy.planning import power_of_pairs


def test_a_gate_that_cannot_see_its_tolerance_is_refused_with_what_it_needs():
    found = inspect(Gate(tolerance=0.01), items=1319, name="gsm8k")
    assert found.fault.startswith(
        "gate gsm8k: tolerates 1 point, but 1,319 items at 2 % discordance show a drop of 1.64"
    )
    assert f"{found.items_needed:,} items are needed" in found.fault
    assert inspect(Gate(tolerance=0.01), items=found.items_needed).fault == ""


@pytest.mark.parametrize("items", [1, 30, 198, 1319, 3000, 4000, 20_000])
@pytest.mark.parametrize("tolerance", [0.002, 0.01, 0.02, 0.05])
def test_a_gate_is_refused_just_when_its_power_falls_short(items, tolerance):
    gate = Gate(tolerance=tolerance)
    power = power_of_pairs(n=items, drop=tolerance, discordance=0.02, alpha=gate.alpha)
    assert (inspect(gate, items=items).fault == "") == (power >= 0.8)


def test_a_gate_of_a_handful_of_items_shows_nothing():
    found = inspect(Gate(), items=5)
    assert found.detectable == float("inf")
    assert "show none" in found.fault


def test_the_vacuous_gate_on_voxpopuli_is_refused():
    level = {"alpha": 0.05, "power": 0.8, "name": "voxpopuli"}
    fault = inspect_unpaired(tolerance=3, items=32, sigma=50, **level)
    assert "32 items against a reference show a change of 31.1 at best" in fault
    assert "3,435 items are needed" in fault
    assert inspect_unpaired(tolerance=3, items=4096, sigma=50, **level) == ""


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"tolerance": 0}, "tolerance is 0, expected a share"),
        ({"tolerance": 1.5}, "tolerance is 1.5"),
        ({"alpha": -1}, "alpha is -1"),
        ({"power": 1}, "power is 1"),
        ({"alpha": 0.9}, "a coin would do as well"),
        ({"discordance": float("nan")}, "discordance is nan"),
    ],
)
def test_figures_that_no_gate_has_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        Gate(**values)


@pytest.mark.parametrize(
    ("n", "better", "worse", "decision"),
    [
        (4000, 20, 65, Decision.REGRESSED),
        (4000, 40, 40, Decision.UNCHANGED),
        (4000, 0, 0, Decision.UNCHANGED),
        (4000, 65, 20, Decision.IMPROVED),
        (400, 4, 8, Decision.INCONCLUSIVE),
        (0, 0, 0, Decision.NOT_COMPARABLE),
        # Certain, and a tenth of what is tolerated: nobody is stopped by that.
        (400_000, 1_000, 1_400, Decision.UNCHANGED),
        # All three items lost is no proof at this level.
        (3, 0, 3, Decision.INCONCLUSIVE),
    ],
)
def test_pairs_are_judged(n, better, worse, decision):
    found = judge(Pairs(n=n, better=better, worse=worse), Gate())
    assert found.decision is decision
    assert found.low <= found.pairs.drop <= found.high


def test_a_certain_small_drop_says_so():
    found = judge(Pairs(n=400_000, better=1_000, worse=1_400), Gate())
    assert found.reason == "a drop, but below 1 point"
    assert found.p_value < 1e-10


@pytest.mark.parametrize("discordance", [0.002, 0.01, 0.02, 0.1])
def test_a_run_of_two_hundred_gates_fails_falsely_in_few_of_a_hundred(discordance):
    alpha = alpha_per_check(false_failures_per_run=0.01, checks=200)
    false = power_of_pairs(n=4000, drop=0.0, discordance=discordance, alpha=alpha)
    assert 0 < false <= alpha or discordance < 0.005
    assert false_failure_chance(alpha=false, checks=200) <= 0.01


@pytest.mark.parametrize(
    ("share", "words"),
    [(0.01, "1 point"), (0.0125, "1.25 points"), (0.0, "0 points"), (float("inf"), "no size")],
)
def test_shares_are_printed_as_points(share, words):
    assert points(share) == words
