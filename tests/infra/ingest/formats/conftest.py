"""Reports to read: real ones from `data/`, and small ones that a test writes itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hotfire_infra.ingest.formats.detection import detect, read_report
from hotfire_infra.ingest.formats.identity import test_id_of as identify
from hotfire_infra.ingest.formats.values import Format, Limits, Reading, Reported, ReportedTest

DATA = Path(__file__).parent / "data"


class Report:
    """One report as it was read."""

    def __init__(self, path: Path, reading: Reading) -> None:
        self.reading = reading
        self.items: list[Reported] = list(read_report(path, reading))

    @property
    def tests(self) -> list[ReportedTest]:
        return [i if isinstance(i, ReportedTest) else i.test for i in self.items]

    @property
    def outcomes(self) -> dict[str, str]:
        return {test.name: test.outcome for test in self.tests}

    @property
    def identifiers(self) -> list[str]:
        return [str(identify(test, "report")) for test in self.tests]

    def named(self, name: str) -> ReportedTest:
        return next(test for test in self.tests if test.name == name)


Read = Callable[..., Report]


@pytest.fixture
def read(tmp_path) -> Read:
    """Read a file of `data/` by its name, or text or bytes as they are."""

    def read_it(
        content: str | bytes, kind: Format | None = None, limits: Limits | None = None, **metrics
    ) -> Report:
        path = tmp_path / "report.txt"
        if isinstance(content, str) and (DATA / content[:100].partition("\n")[0]).is_file():
            path = DATA / content
        elif isinstance(content, str):
            path.write_text(content, encoding="utf-8")
        else:
            path.write_bytes(content)
        found = kind or detect(path, path.name)
        reading = Reading(file=path.name, format=found, limits=limits or Limits(), metrics=metrics)
        return Report(path, reading)

    return read_it
