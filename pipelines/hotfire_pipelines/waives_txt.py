"""Imports `waives.txt` lists as TensorRT-LLM keeps them, and reports what such a list hides.

A line is `[full:SCOPE/]TEST MARK [(reason)]`, MARK one of SKIP, XFAIL and UNSTABLE. Whatever follows
a `#` is a comment to the tools that read these files, even inside of a reason or an address.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from hotfire_pipelines.errors import WaiverError

MARKS = ("SKIP", "XFAIL", "UNSTABLE")
MAXIMUM_BYTES = 16 << 20

_STEP = re.compile(rf"(?P<sign>[\[\]])|\s(?P<mark>{'|'.join(MARKS)})\b")
_MARKED = re.compile(rf"\s(?:{'|'.join(MARKS)})\b")
_LISTED = re.compile(r"\s(?:TIMEOUT\s*\(|ISOLATION\b)")
_SCOPE = re.compile(r"^full:(?P<scope>[^/\s]+)/(?P<test>.+)$")
_BUG = re.compile(
    r"nvbugs?(?:pro)?(?:\.nvidia\.com)?(?:/bug)?[/ #:-]+([0-9]+)"
    r"|github\.com/([\w.-]+/[\w.-]+)/(?:issues|pull)/([0-9]+)",
    re.IGNORECASE,
)
_LINE_END = re.compile("\r\n|\n|\r")
_CLASS = re.compile(r"Test[A-Z0-9_]\w*$")
_SELECTION = re.compile(r"\s-[km]\s")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedWaiver:
    """One line of the list, as the tools that read it understand it."""

    test: str
    """Without scope; with `-k` or `-m` where the line has one."""
    scope: str | None
    """The token after `full:`: a platform in one of several vocabularies; none: everywhere."""
    mark: str
    bugs: tuple[str, ...]
    """Bug numbers, and `owner/repository#number` of issues elsewhere."""
    reason: str
    """Empty where there is none, or where a comment ate it."""
    line: int
    behind: str = ""
    """A further entry that the line holds behind this one, which no tool reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something wrong with a line."""

    kind: str
    """`bare`, `comment-eaten`, `multi-target`, `unreachable`, `duplicate` or `malformed`."""
    line: int
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WaiveList:
    """A whole list, in the order of its lines."""

    file: str
    waivers: tuple[ImportedWaiver, ...]
    findings: tuple[Finding, ...]


def read_waives_txt(path: Path | str, platforms: Collection[str] | None = None) -> WaiveList:
    """Read a list; `platforms`: the tokens that a scope can match, to find those that match none.

    Nothing is dropped without a finding. Raises WaiverError for a file that cannot be read as text.
    """
    waivers: list[ImportedWaiver] = []
    findings: list[Finding] = []
    first: dict[tuple[str | None, str], int] = {}
    for number, text in enumerate(_lines(Path(path)), 1):
        kept, _, comment = text.partition("#")
        if not kept.strip():
            continue
        waiver = _parse(kept.strip(), number)
        if waiver is None:
            findings.append(_unread(text.strip(), comment, number))
            continue
        waivers.append(waiver)
        findings += _findings(waiver, comment.strip(), platforms)
        before = first.setdefault((waiver.scope, waiver.test), number)
        if before != number:
            message = f"{waiver.test!r} stands in line {before} already; the last one wins"
            findings.append(Finding(kind="duplicate", line=number, message=message))
    return WaiveList(file=str(path), waivers=tuple(waivers), findings=tuple(findings))


def _lines(path: Path) -> list[str]:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise WaiverError(
            str(path), 1, f"cannot be read: {error.strerror}", "Check the path."
        ) from error
    if len(raw) > MAXIMUM_BYTES:
        raise WaiverError(str(path), 1, f"has {len(raw)} bytes", "16 MiB is the limit; split it.")
    try:
        # A byte order mark is no part of the first test's name.
        # Nor does a line end at a form feed or at another of the signs that str.splitlines knows.
        return _LINE_END.split(raw.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        problem = f"byte {raw[error.start]:#04x} is not UTF-8"
        raise WaiverError(str(path), line, problem, "Save the file as UTF-8.") from error


def _parse(text: str, line: int) -> ImportedWaiver | None:
    mark = _mark(text)
    if mark is None:
        return None
    name, rest = text[: mark.start()].strip(), text[mark.end() :].strip()
    scoped = _SCOPE.match(name)
    reason, others = _reason(rest)
    bugs = (number or f"{repository}#{issue}" for number, repository, issue in _BUG.findall(reason))
    return ImportedWaiver(
        test=scoped["test"] if scoped else name,
        scope=scoped["scope"] if scoped else None,
        mark=mark["mark"],
        bugs=tuple(dict.fromkeys(bugs)),
        reason=reason,
        line=line,
        behind=others,
    )


def _mark(text: str) -> re.Match[str] | None:
    """Find the first mark outside of brackets, where parameters may hold the word; else the first."""
    depth, first = 0, None
    for step in _STEP.finditer(text):
        if step["sign"]:
            depth = max(0, depth + (1 if step["sign"] == "[" else -1))
        elif step.start() and not depth:
            return step
        elif step.start():
            first = first or step
    return first


def _reason(rest: str) -> tuple[str, str]:
    """Return the reason without its brackets, and what stands behind an entry that ends there."""
    if not rest.startswith("("):
        return rest, ""
    depth = 0
    for index, sign in enumerate(rest):
        depth += (sign == "(") - (sign == ")")
        if not depth:
            behind = rest[index + 1 :].strip()
            if not behind or _MARKED.search(behind):
                return rest[1:index].strip(), behind
            break
    return rest[1:].removesuffix(")").strip(), ""


def _unread(text: str, comment: str, line: int) -> Finding:
    if _MARKED.search(f" {comment}"):
        message = f"{text!r} is no entry: its mark stands after `#` and is lost"
        return Finding(kind="comment-eaten", line=line, message=message)
    message = f"{text!r} is no entry: write `TEST SKIP (reason)`"
    return Finding(kind="malformed", line=line, message=message)


def _findings(
    waiver: ImportedWaiver, comment: str, platforms: Collection[str] | None
) -> list[Finding]:
    found: list[tuple[str, str]] = []
    if comment:
        found.append(
            ("comment-eaten", f"{comment!r} stands after `#` and is lost; put it in brackets")
        )
    elif not waiver.reason:
        found.append(("bare", f"{waiver.test!r} is waived without a reason or a bug"))
    if waiver.behind:
        found.append(("multi-target", f"{waiver.behind!r} stands behind an entry and is lost"))
    elif what := _several(waiver.test):
        found.append(("multi-target", f"{waiver.test!r} names {what}, not one test"))
    if waiver.test[:5].lower() == "full:":
        message = f"{waiver.test!r} has no scope that is read: write `full:SCOPE/TEST`"
        found.append(("malformed", message))
    if listed := _LISTED.search(waiver.test):
        message = f"{listed[0].strip()!r} is of a test list, and no part of a test's name"
        found.append(("malformed", message))
    if platforms is not None and waiver.scope is not None and waiver.scope not in platforms:
        found.append(
            ("unreachable", f"no platform is called {waiver.scope!r}: the line never waives")
        )
    return [Finding(kind=kind, line=waiver.line, message=message) for kind, message in found]


def _several(test: str) -> str:
    """Say what an entry names if it is more than one test; nothing: it is one."""
    if _SELECTION.search(test):
        return "a selection by -k or -m"
    if "::" in test:
        # Behind the parameters of the first test stands another one.
        rest = re.sub(r"\[[^\]]*\]", "", test)
        if re.search(r"[\s,]+\S+\.py", rest):
            return "several tests"
        return "a whole class" if _CLASS.match(rest.rpartition("::")[2]) else ""
    return "a whole file" if test.endswith(".py") else "a whole folder"
