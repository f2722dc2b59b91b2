"""Whether what the executor is connected to can be used: asked as a service begins, told in its log.

A service comes up while its cluster is away for a moment: it takes runs in, and what was submitted
goes on. So whatever is wrong is a warning here, in the log and in /readyz, never a reason not to
serve; `hotfire config doctor` calls the same thing a failure.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field, replace

from hotfire_infra.executors.protocol import Connected
from hotfire_infra.operations.health import Finding, Level, check_executor

log = logging.getLogger(__name__)

AGAIN_SECONDS, REMARK_SECONDS = 60.0, 900.0
"""While nothing can be done there; while there is only something to be said, perhaps for ever.
What was once right shows by its watches."""
STOP_SECONDS = 5.0


@dataclass(slots=True)
class ExecutorCheck:
    """`start` and `stop` a thread, or `look` by hand."""

    executor: Connected
    again_seconds: float = AGAIN_SECONDS
    found: Finding | None = None
    """What was seen last; None: nothing has answered yet."""
    _pause: float = 0.0
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Look now, without keeping anybody waiting, and again while something is wrong."""
        self._thread = threading.Thread(
            target=self._work, name="hotfire-executor-check", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Ask nothing more."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(STOP_SECONDS)

    def findings(self) -> tuple[Finding, ...]:
        """Return what /readyz shows."""
        found = self.found
        return () if found is None else (found,)

    def _work(self) -> None:
        while not self.look() and not self._stop.wait(self._pause):
            pass

    def look(self) -> bool:
        """Ask; True if nothing is wrong. The log gets each thing once, and that it is over."""
        before = self.found
        try:
            found = check_executor(self.executor)
        except Exception as error:  # whatever it is must not end the only one who asks
            log.exception("the executor could not be checked")
            said = f"{type(error).__name__}: {error}"
            found = Finding(name="cluster", level=Level.FAIL, said=said)
        is_remark = found.level is Level.WARN
        self._pause = max(self.again_seconds, REMARK_SECONDS) if is_remark else self.again_seconds
        if found.level is Level.FAIL:
            found = replace(found, level=Level.WARN)
        self.found = found
        if found.level is Level.OK:
            if before is not None and before.level is not Level.OK:
                log.info("the cluster %s now", found.said)
            return True
        if before is None or before.said != found.said:
            log.warning(
                "%s: %s; %s; asked again every %.0f s, or by `hotfire config doctor`",
                "of the cluster" if is_remark else "the cluster cannot be used as it should",
                found.said, found.remedy, self._pause,
            )  # fmt: skip
        return False
