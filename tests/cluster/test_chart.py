"""The chart and Kueue's objects before a real API server, and the chart on a real node.

Network policies and the ingress are only judged here: nothing in this cluster would enforce or serve them.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import Engine, text

from hotfire_infra.executors.kubernetes.checking import check_cluster
from hotfire_infra.executors.kubernetes.cluster import Access, Cluster
from hotfire_infra.sections.kubernetes import KubernetesSection
from hotfire_infra.store import schema
from hotfire_infra.store.database import engine_of
from hotfire_infra.store.engine import transaction
from hotfire_k8s.api import ApiClient
from hotfire_k8s.building import ensure_programs
from hotfire_k8s.chart import CHART, KUEUE
from hotfire_k8s.errors import ComponentError
from hotfire_k8s.handle import ClusterHandle
from hotfire_k8s.images import build_image

NAMESPACE = "charted"
PASSWORD = "a" * 24
PATIENCE_S = 300
VARIANTS = {
    "as it comes": {},
    "everything": {
        "kueue": {"enabled": True},
        "ingress": {"enabled": True, "className": "nginx", "annotations": {"a.example/b": "c"}},
        "networkPolicy": {
            "from": [{"namespaceSelector": {"matchLabels": {"a": "b"}}}],
            "attemptsTo": [{"ipBlock": {"cidr": "10.0.0.0/8"}}],
        },
        "imagePullSecrets": [{"name": "registry"}],
        "hostAliases": [{"ip": "10.0.0.7", "hostnames": ["db.example.org"]}],
        "service": {
            "nodeSelector": {"a": "b"},
            "tolerations": [{"key": "x", "operator": "Exists"}],
        },
        "image": {"digest": "sha256:" + "0" * 64},
        "attempts": {"namespace": "hotfire"},
    },
    "least": {
        "database": {"external": "postgresql://hotfire@db.example.org:5432/hotfire"},
        "home": {"existingClaim": "home"},
        "networkPolicy": {"enabled": False},
    },
}
WRONG = [
    ("service.replicas=two", "/service/replicas", "integer"),
    ("service.replica=2", "/service", "replica"),
    ("image.pullPolicy=Sometimes", "/image/pullPolicy", "IfNotPresent"),
    ("home.accessMode=Sometimes", "home/accessMode", "ReadWriteMany"),
    ("config.queue.teams.perf.wait=2", "/config/queue/teams/perf", "wait"),
    ("config.kubernetes.service_url=hotfire", "/config/kubernetes/service_url", "does not match"),
    ("database.external=postgresql://db", "/database/external", "does not match"),
    ("migration.deadlineSeconds=5", "/migration/deadlineSeconds", "minimum"),
]


@pytest.fixture(scope="module")
def helm() -> Path:
    return ensure_programs(["helm"], print)["helm"]


@pytest.fixture
def run_helm(helm: Path, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    def run(*words: str, kubeconfig: Path | None = None) -> subprocess.CompletedProcess[str]:
        environment = {
            **os.environ,
            "HELM_CACHE_HOME": str(tmp_path / "cache"),
            "HELM_CONFIG_HOME": str(tmp_path / "config"),
            "HELM_DATA_HOME": str(tmp_path / "data"),
            "KUBECONFIG": str(kubeconfig or tmp_path / "none"),
        }
        return subprocess.run([helm, *words], capture_output=True, text=True, env=environment)

    return run


@pytest.fixture(scope="module")
def client(cluster: ClusterHandle) -> Iterator[ApiClient]:
    with cluster.client() as found:
        for name in (NAMESPACE, "hotfire"):
            restricted = {"pod-security.kubernetes.io/enforce": "restricted"}
            metadata = {"name": name, "labels": restricted}
            found.create({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
        yield found


def rendered(run_helm, tmp_path: Path, values: dict[str, Any]) -> list[dict[str, Any]]:
    path = tmp_path / "values.yaml"
    path.write_text(json.dumps(values))
    words = ["template", "hf", str(CHART), "--namespace", NAMESPACE, "--values", str(path)]
    done = run_helm(*words, "--kube-version", "1.36.3")
    assert done.returncode == 0, done.stderr
    return [one for one in yaml.safe_load_all(done.stdout) if one]


def test_every_generated_object_is_taken_by_the_server(client: ApiClient) -> None:
    objects = list(yaml.safe_load_all(KUEUE.read_text()))
    assert len(objects) > 20
    for one in objects:
        client.dry_run(one)


def test_a_wrong_object_is_refused_by_the_server(client: ApiClient) -> None:
    objects = list(yaml.safe_load_all(KUEUE.read_text()))
    queue = next(one for one in objects if one["kind"] == "ClusterQueue")
    resources = queue["spec"]["resourceGroups"][0]["flavors"][0]["resources"]
    resources.reverse()
    with pytest.raises(ComponentError, match="must match the name in coveredResources"):
        client.dry_run(queue)


@pytest.mark.scale
def test_helm_has_nothing_against_the_chart(run_helm) -> None:
    done = run_helm("lint", "--strict", str(CHART))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.scale
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_object_of_the_chart_is_taken_by_the_server(
    run_helm, tmp_path: Path, client: ApiClient, variant: str
) -> None:
    objects = rendered(run_helm, tmp_path, VARIANTS[variant])
    assert len(objects) >= 14
    for one in objects:
        if (
            one["kind"] not in ("ClusterRole", "ClusterRoleBinding")
            and "kueue" not in one["apiVersion"]
        ):
            one["metadata"].setdefault("namespace", NAMESPACE)
        client.dry_run(one)
        # Of a pod template a dry run only warns; the pod itself is refused.
        template = one.get("spec", {}).get("template") if one["kind"] != "Role" else None
        if template:
            client.dry_run(pod_of(template, one["spec"].get("volumeClaimTemplates", ())))


def pod_of(template: dict[str, Any], claims: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """A pod as the controller would make it, but for the account, which is not there."""
    spec = {key: value for key, value in template["spec"].items() if key != "serviceAccountName"}
    mounted = [{"name": one["metadata"]["name"], "emptyDir": {}} for one in claims]
    labels = template["metadata"]["labels"]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "judged", "namespace": NAMESPACE, "labels": labels},
        "spec": {
            "restartPolicy": "Always",
            **spec,
            "volumes": [*spec["volumes"], *mounted],
            "automountServiceAccountToken": False,
        },
    }


@pytest.mark.scale
@pytest.mark.parametrize(("setting", "place", "word"), WRONG)
def test_a_wrong_value_ends_with_a_sentence(run_helm, setting: str, place: str, word: str) -> None:
    done = run_helm("template", "hf", str(CHART), "--set", setting)
    assert done.returncode != 0
    assert place in done.stderr, done.stderr
    assert word in done.stderr, done.stderr


@pytest.mark.scale
def test_the_accounts_may_do_what_the_executor_does_and_the_service_only_looks(
    run_helm, tmp_path: Path, cluster: ClusterHandle, client: ApiClient
) -> None:
    for one in rendered(run_helm, tmp_path, {}):
        if one["kind"] in (
            "ServiceAccount",
            "Role",
            "RoleBinding",
            "ClusterRole",
            "ClusterRoleBinding",
        ):
            if not one["kind"].startswith("Cluster"):
                one["metadata"].setdefault("namespace", NAMESPACE)
            client.apply(one)
    missing = {
        role: denied(cluster, client, tmp_path / role, f"hf-{role}")
        for role in ("orchestrator", "service")
    }
    assert missing["orchestrator"] == []
    assert [line for line in missing["service"] if "list" in line or "watch" in line] == []
    assert any(
        "may not create, delete jobs" in line.replace("get, ", "") for line in missing["service"]
    )
    assert any("secrets" in line for line in missing["service"])


def denied(cluster: ClusterHandle, client: ApiClient, folder: Path, account: str) -> list[str]:
    """What the executor may not do with the token of an account."""
    path = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{account}/token"
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    answer = client._ask("POST", path, request).json()
    kubeconfig = yaml.safe_load(cluster.kubeconfig.read_text())
    for user in kubeconfig["users"]:
        user["user"] = {"token": answer["status"]["token"]}
    folder.mkdir()
    (folder / "kubeconfig").write_text(yaml.safe_dump(kubeconfig))
    found = Cluster(Access(kubeconfig=folder / "kubeconfig"))
    section = KubernetesSection(
        service_url="http://hf",
        image="runner",
        namespace=NAMESPACE,
        kubeconfig=folder / "kubeconfig",
    )
    try:
        return [
            line for line in check_cluster(found, section) if "may not" in line or "403" in line
        ]
    finally:
        found.close()


@pytest.mark.scale
def test_on_the_real_node_the_chart_is_installed_upgraded_and_rolled_back_but_never_before_its_schema(
    run_helm, tmp_path: Path, real_node_cluster: ClusterHandle
) -> None:
    """Without DNS and Services: the pods are told the database's address, we ask theirs."""
    for name in ("service", "postgresql"):
        real_node_cluster.load_image(build_image(name, print).path)
    values = tmp_path / "values.yaml"
    with real_node_cluster.client() as found:

        def helm(verb: str, *words: str) -> subprocess.CompletedProcess[str]:
            whole = [verb, "hf", *words, "--namespace", NAMESPACE]
            return run_helm(*whole, kubeconfig=real_node_cluster.kubeconfig)

        def upgraded(**more: Any) -> None:
            values.write_text(json.dumps({**on_the_node(replicas=1), **more}))
            done = helm("upgrade", str(CHART), "--values", str(values))
            assert done.returncode == 0, done.stderr + logs(found)

        prepare(found, tmp_path)
        values.write_text(json.dumps(on_the_node(replicas=0)))
        done = helm("install", str(CHART), "--values", str(values))
        assert done.returncode == 0, done.stderr
        address = wait_for("the database", lambda: address_of(found, "postgresql"))
        # The release before had the schema before.
        with database(address) as engine:
            before = older_revision()
            schema.upgrade(engine, before)
        alias = {"ip": address, "hostnames": ["hf-postgresql"]}
        upgraded(hostAliases=[alias])
        assert f"upgraded from {before} to {schema.HEAD}" in migration_said(found)
        assert_ready(found)
        upgraded(hostAliases=[alias], ingress={"enabled": True})
        assert f"has revision {schema.HEAD} already" in migration_said(found)

        # Of a release to come; its database is refused by the one that is gone back to.
        set_revision(address, "9999")
        before_it = deployments(found)
        done = helm("rollback", "2")
        assert done.returncode != 0
        assert "hf-migration not ready. status: Failed" in done.stderr, done.stderr
        assert "the database has revision '9999', which this Hotfire" in migration_said(found)
        assert deployments(found) == before_it

        set_revision(address, schema.HEAD)
        # The refused one counts as the latest for Helm, which would forget what 3 has beyond it.
        for revision in ("3", "2"):
            done = helm("rollback", revision)
            assert done.returncode == 0, done.stderr + logs(found)
        assert_ready(found)
        ingresses = f"/apis/networking.k8s.io/v1/namespaces/{NAMESPACE}/ingresses"
        assert (found.get(ingresses) or {})["items"] == []
        assert helm("uninstall").returncode == 0


@contextmanager
def database(address: str) -> Iterator[Engine]:
    """Speak to the chart's own database."""
    with tempfile.TemporaryDirectory() as home:
        url = f"postgresql://hotfire:{PASSWORD}@{address}:5432/hotfire"
        engine = engine_of(Path(home), url, query_only=False)
        yield engine
        engine.dispose()


def older_revision() -> str:
    """The schema that this release's schema follows."""
    versions = sorted(path.name[:4] for path in (schema.MIGRATIONS / "versions").glob("0*.py"))
    return versions[versions.index(schema.HEAD) - 1]


def set_revision(address: str, revision: str) -> None:
    with database(address) as engine, transaction(engine) as connection:
        words = text("UPDATE alembic_version SET version_num = :revision")
        connection.execute(words, {"revision": revision})


def deployments(client: ApiClient) -> dict[str, Any]:
    path = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments"
    every = (client.get(path) or {})["items"]
    return {one["metadata"]["name"]: one["metadata"]["generation"] for one in every}


def migration_said(client: ApiClient) -> str:
    """What the last migration printed."""
    base = f"/api/v1/namespaces/{NAMESPACE}/pods"
    pods = (client.get(f"{base}?labelSelector=job-name%3Dhf-migration") or {})["items"]
    name = max(pods, key=lambda pod: pod["metadata"]["creationTimestamp"])["metadata"]["name"]
    return client.text(f"{base}/{name}/log?container=upgrade")


def assert_ready(client: ApiClient) -> None:
    """Both roles have a pod that is ready, and says so itself."""
    for role in ("service", "orchestrator"):
        place = wait_for(role, lambda role=role: address_of(client, role), lambda: logs(client))
        with urllib.request.urlopen(f"http://{place}:8321/readyz", timeout=20) as answer:
            assert json.load(answer)["ready"] is True


def prepare(client: ApiClient, folder: Path) -> None:
    """Make namespace, secret and volumes: nothing in this cluster provides any."""
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    metadata = {"name": NAMESPACE, "labels": labels}
    client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    secret = {"name": "hotfire-database", "namespace": NAMESPACE}
    client.create(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": secret,
            "stringData": {"password": PASSWORD},
        }
    )
    for name in ("home", "data"):
        place = folder / name
        place.mkdir()
        os.chown(place, 10001, 10001)
        for above in place.parents:
            if str(above).startswith(str(folder.parents[1])):
                above.chmod(above.stat().st_mode | 0o711)
        client.create(
            {
                "apiVersion": "v1",
                "kind": "PersistentVolume",
                "metadata": {"name": f"charted-{name}"},
                "spec": {
                    "capacity": {"storage": "1Gi"},
                    "accessModes": ["ReadWriteMany", "ReadWriteOnce"],
                    "storageClassName": f"charted-{name}",
                    "hostPath": {"path": str(place)},
                },
            }
        )


def on_the_node(*, replicas: int) -> dict[str, Any]:
    small = {"requests": {"cpu": "50m", "memory": "64Mi"}}
    role = {"replicas": replicas, "resources": small}
    return {
        "image": {"pullPolicy": "Never"},
        "service": role,
        "orchestrator": role,
        "postgresql": {"storage": "1Gi", "storageClass": "charted-data", "resources": small},
        "home": {"size": "1Gi", "storageClass": "charted-home"},
        "kueue": {"enabled": False},
    }


def address_of(client: ApiClient, component: str) -> str | None:
    """The address of a pod that is ready."""
    pods = client.get(f"/api/v1/namespaces/{NAMESPACE}/pods") or {}
    for pod in pods.get("items", ()):
        conditions = {one["type"]: one["status"] for one in pod["status"].get("conditions", ())}
        is_it = pod["metadata"]["labels"].get("app.kubernetes.io/component") == component
        if is_it and conditions.get("Ready") == "True":
            return str(pod["status"]["podIP"])
    return None


def logs(client: ApiClient) -> str:
    """What the pods said and why they wait, for the message of a failure."""
    lines = []
    for pod in (client.get(f"/api/v1/namespaces/{NAMESPACE}/pods") or {}).get("items", ()):
        name, status = pod["metadata"]["name"], pod["status"]
        lines.append(f"{name}: {json.dumps(status.get('containerStatuses') or status)[:600]}")
        for container in [*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"]]:
            try:
                path = (
                    f"/api/v1/namespaces/{NAMESPACE}/pods/{name}/log?container={container['name']}"
                )
                lines.append(client.text(path)[-1500:])
            except ComponentError as error:
                lines.append(str(error))
    return "\n".join(lines)


def wait_for(what: str, check: Callable[[], Any], explain: Callable[[], str] = str) -> Any:
    deadline = time.monotonic() + PATIENCE_S
    while not (value := check()):
        assert time.monotonic() < deadline, f"{what} did not come in {PATIENCE_S} s: {explain()}"
        time.sleep(0.5)
    return value
