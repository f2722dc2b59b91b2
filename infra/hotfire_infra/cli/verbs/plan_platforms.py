"""`hotfire plan platforms`: every platform, how it is reached, its pools, and what runs here."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hotfire_infra.cli.abilities import Abilities, abilities_of
from hotfire_infra.cli.console import data, progress, table
from hotfire_infra.cli.exit_codes import CliExit
from hotfire_infra.cli.problems import CliError
from hotfire_infra.cli.yaml_output import yaml_text
from hotfire_infra.client.catalogue import DEFINITIONS, PLATFORMS
from hotfire_infra.configuration import Configuration, read_configuration
from hotfire_infra.executors.kubernetes.fleet import device_resource
from hotfire_infra.executors.kubernetes.kueue_objects import QueueConfiguration, kueue_objects
from hotfire_infra.settings import Settings, find_checkout, read_settings
from hotfire_infra.states import DeviceHealth
from hotfire_pipelines.catalogue import Catalogue, load_platforms

HEADER = ("PLATFORM", "EXECUTION", "REACHED BY", "POOLS", "HERE")
OUT = frozenset({DeviceHealth.BAD.value, DeviceHealth.MAINTENANCE.value})
"""Health of devices on which nothing is started."""


def check_alone(*others: str | None) -> None:
    """Raise where something was asked that only a plan can answer."""
    if any(other is not None for other in others):
        raise CliError(
            "the platforms are the same for every change: --changed-since, --explain and --diff "
            "go with a pipeline",
            next_command="hotfire plan platforms",
        )


def plan_platforms(output: str, *, without_quarantined: bool = False) -> int:
    """Print the catalogue as table, JSON or YAML, or the objects of Kueue that follow from it."""
    catalogue = load_platforms(find_checkout(Path.cwd()) / DEFINITIONS / PLATFORMS)
    if output == "kueue":
        quarantined = _quarantined(catalogue) if without_quarantined else {}
        data(yaml_text(kueue_objects(catalogue, _queues(quarantined))).rstrip("\n"))
        return CliExit.OK
    if without_quarantined:
        raise CliError(
            "quarantine changes quotas, and only -o kueue shows them",
            next_command="hotfire plan platforms -o kueue --without-quarantined",
        )
    abilities = _abilities(catalogue)
    if output == "table":
        _print_table(catalogue, abilities)
        return CliExit.OK
    document = _document(catalogue, abilities)
    text = yaml_text([document]).rstrip("\n") if output == "yaml" else json.dumps(document)
    data(text)
    return CliExit.OK


def _queues(quarantined: Mapping[str, int]) -> QueueConfiguration:
    queue = _configuration(read_settings()).queue
    return QueueConfiguration.of(queue, quarantined=quarantined)


def _configuration(settings: Settings) -> Configuration:
    return read_configuration(settings.configuration, must_exist=settings.is_configuration_named)


def _quarantined(catalogue: Catalogue) -> dict[str, int]:
    """Ask the store, or the service, how many devices of each pool are out."""
    from hotfire_infra.cli.verbs.devices import open_care

    with open_care() as care:
        devices = care.devices(None)
    out = [one for one in devices if one["health"] in OUT]
    pools = Counter(str(one["facts"].get("pool") or one["pool"]) for one in out)
    unknown = sorted(set(pools) - set(catalogue.pools))
    if unknown:
        progress(f"devices of {', '.join(unknown)} are out too: no pools of {catalogue.file}")
    return {name: count for name, count in sorted(pools.items()) if name in catalogue.pools}


def _abilities(catalogue: Catalogue) -> Abilities:
    """Ask whoever executes: the service that is named, the cluster, else this machine."""
    settings = read_settings()
    return abilities_of(catalogue, settings, _configuration(settings))


def _print_table(catalogue: Catalogue, abilities: Abilities) -> None:
    reasons, where = abilities.reasons, abilities.where
    rows = [
        (
            name,
            catalogue[name].execution.value,
            ", ".join(catalogue[name].reach),
            ", ".join(_pool_words(catalogue, pool) for pool in catalogue.pools_of(name)) or "none",
            f"not executable {where}: {reasons[name]}"
            if name in reasons
            else f"executable {where}",
        )
        for name in catalogue
    ]
    data(table(HEADER, rows, frozenset()))
    machines = sum(pool.machines for pool in catalogue.pools.values())
    progress(
        f" {len(rows)} platforms, {len(rows) - len(reasons)} executable {where}; "
        f"{len(catalogue.pools)} pools with {machines:,} machines"
    )


def _pool_words(catalogue: Catalogue, name: str) -> str:
    pool, resource = catalogue.pools[name], device_resource(catalogue, name)
    each = "" if resource is None else f" × {pool.devices} {resource}"
    return f"{name} ({pool.machines:,}{each})"


def _document(catalogue: Catalogue, abilities: Abilities) -> dict[str, Any]:
    reasons = abilities.reasons
    platforms = [
        {
            "name": name,
            "description": catalogue[name].description,
            "dimensions": dict(catalogue[name].dimensions),
            "execution": catalogue[name].execution.value,
            "reach": list(catalogue[name].reach),
            "pools": list(catalogue.pools_of(name)),
            "price": catalogue[name].price,
            "executable_here": name not in reasons,
            "reason": reasons.get(name),
        }
        for name in catalogue
    ]
    pools = [
        {
            "name": name,
            "serves": list(pool.serves),
            "machines": pool.machines,
            "cpus": pool.cpus,
            "memory_gib": pool.memory_gib,
            "gpus": pool.gpus,
            "device_resource": device_resource(catalogue, name),
            "devices": pool.devices,
        }
        for name, pool in catalogue.pools.items()
    ]
    return {"platforms": platforms, "pools": pools, "where": abilities.where}
