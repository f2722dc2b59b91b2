"""Send files to a service: content by its digest, only what is not there; then what refers to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from hotfire_infra.analysis.transport import from_plain, to_plain
from hotfire_infra.client.connection import Connection
from hotfire_infra.errors import (
    ReportRefusedError,
    RunNotFoundError,
    ServiceError,
    VersionMismatchError,
)
from hotfire_infra.ingest.importing import file_sha256
from hotfire_infra.orchestrator.importing import ImportOutcome, ImportWish
from hotfire_testframework.contract.variants import Variant


def send_blob(connection: Connection, sha256: str, path: Path) -> None:
    """Put content under its digest unless the service has it."""
    address = f"/blobs/sha256/{sha256}"
    try:
        connection.request("HEAD", address)
    except (ServiceError, VersionMismatchError, RunNotFoundError):
        with path.open("rb") as content:
            headers = {"Content-Type": "application/octet-stream"}
            connection.request("PUT", address, content=content, headers=headers)


def send_reports(connection: Connection, wish: ImportWish) -> ImportOutcome:
    """Send reports and let the service import them; the outcome names them as they are named here."""
    # What is wrong with it is said before anything is sent.
    Variant({"execution": "native", "platform": wish.platform, **wish.variant})
    files = []
    for path in wish.files:
        sha256 = _digest(path)
        send_blob(connection, sha256, path)
        files.append({"name": path.name, "sha256": sha256})
    body = {
        "files": files,
        "source": {
            "repository": wish.source.repository,
            "revision": wish.source.revision,
            "subject": wish.source.subject,
        },
        "format": wish.format,
        "pipeline": wish.pipeline,
        "platform": wish.platform,
        "variant": dict(wish.variant),
        "metrics": dict(wish.metrics),
        "merge_base": wish.base,
        "gates": dict(wish.gates),
        "exonerates": wish.exonerates,
    }
    try:
        answer = connection.post("/imports", to_plain(body))
    except ReportRefusedError as error:
        raise ReportRefusedError(_named_here(str(error), wish.files)) from error
    outcome: ImportOutcome = from_plain(ImportOutcome, answer)
    return replace(
        outcome,
        imported=tuple(
            replace(one, file=_named_here(one.file, wish.files)) for one in outcome.imported
        ),
        known=tuple(replace(one, file=_named_here(one.file, wish.files)) for one in outcome.known),
    )


def _digest(path: Path) -> str:
    if path.exists() and not path.is_file():
        raise ReportRefusedError(f"{path}: no regular file. Name the report itself.")
    try:
        return file_sha256(path)
    except OSError as error:
        raise ReportRefusedError(
            f"{path}: cannot be read ({error.strerror}). Check its path."
        ) from error


def _named_here(text: str, files: Sequence[Path]) -> str:
    """Put the path that was typed for PLACE/NAME, with which the text begins."""
    place, _, rest = text.partition("/")
    if not place.isdecimal() or int(place) >= len(files):
        return text
    typed = files[int(place)]
    return f"{typed}{rest.removeprefix(typed.name)}" if rest.startswith(typed.name) else text
