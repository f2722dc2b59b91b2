"""The format shows in the content; a name says nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from hotfire_infra.errors import ReportRefusedError
from hotfire_infra.ingest.formats.detection import detect
from hotfire_infra.ingest.formats.figures import read_mapping
from hotfire_infra.ingest.formats.values import Format

DATA = Path(__file__).parent / "data"
KINDS = {
    "asv": Format.ASV,
    "google-benchmark": Format.GOOGLE_BENCHMARK,
    "pytest-benchmark": Format.PYTEST_BENCHMARK,
    "reportlog": Format.REPORTLOG,
    "gtest.json": Format.GTEST_JSON,
    "subtests": Format.TAP,
}
REPORTS = sorted(path.name for path in DATA.iterdir() if path.suffix != ".md")


@pytest.mark.parametrize("name", REPORTS)
def test_every_real_report_is_known(name):
    expected = next((kind for prefix, kind in KINDS.items() if name.startswith(prefix)), None)
    assert detect(DATA / name, name) is (expected or Format.JUNIT)


@pytest.mark.parametrize("text", ["hello", '{"a": 1}', "[]", "PK\x03\x04", "%PDF-1.4"])
def test_what_is_no_report_is_refused_with_the_formats_there_are(tmp_path, text):
    path = tmp_path / "x.xml"
    path.write_text(text)
    with pytest.raises(ReportRefusedError, match=r"x\.xml: no known format.*--format.*junit"):
        detect(path, "x.xml")


def test_a_directory_and_a_missing_file_are_refused(tmp_path):
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(ReportRefusedError, match="cannot be read"):
            detect(path, "name")


@pytest.mark.parametrize("entry", ["x", "=benchmark.cost", "x=", "x=no.such_metric"])
def test_a_mapping_to_no_metric_is_refused(entry):
    with pytest.raises(ReportRefusedError, match="--metric"):
        read_mapping([entry])


def test_a_mapping_names_metrics_or_leaves_out():
    assert read_mapping(["a=b=benchmark.cost", "c=ignore"]) == {
        "a=b": "benchmark.cost",
        "c": "ignore",
    }
