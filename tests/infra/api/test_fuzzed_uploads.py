"""Hostile uploads on every ingest endpoint and importer: each refused with a reason, nothing grows.

2,000 of them in `make test`, 200,000 in `make test-scale`; a number is an upload (see hostile.py).
"""

import errno
import gc
import importlib.util
import logging
import os
import resource
from collections import Counter
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

import pytest

from hotfire_infra.configuration import Configuration
from hotfire_infra.errors import InfraError, ReportRefusedError
from hotfire_infra.ingest.formats.detection import detect, read_report
from hotfire_infra.ingest.formats.values import Reading
from hotfire_infra.sections.limits import LimitsSection, Rate

_SPEC = importlib.util.spec_from_file_location("hostile", Path(__file__).with_name("hostile.py"))
hostile = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(hostile)

MIB = 1 << 20
NEVER = Rate(per_second=1e6, burst=1e9)
LIMITS = LimitsSection(
    requests=NEVER, attempts=NEVER, refusals=NEVER, request_bytes=64 << 10, records_bytes=256 << 10,
    artifact_bytes=MIB, inflated_bytes=MIB, attempt_bytes=1 << 40, artifacts_per_attempt=500,
)  # fmt: skip
REFUSALS = {400, 401, 403, 404, 405, 409, 413, 415, 422, 429, 507}
GROWTH = 96 * MIB
"""Of resident memory: allocators keep some; a leak of the bombs would be gigabytes."""


@pytest.fixture(autouse=True)
def _quiet(caplog):
    caplog.set_level(logging.CRITICAL + 1, logger="hotfire_infra")


class Sender:
    """Plays the runners of some attempts, badly."""

    def __init__(self, service, attempts):
        self.service = service
        self.attempts = attempts
        self.statuses = Counter()

    def ask(self, attempt, method, path, *, fence=None, **options):
        ulid, token, right = attempt
        headers = {"Authorization": f"Bearer {token}", "Hotfire-Fence": str(fence or right)}
        headers |= options.pop("headers", {})
        path = f"/api/v1/attempts/{ulid}/{path}"
        return self.service.ask(method, path, headers=headers, **options)

    def send(self, number):
        rng = hostile.seeded(number)
        attempt = rng.choice(self.attempts)
        kinds = (
            self._records,
            self._records,
            self._records,
            self._log,
            self._artifact,
            self._words,
        )
        answer = rng.choice(kinds)(rng, attempt)
        self.statuses[answer.status_code] += 1
        if answer.status_code >= 300:
            assert answer.status_code in REFUSALS, (number, answer.status_code, answer.text)
            assert answer.json()["detail"], number
            assert "defect" not in answer.text, number

    def _records(self, rng, attempt):
        content = hostile.deep(rng) if rng.random() < 0.1 else hostile.batch(rng)
        kind = rng.choice(
            ["application/x-ndjson"] * 4
            + ["application/json", "application/msgpack", "text/html", ""]
        )
        headers = {"Content-Type": kind}
        if rng.random() < 0.3:
            headers["Content-Encoding"] = rng.choice(["gzip"] * 5 + ["br", "deflate", "gzip, gzip"])
            content = hostile.packed(rng, content)
        fence = rng.choice([None] * 8 + [0, 999])
        return self.ask(attempt, "POST", "records", content=content, headers=headers, fence=fence)

    def _log(self, rng, attempt):
        stream = rng.choice(["stdout", "stderr", "stdin", "..", "stdout%00"])
        offset = rng.choice([0, 0, 5, -1, 1 << 40, 1 << 70, "x", ""])
        content = rng.choice([b"", b"\0\x1b[2J" * 10, rng.randbytes(100), b"x" * (300 << 10)])
        headers = {"Content-Type": "application/octet-stream"}
        if rng.random() < 0.3:
            headers["Content-Encoding"] = "gzip"
            content = hostile.packed(rng, content)
        path = f"logs/{stream}?offset={offset}"
        return self.ask(attempt, "POST", path, content=content, headers=headers)

    def _artifact(self, rng, attempt):
        content = rng.choice([b"", b"abc", rng.randbytes(50), b"y" * (2 * MIB)])
        name = quote(rng.choice(hostile.HOSTILE_NAMES), safe="/%", errors="surrogatepass")
        digest = rng.choice([sha256(content).hexdigest()] * 3 + ["0" * 64, "", "../x", "A" * 64])
        path = f"artifacts/{name}?sha256={digest}"
        return self.ask(attempt, "PUT", path, content=content)

    def _words(self, rng, attempt):
        verb, method = rng.choice([("claim", "POST"), ("heartbeat", "PUT"), ("heartbeat", "POST")])
        body = {"holder": "h", "phase": "run", "test": "m/s/n", "pid": 1}
        body[rng.choice(list(body))] = rng.choice(hostile.WRONG[:-7])
        content = hostile.damaged(rng, repr(body).replace("'", '"').encode())
        if rng.random() < 0.1:
            content = hostile.deep(rng)
        headers = {
            "Content-Type": rng.choice(["application/json", "text/plain", "application/xml"])
        }
        return self.ask(attempt, method, verb, content=content, headers=headers)


def resident(*, collects=True):
    if collects:
        gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def on_disk(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def open_files():
    return len(os.listdir("/proc/self/fd"))


@pytest.fixture
def sender(make_service, live_attempts, enter):
    attempts = live_attempts(20)
    return Sender(enter(make_service(Configuration(limits=LIMITS))), attempts)


def send_all(sender, store, count):
    for number in range(200):
        sender.send(number)
    memory, disk, files = resident(), on_disk(store.home), open_files()
    for number in range(200, count):
        sender.send(number)
    assert resident() - memory < GROWTH
    # What is kept is what was acknowledged: small records and logs, and their write-ahead log.
    assert on_disk(store.home) - disk < 64 * MIB + count * 2048
    assert open_files() - files < 20
    assert not list((store.blobs.root / "incoming").glob("*"))
    outside = [path for path in store.home.parent.iterdir() if path != store.home]
    assert {path.name for path in outside} <= {"cache"}
    assert not {status for status in sender.statuses if status >= 500 and status != 507}
    assert {200, 400, 409, 413, 415, 422} <= set(sender.statuses), sender.statuses


def test_hostile_uploads_are_refused_with_a_reason_and_nothing_grows(sender, store):
    send_all(sender, store, 1_500)


@pytest.mark.scale
def test_a_hundred_thousand_of_them_too(sender, store):
    send_all(sender, store, 100_000)


def read_reports(tmp_path, count):
    memory = resident()
    outcomes = Counter()
    path = tmp_path / "report"
    for number in range(count):
        path.write_bytes(hostile.report(hostile.seeded(number)))
        try:
            reading = Reading(file="report", format=detect(path, "report"))
            for _ in read_report(path, reading):
                pass
            outcomes["read"] += 1
        except ReportRefusedError as error:
            said = str(error)
            outcomes["refused" if said.startswith("report") and "\0" not in said else said] += 1
    assert resident() - memory < GROWTH
    assert set(outcomes) == {"read", "refused"}
    assert min(outcomes["read"], outcomes["refused"]) > count // 20, outcomes


def test_hostile_reports_are_read_or_refused_with_a_reason(tmp_path):
    read_reports(tmp_path, 500)


@pytest.mark.scale
def test_a_hundred_thousand_hostile_reports_too(tmp_path):
    read_reports(tmp_path, 100_000)


@pytest.mark.parametrize("trap", range(len(hostile.TRAPS)))
def test_a_trap_costs_neither_memory_nor_time(tmp_path, trap):
    path = tmp_path / "report"
    path.write_bytes(hostile.TRAPS[trap])
    memory, began = resident(collects=False), os.times().user
    try:
        reading = Reading(file="report", format=detect(path, "report"))
        read = [str(one) for one in read_report(path, reading)]
    except ReportRefusedError as error:
        read = [str(error)]
    assert "root:" not in "".join(read)
    assert resident(collects=False) - memory < 32 * MIB
    assert os.times().user - began < 5


@pytest.fixture
def full_disk():
    """No file of this process grows beyond what it has: EFBIG, which counts like ENOSPC."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill():
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))

    yield fill
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


LINE = b'{"v":1,"seq":%d,"kind":"test_start","mono_ns":5,"test":"m/s/n","try":1}\n'


def test_a_full_disk_is_507_and_what_was_sent_can_be_sent_again(sender, full_disk):
    attempt = sender.attempts[0]
    content = b"abc"
    digest = sha256(content).hexdigest()
    lines = {"Content-Type": "application/x-ndjson"}

    def everything():
        yield sender.ask(attempt, "PUT", f"artifacts/a.txt?sha256={digest}", content=content)
        yield sender.ask(attempt, "POST", "logs/stdout?offset=0", content=content)
        yield sender.ask(attempt, "PUT", "heartbeat", json={"phase": "run"})
        yield sender.ask(attempt, "POST", "records", content=LINE % 1000, headers=lines)

    full_disk()
    answers = list(everything())
    assert [answer.status_code for answer in answers[:3]] == [507, 507, 507]
    assert "no room" in answers[0].text
    resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))
    assert [answer.status_code for answer in list(everything())[:3]] == [200, 200, 200]


def test_room_that_is_kept_free_is_507_before_the_disk_is_full(
    make_service, live_attempts, enter, store
):
    limits = LIMITS.model_copy(update={"free_disk_bytes": 1 << 60})
    attempts = live_attempts(1)
    sender = Sender(enter(make_service(Configuration(limits=limits))), attempts)
    answer = sender.ask(attempts[0], "POST", "logs/stdout?offset=0", content=b"x")
    assert (answer.status_code, "kept back" in answer.text) == (507, True)
    assert sender.ask(attempts[0], "PUT", "heartbeat", json={"phase": "run"}).status_code == 200


def test_an_attempt_keeps_to_its_number_of_artifacts(make_service, live_attempts, enter):
    limits = LIMITS.model_copy(update={"artifacts_per_attempt": 3})
    attempts = live_attempts(1)
    sender = Sender(enter(make_service(Configuration(limits=limits))), attempts)
    digest = sha256(b"x").hexdigest()
    codes = [
        sender.ask(attempts[0], "PUT", f"artifacts/a{n}?sha256={digest}", content=b"x").status_code
        for n in (0, 1, 1, 2, 3)
    ]
    assert codes == [200, 200, 200, 200, 413]


def test_the_errors_that_count_as_full_are_those_of_the_blobs():
    from hotfire_infra.api.routers import ingest
    from hotfire_infra.store import blobs

    assert ingest._FULL == blobs._FULL == {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
    assert issubclass(ReportRefusedError, InfraError)
