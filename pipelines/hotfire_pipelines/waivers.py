"""Waivers: decisions of people that a failing test does not block, with owner, bug, scope and end.

The test keeps running. A waiver waives one look of one failure on the variants it names until the
day it expires, and only then: one that has expired, or whose failure looks different, waives nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hotfire_pipelines.document import Document, read_document
from hotfire_pipelines.errors import InvalidValueError, PlanError, SignatureError
from hotfire_pipelines.signatures import compile_signature
from hotfire_pipelines.validate import validate
from hotfire_pipelines.waives_txt import Finding, ImportedWaiver, WaiveList, read_waives_txt

__all__ = [
    "Finding",
    "ImportedWaiver",
    "Judgement",
    "Remark",
    "WaiveList",
    "Waiver",
    "Waivers",
    "load",
    "read_waives_txt",
    "restore",
]

SCHEMA = "hotfire.dev/waivers/1"
LONGEST = timedelta(days=90)
SOON = timedelta(days=7)


class Waiver(BaseModel):
    """One decision."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    test: str = Field(min_length=1)
    """Pattern over test identifiers `module/scheme/name` (`*`, `?`; `[` stands for itself)."""
    variant: Mapping[str, str] = Field(default_factory=dict)
    """Pattern for each axis that must match; an axis not named matches any value."""
    owner: str = Field(min_length=1)
    """Who answers for it."""
    bug: str = Field(min_length=1)
    """Where the failure is worked on."""
    reason: str = Field(min_length=1)
    """Why it does not block."""
    signature: str = Field(min_length=1)
    """Regular expression that the failure's message must contain."""
    created: date
    """The day of the decision; at most 90 days before `expires`."""
    expires: date
    """The last day on which it waives."""

    def covers(self, test: str, variant: Mapping[str, str]) -> bool:
        """Say whether test and variant are in its scope, whatever the day or the failure."""
        return self.covers_test(test) and self.covers_variant(variant)

    def covers_test(self, test: str) -> bool:
        """Say whether a test identifier is in its scope."""
        if "*" not in self.test and "?" not in self.test:
            return test == self.test
        return fnmatchcase(test, _literal_brackets(self.test))

    def covers_variant(self, variant: Mapping[str, str]) -> bool:
        """Say whether a variant is in its scope."""
        return all(
            fnmatchcase(variant.get(axis, ""), _literal_brackets(pattern))
            for axis, pattern in self.variant.items()
        )


class WaiverFile(BaseModel):
    """The file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_name: Literal["hotfire.dev/waivers/1"] = Field(alias="schema")
    """Version of this format."""
    waivers: tuple[Waiver, ...]
    """Every decision that holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What the waivers say of one failure."""

    waiver: Waiver | None
    """The one that waives it."""
    reason: str
    """Why it waives; or why those in whose scope the failure lies do not (empty: there are none)."""
    line: int | None = None
    """Of the waiver in its file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """What `lint` found at a waiver."""

    kind: Literal["expired", "expires-soon", "matches-nothing", "shadowed"]
    line: int
    message: str

    @property
    def blocks(self) -> bool:
        """Whether it must be corrected: the waiver has no effect."""
        return self.kind != "expires-soon"


@dataclass(frozen=True, slots=True, kw_only=True)
class Waivers:
    """All waivers of one file, in its order."""

    file: str
    waivers: tuple[Waiver, ...]
    lines: tuple[int, ...]
    sha256: str = ""
    """Of the file's bytes; empty where there is no file."""

    def judge(self, test: str, variant: Mapping[str, str], message: str, today: date) -> Judgement:
        """Say whether a failure is waived today; the first waiver that fits decides."""
        obstacles = []
        for waiver, line in zip(self.waivers, self.lines, strict=True):
            if not waiver.covers(test, variant):
                continue
            where = f"the waiver in line {line} ({waiver.bug})"
            if today > waiver.expires:
                obstacles.append(f"{where} expired on {waiver.expires}")
            elif not compile_signature(waiver.signature).is_in(message):
                obstacles.append(f"{where} is for another failure: no {waiver.signature!r} in it")
            else:
                reason = f"{waiver.reason} ({waiver.bug}, {waiver.owner}, until {waiver.expires})"
                return Judgement(waiver=waiver, reason=reason, line=line)
        return Judgement(waiver=None, reason="; ".join(obstacles))

    def lint(
        self, today: date, tests: Iterable[tuple[str, Mapping[str, str]]] | None = None
    ) -> tuple[Remark, ...]:
        """Return what is wrong today; `tests`: all tests × variants there are, when known."""
        known = None if tests is None else list(tests)
        remarks: list[Remark] = []
        for place, waiver in enumerate(self.waivers):
            line = self.lines[place]
            if today > waiver.expires:
                text = (
                    f"expired on {waiver.expires}: it waives nothing; fix {waiver.bug} or renew it"
                )
                remarks.append(Remark(kind="expired", line=line, message=text))
            elif waiver.expires - today <= SOON:
                text = f"expires on {waiver.expires}: {waiver.owner} is asked about {waiver.bug}"
                remarks.append(Remark(kind="expires-soon", line=line, message=text))
            if known is not None and not any(waiver.covers(*one) for one in known):
                text = f"{waiver.test!r} matches no test that there is; remove it"
                remarks.append(Remark(kind="matches-nothing", line=line, message=text))
            shadow = self._shadow(place)
            if shadow is not None:
                text = f"line {shadow} says the same of the same tests; remove one"
                remarks.append(Remark(kind="shadowed", line=line, message=text))
        return tuple(remarks)

    def _shadow(self, place: int) -> int | None:
        mine = self.waivers[place]
        for earlier, line in zip(self.waivers[:place], self.lines, strict=False):
            same = (earlier.test, earlier.variant, earlier.signature)
            if same == (mine.test, mine.variant, mine.signature):
                return line
        return None

    def snapshot(self) -> list[dict[str, object]]:
        """Return the waivers with their lines as plain values, for the plan's digest."""
        return [
            {**waiver.model_dump(mode="json"), "line": line}
            for waiver, line in zip(self.waivers, self.lines, strict=True)
        ]


def load(path: Path | str) -> Waivers:
    """Read a waiver file; errors name file, line, value and remedy."""
    document = read_document(Path(path))
    found = validate(document, WaiverFile)
    for number, waiver in enumerate(found.waivers):
        _check(document, number, waiver)
    return Waivers(
        file=document.file,
        waivers=found.waivers,
        lines=tuple(document.at("waivers", number).line for number in range(len(found.waivers))),
        sha256=hashlib.sha256(Path(path).read_bytes()).hexdigest(),
    )


def restore(values: Sequence[Mapping[str, object]], file: str) -> Waivers:
    """Return the waivers of a plan's snapshot; PlanError for what no file could have said."""
    waivers, lines = [], []
    for place, value in enumerate(values, 1):
        line = value.get("line", place)
        said = {key: item for key, item in value.items() if key != "line"}
        try:
            waiver = Waiver.model_validate(said)
            is_sound = not compile_signature(waiver.signature).is_in("")
        except (ValidationError, SignatureError) as error:
            raise PlanError(f"waiver {place} of the plan cannot be read: {error}") from error
        if not is_sound or waiver.expires - waiver.created > LONGEST or not isinstance(line, int):
            raise PlanError(f"waiver {place} of the plan waives more than a file may. Plan again.")
        waivers.append(waiver)
        lines.append(line)
    return Waivers(file=file, waivers=tuple(waivers), lines=tuple(lines))


def _check(document: Document, number: int, waiver: Waiver) -> None:
    place = ("waivers", number)
    if waiver.expires < waiver.created:
        raise InvalidValueError(
            document.at(*place, "expires"),
            f"expires {waiver.expires} lies before created {waiver.created}",
            "Correct one of the two days.",
        )
    if waiver.expires - waiver.created > LONGEST:
        raise InvalidValueError(
            document.at(*place, "expires"),
            f"the waiver is for {(waiver.expires - waiver.created).days} days",
            f"{LONGEST.days} are the limit: write {waiver.created + LONGEST} or earlier.",
        )
    try:
        matches_all = compile_signature(waiver.signature).is_in("")
    except SignatureError as error:
        raise InvalidValueError(
            document.at(*place, "signature"),
            f"{waiver.signature!r} cannot be used: {error}",
            "Escape special characters, or write less of the message.",
        ) from error
    if matches_all:
        raise InvalidValueError(
            document.at(*place, "signature"),
            f"{waiver.signature!r} matches any failure",
            "Write a part of the message that this failure has and others do not.",
        )


def _literal_brackets(pattern: str) -> str:
    """In test names brackets hold parameters; as a character class they would match one sign."""
    return pattern.replace("[", "[[]")
