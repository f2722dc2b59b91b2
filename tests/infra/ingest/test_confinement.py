"""Names that would leave their folder on some system are refused on every one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotfire_infra.ingest.confinement import name_problem


@pytest.mark.parametrize(
    "name",
    [
        "", ".", "..", "../x", "a/../x", "a/./x", "/etc/passwd", "a//b", "a/", "a\0b",
        "a\\b", "..\\x", "C:x", "c:/x", "\\\\host\\share", "\u2025/x", "\uff0e\uff0e/x",
        "a\uff0fb", "a\uff3cb", ".. /x", "... ", "a\u202eb", "a\u200bb", "a\nb", "a\x1bb",
        "a\ud800b", "x" * 256, "ä" * 128, "a/" * 100 + "x", "x" * 1001,
    ],
)  # fmt: skip
def test_refused(name):
    assert name_problem(name) is not None


@pytest.mark.parametrize(
    "name",
    [
        "out.tar.gz",
        "a/b/c.json",
        "Größe.txt",
        "日本/ファイル",
        ".hidden",
        "a..b",
        "a b",
        "step:1.log",
    ],
)
def test_admitted(name):
    assert name_problem(name) is None


@given(st.text(max_size=40))
def test_whatever_is_admitted_stays_below_its_folder(tmp_path_factory, name):
    if name_problem(name) is None:
        root = tmp_path_factory.getbasetemp().resolve()
        path = (root / name).resolve()
        assert path.is_relative_to(root)
        assert path != root
