"""The service's configuration: one YAML file, every section optional, errors with file and line.

A section is a frozen model in the module that uses it; here they only meet.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from hotfire_infra.errors import ConfigurationMissingError
from hotfire_infra.sections.access import AccessSection
from hotfire_infra.sections.devices import DevicesSection
from hotfire_infra.sections.gate import GateSection
from hotfire_infra.sections.holds import HoldsSection
from hotfire_infra.sections.kubernetes import KubernetesSection
from hotfire_infra.sections.limits import LimitsSection
from hotfire_infra.sections.logging import LoggingSection
from hotfire_infra.sections.queue import QueueSection
from hotfire_infra.sections.retention import RetentionSection
from hotfire_infra.sections.retries import RetriesSection
from hotfire_infra.sections.schedules import ScheduleSection
from hotfire_infra.sections.secrets import SecretsSection
from hotfire_pipelines.document import read_document
from hotfire_pipelines.errors import PipelineError
from hotfire_pipelines.validate import validate


class Configuration(BaseModel):
    """What an operator may decide; the defaults suit one machine with one user."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_name: Literal["hotfire.dev/service/1"] = Field(
        default="hotfire.dev/service/1", alias="schema"
    )
    """Version of this format."""
    access: AccessSection = Field(default_factory=AccessSection)
    devices: DevicesSection = Field(default_factory=DevicesSection)
    gate: GateSection = Field(default_factory=GateSection)
    secrets: SecretsSection = Field(default_factory=SecretsSection)
    holds: HoldsSection = Field(default_factory=HoldsSection)
    kubernetes: KubernetesSection | None = None
    """A cluster that carries attempts out; none: this machine does."""
    limits: LimitsSection = Field(default_factory=LimitsSection)
    logging: LoggingSection = Field(default_factory=LoggingSection)
    queue: QueueSection = Field(default_factory=QueueSection)
    retention: RetentionSection = Field(default_factory=RetentionSection)
    schedules: dict[str, ScheduleSection] = Field(default_factory=dict)
    """By name."""
    retries: RetriesSection = Field(default_factory=RetriesSection)


def read_configuration(path: Path, *, must_exist: bool = False) -> Configuration:
    """Read the file; where there is none and none was named, everything is at its default.

    Raises ConfigurationMissingError, and the definition errors of `hotfire_pipelines`, which name
    file, line, value and remedy (exit code 2).
    """
    if not path.exists():
        if must_exist:
            # Defaults instead would open what the file was to close.
            raise ConfigurationMissingError(
                f"$HOTFIRE_CONFIG names {path}, which does not exist; correct it or unset it"
            )
        return Configuration()
    try:
        return validate(read_document(path), Configuration)
    except PipelineError as error:
        # It is no pipeline: what looks at this file again is another command.
        error.add_note("`hotfire config doctor` reads it again")
        raise
