"""`python -m hotfire_k8s.images [NAME …]`: images as OCI tars, without registry or daemon.

For the real node of the cluster on this machine, and for sites that carry images by hand. What goes
in is the same as in `k8s/images/*.Containerfile`: Debian's packages, pinned wheels, and the runner.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from hotfire_infra.settings import read_settings
from hotfire_k8s.debian import fetch_packages, lay_bytecode, lay_packages, lay_root
from hotfire_k8s.errors import ClusterError, ImageError
from hotfire_k8s.oci import ImageConfig, LayerWriter, sha256_of, write_image
from hotfire_testframework.runner.bundle import build_bundle

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ROOT / "k8s" / "images"
REGISTRY = "hotfire.dev"
"""First part of the names; nothing is pulled from there: the tars are imported."""
DIST_PACKAGES = "usr/local/lib/python3.11/dist-packages"
RUNNER = "opt/hotfire/runner.pyz"
WHEEL_SECONDS = 900

Say = Callable[[str], None]

ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG": "C.UTF-8",
    # Modules are compiled when the image is built; the root is read-only in pods.
    "PYTHONDONTWRITEBYTECODE": "1",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """What an image is made of."""

    packages: tuple[str, ...]
    """Of Debian."""
    lock: str = ""
    """File of pinned Python packages in `k8s/images`; none: no packages."""
    sources: tuple[str, ...] = ()
    """Source roots of this checkout whose package is installed."""
    runner: bool = True
    """Whether the runner is at `/opt/hotfire/runner.pyz`."""
    links: Mapping[str, str] = field(default_factory=dict)
    """What package scripts would make."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Executable files of `k8s/images`, by their place in the image."""
    toolchain: str = ""
    """Name of a toolchain in this user's cache that is copied to `/opt/hotfire/cache`."""
    config: ImageConfig = field(default_factory=lambda: ImageConfig(env=ENVIRONMENT))


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltImage:
    """An image that `ctr images import` takes."""

    name: str
    """With tag, as pods name it."""
    path: Path
    digest: str
    """Of the image: `sha256:…`."""
    sha256: str
    """Of the tar."""
    size: int
    """Bytes of the tar."""
    runner_sha256: str
    """Of the runner in it; empty: it has none."""


RUNNER_PACKAGES = ("python3", "dash", "coreutils", "ca-certificates")
TOOLCHAIN_PACKAGES = (
    *RUNNER_PACKAGES,
    *("g++", "cmake", "ninja-build", "libgtest-dev"),
    *("bash", "findutils", "grep", "gzip", "sed", "tar"),
)
COMPILER_LINKS = {"usr/bin/cc": "gcc", "usr/bin/c++": "g++"}
SOURCES = ("infra", "pipelines", "testframework", "dashboards")

DEFINITIONS: Mapping[str, Definition] = {
    "runner": Definition(packages=RUNNER_PACKAGES),
    "toolchain": Definition(
        packages=TOOLCHAIN_PACKAGES,
        lock="toolchain.lock",
        sources=("testframework",),
        links=COMPILER_LINKS,
    ),
    "cuda": Definition(
        packages=TOOLCHAIN_PACKAGES,
        lock="toolchain.lock",
        sources=("testframework",),
        links=COMPILER_LINKS,
        toolchain="cuda",
    ),
    "jetson": Definition(
        packages=(*TOOLCHAIN_PACKAGES, "g++-aarch64-linux-gnu", "qemu-user-static"),
        lock="toolchain.lock",
        sources=("testframework",),
        links=COMPILER_LINKS,
    ),
    "service": Definition(
        packages=(*RUNNER_PACKAGES, "git", "grep"),
        lock="service.lock",
        sources=SOURCES,
        runner=False,
        config=ImageConfig(
            env={**ENVIRONMENT, "HOTFIRE_HOME": "/var/lib/hotfire"},
            working_dir="/var/lib/hotfire",
            entrypoint=("hotfire",),
            cmd=("serve",),
        ),
    ),
    "postgresql": Definition(
        packages=("dash", "coreutils", "postgresql-15", "postgresql-client-15", "sed", "grep"),
        runner=False,
        # Debian's own are wrappers in Perl, which chooses among versions; here is one.
        links={
            f"usr/local/bin/{name}": f"/usr/lib/postgresql/15/bin/{name}"
            for name in ("pg_dump", "pg_isready", "pg_restore", "psql")
        },
        files={"usr/local/bin/hotfire-postgresql": "postgresql-start.sh"},
        config=ImageConfig(
            user="10001:10001",
            env={**ENVIRONMENT, "PGDATA": "/var/lib/postgresql/data/pgdata"},
            working_dir="/var/lib/postgresql",
            entrypoint=("/usr/local/bin/hotfire-postgresql",),
            # Fast: to SIGTERM it waits until the last client has gone.
            stop_signal="SIGINT",
        ),
    ),
}


def image_name(name: str) -> str:
    """Return what pods call an image of this checkout."""
    return f"{REGISTRY}/{name}:{project()['version']}"


def project() -> Mapping[str, str]:
    """Return name and version of this checkout; ImageError outside one."""
    try:
        read = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    except OSError as error:
        raise ImageError(f"images are built from a checkout: {error}") from error
    return {key: str(read["project"][key]) for key in ("name", "version")}


def build_image(name: str, say: Say, *, folder: Path | None = None) -> BuiltImage:
    """Return an image, built unless this very one lies in the folder (default: the user's cache).

    The packages of Debian are those of the day on which its layer is first built here; the layer
    is kept until its definition changes or its file is removed. Raises ImageError.
    """
    if name not in DEFINITIONS:
        raise ImageError(f"no image is called {name!r}; there are {', '.join(DEFINITIONS)}")
    definition = DEFINITIONS[name]
    folder = folder or read_settings(Path.cwd()).cache / "images"
    (folder / "layers").mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    layers = [_debian_layer(definition, folder, say)]
    if definition.lock:
        layers.append(_wheel_layer(definition, folder, say))
    if definition.toolchain:
        layers.append(_toolchain_layer(definition.toolchain, folder, say))
    bundle = build_bundle() if definition.runner else b""
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        own = Path(scratch) / "own.tar"
        _lay_own(own, definition, bundle)
        target = Path(scratch) / f"{name}.tar"
        digest = write_image(target, image_name(name), [*layers, own], definition.config)
        final = folder / f"{name}.tar"
        target.replace(final)
    size = final.stat().st_size
    say(f"image {name}: {size / 1e6:.0f} MB in {time.monotonic() - started:.0f} s: {final}")
    return BuiltImage(
        name=image_name(name),
        path=final,
        digest=digest,
        sha256=sha256_of(final),
        size=size,
        runner_sha256=hashlib.sha256(bundle).hexdigest() if bundle else "",
    )


def layer_names(definition: Definition) -> list[str]:
    """Return the files that an image's kept layers are called by now; ImageError."""
    found = [_file_name("debian", _debian_recipe(definition))]
    if definition.lock:
        found.append(_file_name("wheels", _wheel_recipe(definition)))
    if definition.toolchain:
        found.append(_file_name(definition.toolchain, _toolchain_recipe(definition.toolchain)))
    return found


def _file_name(kind: str, recipe: str) -> str:
    return f"{kind}-{hashlib.sha256(recipe.encode()).hexdigest()[:16]}.tar"


def _kept(folder: Path, kind: str, recipe: str, write: Callable[[Path], None]) -> Path:
    """Return a layer by what it is made of, written once; its time says when it was used last."""
    target = folder / "layers" / _file_name(kind, recipe)
    if target.exists():
        os.utime(target)
    else:
        with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
            new = Path(scratch) / "layer.tar"
            write(new)
            new.replace(target)
    return target


def _compiles() -> bool:
    """Whether this Python writes the bytecode of Debian's."""
    return sys.version_info[:2] == (3, 11)


def _debian_recipe(definition: Definition) -> str:
    this = Path(__file__)
    code = "".join(this.with_name(f"{name}.py").read_text() for name in ("debian", "oci"))
    return json.dumps([sorted(definition.packages), dict(definition.links), _compiles(), code])


def _debian_layer(definition: Definition, folder: Path, say: Say) -> Path:
    wanted = sorted(definition.packages)

    def write(target: Path) -> None:
        say(f"fetching {' '.join(wanted)} and what they need")
        packages = fetch_packages(wanted, folder / "apt")
        say(f"unpacking {len(packages)} packages")
        with LayerWriter(target) as layer:
            lay_root(layer)
            for name, to in sorted({"usr/bin/sh": "dash", **definition.links}.items()):
                layer.link(name, to)
            lay_packages(layer, packages, compile_python=_compiles())
            listed = "".join(f"{one.name} {one.version}\n" for one in packages)
            layer.file("opt/hotfire/packages.txt", listed.encode())

    return _kept(folder, "debian", _debian_recipe(definition), write)


def _wheel_recipe(definition: Definition) -> str:
    return (LOCKS / definition.lock).read_text(encoding="utf-8") + sys.version


def _wheel_layer(definition: Definition, folder: Path, say: Say) -> Path:
    lock = LOCKS / definition.lock

    def write(target: Path) -> None:
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            say(f"installing {definition.lock}")
            _install(lock, Path(scratch))
            with LayerWriter(target) as layer:
                _lay_tree(layer, Path(scratch), DIST_PACKAGES)

    return _kept(folder, "wheels", _wheel_recipe(definition), write)


def _install(lock: Path, target: Path) -> None:
    words = ["pip", "install", "--quiet", "--require-hashes", "--no-deps", "--link-mode=copy"]
    where = ["--python", sys.executable, "--target", str(target), "-r", str(lock)]
    argv = [str(Path(sys.executable).with_name("uv")), *words, *where]
    environment = {**os.environ, **_index()}
    try:
        done = subprocess.run(
            argv, env=environment, capture_output=True, text=True, timeout=WHEEL_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ImageError(
            f"{lock.name} could not be installed: {error}; run `make setup`"
        ) from error
    if done.returncode:
        last = " | ".join(done.stderr.strip().splitlines()[-3:])
        raise ImageError(f"{lock.name} could not be installed: {last}")


def _index() -> dict[str, str]:
    """Hand pip's configured index on to uv, which does not read pip's configuration."""
    if os.environ.get("UV_DEFAULT_INDEX") or os.environ.get("UV_INDEX_URL"):
        return {}
    asked = [sys.executable, "-m", "pip", "config", "get", "global.index-url"]
    done = subprocess.run(asked, capture_output=True, text=True)
    index = os.environ.get("PIP_INDEX_URL") or done.stdout.strip()
    return {"UV_DEFAULT_INDEX": index} if index else {}


def _toolchain(name: str) -> Path:
    source = (read_settings(Path.cwd()).cache / name / "current").resolve()
    if not source.is_dir():
        raise ImageError(f"no toolchain {name} in {source.parent}; `make setup` installs it")
    return source


def _toolchain_recipe(name: str) -> str:
    found = _toolchain(name).rglob("*")
    return "\n".join(sorted(f"{path} {path.lstat().st_size}" for path in found))


def _toolchain_layer(name: str, folder: Path, say: Say) -> Path:
    source = _toolchain(name)

    def write(target: Path) -> None:
        say(f"copying {source}")
        with LayerWriter(target) as layer:
            _lay_tree(layer, source, f"opt/hotfire/cache/{name}/current", compiles=False)

    return _kept(folder, name, _toolchain_recipe(name), write)


def _lay_own(target: Path, definition: Definition, bundle: bytes) -> None:
    with LayerWriter(target) as layer:
        if bundle:
            layer.file(RUNNER, bundle, 0o755)
        for place, name in definition.files.items():
            layer.file(place, (LOCKS / name).read_bytes(), 0o755)
        for source in definition.sources:
            package = f"hotfire_{source}"
            _lay_tree(layer, ROOT / source / package, f"{DIST_PACKAGES}/{package}")
        if definition.sources:
            _lay_metadata(layer, definition.sources)


def _lay_metadata(layer: LayerWriter, sources: Sequence[str]) -> None:
    """Put what an installation leaves: by its entry points the parts find each other."""
    read = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups = {**read["entry-points"], "console_scripts": read["scripts"]}
    packages = {f"hotfire_{source}" for source in sources}
    lines = []
    for group, points in sorted(groups.items()):
        here = {
            name: value for name, value in points.items() if value.partition(".")[0] in packages
        }
        lines += [f"[{group}]", *(f"{name} = {value}" for name, value in sorted(here.items()))]
    info = f"{DIST_PACKAGES}/hotfire-{read['version']}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: hotfire\nVersion: {read['version']}\n"
    layer.file(f"{info}/METADATA", metadata.encode())
    layer.file(f"{info}/entry_points.txt", ("\n".join(lines) + "\n").encode())
    if "infra" in sources:
        start = "#!/usr/bin/python3\nfrom hotfire_infra.cli.main import run_cli\n\nrun_cli()\n"
        layer.file("usr/local/bin/hotfire", start.encode(), 0o755)


def _lay_tree(layer: LayerWriter, source: Path, place: str, *, compiles: bool = True) -> None:
    # A checkout's own caches, and what only the tests of a library are, stay out.
    for path in sorted(source.rglob("*")):
        inside = path.relative_to(source)
        if "__pycache__" in inside.parts or path.name.startswith(".lock"):
            continue
        name = f"{place}/{inside.as_posix()}"
        if path.is_symlink():
            layer.link(name, str(path.readlink()))
        elif path.is_file():
            content = path.read_bytes()
            layer.file(name, content, 0o755 if path.stat().st_mode & 0o100 else 0o644)
            if compiles and path.suffix == ".py" and sys.version_info[:2] == (3, 11):
                lay_bytecode(layer, name, content)


def main(arguments: Sequence[str] | None = None) -> int:
    """Build images and print one JSON line for each."""
    parser = argparse.ArgumentParser(prog="python -m hotfire_k8s.images", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(DEFINITIONS))
    parser.add_argument("--folder", type=Path, help="where they go; default: the user's cache")
    options = parser.parse_args(arguments)
    try:
        for name in options.names or ("runner",):
            built = build_image(
                name, lambda text: print(text, file=sys.stderr), folder=options.folder
            )
            print(json.dumps({**asdict(built), "path": str(built.path)}), flush=True)
    except ClusterError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
