"""The command a reader would type for what a page shows."""

from __future__ import annotations

import shlex


def command(*words: str) -> str:
    """Return a `hotfire` command line that a shell reads back as these words."""
    return shlex.join(("hotfire", *words))
