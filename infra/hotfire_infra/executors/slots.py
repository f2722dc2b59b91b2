"""Whether one more attempt fits beside those that run."""

from __future__ import annotations

from collections.abc import Sequence

from hotfire_infra.executors.protocol import Capacity, Need


def fits(capacity: Capacity, running: Sequence[Need], need: Need) -> bool:
    """Say whether `need` fits now; an exclusive attempt neither joins nor is joined.

    A task that asks for more processors than there are still runs, alone.
    """
    if not running:
        return True
    if need.exclusive or any(other.exclusive for other in running):
        return False
    return sum(other.cpus for other in running) + need.cpus <= capacity.cpus
