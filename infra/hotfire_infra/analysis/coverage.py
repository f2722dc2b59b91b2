"""Line coverage of a run, from stored bitmaps of executable and hit lines."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class FileBitmaps:
    """What one suite on one platform saw of one file.

    Bit i of byte i // 8, least significant first, is line i + 1, in both bitmaps.
    """

    suite: str
    platform: str
    language: str
    path: str
    file_sha256: str
    executable: bytes
    hit: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class FileCoverage:
    """The union over suites and platforms for one file of one content."""

    language: str
    path: str
    executable_lines: int
    hit_lines: int

    @property
    def share(self) -> float:
        """Share of executable lines that ran; a file without executable lines is complete."""
        return self.hit_lines / self.executable_lines if self.executable_lines else 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguageCoverage:
    """One number of the headline, with what it counts."""

    language: str
    files: int
    executable_lines: int
    hit_lines: int
    never_loaded: int
    """Files with executable lines of which none ran; they count as 0 %, they do not vanish."""
    left_out: int = 0
    """Tests that ran nothing of it because no change concerned them: above 0, it is partial."""

    @property
    def share(self) -> float:
        """Share of executable lines that ran, 0..1."""
        return self.hit_lines / self.executable_lines if self.executable_lines else 0.0


def union_of_files(bitmaps: Iterable[FileBitmaps]) -> tuple[FileCoverage, ...]:
    """Join by (language, path, content digest): lines of different contents are never mixed."""
    executable: dict[tuple[str, str, str], int] = defaultdict(int)
    hit: dict[tuple[str, str, str], int] = defaultdict(int)
    for one in bitmaps:
        key = (one.language, one.path, one.file_sha256)
        executable[key] |= int.from_bytes(one.executable, "little") if one.executable else 0
        hit[key] |= int.from_bytes(one.hit, "little") if one.hit else 0
    return tuple(
        FileCoverage(
            language=language,
            path=path,
            executable_lines=lines.bit_count(),
            hit_lines=(hit[language, path, digest] & lines).bit_count(),
        )
        for (language, path, digest), lines in sorted(executable.items())
    )


def summarise(
    files: Iterable[FileCoverage], left_out: Mapping[str, int] | None = None
) -> tuple[LanguageCoverage, ...]:
    """Add files up by language, lines weighing equally; `C++` stands before `Python`.

    `left_out` are the tests that were left out of what measured a language, by its name.
    """
    groups: dict[str, list[FileCoverage]] = defaultdict(list)
    for file in files:
        groups[language_name(file.language)].append(file)
    return tuple(
        LanguageCoverage(
            language=language,
            files=len(members),
            executable_lines=sum(file.executable_lines for file in members),
            hit_lines=sum(file.hit_lines for file in members),
            never_loaded=sum(file.executable_lines > 0 and not file.hit_lines for file in members),
            left_out=(left_out or {}).get(language, 0),
        )
        for language, members in sorted(groups.items())
    )


def language_name(language: str) -> str:
    """Return the name people write: streams say `c++`, `cpp` or `python`."""
    return {"c++": "C++", "cpp": "C++", "cxx": "C++", "python": "Python"}.get(
        language.lower(), language
    )


def coverage_of(rows: Iterable[Any]) -> tuple[LanguageCoverage, ...]:
    """Return the coverage of stored rows (`queries_tests.coverage_bitmaps_of_run`)."""
    found = list(rows)
    narrowed = {
        (language_name(row.language), row.cell): row.left_out for row in found if row.is_narrowed
    }
    left_out: dict[str, int] = defaultdict(int)
    for (language, _), tests in narrowed.items():
        left_out[language] += tests
    bitmaps = (
        FileBitmaps(
            suite=row.suite,
            platform=row.platform,
            language=row.language,
            path=row.path,
            file_sha256=row.file_sha256,
            executable=row.executable,
            hit=row.hit,
        )
        for row in found
    )
    return summarise(union_of_files(bitmaps), left_out)
