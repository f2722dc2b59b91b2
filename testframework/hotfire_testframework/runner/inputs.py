"""Make the inputs of an attempt ready: check digests, unpack archives into the work directory."""

from __future__ import annotations

import hashlib
from pathlib import Path

from hotfire_testframework.contract.evidence import Evidence, Witness
from hotfire_testframework.contract.exit_codes import RunnerExit
from hotfire_testframework.contract.task import ResolvedInput
from hotfire_testframework.errors import RunnerError
from hotfire_testframework.runner.session import CancelledError, Session
from hotfire_testframework.runner.unpack import unpack_archive

CHUNK_BYTES = 1 << 20


def prepare_inputs(session: Session) -> None:
    """Unpack or check every input, so that `{input:NAME}` can be filled in."""
    resolved = {item.name: item for item in session.attempt.inputs}
    missing = [item.name for item in session.spec.inputs if item.name not in resolved]
    if missing:
        message = f"inputs {missing} of the task were not handed over"
        raise RunnerError(message, RunnerExit.BAD_CONFIGURATION)
    for item in resolved.values():
        if session.stop.is_requested():
            raise CancelledError(session.stop.reason)
        session.placeholders.inputs[item.name] = _prepare(session, item)


def _prepare(session: Session, item: ResolvedInput) -> Path:
    path = Path(item.path)
    if not path.exists():
        message = f"input {item.name!r}: {item.path} is not there"
        session.witness(Evidence.of(Witness.DOWNLOAD_FAILED, "runner", message, confidence=0.7))
        raise RunnerError(message, RunnerExit.DOWNLOAD)
    if item.sha256 is not None and path.is_file():
        found = _sha256_of(path)
        if found != item.sha256:
            message = f"input {item.name!r}: {path.name} has sha256 {found}, expected {item.sha256}"
            session.witness(Evidence.of(Witness.DOWNLOAD_CORRUPT, "runner", message))
            raise RunnerError(message, RunnerExit.DOWNLOAD)
    if not item.unpack:
        return path
    target = session.directory.work / item.name
    unpack_archive(path, target)
    return target


def _sha256_of(path: Path) -> str:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                digest.update(chunk)
    except OSError as error:
        raise RunnerError(
            f"input {path.name}: cannot be read: {error}", RunnerExit.DOWNLOAD
        ) from error
    return digest.hexdigest()
