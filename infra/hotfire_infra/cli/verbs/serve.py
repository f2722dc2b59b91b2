"""`hotfire serve`: the dashboard and the API on the loopback interface."""

from __future__ import annotations

import json
import os
from pathlib import Path

from hotfire_infra.analysis.reporting import StoreReports
from hotfire_infra.cli.console import data, progress
from hotfire_infra.cli.exit_codes import CliExit
from hotfire_infra.cli.problems import CliError
from hotfire_infra.cli.session import SERVE_FILE
from hotfire_infra.settings import read_settings
from hotfire_infra.store.database import open_store


def serve(host: str, port: int) -> int:
    """Serve until Ctrl-C; where, stands on stdout and in `serve.json` of the home."""
    try:
        from hotfire_infra.api.serving import bind, serve_on
    except ImportError as error:
        raise CliError(
            f"the server's packages are not installed: {error.name} is missing",
            next_command="make setup",
        ) from error
    settings = read_settings()
    home = settings.home
    store = open_store(home, database=settings.database)
    listener = bind(host, port)
    name, bound = listener.getsockname()[:2]
    url = f"http://[{name}]:{bound}" if ":" in name else f"http://{name}:{bound}"
    note = home / SERVE_FILE
    _write_note(note, url)
    data(f"{url}   (Ctrl-C to stop)")
    try:
        serve_on(StoreReports(store, url), listener)
    except KeyboardInterrupt:
        progress("stopped")
    finally:
        note.unlink(missing_ok=True)
        store.close()
    return CliExit.OK


def _write_note(path: Path, url: str) -> None:
    new = path.with_suffix(".new")
    new.write_text(json.dumps({"url": url, "pid": os.getpid()}) + "\n", encoding="utf-8")
    new.replace(path)
