"""What can be built and run by whoever executes: this machine, the cluster, or the service.

Three answers to one question, so that `hotfire config doctor` and `hotfire plan platforms` never speak
of this machine where it executes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hotfire_infra.cli.session import open_session
from hotfire_infra.client.executability import reasons_of, refusals_of
from hotfire_infra.configuration import Configuration
from hotfire_infra.executors.demands import with_demand
from hotfire_infra.executors.probing import Machine
from hotfire_infra.settings import Settings, executables_path
from hotfire_pipelines.catalogue import Catalogue
from hotfire_pipelines.schema import Role

HERE, IN_CLUSTER, BY_SERVICE = "here", "in the cluster", "by the service"
LEAST: Mapping[str, Any] = {"cpus": 1, "memory_mib": None, "exclusive": False}
"""What the smallest task takes: a platform that cannot take it takes none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ability:
    """One platform and what whoever executes says to it."""

    platform: str
    build: str
    """Why it cannot be built there; empty when it can."""
    run: str
    """Why it cannot be run there; empty when it can."""
    execution: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Abilities:
    """All platforms of a catalogue."""

    where: str
    """Words for whoever was asked: HERE, IN_CLUSTER or BY_SERVICE."""
    platforms: Sequence[Ability] = ()

    @property
    def reasons(self) -> Mapping[str, str]:
        """Why platforms cannot be run, by their names."""
        return {one.platform: one.run for one in self.platforms if one.run}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    key: str
    requires: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Platforms:
    """All of them, as `not_executable` takes a plan."""

    cells: tuple[_Asked, ...]


def abilities_of(
    catalogue: Catalogue, settings: Settings, configuration: Configuration
) -> Abilities:
    """Ask whoever would execute; InfraError where nobody answers."""
    where, ask = _whom(settings, configuration)
    reasons = ask(_question(catalogue))
    return Abilities(
        where=where,
        platforms=[
            Ability(
                platform=name,
                build=reasons.get(_key(name, Role.BUILD), ""),
                run=reasons.get(_key(name, Role.TEST), ""),
                execution=catalogue[name].execution,
            )
            for name in catalogue
        ],
    )


def _key(name: str, role: Role) -> str:
    return f"{name} {role.value}"


def _question(catalogue: Catalogue) -> _Platforms:
    return _Platforms(
        cells=tuple(
            _Asked(
                key=_key(name, role),
                requires=with_demand(
                    catalogue[name].offers(role, catalogue[name].requirements(role)),
                    platform=name,
                    demands=[LEAST],
                ),
            )
            for name in catalogue
            for role in (Role.BUILD, Role.TEST)
        )
    )


def _whom(
    settings: Settings, configuration: Configuration
) -> tuple[str, Callable[[_Platforms], Mapping[str, str]]]:
    if settings.server is not None:
        return BY_SERVICE, _ask_service
    if configuration.kubernetes is not None:
        return IN_CLUSTER, lambda asked: _ask_cluster(asked, settings, configuration)
    machine = Machine(path=executables_path(), cache=settings.cache)
    return HERE, lambda asked: reasons_of(
        asked, lambda texts: [machine.missing(json.loads(text)) for text in texts]
    )


def _ask_service(asked: _Platforms) -> Mapping[str, str]:
    with open_session() as session:
        return session.client.not_executable(asked)


def _ask_cluster(
    asked: _Platforms, settings: Settings, configuration: Configuration
) -> Mapping[str, str]:
    from hotfire_infra.executors.kubernetes.executor import KubernetesExecutor

    assert configuration.kubernetes is not None
    executor = KubernetesExecutor(settings.home / "attempts", configuration.kubernetes)
    try:
        executor.survey()
        return reasons_of(asked, lambda texts: refusals_of(executor, texts))
    finally:
        executor.close()
