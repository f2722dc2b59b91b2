"""`hotfire config doctor`: is all in order, what can this machine execute, and why not."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from hotfire_infra.analysis.appearance import appearance
from hotfire_infra.cli.checkup import check_up, closing_line, print_findings, worst
from hotfire_infra.cli.console import data, progress, symbol
from hotfire_infra.cli.exit_codes import CliExit
from hotfire_infra.errors import SourceError
from hotfire_infra.executors.probing import Machine
from hotfire_infra.operations.health import Level
from hotfire_infra.settings import Settings, executables_path, find_checkout, read_settings
from hotfire_pipelines.catalogue import load_platforms
from hotfire_pipelines.schema import Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Ability:
    """One platform and what this machine says to it."""

    platform: str
    build: str
    """Why it cannot be built here; empty when it can."""
    run: str
    """Why it cannot be run here; empty when it can."""
    execution: str


def doctor(*, as_json: bool) -> int:
    """Print what can be built and run here, and whether all is in order: 3 when something failed.

    A warning is no failure, nor is a platform that this machine cannot execute.
    """
    settings = read_settings()
    findings = check_up(settings)
    code = CliExit.INFRASTRUCTURE if worst(findings) is Level.FAIL else CliExit.OK
    abilities = _abilities(settings) if _has_checkout() else []
    if as_json:
        document = {
            "findings": [asdict(one) for one in findings],
            "platforms": [asdict(one) for one in abilities],
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


def _print_abilities(abilities: list[Ability]) -> None:
    width = max((len(one.platform) for one in abilities), default=0)
    for one in abilities:
        mark = symbol(appearance("not_executable" if one.run else "passed"), sys.stdout)
        how = f"runs here ({one.execution})" if not one.run else f"not executable here: {one.run}"
        build = "" if not one.build else f"   not buildable here: {one.build}"
        data(f" {mark} {one.platform.ljust(width)}  {how}{build}")
    if any(one.run or one.build for one in abilities):
        progress("next:  make setup installs what can be installed (as root)")


def _abilities(settings: Settings) -> list[Ability]:
    catalogue = load_platforms(_definitions() / "platforms.yaml")
    machine = Machine(path=executables_path(), cache=settings.cache)
    abilities = []
    for name in catalogue:
        platform = catalogue[name]
        build = machine.missing(platform.offers(Role.BUILD, platform.requirements(Role.BUILD)))
        run = machine.missing(platform.offers(Role.TEST, platform.requirements(Role.TEST)))
        abilities.append(
            Ability(
                platform=name,
                build=build or "",
                run=run or "",
                execution=platform.execution,
            )
        )
    return abilities


def _definitions() -> Path:
    return find_checkout(Path.cwd()) / "pipelines" / "definitions"
