"""Git by subprocess, hardened: no prompts, no hooks, no system configuration, a time limit."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from hotfire_infra.errors import SourceError
from hotfire_infra.settings import inherited_environment

TIMEOUT_SECONDS = 60
_SAFE_CONFIGURATION = (
    "-c", "core.hooksPath=/dev/null",
    "-c", "core.fsmonitor=false",
    "-c", "protocol.ext.allow=never",
    "-c", "core.quotePath=false",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class GitCheckout:
    """Plumbing commands on one working tree."""

    root: Path

    def run(self, *arguments: str) -> bytes:
        """Return the output of a git command; its failure is a SourceError with git's own words."""
        # Who owns the checkout is the user's business: a container often runs as another user.
        argv = ["git", *_SAFE_CONFIGURATION, "-c", f"safe.directory={self.root}", *arguments]
        try:
            done = subprocess.run(
                argv,
                cwd=self.root,
                env=_environment(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=TIMEOUT_SECONDS,
                check=False,
            )
        except FileNotFoundError as error:
            raise SourceError("git is not on PATH; install it") from error
        except subprocess.TimeoutExpired as error:
            raise SourceError(f"git {arguments[0]} took longer than {TIMEOUT_SECONDS} s") from error
        if done.returncode != 0:
            # Across a mount point git explains itself in a second line; an error here is one.
            words = " ".join(done.stderr.decode("utf-8", "replace").split())
            raise SourceError(f"git {arguments[0]} in {self.root}: {words}")
        return done.stdout

    def text(self, *arguments: str) -> str:
        """Return one line of output."""
        return self.run(*arguments).decode("utf-8", "replace").strip()

    def names(self, *arguments: str) -> list[str]:
        """Return NUL-separated paths."""
        output = self.run(*arguments)
        return [os.fsdecode(name) for name in output.split(b"\0") if name]


def _environment() -> dict[str, str]:
    inherited = inherited_environment()
    kept = {name: inherited[name] for name in ("PATH", "HOME", "TMPDIR") if name in inherited}
    return kept | {
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "LC_ALL": "C",
    }
