"""Kueue's own objects (definitions, roles, webhooks) for a Kueue that runs outside the cluster.

They are vendored in `k8s/controlplane/kueue/manifest.jsonl`, so that no kubectl is needed; this
makes the file anew from the pinned module: `python -m hotfire_k8s.kueue_manifest` (needs kubectl).
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hotfire_infra.settings import executables_path
from hotfire_k8s.building import program_cache
from hotfire_k8s.compiler import find_compiler
from hotfire_k8s.errors import BuildError, ClusterError
from hotfire_k8s.products import KUEUE

Manifest = dict[str, Any]

FILE = KUEUE.folder / "manifest.jsonl"
INSIDE_ONLY = {"Deployment", "Service", "APIService", "ConfigMap", "Secret"}
"""Kinds that make sense only where Kueue is a pod."""
FOREIGN = re.compile(
    r"appwrapper|jaxjob|jobset|leaderworkerset|mpijob|paddlejob|pytorchjob|raycluster|rayjob"
    r"|tfjob|trainjob|xgboostjob|visibility"
)
"""Frameworks whose kinds no cluster of ours has."""


def objects(url: str, authority: str) -> list[Manifest]:
    """Return the objects with every webhook at `url`, trusted by a PEM in base64; ClusterError."""
    first, *lines = FILE.read_text(encoding="utf-8").splitlines()
    origin = json.loads(first)["origin"]
    if origin != f"{KUEUE.module}@v{KUEUE.version}":
        raise ClusterError(
            f"{FILE.name} is of {origin} and go.mod requires v{KUEUE.version}: run "
            "python -m hotfire_k8s.kueue_manifest"
        )
    found = [json.loads(line) for line in lines]
    for client in (client for manifest in found for client in clients(manifest)):
        client["url"] = url + client.pop("service")["path"]
        client["caBundle"] = authority
    return found


def clients(manifest: Manifest) -> Iterator[Manifest]:
    """Yield whatever tells the API server where a webhook is."""
    conversion = manifest.get("spec", {}).get("conversion", {})
    if conversion.get("strategy") == "Webhook":
        yield conversion["webhook"]["clientConfig"]
    for webhook in manifest.get("webhooks", ()):
        yield webhook["clientConfig"]


def trimmed(manifests: list[Manifest]) -> list[Manifest]:
    """Keep what a Kueue outside the cluster needs, without the prose of the definitions."""
    kept = []
    for manifest in manifests:
        if manifest["kind"] in INSIDE_ONLY or FOREIGN.search(manifest["metadata"]["name"]):
            continue
        if manifest["kind"] == "CustomResourceDefinition":
            manifest = _without_prose(manifest)
        if "webhooks" in manifest:
            manifest["webhooks"] = [
                hook for hook in manifest["webhooks"] if not FOREIGN.search(hook["name"])
            ]
        kept.append(manifest)
    return kept


def _without_prose(value: Any, is_fields: bool = False) -> Any:
    """Drop `description`, unless it is the name of a field."""
    if isinstance(value, Mapping):
        return {
            key: _without_prose(inner, key == "properties")
            for key, inner in value.items()
            if is_fields or not (key == "description" and isinstance(inner, str))
        }
    return [_without_prose(inner) for inner in value] if isinstance(value, list) else value


def _render() -> list[Manifest]:
    """Render `config/default` of the pinned module."""
    from ruamel.yaml import YAML

    path = executables_path()
    kubectl = shutil.which("kubectl", path=path)
    if kubectl is None:
        raise BuildError("rendering Kueue's manifests needs kubectl on the PATH")
    compiler = find_compiler(program_cache().folder, print, path=path)
    module = Path(compiler.ask(KUEUE, "list", "-m", "-f", "{{.Dir}}", KUEUE.module))
    done = subprocess.run(
        [kubectl, "kustomize", str(module / "config/default")], capture_output=True, text=True
    )
    if done.returncode != 0:
        raise BuildError(f"kubectl kustomize ended with {done.returncode}: {done.stderr[-400:]}")
    return [loaded for loaded in YAML(typ="safe", pure=True).load_all(done.stdout) if loaded]


def main() -> int:
    """Write the file anew."""
    lines: list[Manifest] = [{"origin": f"{KUEUE.module}@v{KUEUE.version}"}, *trimmed(_render())]
    text = "".join(json.dumps(line, sort_keys=True, separators=(",", ":")) + "\n" for line in lines)
    FILE.write_text(text, encoding="utf-8")
    print(f"{FILE}: {len(lines) - 1} objects, {len(text):,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
