"""Kernel cases from committed files: reading, choosing by operator, cutting to a budget."""

import fnmatch
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hotfire_pipelines.catalogue import Speed
from hotfire_pipelines.cost import case_seconds
from hotfire_pipelines.errors import CaseFileError
from hotfire_testframework.contract.cases import CaseLine
from hotfire_testframework.contract.identifiers import TestId
from hotfire_testframework.errors import IdentifierError


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The cases of one cell, and how many the budget left out."""

    cases: tuple[CaseLine, ...]
    seconds: float
    left_out: int


def read_case_file(path: Path, shown: str) -> list[CaseLine]:
    """Parse one file; `shown` is how messages name it. Comments and blank lines are allowed."""
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except OSError as error:
        raise CaseFileError(
            shown, 1, f"cannot read the case file: {error.strerror}", "Check `cases: files:`."
        ) from error
    except UnicodeDecodeError as error:
        broken = path.read_bytes().count(b"\n", 0, error.start) + 1
        raise CaseFileError(shown, broken, "the line is not ASCII", "Retype it.") from error
    cases: dict[CaseLine, int] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            case = CaseLine.parse(line)
        except IdentifierError as error:
            raise CaseFileError(
                shown, number, str(error), "A case is `op.dtype:key=value,…,seed=n`."
            ) from error
        if case in cases:
            raise CaseFileError(
                shown, number, f"{line!r} is also in line {cases[case]}", "Remove one of them."
            )
        cases[case] = number
    return list(cases)


def read_cases(root: Path, patterns: Iterable[str]) -> dict[str, list[CaseLine]]:
    """All cases by file; a pattern that matches no file yields nothing."""
    found: dict[str, list[CaseLine]] = {}
    for pattern in patterns:
        for path in sorted(root.glob(pattern)):
            shown = path.relative_to(root).as_posix()
            found.setdefault(shown, read_case_file(path, shown))
    _refuse_repetition(found)
    return found


def _refuse_repetition(found: dict[str, list[CaseLine]]) -> None:
    home: dict[CaseLine, str] = {}
    for shown, cases in found.items():
        for case in cases:
            if case in home:
                raise CaseFileError(
                    shown, 1, f"{str(case)!r} is also in {home[case]}", "Remove one of them."
                )
            home[case] = shown


def of_operators(cases: Iterable[CaseLine], patterns: Sequence[str]) -> list[CaseLine]:
    """The cases whose `op.dtype` matches one of the patterns."""
    return [
        case
        for case in cases
        if any(fnmatch.fnmatchcase(operator(case), pattern) for pattern in patterns)
    ]


def operator(case: CaseLine) -> str:
    """`op.dtype`, the name of the descriptor."""
    return f"{case.op}.{case.dtype}"


def select(cases: Iterable[CaseLine], speed: Speed, budget_seconds: float | None) -> Selection:
    """Cut to a budget: the cheapest case of every operator × data regime always, then by cost.

    The cover stays even where it alone exceeds the budget: a cell that skips an operator would
    claim more than it tested. What is left out is counted, never silent.
    """
    priced = sorted((case_seconds(case, speed), str(case), case) for case in cases)
    if budget_seconds is None:
        kept = [(seconds, case) for seconds, _, case in priced]
        return _selection(kept, 0)
    cover: dict[tuple[str, object], str] = {}
    for _, text, case in priced:
        cover.setdefault((operator(case), dict(case.parameters).get("data")), text)
    always = set(cover.values())
    spent = sum(seconds for seconds, text, _ in priced if text in always)
    kept = []
    is_full = False
    for seconds, text, case in priced:
        if text in always:
            kept.append((seconds, case))
            continue
        is_full = is_full or spent + seconds > budget_seconds
        if not is_full:
            spent += seconds
            kept.append((seconds, case))
    return _selection(kept, len(priced) - len(kept))


def _selection(kept: list[tuple[float, CaseLine]], left_out: int) -> Selection:
    return Selection(
        cases=tuple(case for _, case in kept),
        seconds=sum(seconds for seconds, _ in kept),
        left_out=left_out,
    )


def case_test_id(module: str, case: CaseLine) -> str:
    """The identifier of a case that a native executable runs."""
    return str(TestId(module=module, scheme="native", name=str(case)))
