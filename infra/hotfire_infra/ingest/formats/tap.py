"""TAP 12, 13 and 14: lines of `ok` and `not ok`, subtests, YAML blocks, `Bail out!`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from hotfire_infra.ingest.formats.bytes_source import check_size
from hotfire_infra.ingest.formats.values import (
    FAILED,
    PASSED,
    SKIPPED,
    Dialect,
    Reading,
    ReportedTest,
    seconds,
    shorten,
)

INDENT = 4
LINE_BYTES = 1 << 20
_PLAN = re.compile(r"1\.\.(\d{1,9})(?:\s*#\s*(.*))?\s*$")
_POINT = re.compile(r"(not )?ok\b(?:\s+(\d{1,9})(?=\s|$))?\s*(?:-\s+)?(.*)$")
_DIRECTIVE = re.compile(r"(?<!\\)#\s*(skip\S*|todo)\b:?\s*(.*)$", re.IGNORECASE)
_YAML_VALUE = re.compile(r"\s*(message|duration_ms):\s*(.*)$")
_SUBTEST = re.compile(r"#\s*Subtest:?\s*(.*)$")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")


@dataclass(slots=True)
class _Level:
    """One document: the file's, or that of a subtest."""

    name: str
    plan: int | None = None
    skip_all: str | None = None
    points: int = 0
    last_number: int = 0
    own: list[ReportedTest] = field(default_factory=list)
    """Of a subtest: its tests."""
    children: list[ReportedTest] = field(default_factory=list)
    """Tests of subtests that are over: the line that names these comes behind them."""


class _Reader:
    def __init__(self, reading: Reading, suite: str) -> None:
        self._reading = reading
        self._suite = suite
        self._levels = [_Level(name="")]
        self._last: ReportedTest | None = None
        self._yaml: list[str] | None = None
        self._yaml_indent = 0
        self._next_subtest: str | None = None
        self.ready: list[ReportedTest] = []
        self.has_bailed = False

    def line(self, raw: str) -> None:
        """Read one line."""
        text = raw.rstrip("\r\n")
        if self._yaml is not None:
            self._yaml_line(text)
            return
        stripped = text.lstrip(" ")
        if not stripped:
            return
        indent = len(text) - len(stripped)
        if stripped == "---" and self._last is not None:
            self._yaml, self._yaml_indent = [], indent
            return
        depth = indent // INDENT
        subtest = _SUBTEST.match(stripped)
        if subtest:
            self._next_subtest = subtest.group(1)
        elif stripped.startswith("Bail out!"):
            self._bail_out(stripped)
        elif (plan := _PLAN.match(stripped)) is not None:
            self._enter(depth)
            self._plan(plan)
        elif (point := _POINT.match(stripped)) is not None:
            self._enter(depth)
            self._point(point)
        elif not stripped.startswith(("#", "TAP version", "pragma ")):
            self._reading.ignored["line that is no TAP"] += 1

    def _enter(self, depth: int) -> None:
        """Begin or end subtests until `depth` is reached; deeper than one more is the next one."""
        limits = self._reading.limits
        if depth > limits.depth:
            raise self._reading.refuse(f"subtests deeper than {limits.depth}", "Flatten them.")
        while depth > len(self._levels) - 1:
            self._flush()
            self._levels.append(_Level(name=self._next_subtest or ""))
            self._next_subtest = None
        while depth < len(self._levels) - 1:
            self._flush()
            self._leave()

    def _leave(self) -> None:
        level = self._levels[-1]
        self._adopt(level, level.name or "subtest")
        self._check(level)
        self._levels.pop()
        self._levels[-1].children.extend(level.own)

    def _plan(self, match: re.Match[str]) -> None:
        level = self._levels[-1]
        if level.plan is not None:
            self._incomplete(f"a second plan {match.group()!r}")
        level.plan = int(match.group(1))
        note = match.group(2) or ""
        if level.plan == 0:
            level.skip_all = re.sub(r"(?i)^skip\S*\s*", "", note) or "nothing to do"

    def _point(self, match: re.Match[str]) -> None:
        self._flush()
        level = self._levels[-1]
        level.points += 1
        number = int(match.group(2)) if match.group(2) else level.last_number + 1
        if number != level.last_number + 1:
            self._incomplete(f"test {number} came where {level.last_number + 1} was expected")
        level.last_number = number
        words = match.group(3)
        directive = _DIRECTIVE.search(words)
        name = (words[: directive.start()] if directive else words).replace("\\#", "#").strip()
        is_ok, outcome, kind, message = match.group(1) is None, PASSED, "", ""
        if not is_ok:
            outcome, message = FAILED, "not ok"
        if directive and directive.group(1).lower() == "todo":
            # The tool's own word for an expected failure.
            outcome, kind = (PASSED, "xpass") if is_ok else (SKIPPED, "xfail")
            message = directive.group(2).strip()
        elif directive and is_ok:
            outcome, message = SKIPPED, directive.group(2).strip()
        self._adopt(level, name or f"test {number}")
        self._last = self._test(name or f"test {number}", outcome, kind, message)

    def _adopt(self, level: _Level, parent: str) -> None:
        """Give subtests that are over the name of the line that sums them up."""
        for test in level.children:
            self._out(test._replace(name=f"{parent} > {test.name}"))
        level.children.clear()

    def _test(self, name: str, outcome: str, kind: str, message: str) -> ReportedTest:
        self._reading.count(1)
        return ReportedTest(
            dialect=Dialect.TAP,
            suite=self._suite,
            classname="",
            name=name,
            outcome=outcome,
            kind=kind,
            message=shorten(message, self._reading.limits.message_chars),
        )

    def _out(self, test: ReportedTest) -> None:
        if len(self._levels) > 1:
            self._levels[-1].own.append(test)
        else:
            self.ready.append(test)

    def _flush(self) -> None:
        """Hand over the last test: nothing more can belong to it."""
        if self._last is not None:
            self._out(self._last)
            self._last = None

    def _yaml_line(self, text: str) -> None:
        assert self._yaml is not None
        if text.strip() == "...":
            self._end_yaml()
            return
        if sum(map(len, self._yaml)) < self._reading.limits.text_chars:
            self._yaml.append(text[self._yaml_indent :])

    def _end_yaml(self) -> None:
        lines, self._yaml = self._yaml or [], None
        test = self._last
        if test is None:
            return
        for line in lines:
            found = _YAML_VALUE.match(line)
            if found and found.group(1) == "message" and test.outcome != PASSED:
                said = found.group(2).strip("\"' ")
                test = test._replace(message=shorten(said, self._reading.limits.message_chars))
            elif found and found.group(1) == "duration_ms":
                took = seconds(found.group(2), self._reading)
                test = test._replace(duration_s=None if took is None else took / 1e3)
        self._last = test._replace(detail="\n".join(lines))

    def _bail_out(self, text: str) -> None:
        self._enter(0)
        self._flush()
        self.has_bailed = True
        reason = text.removeprefix("Bail out!").strip()
        self._incomplete(f"Bail out! {reason}".strip())

    def _incomplete(self, what: str) -> None:
        self._reading.incomplete = self._reading.incomplete or what

    def _check(self, level: _Level) -> None:
        """Hold a document against its plan: what was planned and did not come is no pass."""
        what = f"subtest {level.name!r}: " if level.name else ""
        if level.plan is None:
            self._incomplete(f"{what}no plan (1..N), so tests may be missing")
        elif level.plan != level.points:
            self._incomplete(f"{what}the plan says {level.plan} tests, {level.points} came")

    def end(self) -> None:
        """The file is over."""
        if self._yaml is not None:
            self._incomplete("the file ends within a YAML block")
            self._end_yaml()
        self._enter(0)
        self._flush()
        level = self._levels[0]
        self._adopt(level, "subtest")
        if not self.has_bailed:
            self._check(level)
        if level.skip_all is not None and not level.points:
            self.ready.append(self._test("(all)", SKIPPED, "", level.skip_all))


def read_tap(path: Path, reading: Reading) -> Iterator[ReportedTest]:
    """Yield the tests of a TAP file; the tests of a subtest come before the line that sums them up."""
    check_size(path, reading, reading.limits.file_bytes)
    reader = _Reader(reading, path.name.partition(".")[0])
    with path.open("r", encoding="utf-8-sig", errors="replace", newline="\n") as file:
        while line := file.readline(LINE_BYTES):
            if _CONTROL.search(line):
                line = _CONTROL.sub("", line)
                if not reading.degraded:
                    reading.degraded.append("control characters were removed")
            reader.line(line)
            yield from reader.ready
            reader.ready.clear()
            if reader.has_bailed:
                break
    reader.end()
    yield from reader.ready
