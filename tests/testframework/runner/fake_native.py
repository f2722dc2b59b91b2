"""Stand-in for a native executable: the word `data=` of a case says what it does."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import time


def emit(**event: object) -> None:
    with open(os.environ["AESTUS_RESULTS"], "a", encoding="utf-8") as file:
        file.write(json.dumps(event) + "\n")


def act(word: str, name: str) -> None:
    if word == "segv":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif word == "crash":  # Its own handler writes the event before it dies.
        emit(event="crash", signal="SIGFPE", name=name)
        os.kill(os.getpid(), signal.SIGKILL)
    elif word == "guest":  # What qemu-user does when the guest dies.
        sys.stderr.write("qemu: uncaught target signal 11 (Segmentation fault) - core dumped\n")
        sys.stderr.flush()
        os.kill(os.getpid(), signal.SIGSEGV)
    elif word == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif word == "exit":
        os._exit(7)
    elif word == "hang":
        time.sleep(600)
    elif word == "garbage":
        emit(event="end", name=name, outcome="maybe")
    elif word == "fill":
        with open("filler", "wb") as file:
            while True:
                file.write(b"x" * 65536)


def main() -> int:
    if sys.argv[1] != "--cases":
        return 2
    with open(sys.argv[2], encoding="utf-8") as file:
        names = file.read().splitlines()
    if any("badline" in name for name in names):
        return 2
    if any("early" in name for name in names):
        os.kill(os.getpid(), signal.SIGSEGV)
    for name in names:
        word = re.search(r"data=(\w+)", name).group(1)  # type: ignore[union-attr]
        emit(event="start", name=name)
        act(word, name)
        outcome = "failed" if word == "fail" else "passed"
        if word != "garbage":
            emit(
                event="end",
                name=name,
                outcome=outcome,
                duration_ns=5,
                message="",
                metrics={"impl": "scalar"},
            )
    emit(event="finish", count=len(names))
    return 0


if __name__ == "__main__":
    sys.exit(main())
