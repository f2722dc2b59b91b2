"""The platform catalogue: named bundles of dimensions, and what a machine needs to serve them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from hotfire_pipelines.document import Document, read_document
from hotfire_pipelines.errors import InvalidValueError, Location, UnknownNameError, suggest
from hotfire_pipelines.pools import Pool, PoolName, check_pools
from hotfire_pipelines.schema import (
    AxisName,
    Command,
    EnvironmentName,
    Name,
    Requirements,
    Role,
    Seconds,
    Strict,
    Text,
)
from hotfire_pipelines.validate import validate

KUBERNETES = "kubernetes"
"""The executor that pools are for."""


class Execution(StrEnum):
    """Whether the code under test runs on the hardware it was built for."""

    NATIVE = "native"
    EMULATED = "emulated"


class Speed(Strict):
    """The declared cost model of the kernel cases, until durations are measured."""

    case_seconds: Seconds = 0.0005
    """Fixed cost of one case: parsing, allocation, one flushed event."""
    operations_per_second: Annotated[float, Field(gt=0)] = 2e8
    """Scalar operations of kernel, reference and input generation together."""


class Platform(Strict):
    """One named bundle of dimensions (os, arch, accelerator, toolchain, launcher)."""

    description: str = ""
    """For readers."""
    dimensions: Annotated[dict[AxisName, Text], Field(min_length=1)]
    """What the platform is: os, arch, accelerator, toolchain."""
    execution: Execution = Execution.NATIVE
    """Whether it runs on the hardware it was built for."""
    launcher: tuple[Text, ...] = ()
    """Words before the command of what executes here."""
    executable_suffix: str = ""
    """Of what a build leaves."""
    library: Text = "lib/libaestus.so"
    """Path of the library in what a build leaves."""
    preset: Name | None = None
    """The CMake preset; none: the platform's name."""
    built_as: Name | None = None
    """The platform whose build runs here too; its own build when left out."""
    env: dict[EnvironmentName, str] = Field(default={})
    """Environment of what executes here."""
    setup: tuple[Command, ...] = ()
    """Commands before the set-up of every task that executes here."""
    build: Requirements = Requirements()
    """What a machine must offer to build for it."""
    run: Requirements = Requirements()
    """What a machine must offer to execute it."""
    reach: Annotated[tuple[Text, ...], Field(min_length=1)]
    """Executors that may execute it."""
    speed: Speed = Speed()
    price: Annotated[float, Field(gt=0)] = 1.0
    """Relative price of one device for an hour: a GPU where it has one, else a machine; a CPU
    runner is 1."""

    def requirements(self, role: Role) -> Requirements:
        """What a machine must offer to build for this platform, or to execute what was built."""
        return self.build if role is Role.BUILD else self.run

    def offers(self, role: Role, requires: Requirements) -> dict[str, object]:
        """What an executor must check before it takes a task of this platform, as the plan carries it.

        What is built for a platform may be built anywhere; it executes only where it is reached.
        """
        if role is Role.BUILD:
            return requires.to_json()
        count = self.dimensions.get("gpu_count", "1")
        several = {"device_count": int(count)} if requires.devices and count.isdigit() else {}
        several = {} if several == {"device_count": 1} else several
        return {**requires.to_json(), **several, "reach": list(self.reach)}


class CatalogueFile(Strict):
    """One catalogue file as written."""

    schema_: Annotated[Literal["hotfire.dev/platforms/1"], Field(alias="schema")]
    """Version of this format."""
    platforms: Annotated[dict[Name, Platform], Field(min_length=1)]
    """By name."""
    pools: dict[PoolName, Pool] = Field(default={})
    """Machines of a cluster, by name of the pool."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """Every platform the library ships for, whether or not anything here can execute it."""

    file: str
    platforms: Mapping[str, Platform]
    pools: Mapping[str, Pool] = field(default_factory=dict)
    """Machines of a cluster; no part of any plan."""

    def __iter__(self) -> Iterator[str]:
        return iter(self.platforms)

    def __contains__(self, name: object) -> bool:
        return name in self.platforms

    def __getitem__(self, name: str) -> Platform:
        return self.platforms[name]

    def find(self, name: str, where: Location) -> Platform:
        """The platform of this name; `where` is the place that asks for it."""
        if name not in self.platforms:
            raise UnknownNameError(
                where,
                f"unknown platform {name!r}: {self.file} does not declare it",
                suggest(name, self.platforms),
            )
        return self.platforms[name]

    def pools_of(self, platform: str) -> Mapping[str, Pool]:
        """Return the pools that serve a platform."""
        return {name: pool for name, pool in self.pools.items() if platform in pool.serves}


def load_platforms(path: Path) -> Catalogue:
    """Read and check a platform catalogue."""
    document = read_document(path)
    file = validate(document, CatalogueFile)
    for name, platform in file.platforms.items():
        _check(document, file, name, platform)
    asked = {
        name: platform.run.devices if KUBERNETES in platform.reach else None
        for name, platform in file.platforms.items()
    }
    check_pools(document, file.pools, asked)
    return Catalogue(file=document.file, platforms=file.platforms, pools=file.pools)


def _check(document: Document, file: CatalogueFile, name: str, platform: Platform) -> None:
    place = ("platforms", name)
    built_as = platform.built_as
    if built_as is not None:
        if built_as not in file.platforms:
            raise UnknownNameError(
                document.at(*place, "built_as"),
                f"platform {name!r} is built as {built_as!r}, which is not declared",
                suggest(built_as, set(file.platforms) - {name}),
            )
        if file.platforms[built_as].built_as is not None:
            raise InvalidValueError(
                document.at(*place, "built_as"),
                f"platform {name!r} is built as {built_as!r}, which itself is built as "
                f"{file.platforms[built_as].built_as!r}",
                "Name the platform that has a build of its own.",
            )
    if platform.execution is Execution.EMULATED and not platform.launcher:
        raise InvalidValueError(
            document.at(*place, "execution"),
            f"platform {name!r} is emulated but has no launcher",
            "Add `launcher: [program, argument, …]`.",
        )
