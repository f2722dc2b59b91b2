"""Old layers, images and programs in the user's cache: found by what this checkout would make now.

What was used within the last hour stays, by whatever checkout, and so does what runs.
"""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from hotfire_infra.executors.processes import PROC
from hotfire_infra.settings import read_settings
from hotfire_k8s.errors import ImageError
from hotfire_k8s.images import DEFINITIONS, layer_names
from hotfire_k8s.products import PRODUCTS

Say = Callable[[str], None]

RECENT_SECONDS = 3600.0
"""Somebody may be at work with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """A file or folder that nobody needs."""

    path: Path
    size: int
    """Bytes, with all that is below."""


def prune(say: Say, *, removes: bool = True, cache: Path | None = None) -> list[Leftover]:
    """Remove what is old, and return it; `removes=False` only looks."""
    cache = cache or read_settings(Path.cwd()).cache
    running = _running(cache)
    found = []
    for path in (*_old_images(cache / "images", say), *_old_programs(cache / "controlplane")):
        if any(program.is_relative_to(path) for program in running) or _is_recent(path):
            continue
        found.append(Leftover(path=path, size=_size(path)))
        say(f"{found[-1].size / 1e6:7,.0f} MB  {path}")
        if removes:
            _remove(path)
    return found


def _old_images(folder: Path, say: Say) -> Iterator[Path]:
    """Yield layers and images that no definition makes, what was fetched for them, and scratch."""
    kept: set[str] = set()
    for name, definition in DEFINITIONS.items():
        try:
            kept |= set(layer_names(definition))
        except ImageError as error:
            say(f"image {name} is left out of account: {error}")
            if definition.toolchain:
                # Without its toolchain nobody knows which of these is the right one.
                kept |= {path.name for path in folder.glob(f"layers/{definition.toolchain}-*.tar")}
    for path in sorted(folder.glob("layers/*")):
        if path.name not in kept:
            yield path
    for path in sorted(folder.glob("*.tar")):
        if path.stem not in DEFINITIONS:
            yield path
    yield from sorted(folder.glob("tmp*"))
    if any(folder.glob("apt/archives/*.deb")):
        # Layers hold what is in them; they are fetched again for the next one.
        yield folder / "apt" / "archives"


def _old_programs(folder: Path) -> Iterator[Path]:
    kept = {f"{one.name}-{one.version}-{one.digest}" for one in PRODUCTS}
    names = {one.name for one in PRODUCTS}
    for path in sorted(folder.glob("*-*-*")):
        if path.is_dir() and path.name not in kept and path.name.split("-")[0] in names:
            yield path


def _running(cache: Path) -> set[Path]:
    """Return the programs in the cache that run now, for whomever."""
    found = set()
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                program = (entry / "exe").readlink()
                if program.is_relative_to(cache):
                    found.add(program)
    return found


def _is_recent(path: Path) -> bool:
    try:
        return time.time() - path.stat().st_mtime < RECENT_SECONDS
    except FileNotFoundError:
        return True


def _size(path: Path) -> int:
    below = [path, *path.rglob("*")] if path.is_dir() else [path]
    return sum(one.lstat().st_size for one in below if not one.is_dir())


def _remove(path: Path) -> None:
    # Another prune may be faster.
    with contextlib.suppress(FileNotFoundError):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
