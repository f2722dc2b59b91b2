"""`hotfire config doctor`: is all in order, what can whoever executes execute, and why not."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

from hotfire_infra.analysis.appearance import appearance
from hotfire_infra.cli.abilities import HERE, Abilities, abilities_of
from hotfire_infra.cli.checkup import check_up, closing_line, print_findings, worst
from hotfire_infra.cli.console import data, progress, symbol
from hotfire_infra.cli.exit_codes import CliExit
from hotfire_infra.configuration import read_configuration
from hotfire_infra.errors import InfraError, SourceError
from hotfire_infra.operations.health import Level
from hotfire_infra.settings import Settings, find_checkout, read_settings
from hotfire_pipelines.catalogue import load_platforms
from hotfire_pipelines.errors import PipelineError


def doctor(*, as_json: bool) -> int:
    """Print what can be built and run, and whether all is in order: 3 when something failed.

    A warning is no failure, nor is a platform that cannot be executed.
    """
    settings = read_settings()
    findings = check_up(settings)
    code = CliExit.INFRASTRUCTURE if worst(findings) is Level.FAIL else CliExit.OK
    abilities = _abilities(settings) if _has_checkout() else Abilities(where=HERE)
    if as_json:
        document = {
            "findings": [asdict(one) for one in findings],
            "platforms": []
            if isinstance(abilities, str)
            else list(map(asdict, abilities.platforms)),
            "where": "" if isinstance(abilities, str) else abilities.where,
        }
        data(json.dumps(document, ensure_ascii=False))
        return code
    data(f" home   {settings.server or settings.home}")
    data(f" cache  {settings.cache}")
    print_findings(findings)
    _print_abilities(abilities)
    data(f" {closing_line(findings)}")
    return code


def _has_checkout() -> bool:
    """Return whether this is a checkout with pipelines; the machine of a service has none."""
    try:
        return _definitions().is_dir()
    except SourceError:
        return False


def _abilities(settings: Settings) -> Abilities | str:
    """Return what whoever executes can do, or why nobody says so."""
    catalogue = load_platforms(_definitions() / "platforms.yaml")
    try:
        configuration = read_configuration(
            settings.configuration, must_exist=settings.is_configuration_named
        )
        return abilities_of(catalogue, settings, configuration)
    except (InfraError, PipelineError, OSError) as error:
        return " ".join(str(error).split())


def _print_abilities(found: Abilities | str) -> None:
    if isinstance(found, str):
        data(f" what can be executed is not known: {found}")
        return
    where = found.where
    width = max((len(one.platform) for one in found.platforms), default=0)
    for one in found.platforms:
        mark = symbol(appearance("not_executable" if one.run else "passed"), sys.stdout)
        run = f"not executable {where}: {one.run}" if one.run else f"runs {where} ({one.execution})"
        build = f"   not buildable {where}: {one.build}" if one.build else ""
        data(f" {mark} {one.platform.ljust(width)}  {run}{build}")
    if where == HERE and any(one.run or one.build for one in found.platforms):
        progress("next:  make setup installs what can be installed (as root)")


def _definitions() -> Path:
    return find_checkout(Path.cwd()) / "pipelines" / "definitions"
