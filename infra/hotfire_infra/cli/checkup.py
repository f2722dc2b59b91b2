"""The checks of `hotfire config doctor`: is what this command would use in order?"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from hotfire_infra.analysis.appearance import appearance
from hotfire_infra.analysis.quantities import count
from hotfire_infra.cli.console import data, symbol
from hotfire_infra.configuration import Configuration, read_configuration
from hotfire_infra.errors import InfraError
from hotfire_infra.operations.health import (
    Finding,
    Level,
    check_clock,
    check_database,
    check_disk,
    check_executor,
    check_home,
    check_leader,
    check_secret_file,
)
from hotfire_infra.orchestrator.lock import LOCK_NAME
from hotfire_infra.sections.kubernetes import KubernetesSection
from hotfire_infra.settings import Settings
from hotfire_infra.store.database import open_store
from hotfire_pipelines.errors import PipelineError

_LOOK = {Level.OK: "passed", Level.WARN: "errored", Level.FAIL: "failed"}
TIMEOUT_SECONDS = 10.0


def check_up(settings: Settings) -> tuple[Finding, ...]:
    """Look at everything; what is broken is a finding and never an error."""
    finding, configuration = _configuration(settings)
    findings = [finding]
    if settings.server is not None:
        findings += _server(settings, settings.server)
        return tuple(findings)
    findings.append(check_home(settings.home))
    # To look must make nothing: a home that is not there has no database to look at.
    if findings[-1].level is not Level.FAIL and settings.home.exists():
        findings += _store(settings, configuration)
    findings += _secrets(settings, configuration)
    if configuration.kubernetes is not None:
        findings.append(_cluster(settings, configuration.kubernetes, configuration.queue.teams))
    return tuple(findings)


def _configuration(settings: Settings) -> tuple[Finding, Configuration]:
    path, name = settings.configuration, "configuration"
    try:
        found = read_configuration(path, must_exist=settings.is_configuration_named)
    except (InfraError, PipelineError, OSError) as error:
        said = " ".join(str(error).split())
        remedy = f"correct {path}; until then no service starts"
        return Finding(name=name, level=Level.FAIL, said=said, remedy=remedy), Configuration()
    said = f"{path} is valid" if path.exists() else f"no {path}: everything is at its default"
    return Finding(name=name, level=Level.OK, said=said), found


def _store(settings: Settings, configuration: Configuration) -> Iterator[Finding]:
    yield check_disk(settings.home, configuration.limits.free_disk_bytes)
    try:
        store = open_store(settings.home, database=settings.database)
    except (InfraError, OSError) as error:
        remedy = "start the database or correct HOTFIRE_DATABASE"
        if settings.database is None:
            remedy = "see docs/operations.md: restore a backup, or use the Hotfire that wrote it"
        yield Finding(
            name="database", level=Level.FAIL, said=" ".join(str(error).split()), remedy=remedy
        )
        return
    try:
        yield check_database(store)
        yield check_clock(store, time.time_ns())
        yield check_leader(store, LOCK_NAME)
    finally:
        store.close()


def _cluster(settings: Settings, section: KubernetesSection, teams: Iterable[str]) -> Finding:
    """Ask the cluster what we may do there, and what it lacks."""
    from hotfire_infra.executors.kubernetes.executor import KubernetesExecutor

    where = f"namespace {section.namespace}"
    executor = KubernetesExecutor(settings.home / "attempts", section, teams=tuple(teams))
    try:
        found = check_executor(executor)
    finally:
        executor.close()
    if found.level is not Level.OK:
        return found
    return replace(found, said=f"answers; {where} may be used as needed")


def _secrets(settings: Settings, configuration: Configuration) -> Iterator[Finding]:
    oidc = configuration.access.oidc
    if oidc is not None and oidc.client_secret_file is not None:
        yield check_secret_file("client secret", oidc.client_secret_file)
    if settings.token_file is not None:
        yield check_secret_file("token file", settings.token_file)


def _server(settings: Settings, server: str) -> Iterator[Finding]:
    import httpx

    from hotfire_infra.client.connection import read_token

    base = server.rstrip("/")
    headers = {}
    if settings.token_file is not None:
        finding = check_secret_file("token file", settings.token_file)
        yield finding
        if finding.level is not Level.FAIL:
            headers["Authorization"] = f"Bearer {read_token(settings.token_file)}"
    try:
        with httpx.Client(base_url=base, timeout=TIMEOUT_SECONDS, headers=headers) as http:
            ready = http.get("/readyz")
            me = http.get("/api/v1/me")
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        said = f"{base} cannot be reached: {type(error).__name__}"
        remedy = "start it with `hotfire serve`, or correct HOTFIRE_SERVER"
        yield Finding(name="server", level=Level.FAIL, said=said, remedy=remedy)
        return
    yield _readiness(base, ready.status_code, ready.text)
    yield _acceptance(me.status_code, me.text)


def _readiness(base: str, status: int, text: str) -> Finding:
    said = f"{base} answers {status}"
    if status == 200:
        return Finding(name="server", level=Level.OK, said=f"{said}, ready")
    if status == 503:
        remedy = "run `hotfire config doctor` on its machine"
        return Finding(name="server", level=Level.WARN, said=f"{said}: {text[:200]}", remedy=remedy)
    remedy = "correct HOTFIRE_SERVER: this is no Hotfire service"
    return Finding(name="server", level=Level.FAIL, said=said, remedy=remedy)


def _acceptance(status: int, text: str) -> Finding:
    if status == 200:
        return Finding(name="sign-in", level=Level.OK, said=text[:200])
    remedy = (
        "ask its administrator for `hotfire tokens create`, name the file in HOTFIRE_TOKEN_FILE"
    )
    said = f"the service answers {status}: who asks is not known there"
    return Finding(name="sign-in", level=Level.FAIL, said=said, remedy=remedy)


def print_findings(findings: Sequence[Finding]) -> None:
    """Print one line per finding, and below it what to do."""
    width = max(len(one.name) for one in findings)
    for one in findings:
        mark = symbol(appearance(_LOOK[one.level]), sys.stdout)
        data(f" {mark} {one.level.value:4} {one.name.ljust(width)}  {one.said}")
        if one.remedy and one.level is not Level.OK:
            data(f"        {' ' * width}  → {one.remedy}")


def closing_line(findings: Sequence[Finding]) -> str:
    """Return the last line: whether all is in order, else what is not."""
    by_level = {
        level: [one.name for one in findings if one.level is level]
        for level in (Level.FAIL, Level.WARN)
    }
    failed, warned = by_level[Level.FAIL], by_level[Level.WARN]
    look = f"look at {', '.join(warned)}" if warned else ""
    if failed:
        return "; ".join(filter(None, (f"not in order: {', '.join(failed)}", look)))
    checks = count(len(findings), "check")
    return f"in order ({checks}), but {look}" if look else f"all in order ({checks})"


def worst(findings: Sequence[Finding]) -> Level:
    """Return the worst level among findings."""
    levels = {one.level for one in findings}
    return next(level for level in (Level.FAIL, Level.WARN, Level.OK) if level in levels)
