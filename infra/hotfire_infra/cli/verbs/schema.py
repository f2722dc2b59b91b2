"""`hotfire config schema`: JSON Schema of the files that people write."""

from __future__ import annotations

import json

from pydantic import BaseModel

from hotfire_infra.configuration import Configuration
from hotfire_pipelines.catalogue import CatalogueFile
from hotfire_pipelines.editor_schema import editor_schema
from hotfire_pipelines.schema import PipelineFile
from hotfire_pipelines.testlist_schema import TestListFile
from hotfire_pipelines.waivers import WaiverFile

FORMATS: dict[str, tuple[type[BaseModel], str]] = {
    "pipeline": (PipelineFile, "Hotfire pipeline"),
    "platforms": (CatalogueFile, "Hotfire platform catalogue"),
    "waivers": (WaiverFile, "Hotfire waivers"),
    "testlists": (TestListFile, "Hotfire test lists"),
    "service": (Configuration, "Hotfire service configuration"),
}


def text(name: str) -> str:
    """Return the schema of one format, as it is committed in docs/schema."""
    model, title = FORMATS[name]
    return json.dumps(editor_schema(model, title), indent=2, ensure_ascii=False) + "\n"


def schema(name: str) -> int:
    """Print it."""
    print(text(name), end="")
    return 0
