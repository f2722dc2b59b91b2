"""Which format a report has: by its content, never by its name; and the reader of each format."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from hotfire_infra.errors import ReportEmptyError
from hotfire_infra.ingest.formats.asv import read_asv
from hotfire_infra.ingest.formats.google_benchmark import read_google_benchmark
from hotfire_infra.ingest.formats.gtest_json import read_gtest_json
from hotfire_infra.ingest.formats.junit import read_junit
from hotfire_infra.ingest.formats.pytest_benchmark import read_pytest_benchmark
from hotfire_infra.ingest.formats.reportlog import read_reportlog
from hotfire_infra.ingest.formats.tap import read_tap
from hotfire_infra.ingest.formats.values import Format, Reading, Reported

HEAD_BYTES = 64 << 10
_TAP = re.compile(r"^\s*(?:TAP version 1[34]\s*$|1\.\.\d+|(?:not )?ok\b|Bail out!)", re.MULTILINE)
# The first of these that stands in the head decides; the members are required by each format.
_JSON_MARKS = (
    ('"$report_type"', Format.REPORTLOG),
    ('"testsuites"', Format.GTEST_JSON),
    ('"result_columns"', Format.ASV),
    ('"machine_info"', Format.PYTEST_BENCHMARK),
    ('"run_type"', Format.GOOGLE_BENCHMARK),
    ('"library_build_type"', Format.GOOGLE_BENCHMARK),
    ('"time_unit"', Format.GOOGLE_BENCHMARK),
    ('"pytest_version"', Format.REPORTLOG),
    ('"env_name"', Format.ASV),
)

READERS: Mapping[Format, Callable[[Path, Reading], Iterator[Reported]]] = {
    Format.JUNIT: read_junit,
    Format.GTEST_JSON: read_gtest_json,
    Format.TAP: read_tap,
    Format.REPORTLOG: read_reportlog,
    Format.GOOGLE_BENCHMARK: read_google_benchmark,
    Format.PYTEST_BENCHMARK: read_pytest_benchmark,
    Format.ASV: read_asv,
}


def read_report(path: Path, reading: Reading) -> Iterator[Reported]:
    """Yield what a report holds; one that holds nothing is refused (ReportRefusedError)."""
    yield from READERS[reading.format](path, reading)
    if reading.tests == 0 and not reading.incomplete:
        said = reading.refuse(
            "the report holds no test",
            "Nothing was collected: look at the selection of the tool that wrote it.",
        )
        raise ReportEmptyError(str(said))
    if reading.tests == 0:
        raise reading.refuse(
            f"nothing in it is whole: {reading.incomplete}", "Write the report again."
        )


def detect(path: Path, file: str) -> Format:
    """Return the format of a report by its first 64 KiB; refused if there is none (ReportRefusedError)."""
    nothing = Reading(file=file, format=Format.JUNIT)
    try:
        with path.open("rb") as opened:
            head = opened.read(HEAD_BYTES)
    except OSError as error:
        raise nothing.refuse(f"cannot be read ({error.strerror})", "Check its path.") from error
    text = _decode(head)
    stripped = text.lstrip("\ufeff \t\r\n\0")
    if stripped.startswith("<"):
        return Format.JUNIT
    if stripped.startswith(("{", "[")):
        for mark, kind in _JSON_MARKS:
            if mark in text:
                return kind
    elif _TAP.search(stripped):
        return Format.TAP
    what = "the file is empty" if not head else f"no known format begins with {stripped[:40]!r}"
    remedy = f"Say with --format what it is: {', '.join(Format)}."
    if not head:
        remedy = "The tool that should write it may have crashed: pytest writes no report then."
    raise nothing.refuse(what, remedy)


def _decode(head: bytes) -> str:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return head.decode("utf-16", errors="replace")
    return head.decode("utf-8", errors="replace")
