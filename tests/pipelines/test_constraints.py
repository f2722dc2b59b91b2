"""Constraints mean what they say, and become rules that forbid the same cells."""

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hotfire_pipelines.constraints import Constraint, Kind, Vocabulary, rule_out, understand
from hotfire_pipelines.constraints.meaning import version
from hotfire_pipelines.document import parse_document
from hotfire_pipelines.errors import DefinitionError, Location

AXES = {
    "platform": ("pc", "win", "jetson"),
    "cuda": ("11.8", "12.4", "12.8", "12.10", "13.0"),
    "build": ("debug", "release"),
}
DIMENSIONS = {
    "pc": {"os": "linux", "memory": "64"},
    "win": {"os": "windows"},
    "jetson": {"os": "l4t", "memory": "8"},
}
VOCABULARY = Vocabulary(AXES, DIMENSIONS)
CELLS = [dict(zip(AXES, values, strict=True)) for values in product(*AXES.values())]


def here(offset: int) -> Location:
    return Location(file="f.yaml", line=1, column=1 + offset)


def constraint(text: str, kind: Kind = Kind.FORBID) -> Constraint:
    return understand(text, kind, VOCABULARY, here)


def holding(text: str) -> list[dict[str, str]]:
    """Return the cells that a forbidding constraint takes away."""
    forbids = constraint(text).forbids
    return [cell for cell in CELLS if forbids(cell)]


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("build == 'debug'", lambda c: c["build"] == "debug"),
        ("build != 'debug'", lambda c: c["build"] != "debug"),
        ("cuda == 12.8", lambda c: c["cuda"] == "12.8"),
        ("cuda in [12.4, '13.0']", lambda c: c["cuda"] in ("12.4", "13.0")),
        ("cuda not in [12.4, '13.0']", lambda c: c["cuda"] not in ("12.4", "13.0")),
        ("cuda < 12.10", lambda c: c["cuda"] in ("11.8", "12.4", "12.8")),
        ("cuda <= 12.10", lambda c: c["cuda"] != "13.0"),
        ("cuda > 12.10", lambda c: c["cuda"] == "13.0"),
        ("cuda >= 13", lambda c: c["cuda"] == "13.0"),
        ("platform like '[pw]*'", lambda c: c["platform"] in ("pc", "win")),
        ("platform not like 'p?'", lambda c: c["platform"] != "pc"),
        ("platform.os == 'l4t'", lambda c: c["platform"] == "jetson"),
        ("platform.memory < 16", lambda c: c["platform"] == "jetson"),
        ("not platform.memory < 16", lambda c: c["platform"] != "jetson"),
        ("platform.memory == ''", lambda c: c["platform"] == "win"),
        (
            "build == 'debug' or cuda < 12 and platform == 'pc'",
            lambda c: c["build"] == "debug" or (c["cuda"] == "11.8" and c["platform"] == "pc"),
        ),
        (
            "(build == 'debug' or cuda < 12) and platform == 'pc'",
            lambda c: (c["build"] == "debug" or c["cuda"] == "11.8") and c["platform"] == "pc",
        ),
        (
            "not build == 'debug' and platform == 'pc'",
            lambda c: c["build"] != "debug" and c["platform"] == "pc",
        ),
        ('not (build == "debug")', lambda c: c["build"] != "debug"),
    ],
)
def test_an_expression_holds_where_it_says(text, meaning):
    assert holding(text) == [cell for cell in CELLS if meaning(cell)]
    assert holding(text), "it holds somewhere"


def test_two_names_are_compared_cell_by_cell():
    vocabulary = Vocabulary({"host": ("12.4", "13.0"), "device": ("12.4", "12.8")})
    same = understand("host == device", Kind.FORBID, vocabulary, here)
    older = understand("device < host", Kind.FORBID, vocabulary, here)
    assert same.forbids({"host": "12.4", "device": "12.4"})
    assert not same.forbids({"host": "13.0", "device": "12.4"})
    assert older.forbids({"host": "13.0", "device": "12.8"})
    assert not older.forbids({"host": "12.4", "device": "12.8"})


def test_versions_order_as_releases_do():
    ascending = ["9", "10-rc1", "10", "10.0.1", "10.2", "10.10", "11a", "11b"]
    assert sorted(ascending, key=version) == ascending
    assert version("10") == version("10.0")
    assert version("v1") is None


TEXTS = [
    "build == 'debug'",
    "cuda < 12.8",
    "cuda in [12.4, '13.0']",
    "platform.os == 'linux'",
    "platform like '*n*'",
]


@st.composite
def expressions(draw, depth=3):
    if depth == 0 or draw(st.booleans()):
        return draw(st.sampled_from(TEXTS))
    left, right = draw(expressions(depth - 1)), draw(expressions(depth - 1))
    return draw(
        st.sampled_from([f"({left}) and ({right})", f"({left}) or ({right})", f"not ({left})"])
    )


@settings(max_examples=200, deadline=None)
@given(expressions(), st.sampled_from(list(Kind)))
def test_rules_forbid_exactly_the_cells_that_the_expression_forbids(text, kind):
    understood = constraint(text, kind)
    forbidden = [cell for cell in CELLS if understood.forbids(cell)]
    if not forbidden or len(forbidden) == len(CELLS):
        with pytest.raises(DefinitionError, match=r"can never apply|always holds|forbids every"):
            rule_out([understood], AXES, AXES, {})
        return
    ruling = rule_out([understood], AXES, AXES, {})
    assert not ruling.tests
    assert forbidden == [
        cell for cell in CELLS if any(rule.items() <= cell.items() for rule in ruling.assignments)
    ]
    assert set(ruling.names.values()) == {understood.name}


def test_an_axis_that_does_not_matter_is_left_out_of_the_rules():
    ruling = rule_out(
        [constraint("build == 'debug' and (cuda < 12 or cuda >= 12)")], AXES, AXES, {}
    )
    assert ruling.assignments == ({"build": "debug"},)


def test_a_rule_over_many_combinations_stays_a_test():
    axes = {f"a{n}": tuple(f"v{v}" for v in range(8)) for n in range(5)}
    text = " or ".join(f"{axis} == 'v0'" for axis in axes)
    understood = understand(text, Kind.FORBID, Vocabulary(axes), here)
    ruling = rule_out([understood], axes, axes, {})
    assert ruling.assignments == ()
    assert ruling.tests == (understood,)


def test_an_axis_outside_of_the_matrix_is_at_its_default():
    spans = {"platform": AXES["platform"]}
    ruling = rule_out([constraint("cuda < 12 and platform == 'pc'")], spans, AXES, {"cuda": "11.8"})
    assert ruling.assignments == ({"platform": "pc"},)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="abcu<>=!'\"()[], .12andorti", max_size=40))
def test_whatever_is_written_is_understood_or_refused_with_its_place(text):
    told = None
    try:
        constraint(text)
    except DefinitionError as error:
        told = error
    assert told is None or told.location.column <= len(text) + 1
    assert "\n" not in str(told)


@pytest.mark.parametrize(
    ("yaml", "place"),
    [
        ("k: a == b", (1, 9)),
        ("k: 'a == b'", (1, 10)),
        ('k: "a == b"', (1, 10)),
        ("k: >\n  a ==\n  b", (1, 4)),
        ('k: "a \\x3d= b"', (1, 4)),
    ],
)
def test_the_place_of_a_sign_is_exact_where_the_text_stands_as_it_is(yaml, place):
    found = parse_document(yaml, file="f").inside(("k",), 5)
    assert (found.line, found.column) == place
