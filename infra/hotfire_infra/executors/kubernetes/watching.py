"""Our own list-watch of one kind of object: it never spins, never goes deaf, and says how it is.

List in pages, then watch from the list's version with bookmarks. The server ends watches as it
likes: an end resumes from the last version, 410 lists anew, and whatever goes wrong backs off with
full jitter, since a thousand clients may have lost the same server. A connection that says nothing
for longer than bookmarks take is given up: a half-open one would stay silent for ever. From time to
time everything is listed anew, whatever the watch says.
"""

from __future__ import annotations

import json
import logging
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from hotfire_infra.errors import ClusterError
from hotfire_infra.executors.kubernetes.cluster import Cluster, Object, Trouble

log = logging.getLogger(__name__)

Item = TypeVar("Item")
Taken = TypeVar("Taken", contravariant=True)

PAGE = 500
FIRST_BACKOFF_SECONDS, LONGEST_BACKOFF_SECONDS = 0.25, 30.0
STABLE_SECONDS = 5.0
"""A watch that held for so long was no failure, whatever ended it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Times of a watch; tests have shorter ones."""

    watch_seconds: float = 300.0
    """How long the server is asked to keep one watch, more or less by a tenth."""
    silence_seconds: float = 90.0
    """Bookmarks come about once a minute; a connection without a word for longer is dead."""
    resync_seconds: float = 600.0
    first_backoff_seconds: float = FIRST_BACKOFF_SECONDS
    longest_backoff_seconds: float = LONGEST_BACKOFF_SECONDS


class Sink(Protocol[Taken]):
    """Who is told what is there."""

    def replace(self, items: Mapping[str, Taken], began_ns: int) -> None:
        """Everything that is there, as listed; what began to be listed earlier is older."""

    def put(self, key: str, item: Taken) -> None:
        """Something is new or has changed."""

    def drop(self, key: str, item: Taken) -> None:
        """Something is gone; `item` is its last state."""


@dataclass(slots=True)
class WatchHealth:
    """How a watch is, for metrics and for people."""

    lists: int = 0
    watches: int = 0
    events: int = 0
    failures: int = 0
    """In a row, 0 while all is well."""
    trouble: str = ""
    """What went wrong last, while it is wrong."""
    is_synced: bool = False
    """Everything was listed at least once."""
    last_good_ns: int | None = None
    """By the monotonic clock: the last answer, event or bookmark."""


@dataclass(slots=True)
class Watcher(Generic[Item]):
    """Follows one kind of object in a thread of its own, until it is closed."""

    name: str
    cluster: Cluster
    path: str
    parse: Callable[[Object], tuple[str, Item] | None]
    """Key and small value of an object; None: not one of ours."""
    sink: Sink[Item]
    selector: str = ""
    decode: Callable[[bytes], Object] = json.loads
    """Of one event, perhaps only the fields that `parse` reads; ValueError where it is none."""
    pace: Pace = field(default_factory=Pace)
    random: random.Random = field(default_factory=random.Random)
    mono_ns: Callable[[], int] = time.monotonic_ns
    health: WatchHealth = field(default_factory=WatchHealth)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _version: str = ""
    _listed_ns: int = 0
    _resync_ns: int = 0
    _answer: Any = None

    def start(self) -> None:
        """Begin, unless it has begun."""
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._run, name=f"hotfire-watch-{self.name}", daemon=True
            )
            self._thread.start()

    def close(self, seconds: float = 2.0) -> None:
        """End; a connection under way is cut."""
        self._stop.set()
        answer = self._answer
        if answer is not None:
            try:
                answer.shutdown()
            except Exception:  # noqa: BLE001  # it may be gone already
                log.debug("watch of %s was closed already", self.name)
        if self._thread is not None:
            self._thread.join(seconds)

    def age_seconds(self) -> float | None:
        """Return how long ago the server last said anything; None: it never has."""
        last = self.health.last_good_ns
        return None if last is None else max(0.0, (self.mono_ns() - last) / 1e9)

    def _run(self) -> None:
        while not self._stop.is_set():
            began = self.mono_ns()
            try:
                self._step()
            except ClusterError as error:
                self._note_failure(error, began)
            except Exception as error:  # a thread that dies would be deaf for ever
                log.exception("watch of %s", self.name)
                self._version = ""
                self._note_failure(error, began)
            if self.health.failures:
                self._stop.wait(self._backoff())

    def _step(self) -> None:
        """List if that is due, then watch until the server ends it."""
        if not self._version or self.mono_ns() >= self._resync_ns:
            self._list()
        seen = self.health.events
        began = self.mono_ns()
        self._watch()
        if self.mono_ns() - began >= STABLE_SECONDS * 1e9:
            self.health.failures = 0
        elif self.health.events == seen:
            # Ended at once and said nothing: asking again at once would be a busy loop.
            self.health.failures += 1

    def _list(self) -> None:
        began = self.mono_ns()
        items: dict[str, Item] = {}
        query = {"limit": str(PAGE)}
        if self.selector:
            query["labelSelector"] = self.selector
        while True:
            page = self.cluster.get(self.path, **query)
            self._note_good(is_event=False)
            for found in page.get("items") or ():
                parsed = self._read(found)
                if parsed is not None:
                    items[parsed[0]] = parsed[1]
            meta = page.get("metadata") or {}
            if not meta.get("continue"):
                break
            query["continue"] = str(meta["continue"])
        self._version = str(meta.get("resourceVersion", ""))
        self._resync_ns = began + int(self._about(self.pace.resync_seconds) * 1e9)
        self.health.lists += 1
        self.sink.replace(items, began)
        self.health.is_synced = True

    def _watch(self) -> None:
        seconds = self._about(self.pace.watch_seconds)
        query = {
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._version,
            "timeoutSeconds": str(max(1, round(seconds))),
        }
        if self.selector:
            query["labelSelector"] = self.selector
        self.health.watches += 1
        silence = self.pace.silence_seconds
        answer = self.cluster.open("GET", self.path, query=query, read_seconds=silence)
        self._answer = answer
        self._note_good(is_event=False)
        try:
            for event in _events(self.cluster.lines(answer), self.decode):
                self._take(event)
                if self._stop.is_set() or self.mono_ns() >= self._resync_ns:
                    return
        finally:
            self._answer = None
            answer.close()

    def _take(self, event: Object) -> None:
        kind, found = event.get("type"), event.get("object") or {}
        if kind == "ERROR":
            code = int(found.get("code") or 0)
            trouble = Trouble.EXPIRED if code == 410 else Trouble.BROKEN
            raise ClusterError(str(found.get("message", "")), trouble=trouble, status=code)
        self._note_good()
        self.health.events += 1
        version = (found.get("metadata") or {}).get("resourceVersion")
        if kind != "BOOKMARK":
            parsed = self._read(found)
            if parsed is not None:
                (self.sink.drop if kind == "DELETED" else self.sink.put)(*parsed)
        if version:
            # Last: what was not taken in is to come again.
            self._version = str(version)

    def _read(self, found: Object) -> tuple[str, Item] | None:
        """Parse an object; one that cannot be read must not keep the others from being heard."""
        try:
            return self.parse(found)
        except (LookupError, TypeError, ValueError, AttributeError):
            name = (found.get("metadata") or {}).get("name")
            log.exception("%s %s cannot be read and is left out", self.name, name)
            return None

    def _note_good(self, *, is_event: bool = True) -> None:
        self.health.last_good_ns = self.mono_ns()
        self.health.trouble = ""
        if is_event:
            # Not by a list: one that is followed by 410 each time would go round without a pause.
            self.health.failures = 0

    def _note_failure(self, error: Exception, began_ns: int) -> None:
        if self._stop.is_set():
            return
        trouble = getattr(error, "trouble", Trouble.BROKEN)
        if trouble == Trouble.EXPIRED:
            self._version = ""
        if trouble == Trouble.FORBIDDEN and getattr(error, "status", 0) == 401:
            self.cluster.reload()
        held = self.mono_ns() - began_ns >= STABLE_SECONDS * 1e9
        if trouble == Trouble.UNREACHABLE and held and not self.health.failures:
            return  # A connection that was silent or cut after a while is resumed at once.
        self.health.failures += 1
        self.health.trouble = " ".join(str(error).split())[:300]
        if self.health.failures in (1, 10, 100):
            log.warning("watch of %s: %s", self.name, self.health.trouble)

    def _backoff(self) -> float:
        """Return seconds to wait: anything up to a bound that doubles."""
        doubled = self.pace.first_backoff_seconds * 2.0 ** min(self.health.failures - 1, 20)
        return self.random.uniform(0.05, 1.0) * min(doubled, self.pace.longest_backoff_seconds)

    def _about(self, seconds: float) -> float:
        return seconds * self.random.uniform(0.9, 1.1)


def _events(lines: Iterator[bytes], decode: Callable[[bytes], Object]) -> Iterator[Object]:
    for line in lines:
        if not line.strip():
            continue
        try:
            found = decode(line)
        except ValueError as error:
            raise ClusterError(
                f"an event of the watch is no JSON: {line[:80]!r}", trouble=Trouble.BROKEN
            ) from error
        if isinstance(found, dict):
            yield found
