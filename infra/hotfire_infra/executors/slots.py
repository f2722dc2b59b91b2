"""Whether one more attempt fits beside those that run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hotfire_infra.executors.protocol import Capacity, Need


@dataclass(slots=True)
class Room:
    """What is taken of a capacity, kept as sums: thousands of attempts may share one."""

    capacity: Capacity
    attempts: int = 0
    cpus: int = 0
    exclusive: int = 0
    """Attempts that have the machine to themselves; two at once only by an operator's hand."""

    def take(self, need: Need) -> None:
        """Let one more in, whether it fits or not: it is there already."""
        self.attempts += 1
        self.cpus += need.cpus
        self.exclusive += need.exclusive

    def fits(self, need: Need) -> bool:
        """Say whether `need` fits now; an exclusive attempt neither joins nor is joined.

        A task that asks for more processors than there are still runs, alone.
        """
        if not self.attempts:
            return True
        if need.exclusive or self.exclusive:
            return False
        return self.cpus + need.cpus <= self.capacity.cpus


def fits(capacity: Capacity, running: Sequence[Need], need: Need) -> bool:
    """Say whether `need` fits beside `running`, by the rules of `Room`."""
    room = Room(capacity)
    for other in running:
        room.take(other)
    return room.fits(need)
