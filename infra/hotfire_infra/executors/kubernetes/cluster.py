"""A thin client of one API server: raw JSON through the official client's connections.

Of the `kubernetes` package come credentials, TLS and connections. Its models are left aside: they
cost a hundred times what `json.loads` does, and forget fields that they do not know.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypedDict
from urllib.parse import urlencode

import msgspec

from hotfire_infra.errors import ClusterError

Object = dict[str, Any]

CONNECT_SECONDS = 3.05
READ_SECONDS = 20.0
PIECE = 1 << 16
_JSON = "application/json"
_ENCODE, _DECODE = msgspec.json.Encoder().encode, msgspec.json.Decoder().decode


class _Metadata(TypedDict, total=False):
    name: str
    uid: str
    labels: dict[str, str] | None


class _Head(TypedDict, total=False):
    metadata: _Metadata


_DECODE_HEAD = msgspec.json.Decoder(_Head).decode


class Trouble(StrEnum):
    """What kind of no a cluster gave: what is done about it depends on nothing else."""

    UNREACHABLE = "unreachable"
    """Nobody answers, or not in time."""
    BUSY = "busy"
    """429, or 503: come back."""
    FORBIDDEN = "forbidden"
    """401, 403: not allowed, by role or by quota."""
    ABSENT = "absent"
    """404."""
    CONFLICT = "conflict"
    """409: it is there already, or changed under our hands."""
    EXPIRED = "expired"
    """410: the version asked for is no longer kept."""
    REFUSED = "refused"
    """400, 422: the object is wrong, and will be wrong next time."""
    WEBHOOK = "webhook"
    """An admission webhook did not answer: of Kueue, as a rule."""
    BROKEN = "broken"
    """Any other 5xx, and answers that are no JSON."""


PASSING = frozenset(
    {Trouble.UNREACHABLE, Trouble.BUSY, Trouble.FORBIDDEN, Trouble.WEBHOOK, Trouble.BROKEN}
)
"""What may be over next time without anything of ours being changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Where the cluster is and who we are there."""

    kubeconfig: Path | None = None
    """None: the service account of this pod."""
    context: str | None = None
    connections: int = 16


@dataclass(slots=True)
class Cluster:
    """One API server. Connections are made with the first request; threads may share it."""

    access: Access
    read_seconds: float = READ_SECONDS
    counts: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """Answers by verb, resource and code (`0`: none)."""
    _api: Any = None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _counting: threading.Lock = field(default_factory=threading.Lock)

    def get(self, path: str, **query: str) -> Object:
        """Return an object or a list."""
        return self.request("GET", path, query=query)

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Object | None = None,
        is_brief: bool = False,
    ) -> Object:
        """Return the answer as JSON. ClusterError says what kind of no came instead.

        `is_brief`: of an object only who it is; the rest of what was sent comes back, and costs.
        """
        answer = self.open(method, path, query=query, body=body)
        try:
            data = answer.data
        except Exception as error:
            raise self._unreachable(error) from error
        return _parsed(data, _DECODE_HEAD if is_brief else _DECODE)

    def text(self, path: str, **query: str) -> bytes:
        """Return an answer that is no JSON: a log."""
        answer = self.open("GET", path, query=query)
        try:
            return bytes(answer.data)
        except Exception as error:
            raise self._unreachable(error) from error

    def open(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Object | None = None,
        read_seconds: float | None = None,
    ) -> Any:
        """Return an answer whose body is not read yet (urllib3's)."""
        api = self._client()
        headers = {"Accept": _JSON, "User-Agent": user_agent()}
        content = None
        if body is not None:
            headers["Content-Type"] = _JSON
            content = _ENCODE(body)
        target = f"{path}?{urlencode(query)}" if query else path
        resource = resource_of(path)
        try:
            # Asks for the credentials anew: a service account's token is replaced while we run.
            api.update_params_for_auth(headers, [], ["BearerToken"], path, method, body)
            # Past `call_api`, which costs as much processor time as all that comes after it.
            answer = api.rest_client.pool_manager.urlopen(
                method, f"{api.configuration.host}{target}", body=content, headers=headers,
                timeout=self._times(read_seconds or self.read_seconds), retries=False,
                redirect=False, preload_content=False,
            )  # fmt: skip
        except Exception as error:
            self._count(method, resource, "0")
            raise self._unreachable(error) from error
        self._count(method, resource, str(answer.status))
        if answer.status >= 400:
            raise _refusal(answer)
        return answer

    def _count(self, method: str, resource: str, code: str) -> None:
        # To add one is to read and to write: of two threads that do both at once one is not counted.
        with self._counting:
            self.counts[method, resource, code] += 1

    def _times(self, read_seconds: float) -> Any:
        from urllib3 import Timeout

        return Timeout(connect=CONNECT_SECONDS, read=read_seconds)

    def lines(self, answer: Any) -> Iterator[bytes]:
        """Yield the lines of a stream as they come; ClusterError when it breaks off or falls silent."""
        rest = b""
        try:
            for piece in answer.stream(PIECE, decode_content=True):
                *whole, rest = (rest + piece).split(b"\n") if rest else piece.split(b"\n")
                yield from whole
        except Exception as error:
            raise self._unreachable(error) from error

    def close(self) -> None:
        """Let all connections go."""
        with self._lock:
            if self._api is not None:
                self._api.rest_client.close()
                self._api = None

    def reload(self) -> None:
        """Read the credentials anew with the next request: the old ones were refused."""
        self.close()

    def _client(self) -> Any:
        with self._lock:
            if self._api is None:
                self._api = _connect(self.access)
            return self._api

    def _unreachable(self, error: Exception) -> ClusterError:
        said = " ".join(str(error).split())[:300]
        where = "" if self._api is None else f" at {self._api.configuration.host}"
        return ClusterError(
            f"the API server{where} does not answer: {type(error).__name__}: {said}",
            trouble=Trouble.UNREACHABLE,
        )


@cache
def user_agent() -> str:
    """Return what the API server's audit log calls us."""
    try:
        found = version("hotfire")
    except PackageNotFoundError:
        found = "0"
    return f"hotfire-executor/{found}"


def resource_of(path: str) -> str:
    """Return the resource that a path is about, without names, for counting.

    `/apis/batch/v1/namespaces/n/jobs/hf-1` → `jobs`, `…/pods/p/log` → `pods/log`.
    """
    parts = path.strip("/").split("/")
    start = {"api": 2, "apis": 3}.get(parts[0], 0)
    rest = parts[start:]
    if rest[:1] == ["namespaces"] and len(rest) > 2:
        rest = rest[2:]
    return "/".join([*rest[:1], *rest[2:3]]) or "discovery"


def _connect(access: Access) -> Any:
    try:
        from kubernetes import client, config
    except ImportError as error:
        raise ClusterError(
            "the Kubernetes executor needs the package kubernetes: pip install 'hotfire[kubernetes]'",
            trouble=Trouble.REFUSED,
        ) from error
    # One of our own: the loaders would otherwise write into a global.
    configuration = type.__call__(client.Configuration)
    try:
        if access.kubeconfig is None:
            config.load_incluster_config(  # type: ignore[no-untyped-call]  # theirs has none
                client_configuration=configuration
            )
        else:
            config.load_kube_config(  # type: ignore[no-untyped-call]  # theirs has none
                config_file=str(access.kubeconfig),
                context=access.context,
                client_configuration=configuration,
                persist_config=False,
            )
    except (config.ConfigException, OSError, ValueError) as error:
        where = access.kubeconfig or "the pod's service account"
        said = " ".join(str(error).split())
        raise ClusterError(
            f"no way to the cluster by {where}: {said}; correct section kubernetes of the "
            "configuration",
            trouble=Trouble.UNREACHABLE,
        ) from error
    configuration.connection_pool_maxsize = access.connections
    configuration.retries = False
    return client.ApiClient(configuration=configuration)


def _refusal(answer: Any) -> ClusterError:
    try:
        body = json.loads(answer.data)
    except Exception:  # noqa: BLE001  # the status alone says enough
        body = {}
    status = int(answer.status)
    message = str(body.get("message", "")) if isinstance(body, dict) else ""
    message = " ".join(message.split())[:500] or f"HTTP {status}"
    reason = str(body.get("reason", "")) if isinstance(body, dict) else ""
    return ClusterError(
        message,
        trouble=trouble_of(status, reason, message),
        status=status,
        retry_after=_seconds(answer.headers.get("Retry-After")),
    )


def trouble_of(status: int, reason: str, message: str) -> Trouble:
    """Return what kind of no an answer is."""
    if "failed calling webhook" in message:
        return Trouble.WEBHOOK
    known = {
        401: Trouble.FORBIDDEN,
        403: Trouble.FORBIDDEN,
        404: Trouble.ABSENT,
        409: Trouble.CONFLICT,
        410: Trouble.EXPIRED,
        429: Trouble.BUSY,
        503: Trouble.BUSY,
    }
    if status in known:
        return known[status]
    if reason == "Expired":
        return Trouble.EXPIRED
    return Trouble.BROKEN if status >= 500 else Trouble.REFUSED


def _seconds(value: str | None) -> float | None:
    try:
        return None if value is None else max(0.0, float(value))
    except ValueError:
        return None


def _parsed(data: bytes, decode: Callable[[bytes], Any]) -> Object:
    try:
        found = decode(data)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise ClusterError(
            f"the API server answered what is no JSON: {data[:80]!r}", trouble=Trouble.BROKEN
        ) from error
    if not isinstance(found, dict):
        raise ClusterError("the API server answered no object", trouble=Trouble.BROKEN)
    return found
