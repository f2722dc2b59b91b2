"""Work that may take long, beside the orchestrator's round: a round renews leases and must not wait."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from hotfire_infra.errors import InfraError

log = logging.getLogger(__name__)

MOST = 4
"""Jobs at once; what finds no room is asked for again."""


@dataclass(slots=True)
class Beside:
    """Jobs by name, each in a thread of its own, and at most one of a name at once.

    The threads do not keep the process alive: what is cut off must be found unfinished in the store.
    """

    name: str
    _jobs: dict[str, threading.Thread] = field(default_factory=dict)

    def begin(self, key: str, job: Callable[[], object]) -> bool:
        """Start a job, unless it is under way or there is no room; return whether it was started."""
        self._jobs = {key: thread for key, thread in self._jobs.items() if thread.is_alive()}
        if key in self._jobs or len(self._jobs) >= MOST:
            return False
        thread = threading.Thread(
            target=_attempt, args=(key, job), name=f"{self.name}-{key}", daemon=True
        )
        self._jobs[key] = thread
        thread.start()
        return True

    def finish(self, seconds: float) -> bool:
        """Wait for what is under way; False if some of it is after so long."""
        until = time.monotonic() + seconds
        for thread in list(self._jobs.values()):
            thread.join(max(0.0, until - time.monotonic()))
        return not any(thread.is_alive() for thread in self._jobs.values())


def _attempt(key: str, job: Callable[[], object]) -> None:
    try:
        job()
    except InfraError as error:
        # A lost lead or database: whoever leads next looks again.
        log.warning("%s: %s", key, error)
    except Exception:
        log.exception("%s failed by a defect", key)
