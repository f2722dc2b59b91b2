"""Programs of the control plane: taken from the user's cache, built from the Go module proxy once.

They lie in `<cache>/controlplane/<product>-<version>-<digest>/<program>`; whatever is there is
complete, because a program gets its name only after it was built.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import subprocess
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hotfire_infra.settings import executables_path, read_settings
from hotfire_k8s.compiler import Compiler, find_compiler
from hotfire_k8s.errors import BuildError, DiskShortError
from hotfire_k8s.found_programs import find_program
from hotfire_k8s.products import GB, Product, SourcePatch, product_of

Say = Callable[[str], None]

BEAT_S = 15.0
"""A build says at least this often how far it is."""
PROGRAM_BYTES = 120_000_000
"""Largest program, kube-apiserver, rounded up."""
SCRATCH = ".build-"
OFFLINE = re.compile(
    r"dial tcp|no such host|connection refused|i/o timeout|TLS handshake|network is unreachable"
    r"|Temporary failure|proxyconnect"
)
PACKAGE_LINE = re.compile(r"^[\w./~-]+$")


@dataclass(frozen=True, slots=True)
class ProgramCache:
    """Where finished programs are kept."""

    folder: Path

    def path(self, program: str) -> Path:
        """Return where a program is or will be."""
        product = product_of(program)
        return self.folder / f"{product.name}-{product.version}-{product.digest}" / program

    def missing(self, programs: Sequence[str]) -> list[str]:
        """Return those that are still to be built, in the order given."""
        return [program for program in programs if not self.path(program).exists()]


def program_cache() -> ProgramCache:
    """Return this user's cache."""
    return ProgramCache(read_settings(Path.cwd()).cache / "controlplane")


def ensure_programs(
    programs: Sequence[str], say: Say, cache: ProgramCache | None = None
) -> dict[str, Path]:
    """Return the path of each program, after building what is neither cached nor installed.

    Raises BuildError.
    """
    cache = cache or program_cache()
    found = {name: find_program(name, os.environ) for name in cache.missing(programs)}
    installed = {name: path for name, path in found.items() if path is not None}
    for name, path in installed.items():
        say(f"{name} {product_of(name).version} is installed: {path}")
    programs = [name for name in programs if name not in installed]
    if missing := cache.missing(programs):
        cache.folder.mkdir(parents=True, exist_ok=True)
        with _only_builder(cache.folder, say):
            # Another builder may have made them while this one waited.
            if missing := cache.missing(programs):
                _build_all(missing, cache, say)
    return {program: cache.path(program) for program in programs} | installed


@contextlib.contextmanager
def _only_builder(folder: Path, say: Say) -> Iterator[None]:
    """Let one process of this user build at a time; the lock goes with the process."""
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another process is building the control plane; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build_all(programs: Sequence[str], cache: ProgramCache, say: Say) -> None:
    compiler = find_compiler(cache.folder, say, path=executables_path())
    require_room(programs, cache, compiler)
    seconds = sum(product_of(name).cold_seconds[name] for name in programs)
    say(
        f"building {', '.join(programs)} with {compiler.version}: about {_minutes(seconds)} on two "
        "cores with nothing cached, once"
    )
    # What a builder left that was killed; the lock says that none is at work.
    for left in cache.folder.glob(f"*/{SCRATCH}*"):
        shutil.rmtree(left)
    started = time.monotonic()
    for number, program in enumerate(programs, 1):
        _build(program, cache.path(program), compiler, say, f"{number}/{len(programs)}")
    say(f"{len(programs)} programs built in {time.monotonic() - started:.0f} s: {cache.folder}")


def _minutes(seconds: int) -> str:
    return f"{seconds} s" if seconds < 90 else f"{seconds / 60:.0f} minutes"


def _build(program: str, target: Path, compiler: Compiler, say: Say, position: str) -> None:
    product = product_of(program)
    say(f"{position} {program} {product.version} …")
    target.parent.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix=SCRATCH, dir=target.parent) as scratch:
        built = Path(scratch) / program
        folder, package = _source(product, program, compiler, Path(scratch) / "source")
        argv = [*_command(product, compiler, built), package]
        _run_compiler(argv, folder, program, compiler, say)
        size = built.stat().st_size
        built.replace(target)
    took = time.monotonic() - started
    say(f"{position} {program} {product.version} built in {took:.0f} s, {size / 1e6:.0f} MB")


def _command(product: Product, compiler: Compiler, built: Path) -> list[str]:
    stamps = [f"-X {stamp.format(version=product.version)}" for stamp in product.stamps]
    flags = " ".join(["-s", "-w", *stamps])
    tags = ["-tags", ",".join(product.tags)] if product.tags else []
    fixed = ["build", "-v", "-trimpath", "-buildvcs=false", "-mod=readonly"]
    return [str(compiler.go), *fixed, "-ldflags", flags, *tags, "-o", str(built)]


def _source(product: Product, program: str, compiler: Compiler, scratch: Path) -> tuple[Path, str]:
    """Return the folder to build in and what to build there.

    A package that is patched is copied out of its module first, into one of its own with the same
    go.mod and go.sum: what it imports is what is pinned.
    """
    package = product.programs[program]
    patches = [patch for patch in product.patches if patch.package == package]
    if not patches:
        return product.folder, package
    scratch.mkdir()
    for name in ("go.mod", "go.sum"):
        shutil.copy(product.folder / name, scratch)
    original = Path(compiler.ask(product, "list", "-f", "{{.Dir}}", package))
    for file in original.glob("*.go"):
        if not file.name.endswith("_test.go"):
            (scratch / file.name).write_bytes(file.read_bytes())
    for patch in patches:
        text = patched(original / patch.file, patch)
        (scratch / patch.file).write_text(text, encoding="utf-8")
    return scratch, "."


def patched(path: Path, patch: SourcePatch) -> str:
    """Return a source text with the literal replaced; BuildError unless it is there once."""
    text = path.read_text(encoding="utf-8")
    if text.count(patch.old) != 1:
        raise BuildError(
            f"{path} holds {patch.old} {text.count(patch.old)} times, not once: look at the patch "
            f"of {patch.package} in k8s/hotfire_k8s/products.py"
        )
    return text.replace(patch.old, patch.new)


def _run_compiler(
    argv: list[str], folder: Path, program: str, compiler: Compiler, say: Say
) -> None:
    """Run a build to its end and tell how far it is; BuildError with its last words."""
    said: deque[str] = deque(maxlen=12)
    compiled = fetched = 0
    with subprocess.Popen(
        argv,
        cwd=folder,
        env=compiler.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        ended = threading.Event()

        def beat() -> None:
            started = time.monotonic()
            while not ended.wait(BEAT_S):
                took = time.monotonic() - started
                modules = f"{fetched} modules fetched, " if fetched else ""
                say(f"    {program}: {modules}{compiled} packages compiled, {took:.0f} s")

        beating = threading.Thread(target=beat, daemon=True)
        beating.start()
        try:
            for line in process.stderr or ():
                if line.startswith("go: downloading"):
                    fetched += 1
                elif PACKAGE_LINE.match(line.strip()):
                    compiled += 1
                else:
                    said.append(line.rstrip())
        except BaseException:
            process.terminate()
            raise
        finally:
            ended.set()
            beating.join()
    if process.returncode != 0:
        raise BuildError(_explain(program, list(said), process.returncode))


def _explain(program: str, said: list[str], code: int) -> str:
    """Turn the compiler's last words into what happened and what to do."""
    words = "\n".join(said)
    last = " | ".join(line for line in said[-3:] if line) or "it said nothing"
    if "no space left on device" in words:
        return f"{program}: the disk is full ({last}); free some room and start again"
    if "checksum mismatch" in words or "SECURITY ERROR" in words:
        return f"{program}: a module is not what go.sum pins ({last}); nothing was built from it"
    if OFFLINE.search(words):
        return (
            f"{program}: the Go module proxy cannot be reached ({last}); connect this machine once, "
            "or copy the folder `controlplane` of another machine's Hotfire cache"
        )
    return f"{program}: the Go compiler ended with {code} ({last})"


def require_room(programs: Sequence[str], cache: ProgramCache, compiler: Compiler) -> None:
    """Raise DiskShortError where a file system has too little room for the build.

    What the build cache holds already is credited: it may be of the same modules.
    """
    products = {product_of(name).name: product_of(name) for name in programs}
    cold = sum(product.disk_bytes for product in products.values())
    needs = [
        (cache.folder, PROGRAM_BYTES * len(programs), "finished programs"),
        (compiler.build_cache, cold * 7 // 10, "Go's build cache"),
        (compiler.module_cache, cold * 3 // 10, "Go's module cache"),
    ]
    by_device: dict[int, int] = {}
    for folder, need, what in needs:
        there = next(path for path in (folder, *folder.parents) if path.exists())
        credit = 0 if folder == cache.folder else size_of(folder, enough=need)
        device = there.stat().st_dev
        by_device[device] = by_device.get(device, 0) + need - credit
        free = shutil.disk_usage(there).free
        if free < by_device[device]:
            raise DiskShortError(
                f"{there} has {free / GB:.1f} GB free and the build needs {by_device[device] / GB:.1f} "
                f"GB there ({what} last); free some, or name another place by HOTFIRE_CACHE, "
                "GOCACHE and GOMODCACHE"
            )


def size_of(folder: Path, enough: int) -> int:
    """Return the bytes below a folder; stops counting at `enough`, which it then returns."""
    total = 0
    waiting = [str(folder)]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    else:
                        total += entry.stat(follow_symlinks=False).st_size
        except OSError:
            continue
        if total >= enough:
            return enough
    return total


def versions(programs: Sequence[str]) -> Mapping[str, str]:
    """Map each program to the version that it is built from."""
    return {program: product_of(program).version for program in programs}
