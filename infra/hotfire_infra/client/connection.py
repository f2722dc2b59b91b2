"""The way to a service: address, token, and what its refusals mean here (httpx, imported late)."""

from __future__ import annotations

import ipaddress
import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from hotfire_infra import errors
from hotfire_infra.errors import (
    AccessDeniedError,
    InfraError,
    ServiceError,
    ServiceUnreachableError,
    VersionMismatchError,
)

if TYPE_CHECKING:
    import httpx

API_VERSION = 1
TIMEOUT_SECONDS = 60.0
CONNECT_SECONDS = 5.0
CONNECT_TRIES = 3


def _kebab(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "-", name.removesuffix("Error")).lower()


_BY_KIND: Mapping[str, type[InfraError]] = {
    _kebab(name): kind
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, InfraError)
}
"""The same class is raised here that the service raised there."""


def read_token(path: Path | None) -> str | None:
    """Return the token in a file; AccessDeniedError for one that others may read."""
    if path is None:
        return None
    try:
        mode = path.stat().st_mode
        token = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not plain text"
        raise AccessDeniedError(
            f"HOTFIRE_TOKEN_FILE {path} cannot be read: {reason}; "
            f"`hotfire tokens create NAME --file {path}` where the service runs makes it"
        ) from error
    if stat.S_IMODE(mode) & 0o077:
        raise AccessDeniedError(
            f"HOTFIRE_TOKEN_FILE {path} can be read by others (mode "
            f"{stat.S_IMODE(mode):04o}); `chmod 600 {path}`"
        )
    if not token or not token.isprintable() or " " in token:
        raise AccessDeniedError(f"HOTFIRE_TOKEN_FILE {path} holds no token")
    return token


class Connection:
    """Requests to one service; every refusal becomes an InfraError."""

    def __init__(self, server: str, token: str | None) -> None:
        try:
            import httpx
        except ImportError as error:
            raise ServiceError(
                "the packages to talk to a service are not installed (httpx is missing); "
                "`make setup`"
            ) from error
        parts = urlsplit(server)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise VersionMismatchError(
                f"HOTFIRE_SERVER is {server!r}; it has to be http://HOST:PORT or https://HOST"
            )
        is_here = _is_loopback(parts.hostname)
        if token is not None and parts.scheme == "http" and not is_here:
            raise AccessDeniedError(
                f"refused to send a token to {server} without encryption; use https://"
            )
        self.server = server.rstrip("/")
        self._token = token
        self._httpx = httpx
        self._client = httpx.Client(
            base_url=f"{self.server}/api/v1",
            headers={"Authorization": f"Bearer {token}"} if token else {},
            timeout=httpx.Timeout(TIMEOUT_SECONDS, connect=CONNECT_SECONDS),
            transport=httpx.HTTPTransport(retries=CONNECT_TRIES) if is_here else None,
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def get(self, path: str, **query: Any) -> Any:
        """Return the JSON of a GET; a query that is None is left out."""
        return self.request("GET", path, query=query).json()

    def post(self, path: str, body: Mapping[str, Any], **query: Any) -> Any:
        """Return the JSON of a POST."""
        return self.request("POST", path, json=dict(body), query=query).json()

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        accepted: tuple[int, ...] = (),
        **more: Any,
    ) -> httpx.Response:
        """Return a good or accepted response; any other is raised as the error it stands for."""
        params = {name: value for name, value in (query or {}).items() if value is not None}
        with self._reachable():
            answer = self._client.request(method, path, params=params, **more)
        if not answer.is_success and answer.status_code not in accepted:
            raise self.error_of(answer)
        return answer

    @contextmanager
    def stream(
        self, path: str, *, headers: Mapping[str, str], query: Mapping[str, Any], idle: float
    ) -> Iterator[httpx.Response]:
        """Open a stream that is given up when nothing comes for `idle` seconds."""
        timeout = self._httpx.Timeout(idle, connect=CONNECT_SECONDS)
        with (
            self._reachable(),
            self._client.stream(
                "GET", path, headers=dict(headers), params=dict(query), timeout=timeout
            ) as answer,
        ):
            if not answer.is_success:
                answer.read()
                raise self.error_of(answer)
            yield answer

    @contextmanager
    def _reachable(self) -> Iterator[None]:
        try:
            yield
        except self._httpx.TransportError as error:
            raise ServiceUnreachableError(
                f"the service at {self.server} does not answer: {str(error) or type(error).__name__}; "
                "is it running there? Start one with `hotfire serve`"
            ) from error

    def error_of(self, answer: httpx.Response) -> InfraError:
        """Return the error that a bad response stands for."""
        try:
            problem = answer.json()
            detail = str(problem["detail"])
            kind = str(problem.get("type", "")).rpartition("#")[2]
        except (ValueError, KeyError, TypeError, AttributeError):
            return VersionMismatchError(
                f"{self.server} answers {answer.status_code} and is no service of Hotfire; "
                "check HOTFIRE_SERVER"
            )
        if answer.status_code in (401, 403):
            hint = "" if self._token else " (no token was sent: set HOTFIRE_TOKEN_FILE)"
            return AccessDeniedError(f"{self.server}: {detail}{hint}")
        found = _BY_KIND.get(kind)
        if found is not None:
            return found(detail)
        remedy = str(problem.get("remedy", ""))
        return ServiceError(f"{self.server}: {detail}" + (f"; {remedy}" if remedy else ""))


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
