"""TaskSpec (frozen in the plan) and AttemptSpec (handed to the runner), to JSON and back."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hotfire_testframework.contract.canonical import canonical_json
from hotfire_testframework.contract.identifiers import TestId
from hotfire_testframework.contract.jsonform import from_json, parse_json_text, to_json
from hotfire_testframework.contract.listing import Homes, ListedTest
from hotfire_testframework.contract.outcomes import Harness, ReportFormat
from hotfire_testframework.contract.ulid import Ulid, parse_ulid
from hotfire_testframework.errors import DecodeError

INPUT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,99}")
_ENVIRONMENT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskOutput:
    """An artifact named by the task of the plan (its key) that makes it."""

    task: str
    artifact: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFile:
    """Weights named by the model catalogue."""

    model: str


# "source" is the one archive of the source stamp.
InputOrigin = str | TaskOutput | ModelFile


@dataclass(frozen=True, slots=True, kw_only=True)
class InputSpec:
    """One input of a task: a name and where it comes from."""

    name: str
    origin: InputOrigin = field(metadata={"json": "from"})

    def __post_init__(self) -> None:
        _check_name("name", self.name)
        if isinstance(self.origin, str) and self.origin != "source":
            raise DecodeError("from", self.origin, "'source', {task, artifact} or {model}")


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputSpec:
    """One output: a path under the work directory; a directory becomes a deterministic tar.gz, a file stays one."""

    name: str
    path: str

    def __post_init__(self) -> None:
        _check_name("name", self.name)
        check_relative_path("path", self.path)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSpec:
    """A report that the command writes: a path under the work directory, and what it is."""

    path: str
    format: ReportFormat

    def __post_init__(self) -> None:
        check_relative_path("path", self.path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Limits in seconds, nested: test ≤ run; silence is the longest time without any output."""

    setup_s: float = 600.0
    test_s: float = 300.0
    run_s: float = 1800.0
    silence_s: float = 300.0
    grace_s: float = 10.0

    def __post_init__(self) -> None:
        for name in ("setup_s", "test_s", "run_s", "silence_s", "grace_s"):
            if not getattr(self, name) > 0:
                raise DecodeError(name, getattr(self, name), "more than 0 seconds")
        if self.test_s > self.run_s:
            raise DecodeError("test_s", self.test_s, f"at most run_s ({self.run_s}): timeouts nest")


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSpec:
    """What one task does, independent of machine and attempt; part of the plan's digest."""

    harness: Harness
    setup: tuple[tuple[str, ...], ...] = ()
    command: tuple[str, ...] = ()
    teardown: tuple[tuple[str, ...], ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    launcher: tuple[str, ...] = ()
    emulated: bool = False
    inputs: tuple[InputSpec, ...] = ()
    outputs: tuple[OutputSpec, ...] = ()
    reports: tuple[ReportSpec, ...] = ()
    """For command: the tests are those of these reports, not the command itself."""
    cases: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    tests: tuple[ListedTest, ...] = ()
    """For pytest: only these, and `paths` is the one folder that their paths start from."""
    leave_out: tuple[str, ...] = ()
    """For pytest: test identifiers that are deselected; what is new runs."""
    timeouts: Timeouts = Timeouts()
    module: str | None = None
    """Module of the test identifiers of `cases` (default aestus.kernels) and `gtest` (default aestus.unit)."""
    test: str | None = None
    """Identifier of the one test of `command`; default `tasks/command/<task name>`."""
    exclusive: bool = False
    cpus: int = 1
    memory_mib: int | None = None
    retries: int = 1
    tools: tuple[str, ...] = ()
    """What of the machine decides the outcome, to be observed: programs, `toolchain:NAME`, `python`."""
    secrets: tuple[str, ...] = ()
    """Names only; the values come as files of the attempt, `{secret:NAME}` is the path of one."""

    def __post_init__(self) -> None:
        self._check_words()
        for index, argv in enumerate((*self.setup, *self.teardown)):
            if not argv:
                raise DecodeError("setup/teardown", index, "commands with at least the program")
        if self.harness is not Harness.PYTEST and not self.command:
            raise DecodeError("command", [], f"a command: the harness {self.harness} needs one")
        if self.harness is Harness.CASES and not self.cases:
            raise DecodeError("cases", [], "at least one case line for the harness cases")
        if self.harness is Harness.PYTEST and not self.paths:
            raise DecodeError("paths", [], "at least one path for the harness pytest")
        if self.reports and self.harness is not Harness.COMMAND:
            raise DecodeError("reports", self.harness, "the harness command")
        self._check_tests()
        for field_name, names in (
            ("inputs", [item.name for item in self.inputs]),
            ("outputs", [item.name for item in self.outputs]),
            ("reports", [item.path for item in self.reports]),
        ):
            if len(set(names)) != len(names):
                raise DecodeError(field_name, names, "names that differ")
        if self.cpus < 1 or self.retries < 0:
            raise DecodeError(
                "cpus, retries", (self.cpus, self.retries), "cpus ≥ 1 and retries ≥ 0"
            )
        if self.test is not None:
            TestId.parse(self.test)

    def _check_tests(self) -> None:
        if self.leave_out and self.harness is not Harness.PYTEST:
            raise DecodeError("leave_out", self.harness, "the harness pytest")
        if not self.tests:
            return
        if self.harness is not Harness.PYTEST or len(self.paths) != 1:
            raise DecodeError("tests", self.harness, "the harness pytest with one path, their root")
        longest = max((item.timeout_s or 0.0) for item in self.tests)
        if longest > self.timeouts.run_s:
            expected = f"at most run_s ({self.timeouts.run_s}): timeouts nest"
            raise DecodeError("tests", longest, expected)

    def _check_words(self) -> None:
        for name in self.secrets:
            _check_name("secrets", name)
        for name in self.env:
            if not _ENVIRONMENT_NAME.fullmatch(name):
                raise DecodeError(f"env.{name}", name, "a name of letters, digits and underscore")

    @classmethod
    def from_json(cls, value: object, field: str = "spec") -> TaskSpec:
        """Build from parsed JSON; unknown fields are refused."""
        return from_json(cls, value, field)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values; every field at its default is left out, so that a new field keeps digests."""
        plain: dict[str, Any] = to_json(self)
        return {
            name: value
            for name, value in plain.items()
            if value != _DEFAULTS.get(name, _NO_DEFAULT)
        }


_NO_DEFAULT = object()
_DEFAULTS: dict[str, Any] = {
    name: value
    for name, value in to_json(TaskSpec(harness=Harness.COMMAND, command=("x",))).items()
    if name not in ("harness", "command")
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedInput:
    """An input at a path of this machine; `unpack`: a tar that goes into `{work}/NAME`, otherwise used in place."""

    name: str
    path: str
    unpack: bool = False
    sha256: str | None = None

    def __post_init__(self) -> None:
        _check_name("name", self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptSpec:
    """What the runner reads from `attempt.json`; the token is never in it."""

    attempt: Ulid
    run: str
    task: str
    spec: TaskSpec
    inputs: tuple[ResolvedInput, ...] = ()
    expected: tuple[str, ...] = ()
    fence: int | None = None
    claim: bool = True
    """Whether to wait for `claim.answer`; False only where no service is at hand (a reproduction by hand)."""
    claim_timeout_s: float = 60.0
    python: str | None = None
    """Interpreter for `{python}`; default the runner's own."""
    cache: str | None = None
    """User cache for `{cache}`."""

    def __post_init__(self) -> None:
        parse_ulid(self.attempt)
        declared = {item.name for item in self.spec.inputs}
        unknown = [item.name for item in self.inputs if item.name not in declared]
        if unknown:
            raise DecodeError("inputs", unknown, f"names the task declares: {sorted(declared)}")

    @classmethod
    def from_json(cls, value: object) -> AttemptSpec:
        """Build from parsed JSON; unknown fields are refused."""
        return from_json(cls, value, "attempt")

    @classmethod
    def parse(cls, text: str | bytes) -> AttemptSpec:
        """Build from the text of `attempt.json`."""
        return cls.from_json(parse_json_text(text, "attempt.json"))

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        plain: dict[str, Any] = to_json(self)
        plain["spec"] = self.spec.to_json()
        return plain

    def encode(self) -> bytes:
        """Return the bytes of `attempt.json`."""
        return canonical_json(self.to_json()) + b"\n"


def expected_of_spec(spec: TaskSpec, shards: int, tests: Sequence[str]) -> tuple[str, ...]:
    """Return which expected tests of a cell one of its `shards` tasks must report."""
    if spec.cases:
        lines = set(spec.cases)
        return tuple(test for test in tests if test.split("/", 2)[2] in lines)
    if shards == 1 or not spec.tests:
        return tuple(tests)
    homes = Homes(entry.test for entry in spec.tests)
    return tuple(test for test in tests if homes.of_test(test) is not None)


def check_relative_path(field_name: str, path: str) -> str:
    """Return the path if it is relative and stays inside; both separators and drive letters are seen."""
    parts = path.replace("\\", "/").split("/")
    if not path or path[0] in "/\\" or ".." in parts or ":" in parts[0] or "\0" in path:
        raise DecodeError(field_name, path, "a relative path without '..'")
    return path


def _check_name(field_name: str, name: str) -> None:
    if not INPUT_NAME.fullmatch(name):
        raise DecodeError(
            field_name, name, "1 to 100 characters [A-Za-z0-9_.-], the first a letter or digit"
        )
