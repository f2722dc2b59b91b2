"""Every allowed combination occurs, nothing forbidden does, and what is missing says why."""

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hotfire_pipelines.covering import generate
from hotfire_pipelines.errors import CoveringError

Axes = Mapping[str, Sequence[str]]
Cell = Mapping[str, str]


def uniform(axes: int, levels: int) -> dict[str, list[str]]:
    return {f"axis{a}": [f"v{v}" for v in range(levels)] for a in range(axes)}


def breaks(cell: Cell, rules: Sequence[Cell]) -> bool:
    return any(all(cell[name] == value for name, value in rule.items()) for rule in rules)


def possible(axes: Axes, strength: int, forbid: Callable[[Cell], bool]) -> set[frozenset]:
    """Every combination that some allowed cell has, by brute force over all cells."""
    found = set()
    for values in product(*axes.values()):
        cell = dict(zip(axes, values, strict=True))
        if not forbid(cell):
            found |= {frozenset(part) for part in combinations(cell.items(), strength)}
    return found


def occurring(rows: Sequence[Cell], strength: int) -> set[frozenset]:
    return {frozenset(part) for row in rows for part in combinations(row.items(), strength)}


@st.composite
def models(draw):
    levels = draw(st.lists(st.integers(1, 4), min_size=2, max_size=5))
    axes = {f"x{i}": [f"v{v}" for v in range(n)] for i, n in enumerate(levels)}
    pick = st.fixed_dictionaries({}, optional={n: st.sampled_from(v) for n, v in axes.items()})
    rules = draw(st.lists(pick.filter(lambda rule: len(rule) > 1), max_size=5))
    return axes, draw(st.integers(1, 4)), rules, draw(st.integers(0, 3))


@settings(max_examples=150, deadline=None)
@given(models())
def test_all_that_is_possible_occurs_and_nothing_forbidden_does(model):
    axes, strength, rules, seed = model
    depth = min(strength, len(axes))
    for forbid in (rules, lambda cell: breaks(cell, rules)):
        array = generate(axes, strength, forbid=forbid, seed=seed)
        wanted = possible(axes, depth, lambda cell: breaks(cell, rules))
        assert occurring(array.rows, depth) == wanted
        assert not any(breaks(row, rules) for row in array.rows)
        assert {frozenset(one.assignment.items()) for one in array.uncovered} == {
            part for part in possible(axes, depth, lambda cell: False) if part not in wanted
        }
        assert all(one.is_proven and one.reason for one in array.uncovered)


@settings(max_examples=60, deadline=None)
@given(models(), st.data())
def test_seeded_rows_are_in_and_come_first(model, data):
    axes, strength, rules, seed = model
    pick = st.fixed_dictionaries({}, optional={n: st.sampled_from(v) for n, v in axes.items()})
    wished = data.draw(st.lists(pick, max_size=3))
    allowed = [
        wish
        for wish in wished
        if any(
            wish.items() <= (cell := dict(zip(axes, values, strict=True))).items()
            and not breaks(cell, rules)
            for values in product(*axes.values())
        )
    ]
    array = generate(axes, strength, forbid=rules, rows=allowed, seed=seed)
    for row, wish in zip(array.rows, allowed, strict=False):
        assert wish.items() <= row.items()
    assert len(array.rows) >= len(allowed)
    depth = min(strength, len(axes))
    assert occurring(array.rows, depth) == possible(axes, depth, lambda cell: breaks(cell, rules))


@pytest.mark.parametrize(
    ("levels", "published"),
    [
        ([3] * 4, 9),
        ([3] * 13, 18),
        ([4] * 15 + [3] * 17 + [2] * 29, 37),
        ([4] + [3] * 39 + [2] * 35, 27),
        ([2] * 100, 15),
        ([10] * 20, 210),
    ],
)
def test_no_more_rows_than_pict_publishes(levels, published):
    axes = {f"axis{a}": [f"v{v}" for v in range(n)] for a, n in enumerate(levels)}
    array = generate(axes, 2)
    assert len(array.rows) <= published
    assert array.uncovered == ()
    assert len(occurring(array.rows, 2)) == array.covered


def test_triples_of_tcas_take_no_more_rows_than_acts_publishes():
    axes = {
        f"axis{a}": [f"v{v}" for v in range(n)]
        for a, n in enumerate([2] * 7 + [3] * 2 + [4, 10, 10])
    }
    array = generate(axes, 3)
    assert len(array.rows) == 400, "10 × 10 × 4 is the least that is possible"
    assert array.uncovered == ()


def test_rows_change_for_the_last_tuples_instead_of_new_ones():
    """MCA_9 without its small axes: 588 is the product of its largest, no array has fewer rows."""
    sizes = (2, 5, 6, 14, 7)
    axes = {f"axis{n}": [f"v{v}" for v in range(size)] for n, size in enumerate(sizes)}
    array = generate(axes, 3)
    assert len(array.rows) == 588
    assert occurring(array.rows, 3) == possible(axes, 3, lambda cell: False)


def test_more_effort_never_takes_more_rows():
    axes = uniform(12, 4)
    few = [len(generate(axes, 2, effort=effort).rows) for effort in (1, 50_000, 400_000)]
    assert few == sorted(few, reverse=True)


def test_equal_arguments_give_equal_arrays():
    axes, rules = uniform(6, 3), [{"axis0": "v0", "axis1": "v1"}]
    assert generate(axes, 2, forbid=rules, seed=3) == generate(axes, 2, forbid=rules, seed=3)


def test_more_strength_than_axes_is_the_whole_product():
    assert len(generate(uniform(2, 3), 5).rows) == 9


def test_a_combination_that_two_rules_exclude_together_says_so():
    axes = {"os": ["linux", "windows"], "arch": ["x86", "arm"], "gpu": ["a", "b"]}
    rules = [{"os": "windows", "gpu": "a"}, {"arch": "arm", "gpu": "b"}]
    missing = {
        tuple(one.assignment.values()): one.reason
        for one in generate(axes, 2, forbid=rules).uncovered
    }
    assert missing["windows", "a"] == "forbidden: os=windows, gpu=a"
    assert missing["windows", "arm"] == "the rules together leave no cell with it"


def test_what_a_black_box_leaves_open_is_not_proven_and_not_covered():
    axes = uniform(12, 4)

    def forbid(cell):
        rest = [cell[f"axis{a}"] for a in range(2, 12)]
        return cell["axis0"] == cell["axis1"] == "v0" and rest != ["v3"] * 10

    array = generate(axes, 2, forbid=forbid)
    assert not any(forbid(row) for row in array.rows)
    lost = [one for one in array.uncovered if one.assignment == {"axis0": "v0", "axis1": "v0"}]
    assert len(lost) == 1
    assert not lost[0].is_proven
    assert "not proven" in lost[0].reason
    assert len(occurring(array.rows, 2)) == array.covered


def test_rules_that_leave_no_cell_leave_every_combination_uncovered():
    array = generate({"a": ["1"], "b": ["1"]}, 2, forbid=[{"a": "1"}])
    assert array.rows == ()
    assert [one.reason for one in array.uncovered] == ["forbidden: a=1"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (({"a": ["1"]}, 0), "strength 0 is not in 1…6"),
        (({"a": ["1"]}, 7), "strength 7 is not in 1…6"),
        (({}, 2), "no axis to cover"),
        (({"a": []}, 2), "axis 'a' has no value"),
        (({"a": ["1", "1"]}, 2), "axis 'a' lists a value twice"),
        ((uniform(90, 6), 6), "combinations"),
    ],
)
def test_what_cannot_be_covered_is_said(arguments, message):
    with pytest.raises(CoveringError, match=message):
        generate(*arguments)


def test_unknown_names_are_said_with_the_nearest_known_one():
    axes = {"platform": ["linux", "windows"], "dtype": ["f32", "bf16"]}
    with pytest.raises(CoveringError, match=r"rule 1: unknown axis 'platfrom'.*platform"):
        generate(axes, 2, forbid=[{"platfrom": "linux"}])
    with pytest.raises(CoveringError, match=r"row 1: axis 'dtype' has no value 'bf61'.*bf16"):
        generate(axes, 2, rows=[{"dtype": "bf61"}])


def test_a_seeded_row_that_is_forbidden_is_refused():
    axes = {"os": ["linux", "windows"], "gpu": ["a", "b"]}
    with pytest.raises(CoveringError, match=r"os=windows, gpu=a must be in and cannot: forbidden"):
        generate(
            axes, 2, forbid=[{"os": "windows", "gpu": "a"}], rows=[{"os": "windows", "gpu": "a"}]
        )
