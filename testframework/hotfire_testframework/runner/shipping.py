"""Bring an attempt directory to its service by HTTP: the directory is the truth, this sends copies.

`ship DIR --server URL`: starts the runner in DIR (unless one ran there already), passes claim,
heartbeats, records, output and artifacts on while it runs, and ends with its exit code. Whatever
dies on the way, runner, service or this, nothing is lost: what is not acknowledged is sent again.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hotfire_testframework.contract.stream import Kind
from hotfire_testframework.runner.attempt_dir import (
    AttemptDir,
    boot_id,
    create_exclusive,
    encode,
    read_json_object,
    ring,
    write_whole,
)
from hotfire_testframework.runner.service_link import LinkRefusedError, ServiceLink

BATCH_BYTES = 1 << 20
PIECE_BYTES = 1 << 20
BEAT_SECONDS = 2.0
STALE_SECONDS = 10.0
"""A runner whose own heartbeat is older is not vouched for: its lease has to expire."""
STREAMS = ("stdout", "stderr")
_ARTIFACT = f'"kind":"{Kind.ARTIFACT.value}"'.encode()
GONE = ("fence", "attempt-over", "claimed")
"""Problems that mean: this attempt is somebody else's, or over."""


@dataclass
class Shipper:
    """Sends what there is of one attempt; `step` may be called at any time, by any process."""

    directory: AttemptDir
    link: ServiceLink
    monotonic: Callable[[], float] = time.monotonic
    is_gone: bool = False
    """The service wants nothing of this attempt any more."""
    _offset: int = 0
    _seq: int = 0
    _is_broken: bool = False
    _log_sizes: dict[str, int] = field(default_factory=dict)
    _sent_artifacts: set[str] = field(default_factory=set)
    _last_beat: float = -1e9

    def step(self) -> bool:
        """Send what is new; True if anything was. LinkLostError: nothing is lost, call it again."""
        if self.is_gone or not self._claim():
            return False
        self._beat()
        moved = self._ship_records()
        for name in STREAMS:
            moved = self._ship_log(name) or moved
        return moved

    @property
    def is_settled(self) -> bool:
        """Whether all that is in the directory now has been acknowledged."""
        sizes = [self._log_sizes.get(name, 0) >= _size(self._log(name)) for name in STREAMS]
        return self.is_gone or (all(sizes) and (self._is_broken or self._offset >= self._whole()))

    def end(self, exit_code: int) -> None:
        """Say that the runner has ended, once everything is settled."""
        if self.link.fence is None:
            return
        self._check(self.link.send_json("POST", "/end", {"exit_code": exit_code}))

    def _claim(self) -> bool:
        """Pass the runner's claim on; True once it is granted."""
        if self.link.fence is not None:
            return True
        request = read_json_object(self.directory.claim_request)
        if not request:
            return False
        answer = self.link.send_json("POST", "/claim", dict(request))
        if answer.is_good:
            self.link.fence = int(answer.body["fence"])
            self._answer(200, self.link.fence)
            return True
        if answer.kind not in GONE:
            raise LinkRefusedError(f"the claim was refused: {answer.body.get('detail')}")
        self._answer(answer.status, None)
        self._give_up()
        return False

    def _answer(self, status: int, fence: int | None) -> None:
        if read_json_object(self.directory.claim_answer) is None:
            body = encode({"status": status, "fence": fence})
            write_whole(self.directory.claim_answer, body)
            ring(self.directory.claim_wake)

    def _beat(self) -> None:
        now = self.monotonic()
        beat = read_json_object(self.directory.heartbeat)
        if now - self._last_beat < BEAT_SECONDS or not beat or beat.get("boot_id") != boot_id():
            return
        if time.monotonic_ns() - int(beat.get("mono_ns", 0)) > STALE_SECONDS * 1e9:
            return
        words = {name: str(beat.get(name, "")) for name in ("phase", "test")}
        answer = self.link.send_json("PUT", "/heartbeat", words)
        self._check(answer)
        self._last_beat = now
        if answer.body.get("cancel"):
            self.ask_to_stop(answer.body.get("grace_seconds"))

    def ask_to_stop(self, grace_seconds: Any = None) -> None:
        """Leave the request that the runner looks for."""
        with contextlib.suppress(OSError):
            create_exclusive(self.directory.cancel, encode({"grace_seconds": grace_seconds}))

    def _ship_records(self) -> bool:
        if self._is_broken:
            return False
        content, count = self._next_batch()
        if not content:
            return False
        self._ship_artifacts(content)
        answer = self.link.send("POST", "/records", content, "application/x-ndjson")
        if answer.is_good:
            self._move_to(int(answer.body["acked_seq"]), content, count)
        elif answer.kind == "gap":
            self._move_to(int(answer.body["acked_seq"]), b"", 0)
        elif answer.status == 422:
            # The service has noted it: what lies behind the broken record never counts.
            self._is_broken = True
        else:
            self._check(answer)
        return True

    def _next_batch(self) -> tuple[bytes, int]:
        """Return whole lines behind what is acknowledged."""
        try:
            with self.directory.stream.open("rb") as file:
                file.seek(self._offset)
                content = file.read(BATCH_BYTES)
                if content and b"\n" not in content:
                    content += file.readline()
        except FileNotFoundError:
            return b"", 0
        content = content[: content.rfind(b"\n") + 1]
        return content, content.count(b"\n")

    def _move_to(self, acked: int, content: bytes, count: int) -> None:
        """Go on behind record `acked`: one line is one record, counted from 1."""
        if acked == self._seq + count:
            self._offset, self._seq = self._offset + len(content), acked
            return
        with self.directory.stream.open("rb") as file:
            for _ in range(acked):
                file.readline()
            self._offset, self._seq = file.tell(), acked

    def _ship_artifacts(self, content: bytes) -> None:
        """Send the files before the records that name them."""
        if _ARTIFACT not in content:
            return
        for line in content.splitlines():
            if _ARTIFACT in line:
                with contextlib.suppress(ValueError, KeyError, TypeError, FileNotFoundError):
                    self._ship_artifact(json.loads(line))

    def _ship_artifact(self, record: dict[str, Any]) -> None:
        name = str(record["name"])
        path = (self.directory.root / str(record["path"])).resolve()
        if name in self._sent_artifacts or not path.is_relative_to(self.directory.root.resolve()):
            return
        with path.open("rb") as file:
            answer = self.link.send(
                "PUT",
                f"/artifacts/{name}",
                file,
                query={"sha256": str(record["sha256"])},
                size=path.stat().st_size,
            )
        # One that the service does not want is missed there, by its record, with the reason.
        if answer.status != 413 and answer.status != 422:
            self._check(answer)
        self._sent_artifacts.add(name)

    def _ship_log(self, name: str) -> bool:
        size = _size(self._log(name))
        known = self._log_sizes.get(name)
        if size == 0 or known == size:
            return False
        piece = b""
        if known is not None:
            with self._log(name).open("rb") as file:
                file.seek(known)
                piece = file.read(PIECE_BYTES)
        # The first piece is empty: the answer says how much is there from an earlier life.
        answer = self.link.send("POST", f"/logs/{name}", piece, query={"offset": known or 0})
        if answer.kind != "gap":
            self._check(answer)
        self._log_sizes[name] = min(int(answer.body.get("size", 0)), size)
        return True

    def _check(self, answer: Any) -> None:
        if answer.is_good:
            return
        if answer.kind in GONE:
            self._give_up()
            return
        raise LinkRefusedError(f"the service answered {answer.status}: {answer.body.get('detail')}")

    def _give_up(self) -> None:
        self.is_gone = True
        self.ask_to_stop()

    def _log(self, name: str) -> Any:
        return self.directory.stdout if name == "stdout" else self.directory.stderr

    def _whole(self) -> int:
        """Return where the last whole line of the stream ends."""
        size = _size(self.directory.stream)
        if size == 0:
            return 0
        with self.directory.stream.open("rb") as file:
            file.seek(max(self._offset, 0))
            return self._offset + file.read().rfind(b"\n") + 1


def _size(path: Any) -> int:
    try:
        return int(path.stat().st_size)
    except OSError:
        return 0
