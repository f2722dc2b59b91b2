"""One `<testcase>` with children or a status: what the dialects mean by them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from hotfire_infra.ingest.formats.values import (
    ERRORED,
    FAILED,
    PASSED,
    SKIPPED,
    Dialect,
    Reading,
    ReportedTry,
    first_line,
    last_line,
    seconds,
    shorten,
)

_VERDICTS = {"failure": FAILED, "error": ERRORED, "skipped": SKIPPED}
_WORST_FIRST = ("failure", "error", "skipped")
_TRIES = {
    # Surefire and nextest: within a passing case "flaky", beside a failure "rerun".
    "flakyFailure": FAILED,
    "flakyError": ERRORED,
    "rerunFailure": FAILED,
    "rerunError": ERRORED,
}
_OUTPUTS = frozenset({"system-out", "system-err"})
_STATUS = {
    "failed": FAILED,
    "failure": FAILED,
    "fail": FAILED,
    "error": ERRORED,
    "errored": ERRORED,
    "broken": ERRORED,
    "skipped": SKIPPED,
    "skip": SKIPPED,
    "disabled": SKIPPED,
    "suppressed": SKIPPED,
    "ignored": SKIPPED,
    "pending": SKIPPED,
    "notrun": SKIPPED,
}
_GOOD_STATUS = frozenset({"run", "passed", "pass", "success", "successful", "ok", "completed"})
_CTEST_STATUS = frozenset({"run", "fail", "notrun", "disabled"})
_WORKER_CRASH = re.compile(r"worker 'gw\d+' crashed while running")


def dialect_of(
    tag: str, attributes: Mapping[str, str], inherited: Dialect, *, is_root: bool
) -> Dialect:
    """Guess who wrote a suite; a test may still tell better."""
    name = attributes.get("name", "")
    if name == "pytest" or (tag == "testsuites" and name == "pytest tests"):
        return Dialect.PYTEST
    if name == "nextest-run" and tag == "testsuites":
        return Dialect.NEXTEST
    if any("surefire" in value for key, value in attributes.items() if "chema" in key):
        return Dialect.SUREFIRE
    if is_root and tag == "testsuites" and name == "AllTests":
        return Dialect.GTEST
    # CTest is the only one to count disabled and skipped tests and no errors.
    if is_root and tag == "testsuite" and "disabled" in attributes and "errors" not in attributes:
        return Dialect.CTEST
    return inherited


def pairs(attributes: list[str]) -> dict[str, str]:
    """Return expat's flat list of names and values as a map."""
    names = iter(attributes)
    return dict(zip(names, names, strict=False))


class _Text:
    """Text of any length of which head and tail are kept."""

    _size = 0
    _tail = ""

    def __init__(self, limit: int) -> None:
        self._head: list[str] = []
        self._limit = limit

    def add(self, data: str) -> None:
        if self._size <= self._limit:
            self._head.append(data)
        else:
            self._tail = (self._tail + data)[-self._limit :]
        self._size += len(data)

    def value(self) -> str:
        if not self._size:
            return ""
        whole = "".join(self._head)
        if self._size <= self._limit:
            return whole
        half, rest = self._limit // 2, whole + self._tail
        gone = self._size - 2 * half
        return f"{rest[:half]}\n… {gone} characters left out …\n{rest[-half:]}"


class CaseBuilder:
    """Collects the children of one test; the parser's handlers while one with children is open."""

    def __init__(
        self, reading: Reading, parser: Any, leave: Callable[[tuple[Any, ...]], None]
    ) -> None:
        self._reading = reading
        self._limits = reading.limits
        self._parser = parser
        self._leave = leave

    def begin(self, attributes: list[str], suite: str, dialect: Dialect) -> None:
        """Open a test."""
        self._flat = attributes
        self._suite = suite
        self._dialect = dialect
        self._path: list[str] = []
        self._texts: list[_Text] = []
        self._verdicts: list[tuple[str, list[str], _Text]] = []
        self._tries: list[tuple[str, dict[str, str], _Text]] = []
        self._outputs: dict[str, _Text] = {}
        self._properties: list[tuple[str, str]] = []

    def start(self, tag: str, flat: list[str]) -> None:
        """Enter a child."""
        if self._path:
            self._start_deeper(tag, flat)
            return
        text: _Text | None = None
        if tag in _VERDICTS:
            text = _Text(self._limits.text_chars)
            self._verdicts.append((tag, flat, text))
        elif tag in _TRIES:
            text = _Text(self._limits.text_chars)
            self._tries.append((tag, pairs(flat), text))
        elif tag in _OUTPUTS:
            text = self._outputs.setdefault(tag, _Text(self._limits.text_chars))
        elif tag == "property":
            self._note_property(pairs(flat))
        elif tag == "testcase":
            raise self._refuse("a <testcase> within a <testcase>", "Let one test be one element.")
        elif tag != "properties":
            self._reading.ignored[f"<{tag[:100]}> within a test"] += 1
        self._path.append(tag)
        if text is not None:
            self._texts.append(text)
            self._parser.CharacterDataHandler = text.add

    def _start_deeper(self, tag: str, flat: list[str]) -> None:
        """Enter what lies within a child; within a text it is part of the text."""
        if len(self._path) >= self._limits.depth:
            raise self._refuse(f"elements deeper than {self._limits.depth}", "Flatten the report.")
        if tag == "property" and self._path[-1] == "properties":
            self._note_property(pairs(flat))
        elif tag == "testcase":
            raise self._refuse("a <testcase> within a <testcase>", "Let one test be one element.")
        elif self._path[0] not in _TRIES:
            self._reading.ignored[f"<{tag[:100]}> within a test"] += 1
        self._path.append(tag)

    def end(self, _tag: str) -> None:
        """Leave a child, or the test."""
        if not self._path:
            self._leave(self.finish())
            return
        self._path.pop()
        if self._texts and not self._path:
            self._texts.pop()
            self._parser.CharacterDataHandler = None

    def finish(self) -> tuple[Any, ...]:
        """Return the fields of the test, in the order of ReportedTest."""
        is_lean = len(self._verdicts) == 1 and not (self._tries or self._outputs)
        if is_lean and len(self._flat) == 6 and not self._properties:
            lean = self._lean()
            if lean is not None:
                return lean
        attributes = self._attributes = pairs(self._flat)
        get = attributes.get
        name, classname = get("name", ""), get("classname", "")
        if len(name) + len(classname) > self._limits.attribute_chars:
            self.refuse_name(name, classname)
        outcome, kind, message, detail = self._judged()
        stdout = stderr = ""
        if self._outputs:
            stdout, stderr = self._output("system-out"), self._output("system-err")
        if "status" in attributes or self._dialect is Dialect.PYTEST:
            outcome, kind, message = self._by_dialect(outcome, kind, message)
        if outcome in (FAILED, ERRORED) and not message:
            said = first_line(detail) or last_line(stdout) or last_line(stderr)
            message = said or "the report gives no reason"
        params: tuple[tuple[str, str], ...] = ()
        if "value_param" in attributes or "type_param" in attributes:
            params = tuple(
                (key, shorten(attributes[key], self._limits.message_chars))
                for key in ("value_param", "type_param")
                if key in attributes
            )
        took = seconds(get("time"), self._reading)
        if len(message) > self._limits.message_chars:
            message = shorten(message, self._limits.message_chars)
        properties = tuple(self._properties)
        when, file = get("timestamp", "")[:100], get("file", "")[:1000]
        earlier: tuple[ReportedTry, ...] = ()
        if self._tries:
            earlier = tuple(self._try(*found) for found in self._tries)
        who = (self._dialect, self._suite, classname, name)
        what = (outcome, kind, took, message, detail, stdout, stderr)
        return who + what + (params, properties, when, file, earlier)

    def _lean(self) -> tuple[Any, ...] | None:
        """Return what `finish` would, of a test with three attributes and one verdict.

        None: it is not that simple. Most tests that did not pass are, and this takes half the time.
        """
        one, classname, two, name, three, time = self._flat
        if one == "name":
            one, classname, two, name = two, name, one, classname
        is_usual = one == "classname" and two == "name" and three == "time"
        if not is_usual or self._dialect is Dialect.PYTEST:
            return None
        outcome, _, message, detail = self._judged()
        limits = self._limits
        if len(name) + len(classname) > limits.attribute_chars or not message:
            return None
        if len(message) > limits.message_chars:
            message = shorten(message, limits.message_chars)
        took = seconds(time, self._reading)
        who = (self._dialect, self._suite, classname, name, outcome, "", took, message, detail)
        return (*who, "", "", (), (), "", "", ())

    def _output(self, tag: str) -> str:
        return self._outputs[tag].value() if tag in self._outputs else ""

    def refuse_name(self, name: str, classname: str) -> None:
        """Refuse a name that is no name."""
        raise self._refuse(
            f"a test's name of {len(name) + len(classname)} characters, allowed are "
            f"{self._limits.attribute_chars}: {(classname or name)[:80]!r}…",
            "Keep values out of names.",
        )

    def _refuse(self, what: str, remedy: str) -> Exception:
        return self._reading.refuse(what, remedy, self._parser.CurrentLineNumber)

    def _note_property(self, attributes: dict[str, str]) -> None:
        if len(self._properties) >= self._limits.properties:
            self._reading.ignored["property beyond the limit"] += 1
            return
        name = attributes.get("name", "")[:1000]
        value = shorten(attributes.get("value", ""), self._limits.message_chars)
        self._properties.append((name, value))

    def _judged(self) -> tuple[str, str, str, str]:
        """Return outcome, kind, message and detail as children or status say."""
        if len(self._verdicts) == 1:
            tag, flat, text = self._verdicts[0]
            detail = text.value()
            message = flat[1] if flat and flat[0] == "message" else pairs(flat).get("message", "")
            return _VERDICTS[tag], "", message or first_line(detail), detail
        if self._verdicts:
            worst = self._worst()
            return _VERDICTS[worst], "", *self._words(worst)
        return *self._by_status(), "", ""

    def _by_status(self) -> tuple[str, str]:
        """Return outcome and kind of a test without a verdict among its children."""
        said = [self._attributes[key] for key in ("result", "status") if key in self._attributes]
        for word in said:
            lower = word.lower()
            if lower in _STATUS:
                is_off = lower in ("disabled", "suppressed", "notrun")
                return _STATUS[lower], "disabled" if is_off else ""
            if lower not in _GOOD_STATUS:
                self._reading.ignored[f"status {word[:50]!r}"] += 1
        if any(tag.startswith("rerun") for tag, _, _ in self._tries):
            # All that is said of this test is that it failed, again and again.
            return FAILED, ""
        return PASSED, ""

    def _worst(self) -> str:
        found = {tag for tag, _, _ in self._verdicts}
        return next(tag for tag in _WORST_FIRST if tag in found)

    def _words(self, worst: str) -> tuple[str, str]:
        """Return message and detail of the worst verdict; further ones of its kind are counted."""
        same = [(flat, text.value()) for tag, flat, text in self._verdicts if tag == worst]
        flat, first = same[0]
        message = pairs(flat).get("message") or first_line(first)
        more = f" (and {len(same) - 1} more)" if len(same) > 1 else ""
        detail = "\n\n".join(text for _, text in same if text)
        return message + more, shorten(detail, self._limits.text_chars)

    def _try(self, tag: str, attributes: dict[str, str], text: _Text) -> ReportedTry:
        detail = text.value()
        message = attributes.get("message") or first_line(detail) or attributes.get("type", "")
        return ReportedTry(
            outcome=_TRIES[tag],
            message=shorten(message, self._limits.message_chars),
            detail=detail,
            duration_s=seconds(attributes.get("time"), self._reading),
        )

    def _by_dialect(self, outcome: str, kind: str, message: str) -> tuple[str, str, str]:
        """Apply what only one writer means so."""
        attributes = self._attributes
        status = attributes.get("status", "")
        if "result" in attributes and status in ("run", "notrun"):
            self._dialect = Dialect.GTEST
        elif (
            self._dialect is Dialect.JUNIT
            and status in _CTEST_STATUS
            and attributes.get("classname") == attributes.get("name")
        ):
            self._dialect = Dialect.CTEST
        if self._dialect is Dialect.CTEST and status == "notrun":
            return _ctest_not_run(message)
        if self._dialect is Dialect.PYTEST:
            return self._by_pytest(outcome, kind, message)
        return outcome, kind, message

    def _by_pytest(self, outcome: str, kind: str, message: str) -> tuple[str, str, str]:
        if outcome == SKIPPED:
            types = {pairs(flat).get("type", "") for _, flat, _ in self._verdicts}
            kind = "xfail" if "pytest.xfail" in types else kind
        elif outcome == ERRORED and _WORKER_CRASH.search(message):
            # xdist writes a crash of the test as an error of its setup.
            return FAILED, "crash", message
        elif outcome == ERRORED and message == "collection failure":
            kind = "collection"
        elif outcome == FAILED and message.startswith("[XPASS(strict)]"):
            kind = "xpass"
        elif outcome == FAILED and message.startswith("Failed: Timeout"):
            kind = "timeout"
        return outcome, kind, message


def _ctest_not_run(message: str) -> tuple[str, str, str]:
    """Tell a test that asked to be skipped from one that CTest could not start."""
    if message.startswith("SKIP_"):
        return SKIPPED, "", message
    return ERRORED, "notrun", message or "CTest did not run it and does not say why"
