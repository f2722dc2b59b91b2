"""Whether a device is to blame: pure tables, no store.

A device becomes suspect by evidence, never bad by it alone. A 2×2 differential rerun decides: the
failed test elsewhere, and a known-good test here. A breakage of the product fails elsewhere too and
its known-good tests pass here, so it takes no device out, however many it touches.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from math import prod

from hotfire_infra.sections.devices import DevicesSection
from hotfire_infra.states import AttemptState, DeviceHealth
from hotfire_testframework.contract.failure import FailureClass


class Field(StrEnum):
    """What one field of the 2×2 came to."""

    PASSED = "passed"
    FAILED = "failed"
    UNKNOWN = "unknown"
    """It could not be run, or ended for a reason that says nothing: cancelled, network, plan."""


class Conclusion(StrEnum):
    """What a differential rerun found."""

    PRODUCT = "product"
    DEVICE = "device"
    BOTH = "both"
    UNCLEAR = "unclear"


CONCLUSIONS: dict[tuple[Field, Field], Conclusion] = {
    (Field.FAILED, Field.PASSED): Conclusion.PRODUCT,
    (Field.PASSED, Field.FAILED): Conclusion.DEVICE,
    (Field.FAILED, Field.FAILED): Conclusion.BOTH,
    # It failed once and nothing fails again: an accident, or a device that fails now and then.
    (Field.PASSED, Field.PASSED): Conclusion.UNCLEAR,
}
"""(the failed test elsewhere, a known-good test here) → conclusion; anything unknown is unclear."""


def conclude(elsewhere: Field, here: Field, *, is_widespread: bool = False) -> Conclusion:
    """Return what the two reruns say; the other two fields are given: it failed here, passed there.

    `is_widespread`: more devices are doubted at once than may ever be taken out. Then everything
    failing everywhere has one cause, which is no device: a store that is down, a broken driver.
    """
    found = CONCLUSIONS.get((elsewhere, here), Conclusion.UNCLEAR)
    return Conclusion.UNCLEAR if found is Conclusion.BOTH and is_widespread else found


def field_of(
    state: AttemptState, failure: FailureClass | None, *, has_started: bool = True
) -> Field:
    """Return what a rerun says about its field; one that never began says nothing."""
    if state is AttemptState.PASSED:
        return Field.PASSED
    if state in (AttemptState.FAILED, AttemptState.TIMED_OUT):
        return Field.FAILED
    silent = (FailureClass.CONFIG, FailureClass.HARNESS, FailureClass.INFRA_NETWORK)
    if state in (AttemptState.ERRORED, AttemptState.LOST) and failure not in silent:
        return Field.FAILED if has_started else Field.UNKNOWN
    return Field.UNKNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What becomes of a suspect device."""

    health: DeviceHealth
    reason: str


def judge(
    conclusion: Conclusion,
    here: Field,
    *,
    has_hardware_evidence: bool,
    has_room: bool,
) -> Judgement:
    """Return the next health of a suspect device after a differential rerun.

    `has_hardware_evidence`: its own driver reports what no program can cause. `has_room`: the cap of
    its pool lets one more device go.
    """
    is_guilty = conclusion in (Conclusion.DEVICE, Conclusion.BOTH) or has_hardware_evidence
    words = f"differential rerun: {conclusion}"
    if is_guilty and has_hardware_evidence:
        words += "; its own driver reports a fault"
    if is_guilty and has_room:
        return Judgement(health=DeviceHealth.BAD, reason=words)
    if is_guilty:
        capped = f"{words}; stays in use: quarantine of its pool is at its cap"
        return Judgement(health=DeviceHealth.SUSPECT, reason=capped)
    if conclusion is Conclusion.PRODUCT or here is Field.PASSED:
        return Judgement(health=DeviceHealth.GOOD, reason=words)
    return Judgement(health=DeviceHealth.SUSPECT, reason=f"{words}; nothing could be compared")


def allowed_in_quarantine(devices: int, section: DevicesSection) -> int:
    """Return how many of a pool's devices the service itself may take out.

    One of two or more always, the only one of a pool never: that would be an outage, not a cure.
    """
    if devices < 2:
        return 0
    by_share = max(1, int(section.cap_share * devices)) if section.cap_share > 0 else 0
    return by_share if section.cap_count is None else min(by_share, section.cap_count)


def suspicion(confidences: Iterable[float]) -> float:
    """Return the weight of evidence against a device, 0 to 1."""
    return round(1 - prod(1 - value for value in confidences), 6)
