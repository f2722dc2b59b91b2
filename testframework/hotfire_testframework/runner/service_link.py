"""Requests of one attempt to its service: standard library only, one connection that is made anew."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import IO, Any
from urllib.parse import quote, urlencode, urlsplit

from hotfire_testframework.contract.exit_codes import RunnerExit
from hotfire_testframework.errors import RunnerError

TIMEOUT_SECONDS = 60.0
COMPRESS_FROM = 1024
"""Bytes; less gains nothing."""
LOCAL_HOSTS = ("127.0.0.1", "::1", "localhost")


class LinkLostError(RunnerError):
    """The service cannot be reached now, or asked to wait; the same request may be sent again."""

    def __init__(self, reason: str, wait_s: float = 0.0) -> None:
        super().__init__(reason, RunnerExit.UPLOAD_OR_DISK)
        self.wait_s = wait_s


class LinkRefusedError(RunnerError):
    """The service knows neither token nor attempt: there is nothing to wait for."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, RunnerExit.UPLOAD_OR_DISK)


@dataclass(frozen=True)
class Answer:
    """What the service said."""

    status: int
    body: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_good(self) -> bool:
        """Whether it was done."""
        return 200 <= self.status < 300

    @property
    def kind(self) -> str:
        """Of a problem: what kind it is."""
        return str(self.body.get("type", "")).rpartition("#")[2]


class ServiceLink:
    """Speaks for one attempt; every error of the way is LinkLostError."""

    def __init__(self, server: str, attempt: str, token: str, *, is_private: bool = False) -> None:
        """`is_private`: the way to the server is nobody else's, so http:// will do."""
        parts = urlsplit(server)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise LinkRefusedError(f"{server!r} is no http:// or https:// address of a service")
        is_open = parts.scheme == "http" and parts.hostname not in LOCAL_HOSTS
        if is_open and not is_private:
            raise LinkRefusedError(f"refused to send a token to {server} without encryption")
        self._parts = parts
        self._root = f"{parts.path.rstrip('/')}/api/v1/attempts/{attempt}"
        self._token = token
        self._connection: http.client.HTTPConnection | None = None
        self.fence: int | None = None

    def close(self) -> None:
        """Drop the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def send_json(self, method: str, path: str, body: Mapping[str, Any]) -> Answer:
        """Send a small document."""
        content = json.dumps(body).encode()
        return self.send(method, path, content, "application/json")

    def send(
        self,
        method: str,
        path: str,
        content: bytes | IO[bytes] | None,
        media_type: str = "application/octet-stream",
        *,
        query: Mapping[str, str | int] | None = None,
        size: int | None = None,
    ) -> Answer:
        """Send bytes, compressed where that is worth it, or a file of `size` bytes as it is."""
        headers = self._headers()
        if content is not None:
            headers["Content-Type"] = media_type
        if isinstance(content, bytes) and len(content) >= COMPRESS_FROM:
            content = gzip.compress(content, 1)
            headers["Content-Encoding"] = "gzip"
        if size is not None:
            headers["Content-Length"] = str(size)
        response = self._request(method, path, query, content, headers)
        try:
            text = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise self._lost(error) from error
        return self._judge(response, text)

    def fetch(self, path: str, target: IO[bytes]) -> None:
        """Stream the body of a GET into a file; LinkRefusedError where it is not there."""
        response = self._request("GET", path, None, None, self._headers())
        try:
            if response.status != 200:
                self._judge(response, response.read())
                raise LinkRefusedError(f"{path}: the service answered {response.status}")
            while piece := response.read(1 << 20):
                target.write(piece)
        except http.client.HTTPException as error:
            raise self._lost(error) from error

    def _headers(self) -> dict[str, str]:
        headers = {"Authorization": f"Bearer {self._token}"}
        if self.fence is not None:
            headers["Hotfire-Fence"] = str(self.fence)
        return headers

    def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str | int] | None,
        content: bytes | IO[bytes] | None,
        headers: Mapping[str, str],
    ) -> http.client.HTTPResponse:
        target = f"{self._root}{quote(path)}" + (f"?{urlencode(query)}" if query else "")
        try:
            if self._connection is None:
                self._connection = self._connect()
            self._connection.request(method, target, body=content, headers=dict(headers))
            return self._connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            raise self._lost(error) from error

    def _connect(self) -> http.client.HTTPConnection:
        host, port = self._parts.hostname or "", self._parts.port
        if self._parts.scheme == "https":
            return http.client.HTTPSConnection(host, port, timeout=TIMEOUT_SECONDS)
        return http.client.HTTPConnection(host, port, timeout=TIMEOUT_SECONDS)

    def _lost(self, error: Exception) -> LinkLostError:
        self.close()
        return LinkLostError(f"{type(error).__name__}: {error}")

    def _judge(self, response: http.client.HTTPResponse, text: bytes) -> Answer:
        body: Mapping[str, Any] = {}
        with contextlib.suppress(ValueError):
            value = json.loads(text)
            body = value if isinstance(value, dict) else {}
        if response.status in (401, 403):
            raise LinkRefusedError(
                f"the service refuses this attempt's token: {body.get('detail')}"
            )
        if response.status in (429, 500, 502, 503, 504, 507):
            wait = response.headers.get("Retry-After", "")
            raise LinkLostError(
                f"the service answered {response.status}: {body.get('detail', '')}",
                float(wait) if wait.isdecimal() else 1.0,
            )
        return Answer(response.status, body)
