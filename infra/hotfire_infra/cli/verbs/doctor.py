"""`hotfire config doctor`: what this machine can execute, and why not."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from hotfire_infra.analysis.appearance import appearance
from hotfire_infra.cli.console import data, progress, symbol
from hotfire_infra.cli.exit_codes import CliExit
from hotfire_infra.cli.session import Session, open_session
from hotfire_infra.executors.probing import Machine
from hotfire_infra.settings import executables_path, find_checkout
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
    """Print where things live and what can be built and run here."""
    with open_session() as session:
        abilities = _abilities(session)
        settings = session.settings
        holder = session.client.holder()
    if as_json:
        data(json.dumps({"platforms": [asdict(one) for one in abilities]}, ensure_ascii=False))
        return CliExit.OK
    data(f" home   {settings.home}")
    data(f" cache  {settings.cache}")
    data(f" executes now  {f'pid {holder.pid} ({holder.command})' if holder else 'nobody'}")
    width = max((len(one.platform) for one in abilities), default=0)
    for one in abilities:
        mark = symbol(appearance("not_executable" if one.run else "passed"), sys.stdout)
        how = f"runs here ({one.execution})" if not one.run else f"not executable here: {one.run}"
        build = "" if not one.build else f"   not buildable here: {one.build}"
        data(f" {mark} {one.platform.ljust(width)}  {how}{build}")
    if any(one.run or one.build for one in abilities):
        progress("next:  make setup installs what can be installed (as root)")
    return CliExit.OK


def _abilities(session: Session) -> list[Ability]:
    catalogue = load_platforms(_definitions() / "platforms.yaml")
    machine = Machine(path=executables_path(), cache=session.settings.cache)
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
