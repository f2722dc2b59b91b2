"""Judge how a process died with a test in flight: the product's crash, or the machine's trouble."""

from __future__ import annotations

import re
import signal
from dataclasses import dataclass
from pathlib import Path

from hotfire_testframework.contract.evidence import Witness
from hotfire_testframework.contract.failure import FailureClass
from hotfire_testframework.contract.outcomes import Outcome

# What qemu-user writes before it dies of the guest's own signal.
_GUEST_SIGNAL = re.compile(rb"qemu: uncaught target signal (\d+) \(([^)]*)\)")
TAIL_BYTES = 64 << 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Death:
    """The judgement; an infrastructure death ends the attempt, a crash costs only its test."""

    outcome: Outcome
    failure_class: FailureClass
    message: str
    witness: Witness

    @property
    def is_infrastructure(self) -> bool:
        """Whether the rest of the list has to wait for another attempt."""
        return self.failure_class.is_infrastructure


def judge_death(
    returncode: int,
    *,
    is_emulated: bool,
    crash_signal: str | None,
    guest_signal: str | None,
    memory_limit_hit: bool,
    machine_out_of_memory: bool = False,
) -> Death:
    """Return what the death of a process means for the test it was in.

    Evidence of the product comes first: the process wrote its own crash event, or qemu names the
    guest's signal. An emulator that dies without either has died itself. A native process reports its
    signal honestly, except SIGKILL, which comes from outside unless the task's memory limit sent it.
    `machine_out_of_memory`: the kernel killed somebody for want of memory meanwhile, at no limit of ours.
    """
    evidence = crash_signal or guest_signal
    is_killed = returncode in (-int(getattr(signal, "SIGKILL", 9)), 137)
    if evidence:
        return _crash(f"crashed with {evidence}")
    if memory_limit_hit:
        return _crash("killed at the task's own memory limit", Witness.MEMORY_LIMIT)
    if is_killed and machine_out_of_memory:
        return _infrastructure("killed: the machine ran out of memory", Witness.OUT_OF_MEMORY)
    if is_emulated:
        return _infrastructure(f"the emulator died ({describe_end(returncode)})", Witness.EMULATOR)
    if returncode == -int(getattr(signal, "SIGKILL", 9)):
        return _infrastructure("killed (SIGKILL) from outside", Witness.KILLED)
    if returncode < 0:
        return _crash(f"crashed with {describe_end(returncode)}")
    return _crash(f"the process ended with {describe_end(returncode)} in the middle of the test")


def find_guest_signal(log: Path, offset: int) -> str | None:
    """Return the guest's signal if qemu names one behind `offset` of a log."""
    try:
        with log.open("rb") as file:
            end = file.seek(0, 2)
            file.seek(max(offset, end - TAIL_BYTES))
            matches = _GUEST_SIGNAL.findall(file.read())
    except OSError:
        return None
    return signal_name(int(matches[-1][0])) if matches else None


def signal_name(number: int) -> str:
    """Return SIGSEGV for 11, and so on."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def describe_end(returncode: int) -> str:
    """Return `exit 3`, or the name of the signal."""
    if returncode < 0:
        return signal_name(-returncode)
    # Windows reports exceptions as large unsigned codes.
    return f"exit 0x{returncode:08X}" if returncode > 255 else f"exit {returncode}"


def _crash(message: str, witness: Witness = Witness.CRASH) -> Death:
    return Death(
        outcome=Outcome.FAILED,
        failure_class=FailureClass.PRODUCT,
        message=message,
        witness=witness,
    )


def _infrastructure(message: str, witness: Witness) -> Death:
    return Death(
        outcome=Outcome.ERRORED,
        failure_class=FailureClass.INFRA_NODE,
        message=message,
        witness=witness,
    )
