"""The chart as far as no Helm is needed: what it says follows from the code, and values are checked."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from hotfire_infra.cli.main import main
from hotfire_infra.executors.kubernetes.checking import EXPLAINING, NEEDED, WITH_KUEUE
from hotfire_infra.executors.kubernetes.cluster import Access, Cluster
from hotfire_infra.executors.kubernetes.overlooked import read_priority_classes
from hotfire_infra.executors.kubernetes.supply import read_nodes, read_queues
from hotfire_k8s.chart import CHART, KUEUE, ROOT, SCHEMA, kueue_text, values_schema

from ..infra.executors.kubernetes.api_server import FakeApiServer, serving

VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
TEMPLATES = sorted((CHART / "templates").iterdir())
EXPRESSION = re.compile(r"\{\{-?(.*?)-?\}\}")
LOGIC = re.compile(r"^\s*(\{\{-?\s*(if|else|end|range|with|define|block|\$\w+\s*:?=).*?\}\}\s*)+$")
COMMENT = re.compile(r"^\s*(#.*)?$")

# Where, what is wrong there, and what the sentence names.
WRONG = [
    ("service.replicas", "two", "integer"),
    ("service.replicas", -1, "minimum"),
    ("service.port", 80, "minimum"),
    ("service.replica", 2, "replica"),
    ("orchestrator.replicas", None, "integer"),
    ("orchestrator.resources", {"request": {"cpu": 1}}, "request"),
    ("orchestrator.resources", {"limits": {"memory": "2 GB"}}, "2 GB"),
    ("image.digest", "sha256:1234", "1234"),
    ("image.pullPolicy", "Sometimes", "Sometimes"),
    ("imagePullSecrets", ["registry"], "object"),
    ("database.external", "postgresql://hotfire:" + "hunter2@db/hotfire", "does not match"),
    ("database.passwordSecret", {"name": "hotfire-database"}, "key"),
    ("postgresql.storage", "20 Gi", "20 Gi"),
    ("home.accessMode", "ReadWriteSometimes", "ReadWriteSometimes"),
    ("attempts.namespace", "Hotfire", "Hotfire"),
    ("ingress.enabled", "yes", "boolean"),
    ("ingress.host", "https://hotfire.example.org", "https"),
    ("networkPolicy.from", [{"podSelectors": {}}], "podSelectors"),
    ("kueue.objects", "kueue.yaml", "kueue.yaml"),
    ("migration.deadlineSeconds", 5, "minimum"),
    ("config.queue", {"teams": {"perf": {"wait": 2}}}, "wait"),
    ("config.kubernetes.kueue", "perhaps", "perhaps"),
    ("config.kubernetes.service_url", "hotfire:8321", "hotfire:8321"),
    ("config.limits", {"requests": {"per_second": 0, "burst": 10}}, "minimum"),
    ("postgres", {}, "postgres"),
]


def validator() -> Any:
    return jsonschema_rs.Draft202012Validator(json.loads(SCHEMA.read_text()))


def changed(place: str, value: object) -> dict[str, Any]:
    """The values of the chart with one of them changed."""
    values = deepcopy(VALUES)
    *above, last = place.split(".")
    part = values
    for key in above:
        part = part[key]
    part[last] = value
    return dict(values)


def logic_runs(text: str) -> list[int]:
    """How many lines of template logic stand in a row, each time that some do."""
    runs, length = [], 0
    for line in [*text.splitlines(), "end of file"]:
        if LOGIC.match(line):
            length += 1
        elif not (COMMENT.match(line) and length):
            runs += [length] if length else []
            length = 0
    return runs


def rules() -> dict[str, set[tuple[str, str, str]]]:
    """Kind and name of each role → group, resource and verb of each right."""
    text = (CHART / "templates" / "access.yaml").read_text()
    plain = [line for line in text.splitlines() if not LOGIC.match(line) and "include" not in line]
    found = {}
    for document in yaml.safe_load_all(EXPRESSION.sub("x", "\n".join(plain))):
        if document and document["kind"] in ("Role", "ClusterRole"):
            found[document["metadata"]["name"]] = {
                (group, resource, verb)
                for rule in document["rules"]
                for group in rule["apiGroups"]
                for resource in rule["resources"]
                for verb in rule["verbs"]
            }
    return found


def asked(requests: list[tuple[str, str]]) -> set[tuple[str, str, str]]:
    """The rights that requests without a name at their end take."""
    found = set()
    for method, path in requests:
        parts = path.strip("/").split("/")
        group = "" if parts[0] == "api" else parts[1]
        assert method == "GET"
        found.add((group, parts[-1], "list"))
    return found


def test_the_generated_parts_are_up_to_date() -> None:
    how = "python -m hotfire_k8s.chart"
    assert KUEUE.read_text() == kueue_text(), how
    assert SCHEMA.read_text() == values_schema(SCHEMA.read_text()), how


def test_the_objects_of_the_chart_are_what_the_command_prints(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOTFIRE_HOME", str(tmp_path))
    monkeypatch.delenv("HOTFIRE_CONFIG", raising=False)
    monkeypatch.chdir(ROOT)
    assert main(["plan", "platforms", "-o", "kueue"]) == 0
    assert capsys.readouterr().out == KUEUE.read_text()


def test_a_configuration_that_is_out_of_date_is_found() -> None:
    text = SCHEMA.read_text()
    assert values_schema(text.replace('"patience_minutes"', '"patience"')) != text.replace(
        '"patience_minutes"', '"patience"'
    )


def test_the_values_of_the_chart_are_right() -> None:
    assert [error.message for error in validator().iter_errors(VALUES)] == []


@pytest.mark.parametrize(("place", "value", "named"), WRONG)
def test_a_wrong_value_is_refused_where_it_stands(place: str, value: object, named: str) -> None:
    errors = list(validator().iter_errors(changed(place, value)))
    said = [f"{'.'.join(map(str, error.instance_path))}: {error.message}" for error in errors]
    top = place.split(".")[0]
    assert any(top in one and named in one for one in said), said


def test_no_template_has_more_than_two_lines_of_logic_in_a_row() -> None:
    runs = {path.name: logic_runs(path.read_text()) for path in TEMPLATES}
    assert {name: found for name, found in runs.items() if max(found, default=0) > 2} == {}
    assert sum(map(len, runs.values())) > 10, "the pattern finds no logic at all"


def test_three_lines_of_logic_are_found() -> None:
    text = "{{- if .a }}\n{{- with .b }}\n# why\n{{- range .c }}\nx: {{ . }}\n{{- end }}\n"
    assert logic_runs(text) == [3, 1]


def test_the_rights_are_those_that_the_executor_uses_and_no_others(tmp_path: Path) -> None:
    found = rules()
    needed = {
        (group, resource, verb)
        for group, resource, verbs in (*NEEDED, *WITH_KUEUE, *EXPLAINING)
        for verb in verbs
    }
    api = FakeApiServer(kueue=True)
    with serving(api, tmp_path) as kubeconfig:
        cluster = Cluster(Access(kubeconfig=kubeconfig))
        read_nodes(cluster)
        for resource in (
            "resourceflavors", "clusterqueues", "cohorts", "workloadpriorityclasses",
        ):  # fmt: skip
            api.objects.setdefault(f"/apis/kueue.x-k8s.io/v1beta2/{resource}", {})
        api.objects.setdefault("/apis/kueue.x-k8s.io/v1beta2/namespaces/hotfire/localqueues", {})
        read_queues(cluster, "hotfire", "v1beta2")
        read_priority_classes(cluster)
        cluster.close()
    read = asked(api.requests)
    assert {right for rights in found.values() for right in rights} == needed | read
    # Whoever only answers requests can start and remove nothing, and read no Secret.
    assert {verb for _, _, verb in found["x-look"]} == {"list", "watch", "get"}
    assert not any(resource == "secrets" for _, resource, _ in found["x-look"])
    assert all(verb == "list" for _, _, verb in found["x-x-capacity"])


def test_every_pod_of_the_chart_is_restricted() -> None:
    """Of the pods themselves a dry run says it; here that none was forgotten."""
    for path in TEMPLATES:
        text = path.read_text()
        pods = len(re.findall(r"kind: (?:Deployment|StatefulSet|Job)\b", text))
        assert text.count('include "hotfire.podSecurity"') == pods, path.name
        containers = len(re.findall(r"^ +- name: (?:hotfire|first-token|postgresql|backup|upgrade)$",
                                    text, re.MULTILINE))  # fmt: skip
        secured = text.count('include "hotfire.container"') + text.count(
            'include "hotfire.containerSecurity"'
        )
        if pods:
            assert secured >= pods
            assert containers >= secured


def test_the_chart_and_the_package_have_one_version() -> None:
    import tomllib

    chart: Mapping[str, Any] = yaml.safe_load((CHART / "Chart.yaml").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert chart["appVersion"] == project["version"]
