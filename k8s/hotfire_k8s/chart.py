"""`python -m hotfire_k8s.chart`: write the parts of the chart that follow from other files.

`files/kueue.yaml` follows from the platform catalogue, and what `config` may hold from the service's
own configuration. A test finds the chart out of date when one of them changed.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hotfire_infra.cli.verbs.schema import text as schema_text
from hotfire_infra.cli.yaml_output import yaml_text
from hotfire_infra.executors.kubernetes.kueue_objects import QueueConfiguration, kueue_objects
from hotfire_pipelines.catalogue import load_platforms

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "k8s" / "chart" / "hotfire"
KUEUE = CHART / "files" / "kueue.yaml"
SCHEMA = CHART / "values.schema.json"
SERVICE = "service"
"""Definition of `config`; those that it refers to begin with this word too."""
OWN = "chart."
"""Begins the names of definitions that are written by hand."""
TEMPLATE = r"\{\{.*\}\}"
"""Helm fills it in, so what comes of it cannot be checked before."""


def kueue_text() -> str:
    """Return what `hotfire plan platforms -o kueue` prints where no teams are configured."""
    catalogue = load_platforms(ROOT / "pipelines" / "definitions" / "platforms.yaml")
    return yaml_text(kueue_objects(catalogue, QueueConfiguration()))


def values_schema(current: str) -> str:
    """Return the schema of the values with the service's own configuration as it is now."""
    document = json.loads(current)
    service = json.loads(schema_text("service"))
    own = {name: part for name, part in document["$defs"].items() if name.startswith(OWN)}
    parts = {f"{SERVICE}.{name}": _adapted(part) for name, part in service["$defs"].items()}
    root = {key: service[key] for key in ("type", "properties", "additionalProperties")}
    document["$defs"] = {**own, SERVICE: _adapted(root), **parts}
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _adapted(part: Any) -> Any:
    """Rename references, leave descriptions to the original, and admit templates for patterns."""
    if isinstance(part, list):
        return [_adapted(item) for item in part]
    if not isinstance(part, Mapping):
        return part
    # A property may be called `description` or `pattern`: then its value is a schema.
    found = {
        key: _adapted(value)
        for key, value in part.items()
        if not (key in ("description", "title", "default") and not isinstance(value, Mapping))
    }
    if isinstance(reference := found.get("$ref"), str):
        found["$ref"] = reference.replace("#/$defs/", f"#/$defs/{SERVICE}.")
    if isinstance(pattern := found.get("pattern"), str):
        found["pattern"] = f"({pattern})|({TEMPLATE})"
    choices = found.get("anyOf")
    if isinstance(choices, list) and {"type": "null"} in choices and len(choices) == 2:
        # Helm drops a key whose value is null, and of one choice an error says one thing.
        found |= next(choice for choice in choices if choice != {"type": "null"})
        del found["anyOf"]
    return found


def main() -> int:
    """Write both."""
    KUEUE.write_text(kueue_text(), encoding="utf-8")
    SCHEMA.write_text(values_schema(SCHEMA.read_text(encoding="utf-8")), encoding="utf-8")
    print(f"{KUEUE}\n{SCHEMA}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
