"""Execute a store's runs in the background of a process that watches, while nobody else does."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from hotfire_infra.errors import InfraError, LockLostError
from hotfire_infra.orchestrator.lock import HeldLock, acquire
from hotfire_infra.orchestrator.loop import Orchestrator
from hotfire_infra.store.database import Store

log = logging.getLogger(__name__)

JOIN_SECONDS = 30.0
"""A round that is being stored is waited for; what it has started goes on anyhow."""


@dataclass(slots=True)
class Driver:
    """A thread with an orchestrator, as long as this process holds the store's lock."""

    store: Store
    build: Callable[[HeldLock], Orchestrator]
    label: str = ""
    _thread: threading.Thread | None = None
    _stop: threading.Event = field(default_factory=threading.Event)
    _failure: BaseException | None = None

    def ensure(self) -> bool:
        """Execute if nobody does; True if this process is the one. Raises what the thread died of."""
        if self._thread is not None and self._thread.is_alive():
            return True
        self._raise_failure()
        lock = acquire(self.store, label=self.label)
        if lock is None:
            return False
        self._stop.clear()
        self._thread = threading.Thread(
            target=self._run, args=(lock,), name="hotfire-orchestrator", daemon=True
        )
        self._thread.start()
        return True

    def _run(self, lock: HeldLock) -> None:
        try:
            self.build(lock).run_until_idle(self._stop, forever=True)
        except LockLostError as error:
            log.warning("%s", error)
        except Exception as error:  # noqa: BLE001 - raised again in the thread that watches
            self._failure = error
        finally:
            try:
                lock.release()
            except InfraError as error:
                log.debug("the next process takes the lock over: %s", error)

    def _raise_failure(self) -> None:
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure

    def stop(self) -> None:
        """Stop executing after the round that is under way; runners go on."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(JOIN_SECONDS)
        self._thread = None
