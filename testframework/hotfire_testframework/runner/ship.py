"""`runner ship DIR --server URL`: run an attempt here and bring it to its service by HTTP."""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hotfire_testframework.contract.exit_codes import RunnerExit
from hotfire_testframework.contract.task import INPUT_NAME
from hotfire_testframework.errors import RunnerError
from hotfire_testframework.runner.attempt_dir import AttemptDir, write_whole
from hotfire_testframework.runner.service_link import LinkLostError, LinkRefusedError, ServiceLink
from hotfire_testframework.runner.shipping import Shipper

IDLE_SECONDS = 0.1
LONGEST_WAIT_SECONDS = 10.0
GIVE_UP_SECONDS = 3600.0
"""Without an answer for so long the service counts as gone; the directory stays as it is."""


def main(arguments: Sequence[str]) -> int:
    """Run and ship; return the runner's exit code, 35 when it could not be delivered."""
    options = _parse(arguments)
    directory = AttemptDir(Path(options.directory).resolve())
    if other := _other_runner(options.runner_sha256):
        print(other, file=sys.stderr)
        return int(RunnerExit.BAD_CONFIGURATION)
    try:
        token = _read_token(options.token_file or directory.root / "token")
        attempt = directory.root.name if options.attempt is None else options.attempt
        link = ServiceLink(options.server, attempt, token, is_private=options.plain_http)
        if not options.fetch:
            return ship(directory, link, give_up=options.give_up)
        try:
            patiently(lambda: fetch(link, directory), options.give_up)
            return ship(directory, link, give_up=options.give_up)
        finally:
            _forget_secrets(directory)
    except (RunnerError, OSError) as error:
        print(f"not delivered: {error}", file=sys.stderr)
        return int(RunnerExit.UPLOAD_OR_DISK)


def _parse(arguments: Sequence[str]) -> Any:
    parser = argparse.ArgumentParser(prog="runner ship", description=__doc__)
    parser.add_argument("directory", help="the attempt directory")
    parser.add_argument("--server", required=True, help="address of the service")
    parser.add_argument("--token-file", type=Path, help="default: DIR/token")
    parser.add_argument("--attempt", help="ULID; default: the directory's name")
    parser.add_argument("--fetch", action="store_true", help="get specification and inputs first")
    parser.add_argument("--runner-sha256", metavar="DIGEST", help="run nothing as any other runner")
    parser.add_argument(
        "--plain-http", action="store_true", help="http:// will do: the way there is private"
    )
    parser.add_argument("--give-up", type=float, default=GIVE_UP_SECONDS, metavar="SECONDS")
    return parser.parse_args(list(arguments))


def _other_runner(wanted: str | None) -> str:
    """Say that this zipapp is not the runner that the plan was frozen with; empty if it is."""
    if wanted is None:
        return ""
    found = hashlib.sha256(Path(sys.argv[0]).read_bytes()).hexdigest()
    if found == wanted:
        return ""
    return f"this runner is {found[:16]}, the service has {wanted[:16]}: build the image anew"


def _read_token(path: Path) -> str:
    return path.read_text(encoding="ascii").strip()


def patiently(work: Callable[[], None], give_up: float) -> None:
    """Do `work`, again and again while the service cannot be reached."""
    wait, since, said = IDLE_SECONDS, time.monotonic(), ""
    while True:
        try:
            work()
            return
        except LinkLostError as error:
            if str(error) != said:
                said = str(error)
                print(f"waits for the service: {said}", file=sys.stderr, flush=True)
            if time.monotonic() - since > give_up:
                raise
            time.sleep(max(wait, error.wait_s))
            wait = min(wait * 2, LONGEST_WAIT_SECONDS)


def fetch(link: ServiceLink, directory: AttemptDir) -> None:
    """Get the specification and its inputs, each checked against its digest, and its secrets."""
    if directory.spec.exists():
        return
    inputs = directory.root / "inputs"
    inputs.mkdir(parents=True, exist_ok=True)
    answer = link.send("GET", "/spec", None)
    if not answer.is_good:
        raise LinkLostError(f"no specification yet: {answer.body.get('detail')}", 1.0)
    spec = dict(answer.body)
    for item in spec.get("inputs", ()):
        target = inputs / f"{item['name']}-{Path(item['path']).name}"
        with target.open("wb") as file:
            link.fetch(f"/inputs/{item['name']}", file)
        wanted = item.get("sha256")
        if wanted is not None and hashlib.sha256(target.read_bytes()).hexdigest() != wanted:
            raise RunnerError(f"input {item['name']!r} came damaged", RunnerExit.DOWNLOAD)
        item["path"] = str(target)
    for name in spec.get("spec", {}).get("secrets", ()):
        _fetch_secret(link, directory, str(name))
    write_whole(directory.spec, json.dumps(spec).encode())


def _fetch_secret(link: ServiceLink, directory: AttemptDir, name: str) -> None:
    """Put a secret where only this user reads it."""
    if not INPUT_NAME.fullmatch(name):
        raise RunnerError(f"{name!r} is no name of a secret", RunnerExit.BAD_CONFIGURATION)
    directory.secrets.mkdir(mode=0o700, exist_ok=True)
    handle = os.open(directory.secrets / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        link.fetch(f"/inputs/secret:{name}", file)


def _forget_secrets(directory: AttemptDir) -> None:
    """Remove what was fetched, unless a runner may still read it."""
    if not _is_alive(directory):
        shutil.rmtree(directory.secrets, ignore_errors=True)


def ship(directory: AttemptDir, link: ServiceLink, *, give_up: float = GIVE_UP_SECONDS) -> int:
    """Start the runner if none ran here, and pass everything on until it is delivered."""
    shipper = Shipper(directory, link)
    child = _start(directory)
    waits, since = IDLE_SECONDS, time.monotonic()
    while True:
        code = _ended(directory, child)
        try:
            moved = shipper.step()
            if code is not None and not moved and shipper.is_settled:
                shipper.end(code)
                return _last_word(shipper, code)
            waits, since = IDLE_SECONDS, time.monotonic()
            if not moved:
                time.sleep(IDLE_SECONDS)
        except LinkLostError as error:
            if time.monotonic() - since > give_up:
                _stop(child, shipper)
                raise
            time.sleep(max(waits, error.wait_s))
            waits = min(waits * 2, LONGEST_WAIT_SECONDS)
        except LinkRefusedError:
            _stop(child, shipper)
            raise


def _last_word(shipper: Shipper, code: int) -> int:
    if shipper.is_gone:
        print("not delivered: the attempt is over, or another runner's", file=sys.stderr)
        return int(RunnerExit.UPLOAD_OR_DISK)
    return code


def _start(directory: AttemptDir) -> subprocess.Popen[bytes] | None:
    """Start the runner beside this process; none where one has claimed the directory before."""
    if directory.claim_request.exists() or directory.exit.exists():
        return None
    program = sys.argv[0] if sys.argv[0].endswith(".pyz") else None
    command = [program] if program else ["-m", "hotfire_testframework.runner"]
    with (directory.root / "runner.log").open("ab") as log:
        child = subprocess.Popen(
            [sys.executable, *command, str(directory.root)],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip

    def pass_on(number: int, _frame: object) -> None:
        with contextlib.suppress(OSError):
            child.send_signal(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, pass_on)
    return child


def _ended(directory: AttemptDir, child: subprocess.Popen[bytes] | None) -> int | None:
    """Return the exit code once the runner has ended; None while it may still write."""
    if child is not None and child.poll() is None:
        return None
    try:
        return int(directory.exit.read_text())
    except (OSError, ValueError):
        pass
    if child is not None:
        return int(child.returncode)
    return None if _is_alive(directory) else int(RunnerExit.KILLED)


def _is_alive(directory: AttemptDir) -> bool:
    """Whether the runner that an earlier life of this process started may still run."""
    try:
        pid = int(json.loads(directory.claim_request.read_bytes())["pid"])
        os.kill(pid, 0)
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return True


def _stop(child: subprocess.Popen[bytes] | None, shipper: Shipper) -> None:
    shipper.ask_to_stop()
    if child is not None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(30)
