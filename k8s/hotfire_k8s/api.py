"""A small client of the API server, for setting a cluster up: JSON in, JSON out, many threads."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

from hotfire_k8s.certificates import KeyPair
from hotfire_k8s.errors import ComponentError

Manifest = dict[str, Any]

THREADS = 8
TIMEOUT_S = 30.0
IRREGULAR = {
    "NetworkPolicy": "networkpolicies",
    "Topology": "topologies",
    "WorkloadPriorityClass": "workloadpriorityclasses",
}
"""Plurals that are not the kind in small letters with an s."""


class ApiClient:
    """Speaks to one API server with one certificate; may be used by several threads."""

    def __init__(self, server: str, authority: str, pair: KeyPair) -> None:
        """`authority` is the path of the certificate that signed the server's."""
        context = ssl.create_default_context(cafile=authority)
        context.load_cert_chain(pair.certificate, pair.key)
        self._http = httpx.Client(
            base_url=server,
            verify=context,
            timeout=TIMEOUT_S,
            # The server is on this machine; a proxy of the environment is not for it.
            trust_env=False,
            # Packing megabytes for a neighbour costs the server more than sending them.
            headers={"User-Agent": "hotfire-cluster", "Accept-Encoding": "identity"},
        )

    def __enter__(self) -> ApiClient:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def is_ready(self) -> bool:
        """Whether the server says that it can serve."""
        try:
            return self._http.get("/readyz", timeout=5).status_code == 200
        except httpx.HTTPError:
            return False

    def get(self, path: str) -> Manifest | None:
        """Return an object or a list; None if there is none; ComponentError."""
        answer = self._ask("GET", path)
        return None if answer.status_code == 404 else _checked(answer, path)

    def text(self, path: str) -> str:
        """Return what is no JSON, as a log; ComponentError."""
        answer = self._ask("GET", path)
        if not answer.is_success:
            _checked(answer, path)
        return answer.text

    def apply(self, manifest: Manifest) -> None:
        """Make an object be as given (server-side apply, ours by force); ComponentError."""
        path = f"{_collection(manifest)}/{manifest['metadata']['name']}"
        query = "?fieldManager=hotfire-cluster&force=true"
        headers = {"Content-Type": "application/apply-patch+yaml"}
        _checked(self._ask("PATCH", path + query, manifest, headers), path)

    def create(self, manifest: Manifest) -> bool:
        """Create an object; False if one of that name is there; ComponentError."""
        path = _collection(manifest)
        answer = self._ask("POST", path, manifest)
        if answer.status_code == 409:
            return False
        _checked(answer, path)
        return True

    def dry_run(self, manifest: Manifest) -> None:
        """Have the server judge an object, admission included, and keep nothing; ComponentError."""
        path = f"{_collection(manifest)}?dryRun=All&fieldValidation=Strict"
        _checked(self._ask("POST", path, manifest), path)

    def merge(self, path: str, change: Manifest) -> None:
        """Merge a change into an object (RFC 7386); ComponentError."""
        headers = {"Content-Type": "application/merge-patch+json"}
        _checked(self._ask("PATCH", path, change, headers), path)

    def delete(self, path: str) -> None:
        """Delete an object, if it is there; ComponentError."""
        answer = self._ask("DELETE", path)
        if answer.status_code != 404:
            _checked(answer, path)

    def _ask(
        self,
        method: str,
        path: str,
        body: Manifest | None = None,
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        try:
            return self._http.request(method, path, json=body, headers=headers)
        except httpx.HTTPError as error:
            raise ComponentError(
                f"the API server at {self._http.base_url} did not answer {method} {path}: {error!r}"
            ) from error


def in_threads(act: Callable[[Manifest], object], manifests: Iterable[Manifest]) -> None:
    """Do one thing with each of many objects, eight at a time; the first error is raised."""
    with ThreadPoolExecutor(THREADS) as pool:
        for _ in pool.map(act, manifests):
            pass


def _collection(manifest: Manifest) -> str:
    group = manifest["apiVersion"]
    namespace = manifest["metadata"].get("namespace")
    place = f"/namespaces/{namespace}" if namespace else ""
    kind = manifest["kind"]
    plural = IRREGULAR.get(kind) or kind.lower() + ("es" if kind.endswith("s") else "s")
    return f"{'/api' if '/' not in group else '/apis'}/{group}{place}/{plural}"


def _checked(answer: httpx.Response, path: str) -> Manifest:
    if answer.is_success:
        value = answer.json()
        assert isinstance(value, dict)
        return value
    try:
        said = answer.json().get("message")
    except ValueError:
        said = answer.text[:300]
    raise ComponentError(f"{answer.request.method} {path}: {answer.status_code} {said}")
