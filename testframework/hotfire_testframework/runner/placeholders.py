"""Put the paths of this machine into argv and environment: `{work}`, `{input:NAME}`, `{launcher}` and others.

Of a secret only the path of its file is ever put in.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hotfire_testframework.contract.exit_codes import RunnerExit
from hotfire_testframework.contract.task import AttemptSpec
from hotfire_testframework.errors import RunnerError
from hotfire_testframework.runner.attempt_dir import AttemptDir

_PLACEHOLDER = re.compile(r"(?<!\$)\{([a-z_]+)(?::([^{}]+))?\}")


@dataclass(slots=True)
class Placeholders:
    """Values by name; inputs are added while setup unpacks them."""

    values: dict[str, str]
    launcher: tuple[str, ...]
    inputs: dict[str, Path] = field(default_factory=dict)
    secrets: dict[str, Path] = field(default_factory=dict)

    @classmethod
    def of(cls, directory: AttemptDir, attempt: AttemptSpec) -> Placeholders:
        """Return the values of one attempt."""
        values = {
            "work": str(directory.work),
            "artifacts": str(directory.artifacts),
            "cpus": str(attempt.spec.cpus),
            "python": attempt.python or sys.executable,
            "cache": attempt.cache or str(directory.work / ".cache"),
            "attempt": attempt.attempt,
        }
        secrets = {name: directory.secrets / name for name in attempt.spec.secrets}
        result = cls(values=values, launcher=(), secrets=secrets)
        result.launcher = tuple(result.fill(part) for part in attempt.spec.launcher)
        return result

    def fill(self, text: str) -> str:
        """Replace every placeholder in a text; an unknown one is an error of the plan."""
        return _PLACEHOLDER.sub(self._value, text)

    def fill_argv(self, argv: Sequence[str]) -> list[str]:
        """Replace placeholders; an argument that is exactly `{launcher}` becomes all its words, or none."""
        filled: list[str] = []
        for part in argv:
            if part == "{launcher}":
                filled.extend(self.launcher)
            else:
                filled.append(self.fill(part))
        return filled

    def fill_environment(self, environment: Mapping[str, str]) -> dict[str, str]:
        """Replace placeholders in the values."""
        return {name: self.fill(value) for name, value in environment.items()}

    def _value(self, match: re.Match[str]) -> str:
        name, argument = match.group(1), match.group(2)
        if name == "input" and argument in self.inputs:
            return str(self.inputs[argument])
        if name == "secret" and argument in self.secrets:
            return str(self.secrets[argument])
        if name == "launcher" and argument is None:
            return " ".join(self.launcher)
        if argument is None and name in self.values:
            return self.values[name]
        known = [
            "{launcher}",
            *(f"{{{key}}}" for key in self.values),
            *(f"{{input:{key}}}" for key in self.inputs),
            *(f"{{secret:{key}}}" for key in self.secrets),
        ]
        message = f"unknown placeholder {match.group()!r}; known are {', '.join(sorted(known))}"
        raise RunnerError(message, RunnerExit.BAD_CONFIGURATION)
