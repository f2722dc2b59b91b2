"""What a working tree changed since a revision; whatever git cannot say is a doubt, never silence."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hotfire_infra.errors import SourceError
from hotfire_infra.source.git import GitCheckout
from hotfire_pipelines.changes import Change, ChangeKind, Changes
from hotfire_testframework.line_coverage.bodies import changed_bodies

ANCESTORS = 100
"""How far back from the base a run with coverage is looked for."""
SHALLOW = "this clone is shallow, so its history may be incomplete: `git fetch --unshallow`"
_SUBMODULE = "160000"
_HUNK = re.compile(rb"^@@ -(\d+)(?:,(\d+))? \+\d+(?:,\d+)? @@", re.MULTILINE)
_RAW = ("diff", "--raw", "-z", "-M", "--no-ext-diff", "--abbrev=40", "--ignore-submodules=none")


def changes_since(root: Path, since: str) -> Changes:
    """Return what differs between the merge base with `since` and the working tree.

    Commits, staged, unstaged and untracked files count; what git ignores does not, as in the
    archive of the source. A revision that is not there, a shallow clone and a git that fails are
    doubts of the answer, not errors.
    """
    git = GitCheckout(root.resolve())
    try:
        git = GitCheckout(Path(git.text("rev-parse", "--show-toplevel")))
        base, doubts = _base(git, since)
        if base is None:
            return Changes(since=since, doubts=doubts)
        files, hidden = _working_tree(git, base), _hidden(git)
    except SourceError as error:
        return Changes(since=since, doubts=(f"git cannot say what changed: {error}",))
    return Changes(since=since, base=base, files=tuple(files), doubts=(*doubts, *hidden))


def _base(git: GitCheckout, since: str) -> tuple[str | None, tuple[str, ...]]:
    """Return the merge base, and why it may not be the right one."""
    found = next((name for name in (since, f"origin/{since}") if _has(git, name)), None)
    if found is None:
        return None, (
            f"this clone has no revision {since!r}; if it is a branch, `git fetch origin {since}`",
        )
    shallow: tuple[str, ...] = ()
    if git.text("rev-parse", "--is-shallow-repository") != "false":
        shallow = (SHALLOW,)
    try:
        bases = git.text("merge-base", "--all", "HEAD", found).split()
    except SourceError:
        return None, (f"HEAD and {found} have no commit in common", *shallow)
    several = () if len(bases) == 1 else (f"HEAD and {found} have {len(bases)} merge bases",)
    return bases[0], (*several, *shallow)


def _has(git: GitCheckout, name: str) -> bool:
    if not name or name.startswith("-"):
        return False
    try:
        git.run("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    except SourceError:
        return False
    return True


def _working_tree(git: GitCheckout, base: str) -> list[Change]:
    changed = list(_parse_raw(git.names(*_RAW, base, "--")))
    untracked = git.names("ls-files", "--others", "--exclude-standard", "-z")
    # A repository inside this one is listed as a folder.
    changed += [
        Change(
            path=_readable(name),
            kind=ChangeKind.SUBMODULE if name.endswith("/") else ChangeKind.UNTRACKED,
        )
        for name in untracked
    ]
    return sorted(changed, key=lambda change: (change.path, change.kind.value))


def _hidden(git: GitCheckout) -> tuple[str, ...]:
    """Tell of files whose changes git was told not to see."""
    marked = [line for line in git.names("ls-files", "-v", "-z") if line[:1].islower()]
    if not marked:
        return ()
    name = _readable(marked[0][2:])
    return (f"git does not look at {name}: `git update-index --no-assume-unchanged {name}`",)


def _parse_raw(fields: Sequence[str]) -> Iterator[Change]:
    """Read `:mode mode sha sha STATUS`, path, and for a rename or copy the new path."""
    left = iter(fields)
    for head in left:
        old_mode, new_mode, _old, _new, status = head.lstrip(":").split(" ")
        path = _readable(next(left))
        if _SUBMODULE in (old_mode, new_mode):
            yield Change(path=path, kind=ChangeKind.SUBMODULE)
        elif status[0] == "R":
            moved_to = _readable(next(left))
            yield Change(path=path, kind=ChangeKind.DELETED, moved_to=moved_to)
            yield Change(path=moved_to, kind=ChangeKind.ADDED)
        elif status[0] == "C":
            yield Change(path=_readable(next(left)), kind=ChangeKind.ADDED)
        elif status[0] in "AM":
            yield Change(path=path, kind=_KINDS[status[0]])
        else:
            # Deleted, or of another type than before, or with a conflict: what it was is gone.
            yield Change(path=path, kind=ChangeKind.DELETED)


_KINDS = {"A": ChangeKind.ADDED, "M": ChangeKind.MODIFIED}


def _readable(name: str) -> str:
    """Return a name that is UTF-8 for certain; one that is not stays unknown to every rule."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


@dataclass(frozen=True, slots=True)
class BaseHistory:
    """Questions about the base of a change, for coverage that was measured before it."""

    root: Path
    base: str

    @property
    def _git(self) -> GitCheckout:
        return GitCheckout(self.root.resolve())

    def ancestors(self) -> tuple[str, ...]:
        """Return the base and the commits before it, newest first."""
        count = f"--max-count={ANCESTORS}"
        return tuple(self._git.text("rev-list", count, "--end-of-options", self.base).split())

    def since(self, revision: str) -> tuple[Change, ...] | None:
        """Return what changed from an older revision to the base; None if git cannot say."""
        if revision == self.base:
            return ()
        try:
            return tuple(_parse_raw(self._git.names(*_RAW, revision, self.base, "--")))
        except SourceError:
            return None

    def with_lines(self, change: Change) -> Change:
        """Return a modified file with its content at the base and what changed of it."""
        if change.kind is not ChangeKind.MODIFIED:
            return change
        try:
            content = self._git.run("cat-file", "blob", f"{self.base}:{change.path}")
            patch = self._git.run(
                "diff", "-U0", "--no-color", "--no-ext-diff", "--no-textconv", "--no-renames",
                self.base, "--", f":(top,literal){change.path}",
            )  # fmt: skip
        except SourceError:
            return change
        lines = sorted(set(_lines(patch)))
        digest = hashlib.sha256(content).hexdigest()
        return replace(
            change,
            sha256=digest,
            lines=tuple(lines) or None,
            bodies=self._bodies(change.path, content),
        )

    def _bodies(self, path: str, before: bytes) -> tuple[tuple[int, int], ...] | None:
        if not path.endswith(".py"):
            return None
        try:
            top = Path(self._git.text("rev-parse", "--show-toplevel"))
            return changed_bodies(before, (top / path).read_bytes())
        except (SourceError, OSError):
            return None


def _lines(patch: bytes) -> Iterator[int]:
    """Yield the old lines that a patch without context takes out, and the neighbours it parts."""
    for start_text, count_text in _HUNK.findall(patch):
        start, count = int(start_text), int(count_text or b"1")
        # Of an insertion git names the line before it: 0 at the top of the file.
        yield from range(start, start + count) if count else (max(start, 1), start + 1)
