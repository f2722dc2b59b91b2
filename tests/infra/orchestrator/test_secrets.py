"""Secrets of tasks: who gets them, how, and that nothing of them is left behind."""

from __future__ import annotations

import base64
import dataclasses
import stat
import threading
import urllib.parse

import pytest

from hotfire_infra.analysis.reporting import StoreReports
from hotfire_infra.clock import SystemClock
from hotfire_infra.configuration import Configuration
from hotfire_infra.errors import SecretUnusableError
from hotfire_infra.executors.local import LocalExecutor
from hotfire_infra.ingest.redaction import holds_secret, redacted_chunk
from hotfire_infra.orchestrator.creation import RunRequest, create_run
from hotfire_infra.orchestrator.lock import acquire
from hotfire_infra.orchestrator.loop import Orchestrator
from hotfire_infra.secret_files import SecretBook
from hotfire_infra.sections.secrets import SecretScope, SecretsSection
from hotfire_infra.source.stamp import StoredSource
from hotfire_infra.states import RunVerdict
from hotfire_infra.store.database import open_store
from hotfire_testframework.contract.task import OutputSpec
from hotfire_testframework.runner.bundle import build_bundle
from hotfire_testframework.runner.redaction import Redactor

VALUE = b"hf_9Zk/4+wq7 LxN2pT0vB"
NAME = "HUB_TOKEN"
SOURCE = StoredSource(
    repository="here",
    revision="3f2a91c" + "0" * 33,
    patch_digest="",
    subject="First",
    archive_sha256=None,
)

PRINTS_IT = """
import base64, os, pathlib, sys, urllib.parse
value = pathlib.Path(sys.argv[1]).read_text().strip()
work = pathlib.Path("out")
work.mkdir()
print("plain", value)
print("header", base64.b64encode(("user:" + value).encode()).decode())
print("url", urllib.parse.quote(value, safe=""), file=sys.stderr)
sys.stdout.flush()
for sign in value:  # Each sign in a write of its own.
    os.write(1, sign.encode())
os.write(1, b"\\n")
(work / "log.txt").write_text("token=" + value)
(work / "blob.bin").write_bytes(bytes(4096) + value.encode())
pathlib.Path("report.json").write_text('["' + value + '"]')
print("mode", oct(os.stat(sys.argv[1]).st_mode & 0o777), "argv", sys.argv[1:])
print("environment", sorted(os.environ.values()))
sys.exit("refused: " + value)
"""


@pytest.fixture
def vault(tmp_path):
    folder = tmp_path / "vault"
    folder.mkdir()
    (folder / NAME).write_bytes(VALUE + b"\n")
    (folder / NAME).chmod(0o600)
    return SecretsSection(directory=folder, available={NAME: SecretScope()})


class Run:
    pipeline, team, is_trusted = "small", "default", True


def traces(root, needles):
    """Return (file, form) for every file below a folder that holds one of the forms."""
    return [
        (str(path.relative_to(root)), needle)
        for path in root.rglob("*")
        if path.is_file()
        for needle in needles
        if needle in path.read_bytes()
    ]


def test_a_run_that_prints_its_secret_leaves_no_trace_of_it(tmp_path, vault, make_plan, make_spec):
    home = tmp_path / "home"
    clock = SystemClock()
    store = open_store(home, clock=clock)
    bundle = tmp_path / "runner.pyz"
    bundle.write_bytes(build_bundle())
    executor = LocalExecutor(store.attempts, bundle, tmp_path / "cache", clock)
    orchestrator = Orchestrator(
        store=store,
        executor=executor,
        cache=tmp_path / "cache",
        lock=acquire(store),
        configuration=Configuration(secrets=vault),
    )
    spec = dataclasses.replace(
        make_spec(command=["{python}", "-c", PRINTS_IT, "{secret:HUB_TOKEN}"], secrets=[NAME]),
        outputs=(
            OutputSpec(name="out.tar.gz", path="out"),
            OutputSpec(name="report.json", path="report.json"),
        ),
    )
    plan = make_plan({"print": ["tasks/command/print"]}, specs={"print": spec})
    create_run(store, RunRequest(plan=plan, source=SOURCE, requested_by="tester"))
    orchestrator.run_until_idle(threading.Event())
    done = StoreReports(store).find("1")
    (attempt,) = {path.parent for path in store.attempts.glob("*/attempt.json")}
    log = (attempt / "stdout.log").read_text(encoding="utf-8")
    store.close()
    assert done.verdict == "failed", done.reasons
    assert "plain *****" in log, "it was read, and printed"
    assert "mode 0o600" in log
    assert f"argv ['{attempt}/secrets/{NAME}']" in log
    needles = [
        VALUE,
        base64.b64encode(b"user:" + VALUE)[8:24],
        urllib.parse.quote(VALUE, safe="").encode(),
        VALUE[4:-4],
    ]
    assert traces(home, needles) == []
    assert not (attempt / "secrets").exists()


def test_a_trusted_task_is_given_a_private_file_and_an_untrusted_one_does_not_run(
    make_stand, make_plan, make_spec, vault
):
    stand = make_stand()
    stand.orchestrator.configuration = Configuration(secrets=vault)
    plan = make_plan({"push": ["m/s/one"]}, specs={"push": make_spec(secrets=[NAME])})
    assert stand.run(plan).run.verdict is RunVerdict.PASSED
    request = RunRequest(plan=plan, source=SOURCE, requested_by="stranger", is_trusted=False)
    done = stand.finish(create_run(stand.store, request))
    (cell,) = done.cells
    assert (cell.verdict, done.run.verdict) == ("not_executable", RunVerdict.INCOMPLETE)
    assert cell.reason == "needs the secret 'HUB_TOKEN', and this run is of an untrusted change"


@pytest.mark.parametrize(
    ("scope", "said"),
    [
        ({NAME: SecretScope(pipelines=("nightly",))}, "is not for pipeline 'small'"),
        ({NAME: SecretScope(teams=("perf",))}, "of team 'default'"),
        ({}, "does not list"),
    ],
)
def test_a_secret_stays_within_its_scope(vault, scope, said):
    book = SecretBook(vault.model_copy(update={"available": scope}))
    assert said in book.refusal([NAME], Run())
    with pytest.raises(SecretUnusableError, match="HUB_TOKEN"):
        book.values_for([NAME], Run())


def test_a_secret_that_others_can_read_is_not_used(vault):
    path = vault.directory / NAME
    path.chmod(0o640)
    assert "has mode 0640; make it 0600" in SecretBook(vault).refusal([NAME], Run())


def test_a_link_in_place_of_a_secret_is_not_followed(vault, tmp_path):
    path = vault.directory / NAME
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert "no regular file" in SecretBook(vault).refusal([NAME], Run())


@pytest.mark.parametrize("content", [b"", b"short", b"x" * 70_000])
def test_a_secret_that_cannot_be_redacted_is_not_used(vault, content):
    (vault.directory / NAME).write_bytes(content)
    assert "can be kept out of logs" in SecretBook(vault).refusal([NAME], Run())


def test_the_local_executor_keeps_secrets_to_their_owner(tmp_path, vault):
    from hotfire_infra.executors.local import _write_secrets

    _write_secrets(tmp_path / "secrets", SecretBook(vault).values_for([NAME], Run()))
    assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "secrets" / NAME).stat().st_mode) == 0o600


@pytest.mark.parametrize("start", range(0, 60, 7))
def test_a_secret_across_the_border_of_two_chunks_of_a_log_is_redacted(tmp_path, start):
    path = tmp_path / "stdout.log"
    path.write_bytes(b"a" * 20 + VALUE + b"b" * 40)
    redactor = Redactor([VALUE])
    whole = path.read_bytes()
    halves = redacted_chunk(path, 0, start, redactor) + redacted_chunk(path, start, 99, redactor)
    assert halves == b"a" * 20 + b"*" * len(VALUE) + b"b" * 40
    assert len(halves) == len(whole)
    assert holds_secret(path, redactor)
