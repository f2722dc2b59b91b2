"""JUnit XML in all its dialects, by expat and in constant memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from xml.parsers import expat

from hotfire_infra.ingest.formats.bytes_source import check_size, raw_chunks, repaired_chunks
from hotfire_infra.ingest.formats.junit_cases import CaseBuilder, dialect_of, pairs
from hotfire_infra.ingest.formats.values import (
    PASSED,
    Dialect,
    Reading,
    ReportedTest,
)

SUITES = frozenset({"testsuites", "testsuite"})
_CONTEXT = ("hostname", "timestamp", "tests", "failures", "errors", "skipped", "disabled")
_AT_THE_END = frozenset(
    {
        expat.errors.XML_ERROR_NO_ELEMENTS,
        expat.errors.XML_ERROR_UNCLOSED_TOKEN,
        expat.errors.XML_ERROR_PARTIAL_CHAR,
        expat.errors.XML_ERROR_UNCLOSED_CDATA_SECTION,
    }
)
_as_test = partial(tuple.__new__, ReportedTest)


def read_junit(path: Path, reading: Reading) -> Iterator[ReportedTest]:
    """Yield the tests of a report, in its order.

    A file that is no well-formed XML is read once more, repaired: `reading.degraded` says why. What
    is whole before the place where even that ends is yielded; `reading.incomplete` says where it is.
    """
    check_size(path, reading, reading.limits.file_bytes)
    given = 0
    parser = _Parser(reading)
    try:
        for tests in parser.parse(raw_chunks(path)):
            given += len(tests)
            yield from tests
    except expat.ExpatError as error:
        what = expat.ErrorString(error.code)
        if parser.is_fed and what in _AT_THE_END:
            parser.stop_at(error)
            return
        reading.degraded.append(f"line {error.lineno}: {what}; read once more, repaired")
    except (LookupError, ValueError) as error:
        reading.degraded.append(f"{error}; read once more, repaired")
    else:
        return
    yield from _read_repaired(path, reading, given)


def _read_repaired(path: Path, reading: Reading, given: int) -> Iterator[ReportedTest]:
    """Go through the file again and yield what comes after the first `given` tests."""
    reading.ignored.clear()
    reading.context.clear()
    reading.tests = seen = 0
    parser = _Parser(reading, encoding="utf-8")
    try:
        for tests in parser.parse(repaired_chunks(path)):
            fresh = tests[max(0, given - seen) :]
            seen += len(tests)
            yield from fresh
    except expat.ExpatError as error:
        parser.stop_at(error)


class _Parser:
    """One pass of expat over one report."""

    def __init__(self, reading: Reading, encoding: str | None = None) -> None:
        self._reading = reading
        self._done: list[tuple[Any, ...]] = []
        """Fields of tests; they become tests a piece at a time, in one call."""
        self._suites: list[tuple[str, Dialect]] = []
        self._other_depth = 0
        self._open_case: Callable[[], dict[str, str] | None] = lambda: None
        self.is_fed = False
        """Whether expat has seen the whole file."""
        parser = expat.ParserCreate(encoding)
        parser.buffer_text = True
        parser.buffer_size = 32 << 10
        parser.ordered_attributes = True
        parser.StartDoctypeDeclHandler = self._refuse_doctype
        parser.EntityDeclHandler = self._refuse_doctype
        self._parser = parser
        self._listen()

    def parse(self, chunks: Iterable[bytes]) -> Iterator[list[ReportedTest]]:
        """Yield the tests that each piece completes; expat's error comes after what came before it."""
        parser, done, limit = self._parser, self._done, self._reading.limits.token_bytes
        fed = 0
        try:
            for chunk in chunks:
                parser.Parse(chunk)
                fed += len(chunk)
                if fed - parser.CurrentByteIndex > limit:
                    raise self._refuse(
                        f"one tag is longer than {limit} bytes", "Shorten its attributes."
                    )
                if done:
                    self._reading.count(len(done), parser.CurrentLineNumber)
                    tests = list(map(_as_test, done))
                    done.clear()
                    yield tests
            self.is_fed = True
            parser.Parse(b"", True)
        except expat.ExpatError:
            if done:
                self._reading.count(len(done))
                yield list(map(_as_test, done))
            raise

    def stop_at(self, error: expat.ExpatError) -> None:
        """Note that the report ends early, and in which test; a file that is none is refused."""
        what, case = expat.ErrorString(error.code), self._open_case()
        if not self._suites:
            raise self._reading.refuse(
                f"no JUnit report: {what}", "Say with --format what it is.", error.lineno
            ) from error
        inside = "" if case is None else f" within the test {case.get('name', '')[:200]!r}"
        self._reading.incomplete = f"the report breaks off at line {error.lineno}{inside}: {what}"

    def _refuse(self, what: str, remedy: str) -> Exception:
        return self._reading.refuse(what, remedy, self._parser.CurrentLineNumber)

    def _refuse_doctype(self, *_: Any) -> None:
        raise self._refuse(
            "a document type or entity declaration", "Reports need none: remove the DOCTYPE."
        )

    def _listen(self) -> None:
        """Set the handlers of every element.

        They are closures: nine tests in ten pass and have no children, and for these an attribute
        access through `self` would cost a fifth of the speed.
        """
        parser, suites, limit = self._parser, self._suites, self._reading.limits.attribute_chars
        append, other_start, other_end = self._done.append, self._start_other, self._end_other
        nothing_more = ReportedTest(Dialect.JUNIT, "", "", "", PASSED)[7:]
        case: list[str] | None = None
        suite, dialect = "", Dialect.JUNIT

        def start(tag: str, attributes: list[str]) -> None:
            nonlocal case, suite, dialect
            if case is not None:
                parser.StartElementHandler = builder.start
                parser.EndElementHandler = builder.end
                builder.begin(case, suite, dialect)
                builder.start(tag, attributes)
            elif tag == "testcase" and suites:
                case = attributes
            else:
                other_start(tag, pairs(attributes))
                suite, dialect = suites[-1]

        def end(tag: str) -> None:
            nonlocal case, suite, dialect
            if case is None:
                other_end(tag)
                suite, dialect = suites[-1]
                return
            is_plain, classname, name = False, "", ""
            if len(case) == 6 and case[4] == "time":
                one, classname, two, name, _, time = case
                if one == "name":
                    one, classname, two, name = two, name, one, classname
                try:
                    took = float(time)
                except ValueError:
                    took = -1.0
                is_plain = 0.0 <= took < 1e10 and one == "classname" and two == "name"
            if is_plain and len(name) + len(classname) <= limit:
                # Joined, since unpacking the defaults into one tuple would cost a tenth.
                append((dialect, suite, classname, name, "passed", "", took) + nothing_more)
            else:
                builder.begin(case, suite, dialect)
                append(builder.finish())
            case = None

        def leave(test: tuple[Any, ...]) -> None:
            nonlocal case
            append(test)
            case = None
            parser.StartElementHandler = start
            parser.EndElementHandler = end

        builder = CaseBuilder(self._reading, parser, leave)
        self._open_case = lambda: None if case is None else pairs(case)
        parser.StartElementHandler = start
        parser.EndElementHandler = end

    def _start_other(self, tag: str, attributes: dict[str, str]) -> None:
        """Enter a suite, or something beside the tests."""
        reading = self._reading
        if tag in SUITES and not self._other_depth:
            if len(self._suites) >= reading.limits.depth:
                raise self._refuse(f"deeper than {reading.limits.depth} suites", "Flatten it.")
            inherited = self._suites[-1] if self._suites else ("", Dialect.JUNIT)
            name = attributes.get("name", "")
            dialect = dialect_of(tag, attributes, inherited[1], is_root=not self._suites)
            if tag == "testsuites" or not name:
                name = inherited[0]
            self._suites.append((name[: reading.limits.attribute_chars], dialect))
            self._note_suite(attributes, dialect)
            return
        if not self._suites:
            raise self._refuse(
                f"no JUnit report: its root is <{tag[:100]}>", "Say with --format what it is."
            )
        self._other_depth += 1
        if self._other_depth > reading.limits.depth:
            raise self._refuse(f"elements deeper than {reading.limits.depth}", "Flatten it.")
        if tag == "property":
            properties = reading.context.setdefault("properties", {})
            if len(properties) < reading.limits.properties:
                properties[attributes.get("name", "")[:1000]] = attributes.get("value", "")[:1000]
                return
        if tag != "properties":
            reading.ignored[f"<{tag[:100]}> outside of a test"] += 1

    def _note_suite(self, attributes: dict[str, str], dialect: Dialect) -> None:
        # Counters of suites are evidence at most: writers count reruns and sub-tests differently.
        context = self._reading.context
        for name in _CONTEXT:
            if name in attributes:
                context.setdefault(name, attributes[name][:200])
        context["dialect"] = dialect.value

    def _end_other(self, tag: str) -> None:
        if tag in SUITES and not self._other_depth:
            self._suites.pop()
            if not self._suites:
                # What comes behind the root is expat's to judge; a name may still be asked for.
                self._suites.append(("", Dialect.JUNIT))
        else:
            self._other_depth -= 1
