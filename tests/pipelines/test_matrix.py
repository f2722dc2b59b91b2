"""The algebra of product, exclude and include."""

from math import prod

from hypothesis import given
from hypothesis import strategies as st

from hotfire_pipelines.matrix import agrees, expand

AXES = st.dictionaries(
    st.sampled_from("abcd"),
    st.lists(st.sampled_from("wxyz"), min_size=1, max_size=4, unique=True).map(tuple),
    min_size=1,
    max_size=4,
)
RULES = st.lists(
    st.dictionaries(st.sampled_from("abcd"), st.sampled_from("wxyz"), min_size=1, max_size=3),
    max_size=4,
)


@given(AXES)
def test_without_rules_every_combination_appears_once(axes: dict[str, tuple[str, ...]]) -> None:
    rows = expand(axes)
    assert len(rows) == prod(len(values) for values in axes.values())
    assert len({tuple(sorted(row.items())) for row in rows}) == len(rows)


@given(AXES, RULES)
def test_an_excluded_combination_never_leaks(
    axes: dict[str, tuple[str, ...]], exclude: list[dict[str, str]]
) -> None:
    kept = expand(axes, exclude=exclude)
    assert not any(agrees(row, rule) for row in kept for rule in exclude)
    removed = [row for row in expand(axes) if row not in kept]
    assert all(any(agrees(row, rule) for rule in exclude) for row in removed)


@given(AXES, RULES, RULES)
def test_every_include_is_in_some_row_and_never_changes_the_product(
    axes: dict[str, tuple[str, ...]],
    include: list[dict[str, str]],
    exclude: list[dict[str, str]],
) -> None:
    rows = expand(axes, include, exclude)
    for original in expand(axes, exclude=exclude):
        assert any(agrees(row, original) for row in rows)
    assert len({tuple(sorted(row.items())) for row in rows}) == len(rows)
    if include:
        assert any(agrees(row, include[-1]) for row in rows)


@given(AXES, RULES)
def test_the_order_of_axes_does_not_change_the_set(
    axes: dict[str, tuple[str, ...]], exclude: list[dict[str, str]]
) -> None:
    def as_set(rows: list[dict[str, str]]) -> set[tuple[tuple[str, str], ...]]:
        return {tuple(sorted(row.items())) for row in rows}

    turned = dict(reversed(axes.items()))
    assert as_set(expand(axes, exclude=exclude)) == as_set(expand(turned, exclude=exclude))


def test_include_follows_the_example_of_github_actions() -> None:
    """docs.github.com, "Expanding or adding matrix configurations"."""
    rows = expand(
        {"fruit": ["apple", "pear"], "animal": ["cat", "dog"]},
        include=[
            {"color": "green"},
            {"color": "pink", "animal": "cat"},
            {"fruit": "apple", "shape": "circle"},
            {"fruit": "banana"},
            {"fruit": "banana", "animal": "cat"},
        ],
    )
    assert rows == [
        {"fruit": "apple", "animal": "cat", "color": "pink", "shape": "circle"},
        {"fruit": "apple", "animal": "dog", "color": "green", "shape": "circle"},
        {"fruit": "pear", "animal": "cat", "color": "pink"},
        {"fruit": "pear", "animal": "dog", "color": "green"},
        {"fruit": "banana"},
        {"fruit": "banana", "animal": "cat"},
    ]
