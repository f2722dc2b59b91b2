"""The service's configuration: one YAML file, every section optional, errors with file and line.

A section is a frozen model in the module that uses it; here they only meet.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from hotfire_infra.sections.access import AccessSection
from hotfire_infra.sections.gate import GateSection
from hotfire_infra.sections.limits import LimitsSection
from hotfire_infra.sections.logging import LoggingSection
from hotfire_pipelines.document import read_document
from hotfire_pipelines.validate import validate


class Configuration(BaseModel):
    """What an operator may decide; the defaults suit one machine with one user."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_name: Literal["hotfire.dev/service/1"] = Field(
        default="hotfire.dev/service/1", alias="schema"
    )
    access: AccessSection = Field(default_factory=AccessSection)
    gate: GateSection = Field(default_factory=GateSection)
    limits: LimitsSection = Field(default_factory=LimitsSection)
    logging: LoggingSection = Field(default_factory=LoggingSection)


def read_configuration(path: Path) -> Configuration:
    """Read the file; where there is none, everything is at its default.

    Raises the definition errors of `hotfire_pipelines` (exit code 2), which name file, line, value
    and remedy.
    """
    if not path.exists():
        return Configuration()
    return validate(read_document(path), Configuration)
