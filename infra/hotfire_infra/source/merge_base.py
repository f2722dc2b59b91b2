"""Where a change started from: its merge base with the target branch, and the commits before that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hotfire_infra.errors import SourceError
from hotfire_infra.source.git import GitCheckout
from hotfire_infra.store.blobs import BlobStore
from hotfire_testframework.runner.unpack import unpack_archive

ANCESTORS = 50
"""How far back a recorded run of the target branch is looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeBase:
    """A commit of the target branch."""

    revision: str
    target: str
    """The branch, as git names it."""
    ancestors: tuple[str, ...]
    """The commit and its first parents, newest first."""
    archive_sha256: str | None = None
    """Blob with its files, where somebody may want to execute them."""


def with_archive(root: Path, base: MergeBase, blobs: BlobStore) -> MergeBase:
    """Return the merge base with an archive of its files as a blob."""
    git = GitCheckout(root.resolve())
    archive = git.run("archive", "--format=tar", base.revision)
    return replace(base, archive_sha256=blobs.put_bytes(archive).sha256)


def unpack_at(root: Path, revision: str, folder: Path, target: Path) -> Path:
    """Write a folder of a revision below `target`; return it. The working tree does not matter."""
    git = GitCheckout(root.resolve())
    archive = target / "definitions.tar"
    archive.write_bytes(git.run("archive", "--format=tar", revision, "--", folder.as_posix()))
    unpack_archive(archive, target / "tree")
    return target / "tree" / folder


def commit_of(root: Path, revision: str) -> str | None:
    """Return the whole id of a commit, or None where this checkout does not know it."""
    asked = f"{revision}^{{commit}}"
    try:
        return GitCheckout(root.resolve()).text(
            "rev-parse", "--verify", "--quiet", "--end-of-options", asked
        )
    except SourceError:
        return None


def find_merge_base(root: Path, targets: Sequence[str], revision: str = "HEAD") -> MergeBase | None:
    """Return the merge base of a commit with the first of `targets` that exists.

    None where no such branch exists, the commit is not here, or nothing is shared with the branch
    (a shallow clone, an orphan).
    """
    git = GitCheckout(root.resolve())
    commit = commit_of(root, revision)
    if commit is None:
        return None
    for target in targets:
        try:
            git.run("rev-parse", "--verify", "--quiet", "--end-of-options", f"{target}^{{commit}}")
        except SourceError:
            continue
        try:
            base = git.text("merge-base", commit, target)
        except SourceError:
            return None
        return merge_base_at(root, base, target)
    return None


def merge_base_at(root: Path, commit: str, target: str) -> MergeBase:
    """Return a commit as merge base, with its first parents."""
    count = f"--max-count={ANCESTORS}"
    listed = GitCheckout(root.resolve()).text(
        "rev-list", "--first-parent", count, "--end-of-options", commit
    )
    return MergeBase(revision=commit, target=target, ancestors=tuple(listed.split()))
