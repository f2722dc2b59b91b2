"""`hotfire serve`: API, pages and orchestrator in one process."""

from __future__ import annotations

import json
import os
from pathlib import Path

from hotfire_infra.analysis.reporting import StoreReports
from hotfire_infra.cli.console import data, progress
from hotfire_infra.cli.exit_codes import CliExit
from hotfire_infra.cli.problems import CliError
from hotfire_infra.cli.session import SERVE_FILE
from hotfire_infra.client.embedded import EmbeddedClient
from hotfire_infra.errors import StorageFullError
from hotfire_infra.operations.logs import set_up_logging
from hotfire_infra.settings import read_settings


def serve(host: str, port: int, *, executes: bool) -> int:
    """Serve until told to end; where, stands on stdout and in `serve.json` of the home."""
    try:
        import hotfire_infra.api.serving  # noqa: F401 - only whether it can be
    except ImportError as error:
        raise CliError(
            f"the server's packages are not installed: {error.name} is missing",
            next_command="make setup",
        ) from error
    try:
        return _serve(host, port, executes=executes)
    except StorageFullError as error:
        # The same remedy for whoever serves.
        raise CliError(
            str(error).replace("hotfire run --resume", "hotfire serve"),
            next_command="hotfire serve",
            code=CliExit.INFRASTRUCTURE,
        ) from error


def _serve(host: str, port: int, *, executes: bool) -> int:
    from hotfire_infra.api.service import Service
    from hotfire_infra.api.serving import bind, serve_on

    settings = read_settings()
    opened = EmbeddedClient.open(settings)
    try:
        service = Service.over(opened, settings, executes=executes)
        set_up_logging(service.configuration.logging)
        listener = bind(service, host, port)
        name, bound = listener.getsockname()[:2]
        url = f"http://[{name}]:{bound}" if ":" in name else f"http://{name}:{bound}"
        service.reports = StoreReports(
            service.store, service.configuration.access.public_url or url
        )
        note = settings.home / SERVE_FILE
        _write_note(note, url)
        data(f"{url}   (Ctrl-C to stop)")
        _say_who_executes(opened, executes=executes)
        try:
            serve_on(service, listener)
        finally:
            note.unlink(missing_ok=True)
        progress("stopped; what was started goes on, the next service attaches to it")
    finally:
        opened.close()
    return CliExit.OK


def _say_who_executes(client: EmbeddedClient, *, executes: bool) -> None:
    holder = client.holder()
    if holder is not None:
        progress(
            f"executed by pid {holder.pid} on {holder.host} now ({holder.command}); "
            + ("this service takes over when that ends" if executes else "this one only serves")
        )
    elif not executes:
        progress("nobody executes this store; `hotfire serve` without --no-execute does")


def _write_note(path: Path, url: str) -> None:
    new = path.with_suffix(".new")
    new.write_text(json.dumps({"url": url, "pid": os.getpid()}) + "\n", encoding="utf-8")
    new.replace(path)
