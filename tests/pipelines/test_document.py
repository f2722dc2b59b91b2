"""YAML becomes plain values, and each keeps its place."""

import pytest

from hotfire_pipelines.document import parse_document
from hotfire_pipelines.errors import BrokenYamlError, DuplicateNameError, InvalidValueError

TEXT = """\
name: x
axes:
  platform:
    values: [one, "2", no]
anchored: &a {k: v}
again: *a
"""


def test_values_are_plain_and_yaml_1_2() -> None:
    value = parse_document(TEXT, file="f").value
    assert value == {
        "name": "x",
        "axes": {"platform": {"values": ["one", "2", "no"]}},
        "anchored": {"k": "v"},
        "again": {"k": "v"},
    }


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", 1), ("0x10", 16), ("1_000", 1000), ("1.5e3", 1500.0), (".5", 0.5), ("true", True)],
)
def test_a_scalar_is_what_yaml_says(text: str, value: object) -> None:
    assert parse_document(f"k: {text}", file="f").value == {"k": value}


def test_each_key_and_value_knows_its_line_and_column() -> None:
    document = parse_document(TEXT, file="f.yaml")
    assert str(document.key("axes", "platform", "values")) == "f.yaml:4:5"
    assert str(document.at("axes", "platform", "values", 1)) == "f.yaml:4:19"


def test_an_absent_place_is_reported_at_its_parent() -> None:
    document = parse_document(TEXT, file="f.yaml")
    assert str(document.at("axes", "platform", "default")) == "f.yaml:4:5"


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("a: [1, 2\nb: 3\n", "f:2:2", "broken YAML"),
        ("a: b\n\tc: d\n", "f:2:1", "cannot start any token"),
        ("a: *nowhere\n", "f:1:4", "undefined alias"),
        ("a: 1\n---\nb: 2\n", "f:2:1", "another document"),
        ("a: 'open\n", "f:2:1", "while scanning a quoted scalar"),
        ("", "f:1:1", "the file is empty"),
        ("a: 1\nb: \x07\n", "f:2:1", "unacceptable character"),
        pytest.param("a: " + "[" * 5000, "f:1:1", "nested too deeply", id="deep"),
    ],
)
def test_broken_yaml_is_one_error_with_its_place(text: str, place: str, words: str) -> None:
    with pytest.raises(BrokenYamlError) as caught:
        parse_document(text, file="f")
    assert str(caught.value).startswith(f"{place}: ")
    assert words in str(caught.value)


def test_a_key_written_twice_names_both_lines() -> None:
    with pytest.raises(
        DuplicateNameError, match=r"^f:3:1: the key 'a' is written twice, .* line 1"
    ):
        parse_document("a: 1\nb: 2\na: 3\n", file="f")


def test_a_merge_key_is_refused_with_a_remedy() -> None:
    with pytest.raises(InvalidValueError, match="Alias the whole value"):
        parse_document("a: &x {k: v}\nb:\n  <<: *x\n", file="f")


def test_a_tag_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="in quotes"):
        parse_document("a: !!python/name:os.system x\n", file="f")


def test_anchors_that_multiply_are_stopped() -> None:
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    rows += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 8)]
    with pytest.raises(BrokenYamlError, match="expands without end"):
        parse_document("\n".join(rows), file="f")


def test_an_anchor_inside_itself_is_stopped() -> None:
    with pytest.raises(BrokenYamlError, match="expands without end"):
        parse_document("a: &a [*a]\n", file="f")
