"""One line of a test list: a test, how pytest selects in it, its own time limit and isolation.

A line in test-db notation is `test -k "…" -m "…" ISOLATION,TIMEOUT (90)`. The test ends at the first
blank outside of brackets, since parameters may hold blanks, and words that look like options.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from hotfire_pipelines.errors import InvalidValueError, Location
from hotfire_testframework.contract.listing import is_of

_TOKEN = re.compile(
    r"""-(?P<option>[km])(?:\s+|=)(?P<value>"[^"]*"|'[^']*'|[^\s,"']+)
      | TIMEOUT\s*\(\s*(?P<minutes>[0-9]+)\s*\)
      | (?P<isolation>ISOLATION)
      | (?P<waiver>(?:XFAIL|SKIP|UNSTABLE)\b.*)""",
    re.VERBOSE,
)
_BETWEEN = re.compile(r"[\s,]+")
_WORD = re.compile(r"\S+")
_GLUED = re.compile(r"[\],](ISOLATION\b|TIMEOUT\s*\()")
_CLOSED = re.compile(r"\](?=\s|$)")


@dataclass(frozen=True, slots=True, kw_only=True)
class TestEntry:
    """One line of a list."""

    __test__ = False

    test: str
    """A file, a folder, or a node id with its parameters."""
    timeout_minutes: int | None = None
    isolation: bool = False
    """Runs in a process of its own, after the others."""
    keyword: str | None = None
    """pytest's `-k`."""
    marker: str | None = None
    """pytest's `-m`."""
    waiver: str | None = None
    """SKIP, XFAIL or UNSTABLE with what follows it, as written: no part of a list for Hotfire."""
    source: Location
    """File and line it stands in."""

    @property
    def selector(self) -> str:
        """The entry without TIMEOUT and ISOLATION: how durations are keyed."""
        parts = [self.test]
        if self.keyword is not None:
            parts.append(f"-k {_quoted(self.keyword)}")
        if self.marker is not None:
            parts.append(f"-m {_quoted(self.marker)}")
        return " ".join(parts)

    @property
    def marks(self) -> str:
        """What follows the selector: `ISOLATION,TIMEOUT (90)`, or nothing."""
        marks = ["ISOLATION"] if self.isolation else []
        if self.timeout_minutes is not None:
            marks.append(f"TIMEOUT ({self.timeout_minutes})")
        return " ".join(part for part in (",".join(marks), self.waiver) if part)

    def __str__(self) -> str:
        """Return the line in test-db notation; parsing it gives the same entry."""
        return f"{self.selector} {self.marks}".rstrip()

    def lists(self, node: str) -> bool:
        """Say whether a node id, its path as the list writes paths, is of this entry, -k and -m apart."""
        return is_of(self.test, node)


def parse_entry(line: str, source: Location) -> TestEntry:
    """Parse a line in test-db notation; options and marks may come in any order.

    Raises InvalidValueError for an option that is given twice, or a mark or option without its value.
    """
    line = line.strip()
    end = _end_of_test(line)
    fields: dict[str, str] = {}
    position = end
    while position < len(line):
        if blank := _BETWEEN.match(line, position):
            position = blank.end()
            continue
        token = _TOKEN.match(line, position)
        if token is None or not _is_over(line, token.end()):
            word = _WORD.match(line, position)
            assert word is not None
            _refuse(word[0].rstrip(","), line, source)
            if fields:
                raise InvalidValueError(
                    source,
                    f"{word[0]!r} in {line!r} is neither an option nor a mark",
                    "Write `test -k … -m … ISOLATION,TIMEOUT (90)`.",
                )
            position = end = word.end()
            continue
        for name, value in _fields(token):
            if name in fields and name != "isolation":
                words = {"timeout": "TIMEOUT", "k": "-k", "m": "-m"}
                raise InvalidValueError(
                    source,
                    f"{words.get(name, name)} is given twice in {line!r}",
                    "Join them with `and`." if name in "km" else "Keep one of them.",
                )
            fields[name] = value
        position = token.end()
    _refuse_test(line[:end], line, source)
    if fields.get("timeout") is not None and int(fields["timeout"]) < 1:
        raise InvalidValueError(source, f"no minutes in {line!r}", "Write at least TIMEOUT (1).")
    return TestEntry(
        test=line[:end],
        timeout_minutes=int(fields["timeout"]) if "timeout" in fields else None,
        isolation="isolation" in fields,
        keyword=fields.get("k"),
        marker=fields.get("m"),
        waiver=fields.get("waiver"),
        source=source,
    )


def _fields(token: re.Match[str]) -> list[tuple[str, str]]:
    if token["option"]:
        value = token["value"]
        is_quoted = value[0] in "\"'"
        return [(token["option"], value[1:-1] if is_quoted else value)]
    named = (("timeout", "minutes"), ("isolation", "isolation"), ("waiver", "waiver"))
    return [(name, token[group].rstrip()) for name, group in named if token[group]]


def _is_over(line: str, position: int) -> bool:
    return position == len(line) or line[position] in ", \t"


def _refuse(word: str, line: str, source: Location) -> None:
    """A mark or option that lost its value must not become part of a test's name in silence."""
    if word.upper().startswith(("TIMEOUT", "ISOLATION")):
        raise InvalidValueError(
            source,
            f"{word} in {line!r} is no mark, or has no minutes",
            "Write `… ISOLATION,TIMEOUT (90)`, the minutes as a whole number.",
        )
    if word in ("-k", "-m"):
        raise InvalidValueError(
            source, f"{word} in {line!r} has no value", 'Write it in quotes: -k "a and not b".'
        )


def _refuse_test(test: str, line: str, source: Location) -> None:
    if test.startswith("-") or _TOKEN.fullmatch(test):
        raise InvalidValueError(source, f"{line!r} names no test", "Start with its path.")
    if glued := _GLUED.search(re.sub(r"\[.*\]", "]", test)):
        raise InvalidValueError(
            source,
            f"{glued[1]!r} in {line!r} stands right behind the test",
            "Put a blank before it.",
        )


def _end_of_test(line: str) -> int:
    """The first blank outside of brackets; with brackets that do not close, after the last `]`."""
    depth = 0
    for index, sign in enumerate(line):
        if sign == "[":
            depth += 1
        elif sign == "]":
            depth = max(0, depth - 1)
        elif sign.isspace() and not depth:
            return index
    if not depth:
        return len(line)
    closed = _CLOSED.search(line)
    return closed.end() if closed else len(line.split(maxsplit=1)[0])


def _quoted(expression: str) -> str:
    sign = "'" if '"' in expression else '"'
    return f"{sign}{expression}{sign}"
