"""One suite for every executor: the clauses of the Protocol's docstring."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hotfire_infra.executors.fake import FakeExecutor, Script
from hotfire_infra.executors.kubernetes.executor import KubernetesExecutor
from hotfire_infra.executors.local import LocalExecutor
from hotfire_infra.executors.protocol import Executor, Life, Observation, Order
from hotfire_infra.sections.kubernetes import KubernetesSection
from hotfire_testframework.contract.stream_reader import verify_stream
from hotfire_testframework.contract.task import AttemptSpec, TaskSpec
from hotfire_testframework.contract.ulid import new_ulid
from hotfire_testframework.runner.bundle import build_bundle

from .kubernetes.api_server import FakeApiServer, serving
from .kubernetes.kubelet import FakeKubelet

DEADLINE_SECONDS = 300


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("runner") / "runner.pyz"
    path.write_bytes(build_bundle())
    return path


@pytest.fixture
def kubernetes(tmp_path: Path, bundle: Path) -> Iterator[Callable[[], KubernetesExecutor]]:
    """Make executors of one cluster, which is played: API server here, runners in processes."""
    api = FakeApiServer()
    kubelet = FakeKubelet(api, tmp_path / "attempts", bundle)
    kubelet.attach()
    made: list[KubernetesExecutor] = []
    with serving(api, tmp_path) as kubeconfig:
        section = KubernetesSection(
            service_url="http://127.0.0.1:1", image="runner:1", kubeconfig=kubeconfig
        )

        def build() -> KubernetesExecutor:
            made.append(KubernetesExecutor(tmp_path / "attempts", section))
            return made[-1]

        yield build
        for executor in made:
            executor.close()
        kubelet.close()


@pytest.fixture(params=["fake", "local", "kubernetes"])
def make(request, tmp_path: Path, bundle: Path) -> Callable[[], Executor]:
    """Make an executor on the same directory: the second one is the restarted service."""
    if request.param == "kubernetes":
        found: Callable[[], Executor] = request.getfixturevalue("kubernetes")
        return found

    def build() -> Executor:
        if request.param == "local":
            return LocalExecutor(tmp_path / "attempts", bundle, tmp_path / "cache")
        return FakeExecutor(
            tmp_path / "attempts",
            director=lambda spec: Script(is_endless=spec.spec.command[0] == "sleep"),
        )

    return build


def order(*command: str, grace_s: float = 5) -> Order:
    spec = TaskSpec.from_json(
        {"harness": "command", "command": list(command), "timeouts": {"grace_s": grace_s}}
    )
    attempt = AttemptSpec(attempt=new_ulid(), run="r", task="build", spec=spec)
    return Order(spec=attempt, token="t0ken")


def until(executor: Executor, attempt, life: Life, *, grant: bool = True) -> Observation:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline:
        seen = executor.attach(attempt)
        spool = executor.spool(attempt)
        if grant and spool.claim_request() and spool.claim_answer() is None:
            spool.answer_claim(200, 1)
        if seen.life is life:
            return seen
        time.sleep(0.02)
    raise AssertionError(f"{attempt} never was {life}: {executor.attach(attempt)}")


def running(executor: Executor, attempt) -> None:
    """Wait until the claim is granted and the first heartbeat is there."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while executor.spool(attempt).heartbeat() is None:
        assert time.monotonic() < deadline
        until(executor, attempt, Life.RUNNING)
        time.sleep(0.02)


def asking(executor: Executor, attempt) -> None:
    """Wait until the runner asks for its claim."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while executor.spool(attempt).claim_request() is None:
        assert time.monotonic() < deadline
        executor.attach(attempt)
        time.sleep(0.02)


def test_what_was_never_submitted_is_absent(make):
    assert make().attach(new_ulid()).life is Life.ABSENT


def test_a_submitted_attempt_runs_and_leaves_a_whole_stream(make):
    executor, work = make(), order("true")
    executor.submit(work)
    assert until(executor, work.attempt, Life.ENDED).exit_code == 0
    assert verify_stream(executor.spool(work.attempt).stream).is_valid


def test_nothing_runs_before_the_claim_is_granted(make):
    executor, work = make(), order("true")
    executor.submit(work)
    asking(executor, work.attempt)
    assert executor.attach(work.attempt).life is Life.RUNNING
    assert not executor.spool(work.attempt).stream.exists()
    until(executor, work.attempt, Life.ENDED)


def test_a_refused_claim_runs_nothing(make):
    executor, work = make(), order("true")
    executor.submit(work)
    asking(executor, work.attempt)
    executor.spool(work.attempt).answer_claim(409, None)
    assert until(executor, work.attempt, Life.ENDED).exit_code == 35
    assert not executor.spool(work.attempt).stream.exists()


def test_submitting_twice_starts_once(make, tmp_path):
    executor = make()
    work = order("sh", "-c", f"echo started >> {tmp_path}/starts")
    executor.submit(work)
    executor.submit(work)
    until(executor, work.attempt, Life.ENDED)
    executor.submit(work)
    assert executor.attach(work.attempt).life is Life.ENDED
    if executor.name == "local":
        assert (tmp_path / "starts").read_text() == "started\n"


def test_a_restarted_service_attaches_and_starts_nothing(make):
    work = order("sleep", "3000")
    make().submit(work)
    successor = make()
    successor.submit(work)
    running(successor, work.attempt)
    assert successor.attach(work.attempt).life is Life.RUNNING
    successor.cancel(work.attempt, grace_seconds=5)
    until(successor, work.attempt, Life.ENDED)


def test_cancelling_ends_what_runs_and_says_terminated(make):
    executor, work = make(), order("sleep", "3000")
    executor.submit(work)
    running(executor, work.attempt)
    executor.cancel(work.attempt, grace_seconds=10)
    executor.cancel(work.attempt, grace_seconds=10)
    assert until(executor, work.attempt, Life.ENDED).exit_code == 143


def test_cancelling_what_never_ran_or_has_ended_does_nothing(make):
    executor, work = make(), order("true")
    executor.cancel(work.attempt, grace_seconds=1)
    assert executor.attach(work.attempt).life is Life.ABSENT
    executor.submit(work)
    until(executor, work.attempt, Life.ENDED)
    executor.cancel(work.attempt, grace_seconds=1)
    assert executor.attach(work.attempt).exit_code == 0


def test_logs_can_be_read_from_any_byte(make):
    executor, work = make(), order("echo", "hello")
    executor.submit(work)
    until(executor, work.attempt, Life.ENDED)
    whole = executor.logs(work.attempt, "stdout", 0)
    assert whole != b""
    assert executor.logs(work.attempt, "stdout", 2) == whole[2:]
    assert executor.logs(work.attempt, "stderr", 0) == b""


def test_what_was_released_is_not_started_again(make):
    executor, work = make(), order("true")
    executor.release(work.attempt)
    executor.submit(work)
    until(executor, work.attempt, Life.ENDED)
    executor.release(work.attempt)
    executor.release(work.attempt)
    executor.submit(work)
    assert executor.attach(work.attempt).life is Life.ENDED
    assert not (executor.spool(work.attempt).root / "artifacts").exists()


def test_requirements_that_ask_for_nothing_can_be_met(make):
    assert make().can_execute({}) is None


def alive(marker: str) -> list[str]:
    """Return the commands of live processes whose arguments hold a marker."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if marker in command and int(entry.name) != os.getpid():
            found.append(command)
    return found


@pytest.fixture
def local(tmp_path: Path, bundle: Path) -> LocalExecutor:
    return LocalExecutor(tmp_path / "attempts", bundle, tmp_path / "cache")


def test_a_process_that_ignores_sigterm_is_killed_after_its_grace_with_its_tree(local):
    # The number of seconds is the marker by which the grandchild is found, another one in each
    # process of tests: two checkouts may be tested at once.
    marker = f"sleep 1234.{os.getpid()}"
    work = order("sh", "-c", f"trap '' TERM; setsid {marker} & {marker}", grace_s=300)
    local.submit(work)
    running(local, work.attempt)
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not alive(marker):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    local.cancel(work.attempt, grace_seconds=0.2)
    assert until(local, work.attempt, Life.ENDED).exit_code in (-9, 143)
    local.release(work.attempt)
    deadline = time.monotonic() + DEADLINE_SECONDS
    while alive(marker):
        assert time.monotonic() < deadline, alive(marker)
        time.sleep(0.02)


def test_token_and_specification_are_for_the_owner_only_and_the_token_is_in_neither(local):
    work = order("true")
    local.submit(work)
    root = local.spool(work.attempt).root
    assert (root / "token").stat().st_mode & 0o777 == 0o600
    assert (root / "attempt.json").stat().st_mode & 0o777 == 0o600
    assert "t0ken" not in (root / "attempt.json").read_text()
    until(local, work.attempt, Life.ENDED)


def test_a_crash_between_intent_and_process_starts_no_second_runner(local):
    work = order("true")
    root = local.spool(work.attempt).root
    root.mkdir(parents=True)
    (root / "submit.intent").touch()
    local.submit(work)
    assert local.attach(work.attempt).life is Life.STARTING
    assert not (root / "process.json").exists()


@pytest.mark.parametrize(
    ("requires", "words"),
    [
        ({"facts": {"os": "qnx"}}, "needs os qnx, this machine has linux"),
        ({"executables": ["no-such-compiler"]}, "no no-such-compiler on PATH"),
        ({"devices": ["nvidia:sm_12345"]}, "no NVIDIA device"),
        ({"python_modules": ["no_such_module"]}, "no Python module no_such_module"),
        ({"toolchains": ["no-such-sdk"]}, "no toolchain no-such-sdk"),
    ],
)
def test_a_refusal_says_what_is_missing(local, requires, words):
    refusal = local.can_execute(requires)
    assert refusal is not None
    assert words in refusal.reason


def test_what_this_machine_has_is_not_refused(local):
    assert local.can_execute({"facts": {"os": "linux"}, "executables": ["sh"]}) is None
