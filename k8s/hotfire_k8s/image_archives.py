"""An image of one layer as `docker save` would write it, for a node without a registry."""

from __future__ import annotations

import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Mapping
from pathlib import Path

from hotfire_infra.executors.kubernetes.placement import ARCHITECTURES


def write_archive(target: Path, name: str, files: Mapping[str, Path], entry: list[str]) -> None:
    """Write an image with these executables (path in the image → file) and its entry point.

    Equal files make an equal archive.
    """
    layer = _tar({path: (file.read_bytes(), 0o755) for path, file in files.items()})
    configuration = {
        "architecture": ARCHITECTURES.get(platform.machine(), platform.machine()),
        "os": "linux",
        "config": {"Entrypoint": entry},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{_digest(layer)}"]},
        "history": [{"created_by": "hotfire"}],
    }
    text = json.dumps(configuration, sort_keys=True).encode()
    manifest = [{"Config": f"{_digest(text)}.json", "RepoTags": [name], "Layers": ["layer.tar"]}]
    parts = {
        "layer.tar": (layer, 0o644),
        f"{_digest(text)}.json": (text, 0o644),
        "manifest.json": (json.dumps(manifest).encode(), 0o644),
    }
    target.write_bytes(_tar(parts))


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _tar(members: Mapping[str, tuple[bytes, int]]) -> bytes:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, (content, mode) in members.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), mode
            archive.addfile(member, io.BytesIO(content))
    return sink.getvalue()
