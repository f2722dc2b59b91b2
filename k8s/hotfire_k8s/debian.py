"""Packages of Debian as a layer: resolved and fetched by apt, unpacked without their scripts.

apt checks signatures and sums; nothing is installed on this machine. Documentation, manuals and
translations are left out, and what only a package's installation needs.
"""

from __future__ import annotations

import io
import re
import subprocess
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import source_hash
from pathlib import Path, PurePosixPath
from typing import Any

from hotfire_k8s.errors import ImageError
from hotfire_k8s.oci import LayerWriter

# The one writer of such files that needs no file on a disk; it has no public name.
_importing: Any = import_module("importlib._bootstrap_external")

FETCH_SECONDS = 900
FOR_INSTALLING = frozenset({"debconf", "dpkg", "gcc-12-base", "perl-base", "readline-common"})
"""Their scripts would run at installation; in an image nothing is installed."""
LEFT_OUT = (
    "usr/share/doc/",
    "usr/share/doc-base/",
    "usr/share/info/",
    "usr/share/lintian/",
    "usr/share/locale/",
    "usr/share/man/",
    "usr/share/bash-completion/",
    "usr/share/gdb/",
    "usr/lib/python3.11/test/",
    "usr/lib/python3.11/lib2to3/",
    "usr/lib/python3.11/idlelib/",
    "usr/lib/python3.11/pydoc_data/",
    "usr/lib/python3.11/ensurepip/",
    "usr/lib/valgrind/",
    "var/lib/dpkg/",
)
MERGED = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
"""Folders that are links into /usr since Debian 12; its packages still name some of them."""
PYTHON_LIBRARY = "usr/lib/python3"
URI = re.compile(r"^'(?P<uri>[^']+)' (?P<file>\S+\.deb) (?P<size>\d+)", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """One package as it was fetched."""

    name: str
    version: str
    path: Path


def fetch_packages(names: Sequence[str], folder: Path) -> tuple[Package, ...]:
    """Fetch packages and all they depend on; in the order of their names.

    Raises ImageError where this machine has no apt or its lists do not know a package.
    """
    for part in ("archives/partial", "none/partial", "lists/partial"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    (folder / "status").touch()
    # The machine's own lists first: they are there, and may be too old.
    own = ("-o", f"Dir::State::lists={folder / 'lists'}")
    try:
        files = _download(names, folder, ())
    except ImageError:
        _apt(folder, [*own, "update", "-qq"])
        files = _download(names, folder, own)
    found = [_package(folder / "archives" / name) for name in files]
    return tuple(sorted(found, key=lambda package: package.name))


def _download(names: Sequence[str], folder: Path, options: Sequence[str]) -> list[str]:
    wanted = [*options, "install", "-y", *names]
    # Asked with nothing there: apt does not name what it has already.
    files = [
        found["file"] for found in URI.finditer(_apt(folder, ["--print-uris", *wanted], "none"))
    ]
    if not files:
        raise ImageError(f"apt knows nothing of {' '.join(names)}")
    if not all((folder / "archives" / name).exists() for name in files):
        _apt(folder, ["--download-only", *wanted])
    return files


def _apt(folder: Path, words: Sequence[str], archives: str = "archives") -> str:
    settings = {
        "Dir::State::status": str(folder / "status"),
        "Dir::Cache::archives": f"{folder / archives}/",
        "Dir::Cache::pkgcache": "",
        "Dir::Cache::srcpkgcache": "",
        "Debug::NoLocking": "1",
        "APT::Install-Recommends": "0",
        "APT::Sandbox::User": "",
        "APT::Keep-Downloaded-Packages": "1",
    }
    options = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]
    try:
        done = subprocess.run(
            ["apt-get", "-qq", *options, *words],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=FETCH_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ImageError(f"apt-get: {error}; images are built on Debian or Ubuntu") from error
    if done.returncode:
        last = " | ".join(done.stderr.strip().splitlines()[-3:])
        raise ImageError(f"apt-get ended with {done.returncode}: {last}")
    return done.stdout


def _package(path: Path) -> Package:
    shown = subprocess.run(
        ["dpkg-deb", "--show", "--showformat=${Package} ${Version}", str(path)],
        capture_output=True,
        text=True,
        check=True,
    )
    name, _, version = shown.stdout.partition(" ")
    return Package(name=name, version=version, path=path)


def lay_root(layer: LayerWriter) -> None:
    """Put the folders that every system has, and the merged ones as links."""
    for name in MERGED:
        layer.folder(f"usr/{name}")
        layer.link(name, f"usr/{name}")
    for name in ("dev", "etc", "opt/hotfire", "proc", "run/hotfire", "sys", "var/lib"):
        layer.folder(name)
    for name in ("tmp", "var/tmp"):
        layer.folder(name, 0o1777)
    layer.folder("work", 0o777)
    layer.file("etc/passwd", b"root:x:0:0:root:/:/bin/sh\nhotfire:x:10001:10001::/work:/bin/sh\n")
    layer.file("etc/group", b"root:x:0:\nhotfire:x:10001:\n")
    layer.file("etc/nsswitch.conf", b"passwd: files\ngroup: files\nhosts: files dns\n")


def lay_packages(layer: LayerWriter, packages: Sequence[Package], *, compile_python: bool) -> None:
    """Put the files of packages, without those that an image does not need."""
    certificates = []
    for package in packages:
        if package.name in FOR_INSTALLING:
            continue
        for member, content in _members(package.path):
            name = _placed(member.name)
            if not name or f"{name}/".startswith(LEFT_OUT):
                continue
            _lay(layer, member, name, content)
            if compile_python and name.startswith(PYTHON_LIBRARY) and name.endswith(".py"):
                lay_bytecode(layer, name, content)
            if name.startswith("usr/share/ca-certificates/") and name.endswith(".crt"):
                certificates.append(content)
    if certificates:
        # What update-ca-certificates does at installation.
        layer.file("etc/ssl/certs/ca-certificates.crt", b"".join(sorted(certificates)))


def _lay(layer: LayerWriter, member: tarfile.TarInfo, name: str, content: bytes) -> None:
    if member.isdir():
        layer.folder(name, member.mode & 0o1777)
    elif member.issym():
        layer.link(name, member.linkname)
    elif member.islnk():
        layer.link(name, _placed(member.linkname), hard=True)
    elif member.isfile():
        # Nobody becomes somebody else in a container: no set-user-id bits.
        layer.file(name, content, member.mode & 0o777)


def _members(path: Path) -> Iterator[tuple[tarfile.TarInfo, bytes]]:
    done = subprocess.run(
        ["dpkg-deb", "--fsys-tarfile", str(path)], capture_output=True, check=True
    )
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        for member in archive:
            file = archive.extractfile(member) if member.isfile() else None
            yield member, b"" if file is None else file.read()


def _placed(name: str) -> str:
    parts = PurePosixPath(name.removeprefix("./")).parts
    if parts and parts[0] in MERGED:
        parts = ("usr", *parts)
    return "/".join(parts)


def lay_bytecode(layer: LayerWriter, name: str, source: bytes) -> None:
    """Put a module's compiled form, believed unseen: in a pod nobody can write one.

    Its magic number is this interpreter's: the caller compiles for its own version only.
    """
    folder, _, file = name.rpartition("/")
    try:
        code = compile(source, f"/{name}", "exec", dont_inherit=True)
    except SyntaxError:
        return
    content = _importing._code_to_hash_pyc(code, source_hash(source), checked=False)
    layer.file(f"{folder}/__pycache__/{file[:-3]}.cpython-311.pyc", bytes(content))
