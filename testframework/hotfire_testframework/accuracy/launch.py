"""Start the tools of Aestus natively or behind a launcher (QEMU, Wine) and read their JSON."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hotfire_testframework.accuracy import files
from hotfire_testframework.accuracy.perplexity import CHUNKS, CONTEXT
from hotfire_testframework.numerics.errors import NumericsError

TEXT_SECONDS = 900.0  # limit of one run over the text, on a slow and busy machine; 25 s is usual


class ToolError(NumericsError):
    """A tool is missing, failed, or wrote no result."""


class Once:
    """A costly step that several tests share, taken in the first test that asks.

    Not a fixture's own body: a tool that crashes is then the failure of the tests that needed it, where
    a failing fixture would count as trouble of the harness. Every test sees the same answer or error.
    """

    def __init__(self, step: Callable[[], dict[str, Any]]) -> None:
        self._step = step
        self._answer: dict[str, Any] | None = None
        self._error: Exception | None = None

    def __call__(self) -> dict[str, Any]:
        """Return the answer, or raise what the step raised."""
        if self._answer is None and self._error is None:
            try:
                self._answer = self._step()
            except Exception as error:  # noqa: BLE001 - raised again, to every test that asks
                self._error = error
        if self._error is not None:
            raise self._error
        assert self._answer is not None
        return self._answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Toolbox:
    """Where the executables are and what starts them.

    `binaries` is the `bin` folder of an installed Aestus, `launcher` the argv in front of an executable.
    """

    binaries: Path
    launcher: tuple[str, ...] = ()

    @classmethod
    def from_environment(cls, values: Mapping[str, str] = os.environ) -> Toolbox:
        """AESTUS_BIN names the folder, AESTUS_LAUNCHER is a JSON list of words."""
        if "AESTUS_BIN" not in values:
            raise ToolError("AESTUS_BIN is not set: it names the folder of aestus-run")
        text = values.get("AESTUS_LAUNCHER", "[]") or "[]"
        try:
            words = json.loads(text)
        except ValueError as error:
            raise ToolError(f"AESTUS_LAUNCHER is not JSON: {text!r}") from error
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise ToolError(f"AESTUS_LAUNCHER is not a list of words: {text!r}")
        return cls(binaries=Path(values["AESTUS_BIN"]), launcher=tuple(words))

    @property
    def under_wine(self) -> bool:
        """Whether paths need a drive letter: Windows executables on a system that is not Windows."""
        return os.name != "nt" and any(self.binaries.glob("*.exe"))

    def executable(self, name: str) -> Path:
        """`name` or `name.exe` in the folder."""
        for candidate in (self.binaries / name, self.binaries / f"{name}.exe"):
            if candidate.is_file():
                return candidate
        raise ToolError(f"no {name} in {self.binaries}")

    def path(self, path: Path) -> str:
        """A path as the tool reads it: Wine maps the drive Z: to the root."""
        absolute = path.absolute()
        return "Z:" + str(absolute).replace("/", "\\") if self.under_wine else str(absolute)

    def run(
        self, name: str, arguments: Sequence[str | Path], result: Path, *, timeout: float
    ) -> dict[str, Any]:
        """Run a tool with `--json result` appended and return what it wrote there."""
        words = [self.path(each) if isinstance(each, Path) else each for each in arguments]
        argv = [*self.launcher, self._named(name), *words, "--json", self.path(result)]
        result.unlink(missing_ok=True)
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout,
            check=False,
        )
        if done.returncode != 0 or not result.is_file():
            said = done.stdout.decode("utf-8", "replace")[-2000:]
            raise ToolError(f"{name} ended with {done.returncode}: {said}")
        answer: dict[str, Any] = json.loads(result.read_bytes())
        return answer

    def _named(self, name: str) -> str:
        # Wine takes the executable by its native path as well, and reports it shorter.
        return str(self.executable(name).absolute())


def score_text(toolbox: Toolbox, model: Path, folder: Path, *options: str) -> Once:
    """All chunks of the text by aestus-run, two threads.

    The columns of its `--logprobs` beside `run`, its own report, and `file`, where they lie.
    """

    def score() -> dict[str, Any]:
        columns = folder / "logprobs.json"
        arguments: list[str | Path] = ["--model", model, "--tokens", files.tokens_file()]
        arguments += ["--threads", "2", "--chunks", str(CHUNKS), "--context", str(CONTEXT)]
        arguments += [*options, "--logprobs", columns]
        answer = toolbox.run("aestus-run", arguments, folder / "run.json", timeout=TEXT_SECONDS)
        return {**json.loads(columns.read_bytes()), "run": answer, "file": columns}

    return Once(score)


def force_tokens(
    toolbox: Toolbox, model: Path, ids: Sequence[int], folder: Path, *options: str
) -> Once:
    """Scores of every position of `ids` by aestus-run, each given the ids before it."""

    def force() -> dict[str, Any]:
        tokens = folder / "tokens.txt"
        tokens.write_text(" ".join(map(str, ids)) + "\n", "ascii")
        arguments: list[str | Path] = ["--model", model, "--tokens", tokens, "--teacher"]
        report = folder / "run.json"
        return toolbox.run("aestus-run", [*arguments, *options], report, timeout=TEXT_SECONDS)

    return Once(force)
