"""`hotfire serve db …`: what each word does."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path

from hotfire_infra.cli.console import data, progress, table
from hotfire_infra.cli.exit_codes import CliExit
from hotfire_infra.cli.problems import CliError
from hotfire_infra.configuration import read_configuration
from hotfire_infra.settings import read_settings
from hotfire_infra.store import schema
from hotfire_infra.store.backup import write_backup
from hotfire_infra.store.checking import CheckReport, check_store
from hotfire_infra.store.database import engine_of, open_store
from hotfire_infra.store.engine import transaction
from hotfire_infra.store.partitions import ensure_partitions
from hotfire_infra.store.restoring import restore_backup
from hotfire_infra.store.retention import prune as prune_store


def upgrade() -> int:
    """Bring the database to `schema.HEAD`."""
    settings = read_settings()
    settings.home.mkdir(parents=True, exist_ok=True)
    engine = engine_of(settings.home, settings.database, query_only=False)
    try:
        with transaction(engine) as connection:
            before = schema.stored_revision(connection)
        schema.ensure_schema(engine)
        with transaction(engine) as connection:
            ensure_partitions(connection, time.time_ns())
    finally:
        engine.dispose()
    if before == schema.HEAD:
        data(f"the database has revision {schema.HEAD} already")
    else:
        data(f"upgraded from {before or 'an empty database'} to {schema.HEAD}")
    return CliExit.OK


def check(*, deep: bool, as_json: bool) -> int:
    """Check the store, print what was found."""
    settings = read_settings()
    report = check_store(settings.home, database=settings.database, deep=deep)
    if as_json:
        data(json.dumps(asdict(report)))
        return CliExit.INFRASTRUCTURE if report.problems else CliExit.OK
    _require_whole(report)
    how = "with their content" if deep else "without their content (--deep reads it)"
    data(f"whole: revision {report.revision}, {report.blobs} blobs {how}")
    return CliExit.OK


def _require_whole(report: CheckReport) -> None:
    if not report.problems:
        return
    for problem in report.problems:
        progress(problem)
    raise CliError(
        f"the store is not whole: {len(report.problems)} problems, the first: {report.problems[0]}",
        next_command=report.remedy,
        code=CliExit.INFRASTRUCTURE,
    )


def backup(target: Path) -> int:
    """Write a backup and say what is in it."""
    settings = read_settings()
    manifest = write_backup(settings.home, target.absolute(), database=settings.database)
    data(
        f"{target}: {manifest.dialect} at revision {manifest.revision}, {manifest.blobs} blobs "
        f"({manifest.bytes} bytes)"
    )
    if manifest.missing:
        raise CliError(
            f"the backup is complete but for {len(manifest.missing)} blobs that were lost before, "
            f"the first: {manifest.missing[0]}",
            next_command="hotfire serve db check --deep",
            code=CliExit.INFRASTRUCTURE,
        )
    return CliExit.OK


def restore(source: Path) -> int:
    """Restore into an empty home; what fails the check does not get there."""
    settings = read_settings()
    manifest = restore_backup(source.absolute(), settings.home, database=settings.database)
    data(f"{settings.home}: restored, revision {manifest.revision}, {manifest.blobs} blobs")
    if manifest.missing:
        progress(f"{len(manifest.missing)} blobs were lost already when the backup was written")
    if manifest.revision != schema.HEAD:
        progress("the next command that opens it brings its schema up to date")
    return CliExit.OK


def prune(*, dry_run: bool, as_json: bool) -> int:
    """Remove, or list, what the section `retention` of the configuration does not keep."""
    settings = read_settings()
    policy = read_configuration(
        settings.configuration, must_exist=settings.is_configuration_named
    ).retention
    store = open_store(settings.home, database=settings.database)
    try:
        now_ns = store.clock.wall_ns()
        gone = prune_store(store, policy, now_ns, dry_run=dry_run)
        if not dry_run:
            with store.writing() as connection:
                ensure_partitions(connection, now_ns)
    finally:
        store.close()
    if as_json:
        data(json.dumps(asdict(gone)))
        return CliExit.OK
    rows = [
        (portion.kind, portion.table, str(portion.runs), str(portion.rows), str(portion.bytes))
        for portion in gone.portions
    ]
    rows.append(("blobs", "-", "-", str(gone.blobs.blobs), str(gone.blobs.bytes)))
    data(table(("KIND", "TABLE", "RUNS", "ROWS", "BYTES"), rows, frozenset({2, 3, 4})))
    progress("nothing was removed (--dry-run)" if dry_run else "removed")
    return CliExit.OK
