"""Bring an attempt of a service here: what it was told, and the files it read, each content once."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from hotfire_infra.client.connection import Connection
from hotfire_infra.store.blobs import BlobStore
from hotfire_testframework.contract.task import AttemptSpec, ModelFile, ResolvedInput

IDLE_SECONDS = 60.0
"""Without a byte for so long a download is given up."""


def bring(connection: Connection, attempt: str, home: Path, cache: Path) -> AttemptSpec:
    """Return the attempt with its inputs as files below `home` (weights below `cache`)."""
    told = connection.get(f"/attempts/{attempt}/reproduction")["attempt"]
    recorded = AttemptSpec.from_json(told)
    models = {item.name for item in recorded.spec.inputs if isinstance(item.origin, ModelFile)}
    blobs = BlobStore(home / "blobs")
    inputs = tuple(
        replace(item, path=str(_path(connection, attempt, item, blobs, cache, item.name in models)))
        for item in recorded.inputs
    )
    # Interpreter and cache are this machine's.
    return replace(recorded, inputs=inputs, python=None, cache=str(cache))


def _path(
    connection: Connection,
    attempt: str,
    item: ResolvedInput,
    blobs: BlobStore,
    cache: Path,
    is_model: bool,
) -> Path:
    weights = cache / "models" / f"{item.sha256}.gguf"
    if is_model and weights.exists():
        return weights
    if item.sha256 is not None and blobs.touch(item.sha256) is not None:
        return blobs.path(item.sha256)
    blobs.root.mkdir(parents=True, exist_ok=True)
    address = f"/attempts/{attempt}/reproduction/inputs/{item.name}"
    with (
        tempfile.NamedTemporaryFile(dir=blobs.root) as file,
        connection.stream(address, headers={}, query={}, idle=IDLE_SECONDS) as answer,
    ):
        for piece in answer.iter_bytes():
            file.write(piece)
        file.flush()
        stored = blobs.put_file(Path(file.name), expected=item.sha256)
    return blobs.path(stored.sha256)
