"""OCI images as one tar, written without registry or daemon: the same inputs, the same bytes.

Layers are plain tar: they need no agreement about a compressor, and what is their digest is their
diff id. `ctr -n k8s.io images import FILE` takes the result, and so does every tool that reads an
OCI layout.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
CREATED = "1970-01-01T00:00:00Z"
"""Contents alone decide the digest; when it was built is no part of them."""
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(slots=True)
class LayerWriter:
    """One layer: entries in the order they are put, folders above them made, owners all root."""

    path: Path
    _tar: tarfile.TarFile = field(init=False)
    _seen: set[str] = field(default_factory=set)

    def __enter__(self) -> Self:
        """Begin the file."""
        self._tar = tarfile.open(self.path, "w", format=tarfile.GNU_FORMAT)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End it."""
        self._tar.close()

    def folder(self, name: str, mode: int = 0o755, owner: int = 0) -> None:
        """Put a folder, once, with those above it."""
        name = name.strip("/")
        if not name or name in self._seen:
            return
        self.folder(name.rpartition("/")[0])
        self._add(name, tarfile.DIRTYPE, mode, owner=owner)

    def file(self, name: str, content: bytes, mode: int = 0o644) -> None:
        """Put a file; a second one of this name in the same layer is left out."""
        name = name.strip("/")
        if name not in self._seen:
            self.folder(name.rpartition("/")[0])
            self._add(name, tarfile.REGTYPE, mode, content=content)

    def link(self, name: str, target: str, *, hard: bool = False) -> None:
        """Put a link."""
        name = name.strip("/")
        if name not in self._seen:
            self.folder(name.rpartition("/")[0])
            self._add(name, tarfile.LNKTYPE if hard else tarfile.SYMTYPE, 0o777, target=target)

    def holds(self, name: str) -> bool:
        """Whether something of this name was put."""
        return name.strip("/") in self._seen

    def _add(
        self,
        name: str,
        kind: bytes,
        mode: int,
        *,
        owner: int = 0,
        content: bytes = b"",
        target: str = "",
    ) -> None:
        self._seen.add(name)
        info = tarfile.TarInfo(name)
        info.type, info.mode, info.linkname, info.size = kind, mode, target, len(content)
        info.uid = info.gid = owner
        self._tar.addfile(info, io.BytesIO(content) if kind == tarfile.REGTYPE else None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageConfig:
    """How containers of an image start when nobody says otherwise."""

    machine: str = "x86_64"
    user: str = "10001:10001"
    working_dir: str = "/work"
    env: Mapping[str, str] = field(default_factory=dict)
    entrypoint: Sequence[str] = ()
    cmd: Sequence[str] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    stop_signal: str = "SIGTERM"

    def to_json(self, diff_ids: Sequence[str]) -> dict[str, Any]:
        """As the image specification wants it."""
        return {
            "architecture": ARCHITECTURES.get(self.machine, self.machine),
            "os": "linux",
            "created": CREATED,
            "config": {
                "User": self.user,
                "WorkingDir": self.working_dir,
                "Env": [f"{name}={value}" for name, value in sorted(self.env.items())],
                "Entrypoint": list(self.entrypoint),
                "Cmd": list(self.cmd),
                "Labels": dict(sorted(self.labels.items())),
                "StopSignal": self.stop_signal,
            },
            "rootfs": {"type": "layers", "diff_ids": list(diff_ids)},
            "history": [{"created": CREATED, "created_by": "hotfire"} for _ in diff_ids],
        }


def sha256_of(path: Path) -> str:
    """Return the digest of a file, 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_image(target: Path, name: str, layers: Iterable[Path], config: ImageConfig) -> str:
    """Write an image of finished layers under its name; return its digest, `sha256:…`."""
    sizes = {sha256_of(layer): layer for layer in layers}
    blobs: dict[str, bytes | Path] = dict(sizes)
    config_digest, config_size = _keep(blobs, config.to_json([f"sha256:{one}" for one in sizes]))
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": _descriptor(CONFIG_TYPE, config_digest, config_size),
        "layers": [
            _descriptor(LAYER_TYPE, digest, layer.stat().st_size) for digest, layer in sizes.items()
        ],
    }
    digest, size = _keep(blobs, manifest)
    index = {
        "schemaVersion": 2,
        "manifests": [
            {
                **_descriptor(MANIFEST_TYPE, digest, size),
                # containerd takes the name from the first, other tools the tag from the second.
                "annotations": {
                    "io.containerd.image.name": name,
                    "org.opencontainers.image.ref.name": name.rpartition(":")[2],
                },
            }
        ],
    }
    with tarfile.open(target, "w", format=tarfile.GNU_FORMAT) as archive:
        _put(archive, "oci-layout", _json({"imageLayoutVersion": "1.0.0"}))
        _put(archive, "index.json", _json(index))
        for blob, content in sorted(blobs.items()):
            _put(archive, f"blobs/sha256/{blob}", content)
    return f"sha256:{digest}"


def _descriptor(media_type: str, digest: str, size: int) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": size}


def _json(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def _keep(blobs: dict[str, bytes | Path], document: Mapping[str, Any]) -> tuple[str, int]:
    content = _json(document)
    digest = hashlib.sha256(content).hexdigest()
    blobs[digest] = content
    return digest, len(content)


def _put(archive: tarfile.TarFile, name: str, content: bytes | Path) -> None:
    info = tarfile.TarInfo(name)
    if isinstance(content, bytes):
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
        return
    info.size = content.stat().st_size
    with content.open("rb") as file:
        archive.addfile(info, file)
