"""An API server in this process, as far as the executor speaks to one: create, list, watch, delete.

Built from the public API (resource versions, pages, bookmarks, 410 Gone, graceful deletion, owner
references), and spoken to by the real client over real sockets. It schedules nothing and runs
nothing: what a cluster would do, a test does by `put` and `change`.
"""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

JOBS = "/apis/batch/v1/namespaces/hotfire/jobs"
PODS = "/api/v1/namespaces/hotfire/pods"
SECRETS = "/api/v1/namespaces/hotfire/secrets"
NODES = "/api/v1/nodes"
KUEUE = "/apis/kueue.x-k8s.io"
REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
WORKLOADS = f"{KUEUE}/v1beta2/namespaces/hotfire/workloads"

Object = dict[str, Any]
Fault = Callable[[str, str], tuple[int, Object, dict[str, str]] | None]
"""Of method and path: status, body and headers instead of the answer; None: answer."""


@dataclass
class FakeApiServer:
    """Objects by collection and name, with every change since `oldest`."""

    objects: dict[str, dict[str, Object]] = field(default_factory=dict)
    changes: list[tuple[int, str, str, Object]] = field(default_factory=list)
    requests: list[tuple[str, str]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    watch_script: list[str] = field(default_factory=list)
    """What becomes of the next watches: `eof`, `gone`, `silent`, `garbage`."""
    kueue: bool = False
    denied: set[tuple[str, str]] = field(default_factory=set)
    """Resource and verb of what is said to be forbidden, to who asks beforehand."""
    oldest: int = 0
    """Changes before it are no longer kept: a watch from there is 410."""
    bookmark_seconds: float = 30.0
    version: int = 100
    on_create: Callable[[str, Object], None] = lambda _path, _object: None
    on_delete: Callable[[str, Object], None] = lambda _path, _object: None
    logs: dict[str, bytes] = field(default_factory=dict)
    _change: threading.Condition = field(
        default_factory=lambda: threading.Condition(threading.RLock())
    )
    _uids: Iterator[int] = field(default_factory=itertools.count)
    stopped: bool = False

    # What a test does.

    def put(self, path: str, found: Object) -> Object:
        """Lay an object in a collection, new or not."""
        with self._change:
            name = found["metadata"]["name"]
            known = name in self.objects.setdefault(path, {})
            found = deepcopy(found)
            found["metadata"].setdefault("uid", f"uid-{next(self._uids)}")
            found["metadata"].setdefault("creationTimestamp", "2026-01-01T00:00:00Z")
            self.objects[path][name] = found
            self._note("MODIFIED" if known else "ADDED", path, found)
            return found

    def change(self, path: str, name: str, **status: Any) -> Object:
        """Change the status of an object."""
        with self._change:
            found = deepcopy(self.objects[path][name])
            found["status"] = {**(found.get("status") or {}), **status}
            return self.put(path, found)

    def remove(self, path: str, name: str) -> None:
        """Take an object away, and what it owns."""
        with self._change:
            found = self.objects.get(path, {}).pop(name, None)
            if found is None:
                return
            self._note("DELETED", path, found)
            uid = found["metadata"]["uid"]
            for other, items in list(self.objects.items()):
                for owned in list(items.values()):
                    owners = owned["metadata"].get("ownerReferences") or ()
                    if any(owner["uid"] == uid for owner in owners):
                        self.delete(other, owned["metadata"]["name"])

    def delete(self, path: str, name: str, grace: int | None = None) -> None:
        """Ask for the end of an object: a pod with a node gets its grace, all else goes at once."""
        with self._change:
            found = self.objects.get(path, {}).get(name)
            if found is None:
                return
            spec = found.get("spec") or {}
            is_placed = path == PODS and spec.get("nodeName")
            if grace is None:
                grace = int(spec.get("terminationGracePeriodSeconds", 30))
            if is_placed and grace and not found["metadata"].get("deletionTimestamp"):
                found = deepcopy(found)
                found["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
                found["metadata"]["deletionGracePeriodSeconds"] = grace
                self.put(path, found)
            elif not is_placed or not grace:
                self.remove(path, name)
        self.on_delete(path, found)

    def compact(self) -> None:
        """Forget all changes: watches from before are 410."""
        with self._change:
            self.oldest = self.version

    def count(self, method: str, part: str) -> int:
        """Return how many requests there were."""
        return sum(verb == method and part in path for verb, path in list(self.requests))

    def _note(self, kind: str, path: str, found: Object) -> None:
        self.version += 1
        found["metadata"]["resourceVersion"] = str(self.version)
        self.changes.append((self.version, kind, path, deepcopy(found)))
        self._change.notify_all()

    # What the client asks for.

    def list(self, path: str, query: dict[str, str]) -> Object:
        """Return a page of a collection."""
        with self._change:
            items = [one for one in self.objects.get(path, {}).values() if _selected(one, query)]
            start, limit = int(query.get("continue", 0)), int(query.get("limit", 0) or len(items))
            meta: Object = {"resourceVersion": str(self.version)}
            if start + limit < len(items):
                meta["continue"] = str(start + limit)
            return {"kind": "List", "metadata": meta, "items": items[start : start + limit]}

    def follow(self, path: str, query: dict[str, str]) -> Iterator[Object | None]:
        """Yield events from a version on, None for a moment without any."""
        seen = int(query.get("resourceVersion") or 0)
        script = self.watch_script.pop(0) if self.watch_script else ""
        if script == "eof":
            return
        if script == "gone" or seen < self.oldest:
            yield {"type": "ERROR", "object": {"kind": "Status", "code": 410, "message": "too old"}}
            return
        if script == "garbage":
            yield {"garbage": True}
        while not self.stopped:
            with self._change:
                news = [one for one in self.changes if one[0] > seen]
                if not news:
                    self._change.wait(0.05)
            for version, kind, where, found in news:
                seen = version
                if where == path and _selected(found, query) and script != "silent":
                    yield {"type": kind, "object": found}
            yield None

    def bookmark(self) -> Object:
        """Return a bookmark of now."""
        meta = {"resourceVersion": str(self.version)}
        return {"type": "BOOKMARK", "object": {"metadata": meta}}


def _selected(found: Object, query: dict[str, str]) -> bool:
    labels = found["metadata"].get("labels") or {}
    wanted = [part.split("=") for part in query.get("labelSelector", "").split(",") if part]
    return all(labels.get(key) == value for key, value in wanted)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        path, query = self._asked()
        api = self.server.api
        if self._is_faulted(path):
            return
        if query.get("watch"):
            self._watch(path, query)
        elif path == KUEUE:
            group = {
                "versions": [{"version": "v1beta2"}],
                "preferredVersion": {"version": "v1beta2"},
            }
            self._answer(200 if api.kueue else 404, group)
        elif path.endswith("/log"):
            self._raw(api.logs.get(path.split("/")[-2], b""))
        elif path.rsplit("/", 1)[0] in api.objects and path not in api.objects:
            collection, name = path.rsplit("/", 1)
            found = api.objects[collection].get(name)
            self._answer(200, found) if found else self._status(
                404, "NotFound", f"{name} not found"
            )
        else:
            self._answer(200, api.list(path, query))

    def do_POST(self) -> None:
        path, _ = self._asked()
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self._is_faulted(path):
            return
        if path == REVIEWS:
            asked = body["spec"]["resourceAttributes"]
            is_allowed = (asked["resource"], asked["verb"]) not in self.server.api.denied
            self._answer(201, {**body, "status": {"allowed": is_allowed}})
            return
        name = body["metadata"]["name"]
        if name in self.server.api.objects.get(path, {}):
            self._status(409, "AlreadyExists", f"{name} already exists")
            return
        found = self.server.api.put(path, body)
        self._answer(201, found)
        self.server.api.on_create(path, found)

    def do_DELETE(self) -> None:
        path, _ = self._asked()
        size = int(self.headers.get("Content-Length") or 0)
        options = json.loads(self.rfile.read(size)) if size else {}
        if self._is_faulted(path):
            return
        collection, name = path.rsplit("/", 1)
        if name not in self.server.api.objects.get(collection, {}):
            self._status(404, "NotFound", f"{name} not found")
            return
        self.server.api.delete(collection, name, options.get("gracePeriodSeconds"))
        self._answer(200, {"kind": "Status", "status": "Success"})

    def _asked(self) -> tuple[str, dict[str, str]]:
        parts = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        verb = "WATCH" if query.get("watch") else self.command
        self.server.api.requests.append((verb, parts.path))
        return parts.path, query

    def _is_faulted(self, path: str) -> bool:
        for fault in list(self.server.api.faults):
            found = fault(self.command, path)
            if found is not None:
                status, body, headers = found
                self._answer(status, body, headers)
                return True
        return False

    def _watch(self, path: str, query: dict[str, str]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        quiet = 0.0
        try:
            for event in self.server.api.follow(path, query):
                if event is None:
                    quiet += 0.05
                    if quiet < self.server.api.bookmark_seconds:
                        continue
                    event, quiet = self.server.api.bookmark(), 0.0
                line = b"{oh no\n" if "garbage" in event else json.dumps(event).encode() + b"\n"
                self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
            self.wfile.write(b"0\r\n\r\n")
        except OSError:
            self.close_connection = True

    def _status(self, code: int, reason: str, message: str) -> None:
        self._answer(code, {"kind": "Status", "code": code, "reason": reason, "message": message})

    def _answer(self, code: int, body: Object, headers: dict[str, str] | None = None) -> None:
        self._raw(json.dumps(body).encode(), code, headers)

    def _raw(self, data: bytes, code: int = 200, headers: dict[str, str] | None = None) -> None:
        self.send_response(code)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    api: FakeApiServer


@contextmanager
def serving(api: FakeApiServer, folder: Path) -> Iterator[Path]:
    """Serve it on loopback; yields a kubeconfig that names it."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.api = api
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        path = folder / "kubeconfig"
        path.write_text(kubeconfig(f"http://127.0.0.1:{server.server_port}"))
        try:
            yield path
        finally:
            api.stopped = True
            server.shutdown()
            thread.join()


def kubeconfig(server: str) -> str:
    """Return a kubeconfig with one cluster and nobody."""
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "fake",
            "clusters": [{"name": "fake", "cluster": {"server": server}}],
            "users": [{"name": "nobody", "user": {}}],
            "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "nobody"}}],
        }
    )
