"""`python -m hotfire_testframework.runner.bundle OUT`: the runner as one zipapp with the same bytes every time."""

from __future__ import annotations

import hashlib
import io
import sys
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

PACKAGE = "hotfire_testframework"
PARTS = ("contract", "runner")
ROOT_FILES = ("__init__.py", "errors.py")
# The earliest time a zip file can hold: contents alone decide the bytes.
EPOCH = (1980, 1, 1, 0, 0, 0)
SHEBANG = b"#!/usr/bin/env python3\n"
MAIN = b"""import sys

from hotfire_testframework.runner.__main__ import main

sys.exit(main())
"""


def build_bundle() -> bytes:
    """Return the bytes of the zipapp: contract, runner, their errors, and nothing else."""
    root = Path(__file__).resolve().parents[1]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        _add(archive, "__main__.py", MAIN)
        for name, data in _members(root):
            _add(archive, f"{PACKAGE}/{name}", data)
    return SHEBANG + buffer.getvalue()


def bundle_sha256() -> str:
    """Return the digest that stands in the plan."""
    return hashlib.sha256(build_bundle()).hexdigest()


def _members(root: Path) -> Iterator[tuple[str, bytes]]:
    files = [root / name for name in ROOT_FILES]
    for part in PARTS:
        files.extend((root / part).rglob("*.py"))
    for path in sorted(files, key=lambda item: item.relative_to(root).as_posix()):
        # A checkout with CRLF line ends must give the same bundle.
        yield path.relative_to(root).as_posix(), path.read_bytes().replace(b"\r\n", b"\n")


def _add(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    info = zipfile.ZipInfo(name, EPOCH)
    # Stored, not deflated: zlib versions compress differently.
    info.compress_type = zipfile.ZIP_STORED
    info.external_attr = 0o644 << 16
    info.create_system = 3
    archive.writestr(info, data)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the bundle and print its path and sha256."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    if len(words) != 1:
        print("usage: python -m hotfire_testframework.runner.bundle OUT", file=sys.stderr)
        return 2
    data = build_bundle()
    target = Path(words[0])
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)
    target.chmod(0o755)
    print(f"{target} {hashlib.sha256(data).hexdigest()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
