"""A revision of a local clone as a checkout of its own, beside whatever lies in the clone."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from hotfire_infra.errors import SourceError
from hotfire_infra.source.git import GitCheckout


def revision_at(clone: Path, name: str) -> str:
    """Return the full commit id that a branch, tag or revision names."""
    return GitCheckout(clone.resolve()).text(
        "rev-parse", "--verify", "--end-of-options", f"{name}^{{commit}}"
    )


@contextlib.contextmanager
def worktree_of(clone: Path, revision: str) -> Iterator[Path]:
    """Check a revision out into a temporary folder, for as long as the block lasts."""
    git = GitCheckout(clone.resolve())
    with tempfile.TemporaryDirectory(prefix="hotfire-revision-") as folder:
        # A clone without origin is known by its folder's name, so the worktree has the same.
        path = Path(folder) / git.root.name
        git.run("worktree", "add", "--detach", "--force", str(path), revision)
        try:
            yield path
        finally:
            with contextlib.suppress(SourceError):
                git.run("worktree", "remove", "--force", str(path))
            with contextlib.suppress(SourceError):
                git.run("worktree", "prune")
