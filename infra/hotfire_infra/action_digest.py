"""The action digest: all that can change the outcome of a task, as two digests.

The requested part is what was asked for, with every input by its content. The observed part is what
a machine says about itself. A result may stand for another only where both are equal.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hotfire_testframework.contract.canonical import canonical_sha256
from hotfire_testframework.contract.task import TaskSpec

_WHO_IT_IS = frozenset(
    {"hostname", "machine_id", "boot_id", "uuid", "gpu_uuid", "serial", "pci", "identity", "device"}
)
"""Names of one machine among equal ones."""
_HOW_FAST_IT_IS = frozenset({"governor", "clock_max_hz", "clock_policy", "persistence"})
"""What a performance series splits by; a test that passes, passes at any clock."""
_NOT_OBSERVED = _WHO_IT_IS | _HOW_FAST_IT_IS


def observed_digest(environment: Mapping[str, Any]) -> str:
    """Return the observed part: a digest of an environment's values.

    What is not named above counts, so that a field which is new is never overlooked.
    """
    return canonical_sha256(_relevant(environment))


def _relevant(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {
            str(name): _relevant(inner)
            for name, inner in value.items()
            if name not in _NOT_OBSERVED
        }
    if isinstance(value, (list, tuple)):
        return [_relevant(inner) for inner in value]
    return value


def requested_digest(
    *,
    task: str,
    spec: TaskSpec,
    inputs: Mapping[str, str],
    variant: Mapping[str, str],
    requires: Mapping[str, Any],
    dimensions: Mapping[str, str],
    runner_sha256: str | None,
) -> str:
    """Return the requested part; `inputs` are sha256 by name, whoever made them.

    `task` is its key: the identifiers of its tests may be made of it.
    """
    asked = spec.to_json()
    asked.pop("inputs", None)
    return canonical_sha256(
        {
            "task": task,
            "spec": asked,
            "inputs": dict(inputs),
            "variant": dict(variant),
            "requires": dict(requires),
            "dimensions": dict(dimensions),
            "runner": runner_sha256,
        }
    )
