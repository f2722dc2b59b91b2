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


def find_merge_base(root: Path, targets: Sequence[str]) -> MergeBase | None:
    """Return the merge base of HEAD with the first of `targets` that exists.

    None where no such branch exists or nothing is shared with it (a shallow clone, an orphan).
    """
    git = GitCheckout(root.resolve())
    for target in targets:
        try:
            git.run("rev-parse", "--verify", "--quiet", "--end-of-options", f"{target}^{{commit}}")
        except SourceError:
            continue
        try:
            revision = git.text("merge-base", "HEAD", target)
        except SourceError:
            return None
        count = f"--max-count={ANCESTORS}"
        listed = git.text("rev-list", "--first-parent", count, "--end-of-options", revision)
        return MergeBase(revision=revision, target=target, ancestors=tuple(listed.split()))
    return None
