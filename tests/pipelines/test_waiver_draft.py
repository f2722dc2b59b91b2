"""A draft says what the list said, and waives nothing before a person has filled it in."""

from datetime import date
from pathlib import Path

import pytest

from hotfire_pipelines.document import parse_document
from hotfire_pipelines.errors import PipelineError
from hotfire_pipelines.waiver_draft import OPEN, draft
from hotfire_pipelines.waivers import load, read_waives_txt

REAL = Path(__file__).parents[1] / "data" / "trtllm" / "waives.excerpt.txt"
TODAY = date(2026, 11, 21)
FILLED = {"owner": "a@example.org", "signature": "boom", "expires": "2026-12-01"}


def drafted(tmp_path: Path, text: str) -> str:
    (tmp_path / "waives.txt").write_text(text)
    return draft(read_waives_txt(tmp_path / "waives.txt"), TODAY)


def filled(text: str, **values: str) -> str:
    lines = []
    for line in text.splitlines():
        key, _, rest = line.partition(": ")
        name = key.strip(" -")
        lines.append(f"{key}: {values[name]}" if rest.startswith(OPEN) and name in values else line)
    return "\n".join(lines)


def test_every_entry_of_a_real_list_is_in_its_draft() -> None:
    found = read_waives_txt(REAL)
    value = parse_document(draft(found, TODAY), file="draft").value
    assert isinstance(value, dict)
    assert len(value["waivers"]) == len(found.waivers)
    assert all(entry["owner"] is None for entry in value["waivers"])


def test_a_draft_is_refused_until_each_gap_is_filled(tmp_path: Path) -> None:
    text = drafted(tmp_path, "a/b.py::T::t[x-1] SKIP (https://nvbugs/7)\n")
    path = tmp_path / "waivers.yaml"
    for name in FILLED:
        path.write_text(filled(text, **{key: FILLED[key] for key in FILLED if key != name}))
        with pytest.raises(PipelineError, match=rf"waivers\.0\.{name} has no value"):
            load(path)
    path.write_text(filled(text, **FILLED))
    (waiver,) = load(path).waivers
    assert (waiver.test, waiver.bug, waiver.created) == ("a.b/pytest/T::t[x-1]", "7", TODAY)


@pytest.mark.parametrize(
    ("entry", "pattern"),
    [
        ("a/b.py", "a.b/pytest/*"),
        ("a/b", "a.b.*/pytest/*"),
        ("a/b.py::t[x, y]", "a.b/pytest/t[x, y]"),
        ('a/b.py -k "x"', None),
        ("a/b.py::t[1], a/b.py::t[2]", None),
    ],
)
def test_an_entry_becomes_the_pattern_of_what_it_names(
    tmp_path: Path, entry: str, pattern: str | None
) -> None:
    text = drafted(tmp_path, f"{entry} SKIP (because)\n")
    value = parse_document(text, file="draft").value
    assert isinstance(value, dict)
    assert value["waivers"][0]["test"] == pattern


def test_a_scope_a_missing_reason_and_a_missing_bug_are_gaps(tmp_path: Path) -> None:
    text = drafted(tmp_path, "full:GH200/a.py::t SKIP\n")
    for key in ("variant", "bug", "reason"):
        assert f"    {key}: {OPEN}" in text
    path = tmp_path / "waivers.yaml"
    path.write_text(filled(text, **FILLED, bug="B-1", reason="why"))
    with pytest.raises(PipelineError, match=r"waivers\.0\.variant has no value"):
        load(path)


def test_findings_stand_in_the_draft_and_no_line_is_dropped_in_silence(tmp_path: Path) -> None:
    text = drafted(tmp_path, "a.py::t SKIP\nnonsense\n")
    assert "  # bare: 'a.py::t' is waived without a reason or a bug" in text
    assert "# Line 2 is left out: malformed: 'nonsense'" in text


def test_an_empty_list_gives_an_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "waivers.yaml"
    path.write_text(drafted(tmp_path, "# nothing\n"))
    assert load(path).waivers == ()
