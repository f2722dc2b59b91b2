"""An executor that runs nothing: it plays scripts into real spools; all above it is real."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hotfire_infra.clock import Clock, SystemClock
from hotfire_infra.executors.protocol import (
    Capacity,
    DeviceReport,
    Life,
    Observation,
    Order,
    Probe,
    Refusal,
)
from hotfire_infra.executors.spool import Spool, write_object
from hotfire_testframework.contract.exit_codes import RunnerExit
from hotfire_testframework.contract.identifiers import command_test_id
from hotfire_testframework.contract.stream import encode_record
from hotfire_testframework.contract.task import AttemptSpec
from hotfire_testframework.contract.ulid import Ulid


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What an attempt will do."""

    outcomes: Mapping[str, str] = field(default_factory=dict)
    """Outcome by test; the tests not named pass."""
    messages: Mapping[str, str] = field(default_factory=dict)
    """What a test that did not pass says, where it is not said here by itself."""
    extra_tests: tuple[str, ...] = ()
    """Collected though nobody expected them."""
    omitted_tests: frozenset[str] = frozenset()
    """Expected and not collected."""
    exit_code: int | None = None
    """Of the runner; by default what the outcomes make of it."""
    dies_in: str | None = None
    """The test in which the runner vanishes: no manifest, no exit code, no more heartbeats."""
    never_claims: bool = False
    waits: str = ""
    """Why it waits outside, as an executor that queues by itself says; it claims when this is empty."""
    is_endless: bool = False
    """Claims and sends heartbeats until it is cancelled."""
    artifacts: Mapping[str, bytes] = field(default_factory=dict)
    records: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    """Further records (kind, body), before the manifest."""
    environment: Mapping[str, Any] | None = None
    """What the attempt records; by default what the executor reports."""


ENVIRONMENT: Mapping[str, Any] = {"machine": "fake", "cpu_model": "fake"}
Director = Callable[[AttemptSpec], Script]
Fault = Callable[[AttemptSpec, Script], Script]
"""What a device makes of an attempt that the director has a script for."""


def fake_devices(count: int, kind: str = "fake") -> tuple[DeviceReport, ...]:
    """Return so many devices `GPU-0`, `GPU-1`, …"""
    return tuple(DeviceReport(identity=f"GPU-{number}", kind=kind) for number in range(count))


def everything_passes(_spec: AttemptSpec) -> Script:
    """Return the dullest script."""
    return Script()


class FakeExecutor:
    """Plays one step per `attach`: first the claim, then, once granted, all the rest."""

    name = "fake"

    def __init__(
        self,
        root: Path,
        *,
        director: Director = everything_passes,
        capacity: Capacity | None = None,
        refusals: Mapping[str, str] | None = None,
        clock: Clock | None = None,
        devices: Sequence[DeviceReport] = (),
        faults: Mapping[str, Fault] | None = None,
    ) -> None:
        self.present = tuple(devices)
        """The devices that are here now."""
        self.faults = dict(faults or {})
        """By identity; a device without one does what the director says."""
        self.environments: tuple[Mapping[str, Any], ...] = (ENVIRONMENT,)
        """What each machine of the pool reports now; attempts run on the first."""
        self._root = root
        self._director = director
        self._clock = clock or SystemClock()
        self._refusals = dict(refusals or {})
        self.capacity = capacity or Capacity(cpus=4, ahead=4)
        self.submitted: list[Ulid] = []

    def can_execute(self, requires: Mapping[str, Any]) -> Refusal | None:
        """Refuse what needs an executable that the test declared missing."""
        for name in requires.get("executables", ()):
            if name in self._refusals:
                return Refusal(reason=self._refusals[name])
        return None

    def devices(self) -> Sequence[DeviceReport]:
        """Return what the test put in."""
        return self.present

    def observe(self, probe: Probe) -> tuple[Mapping[str, Any], ...]:
        """Return what the test says of the machines."""
        del probe
        return self.environments

    def spool(self, attempt: Ulid) -> Spool:
        """Return the attempt's directory."""
        return Spool(self._root / attempt)

    def submit(self, order: Order) -> None:
        """Write the specification; a second submit of an attempt does nothing."""
        spool = self.spool(order.attempt)
        if (spool.root / "attempt.json").exists():
            return
        spool.root.mkdir(parents=True, exist_ok=True)
        if order.device:
            (spool.root / "device").write_text(order.device, encoding="utf-8")
        (spool.root / "attempt.json").write_bytes(order.spec.encode())
        self.submitted.append(order.attempt)

    def attach(self, attempt: Ulid) -> Observation:
        """Play the next step."""
        spool = self.spool(attempt)
        if not (spool.root / "attempt.json").exists():
            return Observation(life=Life.ABSENT)
        if (spool.root / "ended").exists():
            return Observation(life=Life.ENDED, exit_code=spool.exit_code())
        spec = AttemptSpec.parse((spool.root / "attempt.json").read_bytes())
        script = self._script(spool, spec)
        if script.waits:
            return Observation(life=Life.STARTING, waiting=script.waits)
        if script.never_claims:
            return Observation(life=Life.STARTING)
        if (spool.root / "cancel").exists():
            return self._end(spool, RunnerExit.TERMINATED)
        answer = self._claimed(spool, attempt)
        if answer is None:
            return Observation(life=Life.RUNNING)
        if answer.get("status") != 200:
            return self._end(spool, RunnerExit.UPLOAD_OR_DISK)
        self._beat(spool, answer)
        if script.is_endless:
            return Observation(life=Life.RUNNING)
        environment = script.environment or next(iter(self.environments), ENVIRONMENT)
        code = _play(spool, spec, script, environment)
        return self._end(spool, code)

    def _script(self, spool: Spool, spec: AttemptSpec) -> Script:
        device = spool.root / "device"
        identity = device.read_text(encoding="utf-8") if device.exists() else ""
        script = self._director(spec)
        fault = self.faults.get(identity)
        return script if fault is None else fault(spec, script)

    def _claimed(self, spool: Spool, attempt: Ulid) -> Mapping[str, Any] | None:
        if spool.claim_request() is None:
            holder = f"{self._clock.boot_id}:fake-{attempt}"
            request = {"holder": holder, "boot_id": self._clock.boot_id, "pid": 0}
            write_object(spool.root / "claim.request", request)
        return spool.claim_answer()

    def _beat(self, spool: Spool, answer: Mapping[str, Any]) -> None:
        beat = {"mono_ns": self._clock.mono_ns(), "boot_id": self._clock.boot_id}
        write_object(spool.root / "heartbeat", {**beat, "fence": answer.get("fence")})

    def _end(self, spool: Spool, code: int | None) -> Observation:
        if code is not None:
            (spool.root / "exit").write_text(f"{int(code)}\n", encoding="ascii")
        (spool.root / "ended").touch()
        return Observation(life=Life.ENDED, exit_code=spool.exit_code())

    def logs(self, attempt: Ulid, stream: str, offset: int) -> bytes:
        """Return what the script printed."""
        return self.spool(attempt).read_log(stream, offset)

    def cancel(self, attempt: Ulid, *, grace_seconds: float) -> None:
        """Leave the request; the next `attach` obeys it."""
        root = self.spool(attempt).root
        if (root / "attempt.json").exists():
            write_object(root / "cancel", {"grace_seconds": grace_seconds})

    def release(self, attempt: Ulid) -> None:
        """Remove the artifacts; that the attempt ran stays on record."""
        shutil.rmtree(self.spool(attempt).root / "artifacts", ignore_errors=True)

    def wait(self, seconds: float) -> None:
        """Hardly wait: every look plays a step."""
        time.sleep(min(seconds, 0.001))


def _play(
    spool: Spool, spec: AttemptSpec, script: Script, environment: Mapping[str, Any]
) -> int | None:
    """Write the whole stream; return the exit code, none for a runner that vanished."""
    tests = spec.expected or (spec.spec.test or str(command_test_id(spec.task)),)
    tests = tuple(test for test in tests if test not in script.omitted_tests) + script.extra_tests
    records: list[tuple[str, Mapping[str, Any]]] = [
        ("session", _session(spec)),
        ("environment", {"values": dict(environment)}),
        ("collected", {"harness": str(spec.spec.harness), "tests": list(tests)}),
    ]
    for test in tests:
        records.append(("test_start", {"test": test, "try": 1}))
        if test == script.dies_in:
            _write(spool, records)
            return None
        outcome = script.outcomes.get(test, "passed")
        records.append(("test_attempt", _result(test, outcome, script.messages)))
    records += [_artifact(spool, name, body) for name, body in script.artifacts.items()]
    records += script.records
    code = script.exit_code
    if code is None:
        is_red = any(script.outcomes.get(test) in ("failed", "errored") for test in tests)
        code = RunnerExit.PRODUCT_FAILURE if is_red else RunnerExit.PASSED
    spool.log("stdout").write_bytes(f"{len(tests)} tests\n".encode())
    body = _write(spool, records)
    manifest = {
        "count": len(records),
        "tests": len(set(tests)),
        "collected": len(set(tests)),
        "sha256": hashlib.sha256(body).hexdigest(),
        "exit_code": int(code),
    }
    with spool.stream.open("ab") as file:
        file.write(encode_record(len(records) + 1, "manifest", len(records) + 1, manifest))
    return int(code)


def _session(spec: AttemptSpec) -> dict[str, Any]:
    return {
        "attempt": spec.attempt,
        "runner_version": "fake",
        "boot_id": "fake",
        "pid": 0,
        "wall_ns": 0,
        "python": "fake",
    }


def _result(test: str, outcome: str, messages: Mapping[str, str]) -> dict[str, Any]:
    result: dict[str, Any] = {"test": test, "try": 1, "outcome": outcome, "duration_ns": 1000}
    if outcome in ("failed", "errored"):
        said = messages.get(test, f"{test} {outcome} as scripted")
        result |= {"failure_class": "product", "message": said}
    return result


def _artifact(spool: Spool, name: str, body: bytes) -> tuple[str, Mapping[str, Any]]:
    path = spool.root / "artifacts" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body)
    record = {
        "name": name,
        "path": f"artifacts/{name}",
        "sha256": hashlib.sha256(body).hexdigest(),
        "size": len(body),
        "media_type": "application/octet-stream",
    }
    return ("artifact", record)


def _write(spool: Spool, records: list[tuple[str, Mapping[str, Any]]]) -> bytes:
    lines = [encode_record(seq, kind, seq, body) for seq, (kind, body) in enumerate(records, 1)]
    body = b"".join(lines)
    spool.stream.write_bytes(body)
    return body
