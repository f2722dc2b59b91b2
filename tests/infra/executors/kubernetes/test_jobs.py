"""Orders become Jobs: golden files, and the rules that no Job may break."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hotfire_infra.executors.kubernetes import names
from hotfire_infra.executors.kubernetes.jobs import job_of, pod_deadline, secret_of
from hotfire_infra.executors.protocol import Order
from hotfire_infra.sections.kubernetes import KubernetesSection
from hotfire_infra.states import Priority
from hotfire_testframework.contract.task import AttemptSpec, TaskSpec
from hotfire_testframework.contract.ulid import parse_ulid

GOLDEN = Path(__file__).parent / "golden"
ATTEMPT = parse_ulid("01JD3Q7A0000000000000000AA")
SECTION = KubernetesSection(service_url="http://hotfire:8321", image="runner:1")
REACH = {"reach": ["kubernetes"]}
REQUIRES: dict[str, dict[str, Any]] = {
    "linux-x86_64": {"facts": {"os": "linux", "arch": "x86_64"}, **REACH},
    "dgx-h100": {
        "facts": {"os": "linux", "arch": "x86_64"}, "devices": ["nvidia:sm_90"], **REACH,
    },
    "dgx-h100-x8": {
        "facts": {"os": "linux", "arch": "x86_64"}, "devices": ["nvidia:sm_90"],
        "device_count": 8, **REACH,
    },
    "h200-mig-1g.18gb": {
        "facts": {"os": "linux", "arch": "x86_64"}, "devices": ["nvidia:mig-1g.18gb"], **REACH,
    },
    "jetson-orin": {
        "facts": {"os": "linux", "arch": "aarch64"}, "devices": ["nvidia:sm_87"], **REACH,
    },
    "windows-rtx": {
        "facts": {"os": "windows", "arch": "x86_64"}, "devices": ["nvidia:sm_89"], **REACH,
    },
}  # fmt: skip


def order(platform: str = "linux-x86_64", **spec: Any) -> Order:
    task = TaskSpec.from_json({"harness": "command", "command": ["true"], **spec})
    attempt = AttemptSpec(
        attempt=ATTEMPT, run="01JD3Q7A0000000000000000RR", task="kernels[1/2]", spec=task
    )
    return Order(
        spec=attempt, token="t0ken", requires=REQUIRES[platform], platform=platform,
        cell=f"kernels|platform={platform}", team="core", priority=Priority.GATE,
    )  # fmt: skip


@pytest.mark.parametrize("platform", REQUIRES)
def test_every_kind_of_platform_has_the_job_of_its_golden_file(platform):
    spec = {"exclusive": True, "memory_mib": 4096} if platform == "dgx-h100-x8" else {}
    job = job_of(order(platform, **spec), SECTION, with_kueue=platform != "linux-x86_64")
    golden = GOLDEN / f"{platform}.json"
    assert job == json.loads(golden.read_text()), f"write it anew if it is meant: {golden}"


@pytest.mark.parametrize("platform", REQUIRES)
def test_no_job_ever_starts_a_second_pod(platform):
    spec = job_of(order(platform), SECTION, with_kueue=True)["spec"]
    assert spec["backoffLimit"] == 0
    assert spec["completions"] == spec["parallelism"] == 1
    assert {rule["action"] for rule in spec["podFailurePolicy"]["rules"]} == {"FailJob"}
    assert spec["podReplacementPolicy"] == "Failed"
    assert spec["template"]["spec"]["restartPolicy"] == "Never"


def test_the_token_stands_in_the_secret_and_nowhere_else():
    job = job_of(order(), SECTION, with_kueue=True)
    secret = secret_of(order(), SECTION, "uid-7")
    assert "t0ken" not in json.dumps(job)
    assert secret["data"] == {"token": "dDBrZW4="}
    assert secret["metadata"]["ownerReferences"][0]["uid"] == "uid-7"
    assert job["spec"]["template"]["spec"]["volumes"][1]["secret"]["defaultMode"] == 0o400


def test_limits_nest_from_the_runner_to_the_queue():
    work = order(timeouts={"setup_s": 10, "run_s": 100, "test_s": 5, "grace_s": 3})
    job = job_of(work, SECTION, with_kueue=True)
    pod = job["spec"]["template"]["spec"]
    assert 113 < pod["activeDeadlineSeconds"] == pod_deadline(work.spec.spec, SECTION)
    assert int(job["metadata"]["labels"][names.MAX_EXECUTION]) > pod["activeDeadlineSeconds"]
    assert pod["terminationGracePeriodSeconds"] == 13


def test_only_a_task_that_states_its_memory_has_a_limit():
    def resources(**spec: Any) -> dict[str, Any]:
        job = job_of(order(**spec), SECTION, with_kueue=False)
        found: dict[str, Any] = job["spec"]["template"]["spec"]["containers"][0]["resources"]
        return found

    assert resources(cpus=3) == {"requests": {"cpu": "3", "memory": "512Mi"}}
    assert resources(memory_mib=64)["limits"] == {"memory": "64Mi"}


def test_a_windows_pod_carries_nothing_that_windows_forbids():
    pod = job_of(order("windows-rtx"), SECTION, with_kueue=False)["spec"]["template"]["spec"]
    said = json.dumps(pod)
    assert pod["os"] == {"name": "windows"}
    for word in ("seccomp", "capabilities", 'runAsUser"', "runAsNonRoot", "fsGroup", "/work"):
        assert word not in said


def test_what_only_builds_for_a_platform_is_not_bound_to_its_nodes():
    work = order()
    build = Order(spec=work.spec, token="t", platform="jetson-orin",
                  requires={"facts": {"os": "linux", "arch": "x86_64"}})  # fmt: skip
    selector = job_of(build, SECTION, with_kueue=True)["spec"]["template"]["spec"]["nodeSelector"]
    assert selector == {"kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}


def test_this_clusters_own_words_for_a_platform_win():
    section = KubernetesSection.model_validate(
        {
            "service_url": "http://hotfire", "image": "runner:1",
            "tolerations": [{"key": "lab", "operator": "Exists"}],
            "platforms": {"jetson-orin": {"image": "l4t:2", "resources": {"ci/tegra-gpu": 1},
                                          "node_selector": {"lab": "west"}}},
        }
    )  # fmt: skip
    pod = job_of(order("jetson-orin"), section, with_kueue=False)["spec"]["template"]["spec"]
    assert pod["containers"][0]["image"] == "l4t:2"
    assert pod["containers"][0]["resources"]["limits"] == {"ci/tegra-gpu": "1"}
    assert pod["nodeSelector"]["lab"] == "west"
    assert {"key": "lab", "operator": "Exists"} in pod["tolerations"]


def test_a_retry_can_be_kept_off_nodes():
    work = order()
    other = Order(spec=work.spec, token="t", requires=work.requires, avoid=("node-7",))
    affinity = job_of(other, SECTION, with_kueue=False)["spec"]["template"]["spec"]["affinity"]
    assert "node-7" in json.dumps(affinity["nodeAffinity"])


@pytest.mark.parametrize(
    ("team", "is_exclusive", "queue"),
    [("", False, "default"), ("Core Team", False, "core-team"), ("core", True, "core-exclusive")],
)
def test_teams_have_queues_and_exclusive_tasks_those_that_nothing_preempts(
    team, is_exclusive, queue
):
    assert names.queue_name("{team}", team, is_exclusive=is_exclusive) == queue


def test_names_lead_back_to_attempts_and_strangers_do_not():
    assert names.attempt_of(names.job_name(ATTEMPT)) == ATTEMPT
    assert names.job_name(ATTEMPT) == "hf-01jd3q7a0000000000000000aa"
    assert names.attempt_of("hf-other") is None
    assert names.attempt_of("nginx") is None


@pytest.mark.parametrize("text", ["kernels|platform=x", "-a-", "ü" * 70, "a" * 80, ""])
def test_any_text_becomes_a_valid_label(text):
    value = names.label_value(text)
    assert len(value) <= 63
    assert value == "" or (value[0].isalnum() and value[-1].isalnum())
