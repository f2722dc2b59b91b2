"""Strength, seeded rows, budgets and debt: nothing allowed is lost, nothing forbidden gets in."""

from itertools import combinations, product
from math import prod

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hotfire_pipelines.catalogue import load_platforms
from hotfire_pipelines.cells import expand_pipeline
from hotfire_pipelines.constraints.rules import Ruling
from hotfire_pipelines.errors import MatrixError, PipelineError
from hotfire_pipelines.expansion import Debt, Wanted, expand, stable_seed
from hotfire_pipelines.freeze import debt_of
from hotfire_pipelines.load import load_pipeline
from hotfire_pipelines.matrix import Product
from hotfire_pipelines.plan import Plan

SMALL = {"os": ("linux", "windows"), "gpu": ("a", "b", "c"), "build": ("debug", "release")}


def parts(row, depth):
    return {frozenset(part) for part in combinations(row.items(), depth)}


def occurring(rows, depth):
    return {part for row in rows for part in parts(row, depth)}


def cells(axes, forbidden):
    every = (dict(zip(axes, values, strict=True)) for values in product(*axes.values()))
    return [cell for cell in every if not any(rule.items() <= cell.items() for rule in forbidden)]


@st.composite
def matrices(draw):
    levels = draw(st.lists(st.integers(1, 3), min_size=2, max_size=5))
    axes = {f"x{n}": tuple(f"v{v}" for v in range(size)) for n, size in enumerate(levels)}
    pick = st.fixed_dictionaries({}, optional={n: st.sampled_from(v) for n, v in axes.items()})
    rules = draw(st.lists(pick.filter(lambda rule: len(rule) > 1), max_size=4))
    return axes, rules, draw(st.integers(1, 4))


@settings(max_examples=100, deadline=None)
@given(matrices(), st.booleans())
def test_every_allowed_combination_occurs_and_the_rest_is_named(matrix, as_rules):
    axes, rules, strength = matrix
    ruling = Ruling(tuple(rules), (), {}) if as_rules else Ruling((), (), {})
    wanted = Wanted(axes=axes, ruling=ruling, exclude=() if as_rules else rules, strength=strength)
    found = expand(wanted)
    depth = min(strength, len(axes))
    allowed = cells(axes, rules)
    assert all(row in allowed for row in found.rows)
    assert occurring(found.rows, depth) == occurring(allowed, depth)
    assert found.covered == len(occurring(found.rows, depth))
    if depth < len(axes):
        named = {frozenset(gap.assignment.items()) for gap in found.gaps}
        assert named == occurring(cells(axes, ()), depth) - occurring(allowed, depth)
        assert all(gap.reason and gap.is_proven for gap in found.gaps)


@settings(max_examples=60, deadline=None)
@given(matrices(), st.integers(1, 4))
def test_debt_is_paid_within_as_many_plans_as_the_whole_needs(matrix, limit):
    axes, rules, strength = matrix
    depth = min(strength, len(axes))
    allowed = occurring(cells(axes, rules), depth)
    whole = expand(Wanted(axes=axes, exclude=rules, strength=strength))
    wanted = Wanted(axes=axes, exclude=rules, strength=strength, max_cells=limit)
    seen, debt = set(), ()
    for _ in range(2 * len(whole.rows) // limit + 2):
        found = expand(wanted, debt)
        assert len(found.rows) <= limit
        missing = {frozenset(gap.assignment.items()) for gap in found.gaps if gap.age}
        assert occurring(found.rows, depth) | missing == allowed
        seen |= occurring(found.rows, depth)
        debt = found.debt
    assert seen == allowed


def test_a_rotation_of_many_plans_forgets_no_row():
    # 54 rows, one a plan: what was paid is owed anew long before the last row has its turn.
    axes = {f"x{n}": [f"v{v}" for v in range(size)] for n, size in enumerate((3, 2, 3, 3, 2))}
    wanted = Wanted(axes=axes, strength=4, max_cells=1)
    seen, debt = set(), ()
    for _ in range(110):
        found = expand(wanted, debt)
        seen |= occurring(found.rows, 4)
        debt = found.debt
    assert seen == occurring(cells(axes, ()), 4)


def test_the_oldest_debt_is_paid_first_whatever_else_is_owed():
    wanted = Wanted(axes=SMALL, strength=2, max_cells=1)
    old = Debt(assignment={"gpu": "c", "build": "debug"}, age=2)
    young = [
        Debt(assignment=dict(part))
        for part in occurring(cells(SMALL, ()), 2)
        if dict(part) != old.assignment
    ]
    (row,) = expand(wanted, [*young, old]).rows
    assert row.items() >= old.assignment.items()


def test_debt_of_values_that_are_gone_is_forgotten():
    wanted = Wanted(axes=SMALL, strength=2, max_cells=2)
    found = expand(wanted, [Debt(assignment={"gpu": "gone", "build": "debug"}, age=9)])
    assert {gap.age for gap in found.gaps} == {1}


def test_equal_questions_get_equal_answers_and_the_seed_decides():
    wide = {f"x{n}": ("a", "b", "c") for n in range(6)}
    first = expand(Wanted(axes=wide, strength=2, seed=stable_seed("unit")))
    assert first == expand(Wanted(axes=wide, strength=2, seed=stable_seed("unit")))
    others = {
        tuple(map(str, expand(Wanted(axes=wide, strength=2, seed=seed)).rows)) for seed in range(4)
    }
    assert len(others) > 1
    assert stable_seed("unit") == 945618364


def test_rows_that_must_be_in_are_in_and_complete_includes_are_such_rows():
    always = {"os": "windows", "gpu": "b"}
    include = {"os": "linux", "gpu": "c", "build": "debug"}
    found = expand(Wanted(axes=SMALL, strength=1, always=[always], include=[include], max_cells=3))
    assert any(row.items() >= always.items() for row in found.rows)
    assert include in found.rows
    assert len(found.rows) <= 3


def test_a_budget_below_what_must_be_in_is_refused():
    rows = [{"gpu": "a"}, {"gpu": "b"}, {"gpu": "c"}]
    with pytest.raises(MatrixError, match=r"3 cells must be in .* `max_cells:` is 2"):
        expand(Wanted(axes=SMALL, strength=1, always=rows, max_cells=2))


def test_an_include_counts_as_a_cell_of_the_budget():
    alone = {"os": "macos", "gpu": "m"}
    found = expand(Wanted(axes=SMALL, include=[alone], max_cells=4))
    assert alone in found.rows
    assert len(found.rows) == 4


def test_a_huge_matrix_is_counted_and_never_built():
    axes = {f"x{n}": tuple(f"v{v}" for v in range(10)) for n in range(12)}
    rules = [{"x0": "v0", "x11": "v0"}, {"x3": "v1"}]
    with pytest.raises(MatrixError, match=r"891,000,000,000 cells .* `cap:` is 10,000"):
        expand(Wanted(axes=axes, exclude=rules))


@settings(max_examples=100, deadline=None)
@given(matrices())
def test_counting_agrees_with_building_and_the_digest_with_neither_order(matrix):
    axes, rules, _ = matrix
    found = Product(axes, rules)
    assert list(found) == cells(axes, rules)
    assert found.size() == len(cells(axes, rules))
    turned = {name: tuple(reversed(axes[name])) for name in reversed(axes)}
    assert Product(turned, [dict(reversed(rule.items())) for rule in rules[::-1]]).digest() == (
        found.digest()
    )


def test_the_digest_tells_different_products_apart():
    assert Product(SMALL).digest() != Product(SMALL, [{"gpu": "a", "os": "linux"}]).digest()
    assert Product(SMALL).bound() == prod(len(values) for values in SMALL.values())


def with_strength(house, **keys):
    matrix = {"platform": ["pc", "board", "gpu"], **keys}
    for name in ("a", "b", "c"):
        house.pipeline["axes"][name] = {"values": ["x", "y", "z"]}
        matrix[name] = ["x", "y", "z"]
    house.pipeline["tasks"]["lint"] = {
        "harness": "command",
        "command": ["lint"],
        "matrix": matrix,
    }


def test_a_plan_says_what_it_leaves_out_and_its_digest_does_not(house):
    with_strength(house, strength=2, max_cells=4, forbid=["platform.os == 'l4t' and a == 'x'"])
    plan = house.freeze()
    (coverage,) = plan.coverage
    reasons = {gap.reason for gap in coverage.uncovered}
    assert reasons == {
        "forbidden by forbid \"platform.os == 'l4t' and a == 'x'\"",
        "budget: max_cells is 4",
    }
    assert coverage.covered + len(coverage.uncovered) == 6 * 9
    read = Plan.from_json(plan.to_json())
    assert read.coverage == plan.coverage
    assert read.digest == plan.digest
    assert "coverage" not in plan.frozen()


def test_the_next_plan_pays_what_this_one_owes(house):
    with_strength(house, strength=2, max_cells=4)
    first = house.freeze()
    owed = debt_of(Plan.from_json(first.to_json()))
    second = house.freeze(debt=owed)
    keys = [{cell.key for cell in plan.cells if cell.task == "lint"} for plan in (first, second)]
    assert len(keys[0]) == len(keys[1]) == 4
    assert not keys[0] & keys[1]
    assert house.freeze(debt=owed).digest == second.digest


def test_the_order_of_keys_does_not_change_the_plan(house):
    with_strength(house, strength=2)
    before = house.freeze().digest
    tasks = house.pipeline["tasks"]
    house.pipeline["tasks"] = dict(reversed(tasks.items()))
    assert house.freeze().digest == before


def test_the_example_of_the_format_page_is_true(tmp_path, repository):
    page = (repository / "docs" / "formats" / "pipeline.md").read_text(encoding="utf-8")
    section = page.split("## Matrices\n", 1)[1]
    text = section.split("```yaml\n", 1)[1].split("```", 1)[0]
    platforms = (
        "schema: hotfire.dev/platforms/1\nplatforms:\n"
        "  pc: {dimensions: {os: linux, accelerator: none}, reach: [local]}\n"
        "  win: {dimensions: {os: windows, accelerator: none}, reach: [local]}\n"
        "  jetson: {dimensions: {os: l4t, accelerator: nvidia-sm_87}, reach: [local]}\n"
    )
    (tmp_path / "platforms.yaml").write_text(platforms)
    catalogue = load_platforms(tmp_path / "platforms.yaml")

    def expanded(text):
        path = tmp_path / "nightly.yaml"
        path.write_text(text)
        return expand_pipeline(load_pipeline(path), catalogue)

    budget = "max_cells: 6 "
    whole = text.replace("strength: 2 ", "strength: all ").replace(budget, "cap: 54 ")
    sizes = [len(expanded(one).cells) for one in (whole, text.replace(budget, "cap: 54 "), text)]
    assert "has 54 cells, 36 of them allowed; strength 2 needs 9, and a run takes 6" in page
    assert sizes == [36, 9, 6]
    with pytest.raises(PipelineError) as caught:
        expanded(text.replace("'windows'", "'windwos'"))
    assert str(caught.value).removeprefix(f"{tmp_path}/") in section


def test_a_constraint_on_what_an_include_sets_is_asked_of_the_whole_cell(house):
    house.pipeline["axes"]["mode"] = {"values": ["fast", "exact"], "default": "exact"}
    matrix = {
        "platform": ["pc", "board"],
        "include": [{"platform": "pc", "mode": "fast"}],
        "require": ["mode == 'fast' or platform != 'pc'"],
    }
    house.pipeline["tasks"]["lint"] = {
        "harness": "command",
        "command": ["lint"],
        "matrix": matrix,
    }
    keys = {cell.key for cell in house.freeze().cells if cell.task == "lint"}
    assert keys == {"lint|mode=fast,platform=pc", "lint|platform=board"}
    matrix["include"] = [{"platform": "board", "mode": "fast"}]
    with pytest.raises(PipelineError, match=r"an `include:` makes the cell platform=pc, which br"):
        house.freeze()
