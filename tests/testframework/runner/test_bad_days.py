"""Full disks, hostile archives, broken inputs, emulators that die: infrastructure is never red."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import os
import shutil
import signal
import subprocess
import tarfile
import time
from pathlib import Path

import pytest

from hotfire_testframework.contract.exit_codes import RunnerExit
from hotfire_testframework.contract.stream_reader import read_stream

SOURCE = {"inputs": [{"name": "source", "from": "source"}]}
COMMAND = {"harness": "command", "command": ["test", "-d", "{input:source}"], **SOURCE}


def make_tar(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for info, data in members:
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info, b""


def device(name: str) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type = tarfile.CHRTYPE
    return info, b""


def plain(name: str, data: bytes = b"x") -> tuple[tarfile.TarInfo, bytes]:
    return tarfile.TarInfo(name), data


# -- full disk ----------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 2 MiB; needs root and the right to mount."""
    mount = tmp_path / "disk"
    mount.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", mount], capture_output=True
    )
    if done.returncode != 0:
        pytest.skip(
            f"cannot mount a tmpfs here: {done.stderr.decode().strip()}; the file-size test stands in"
        )
    yield mount
    subprocess.run(["umount", "-l", mount], check=True)


def test_a_full_disk_is_infrastructure_and_the_last_words_are_written(
    small_disk, stand, cases, tmp_path
):
    made = stand.make(cases("ok", "fill", "ok"))
    directory = small_disk / "attempt"
    shutil.copytree(made, directory)
    done = stand.finish(stand.start(directory), directory)

    assert done.code == RunnerExit.UPLOAD_OR_DISK
    assert (directory / "exit").read_text() == "35\n"
    assert done.verdict.problems == ()
    assert done.verdict.manifest["exit_code"] == 35
    assert done.result("n=0")["outcome"] == "passed"
    assert "failed" not in done.outcomes().values()


def test_a_stream_that_cannot_grow_is_infrastructure(stand, cases, tmp_path):
    """RLIMIT_FSIZE stands in for a full disk where nothing can be mounted."""
    import resource

    from hotfire_testframework.runner.spool import BALLAST_BYTES

    directory = stand.make(cases(*["ok"] * 3000))
    limit = BALLAST_BYTES + 1
    process = stand.start(
        directory, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    )
    done = stand.finish(process, directory)

    assert done.code == RunnerExit.UPLOAD_OR_DISK
    assert read_stream(directory / "stream.jsonl").problem is None
    assert "failed" not in done.outcomes().values()


# -- archives -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "members",
    [
        [plain("../escaped")],
        [plain("/tmp/hotfire-escaped")],
        [plain("a/../../escaped")],
        [plain("c:/escaped")],
        [plain("a\\..\\..\\escaped")],
        [link("inside", "../.."), plain("inside/escaped")],
        [link("inside", "/etc/passwd")],
        [link("hard", "../../attempt.json", tarfile.LNKTYPE)],
        [link("a", "b"), link("b", "../../..")],
        [device("null")],
    ],
)
def test_a_hostile_archive_writes_nothing_outside(stand, resolved, tmp_path, members):
    archive = make_tar(tmp_path / "source.tar.gz", *members)
    done = stand.run(COMMAND, inputs=(resolved("source", archive),))

    assert done.code == RunnerExit.BAD_CONFIGURATION
    assert done.of("test_start") == []
    inside = done.root / "work" / "source"
    assert all(path.is_relative_to(inside) for path in tmp_path.rglob("escaped"))
    assert not Path("/tmp/hotfire-escaped").exists()


def test_a_member_is_never_written_through_a_link(stand, resolved, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    archive = make_tar(tmp_path / "s.tar.gz", link("d", str(outside)), plain("d/escaped"))
    done = stand.run(COMMAND, inputs=(resolved("source", archive),))

    assert done.code == RunnerExit.BAD_CONFIGURATION
    assert list(outside.iterdir()) == []


def test_a_bomb_is_refused_before_it_fills_the_disk(stand, resolved, tmp_path):
    path = tmp_path / "bomb.tar.gz"
    info = tarfile.TarInfo("zeros")
    info.size = 1 << 40
    with gzip.open(path, "wb") as file:
        file.write(info.tobuf() + bytes(1 << 20))
    done = stand.run(COMMAND, inputs=(resolved("source", path),))

    assert done.code == RunnerExit.BAD_CONFIGURATION
    assert (
        sum(item.stat().st_size for item in (done.root / "work").rglob("*") if item.is_file())
        < 1 << 21
    )


def test_a_good_archive_is_unpacked_with_its_links(stand, resolved, tmp_path):
    archive = make_tar(tmp_path / "s.tar.gz", plain("dir/file", b"data"), link("alias", "dir/file"))
    spec = {**COMMAND, "command": ["cat", "{input:source}/alias"]}
    done = stand.run(spec, inputs=(resolved("source", archive),))

    assert done.code == RunnerExit.PASSED
    assert (done.root / "stdout.log").read_text() == "data"


@pytest.mark.parametrize(
    "content",
    [b"", b"no archive at all", gzip.compress(b"nor this")],
    ids=["empty", "text", "gzip of text"],  # gzip writes the time: workers would disagree
)
def test_a_broken_archive_is_a_failed_download(stand, resolved, tmp_path, content):
    path = tmp_path / "source.tar.gz"
    path.write_bytes(content)
    done = stand.run(COMMAND, inputs=(resolved("source", path),))

    assert done.code == RunnerExit.DOWNLOAD


def test_a_truncated_archive_is_a_failed_download(stand, resolved, tmp_path):
    archive = make_tar(tmp_path / "s.tar.gz", plain("file", os.urandom(100_000)))
    archive.write_bytes(archive.read_bytes()[:50_000])
    done = stand.run(COMMAND, inputs=(resolved("source", archive),))

    assert done.code == RunnerExit.DOWNLOAD


def test_an_input_with_another_digest_is_a_failed_download(stand, resolved, tmp_path):
    archive = make_tar(tmp_path / "s.tar.gz", plain("file"))
    wrong = hashlib.sha256(b"other").hexdigest()
    done = stand.run(COMMAND, inputs=(resolved("source", archive, sha256=wrong),))

    assert done.code == RunnerExit.DOWNLOAD
    assert wrong in done.of("problem")[0]["what"]


def test_an_input_that_is_not_there_is_a_failed_download(stand, resolved, tmp_path):
    done = stand.run(COMMAND, inputs=(resolved("source", tmp_path / "missing"),))

    assert done.code == RunnerExit.DOWNLOAD


def test_an_input_that_was_not_handed_over_is_configuration(stand):
    assert stand.run(COMMAND).code == RunnerExit.BAD_CONFIGURATION


# -- outputs ------------------------------------------------------------------------------------


def test_an_output_directory_has_the_same_bytes_every_time(stand):
    script = "mkdir -p out/bin; echo x > out/b; echo y > out/a; chmod +x out/a; ln -s a out/l; echo z > out/bin/t"
    spec = {
        "harness": "command",
        "command": ["sh", "-c", script],
        "outputs": [{"name": "o.tar.gz", "path": "out"}],
    }
    first, second = stand.run(spec), stand.run(spec)

    assert first.of("artifact")[0]["sha256"] == second.of("artifact")[0]["sha256"]
    with tarfile.open(first.root / "artifacts" / "o.tar.gz") as archive:
        assert archive.getnames() == ["a", "b", "bin", "bin/t", "l"]
        assert archive.getmember("a").mode & 0o111


def test_a_missing_output_of_a_passed_command_is_an_error(stand):
    spec = {
        "harness": "command",
        "command": ["true"],
        "outputs": [{"name": "o.tar.gz", "path": "out"}],
    }

    assert stand.run(spec).code == RunnerExit.BAD_CONFIGURATION


def test_an_output_that_is_a_link_to_outside_is_refused(stand):
    spec = {
        "harness": "command",
        "command": ["ln", "-s", "/etc", "out"],
        "outputs": [{"name": "o.tar.gz", "path": "out"}],
    }
    done = stand.run(spec)

    assert done.code == RunnerExit.BAD_CONFIGURATION
    assert done.of("artifact") == []


# -- a real emulator ----------------------------------------------------------------------------

QEMU, CROSS = shutil.which("qemu-aarch64-static"), shutil.which("aarch64-linux-gnu-g++")
PROGRAM = r"""
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <unistd.h>
int main(int count, char** words) {
  if (count != 3 || std::strcmp(words[1], "--cases")) return 2;
  std::FILE* lines = std::fopen(words[2], "r");
  std::FILE* events = std::fopen(std::getenv("AESTUS_RESULTS"), "a");
  char line[256];
  while (std::fgets(line, sizeof line, lines)) {
    line[std::strcspn(line, "\n")] = 0;
    std::fprintf(events, "{\"event\":\"start\",\"name\":\"%s\"}\n", line); std::fflush(events);
    if (std::strstr(line, "data=segv")) *(volatile int*)8 = 1;
    if (std::strstr(line, "data=hang")) sleep(600);
    std::fprintf(events, "{\"event\":\"end\",\"name\":\"%s\",\"outcome\":\"passed\",\"duration_ns\":1}\n", line); std::fflush(events);
  }
  std::fprintf(events, "{\"event\":\"finish\",\"count\":0}\n");
}
"""  # noqa: E501


@pytest.fixture(scope="module")
def guest(tmp_path_factory):
    if not QEMU or not CROSS:
        pytest.skip("qemu-aarch64-static or aarch64-linux-gnu-g++ is not installed")
    folder = tmp_path_factory.mktemp("guest")
    (folder / "guest.cpp").write_text(PROGRAM)
    subprocess.run([CROSS, "-static", "-o", folder / "guest", folder / "guest.cpp"], check=True)
    return folder / "guest"


def emulated(guest, *words, **fields):
    lines = [f"fake.f32:n={number},data={word},seed=1" for number, word in enumerate(words)]
    return {
        "harness": "cases",
        "command": [str(guest)],
        "launcher": [QEMU],
        "emulated": True,
        "cases": lines,
        **fields,
    }


def test_a_guest_that_segfaults_under_qemu_is_red_and_loses_only_its_case(stand, guest):
    done = stand.run(emulated(guest, "ok", "segv", "ok"))

    assert done.code == RunnerExit.PRODUCT_FAILURE
    assert list(done.outcomes().values()) == ["passed", "failed", "passed"]
    assert "SIGSEGV" in done.result("n=1")["message"]
    assert "qemu-aarch64" in done.of("environment")[0]["values"]["emulator"]


def test_qemu_killed_from_outside_is_infrastructure(stand, guest):
    directory = stand.make(emulated(guest, "ok", "hang", "ok"))
    process = stand.start(directory)
    deadline = time.monotonic() + 120
    while not any(
        record.kind == "test_start" and "hang" in record["test"]
        for record in read_stream(directory / "stream.jsonl").records
    ):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    for name in os.listdir("/proc"):
        with contextlib.suppress(OSError):
            if (
                name.isdigit()
                and str(directory).encode() in Path("/proc", name, "cmdline").read_bytes()
                and int(name) != process.pid
            ):
                os.kill(int(name), signal.SIGKILL)
    done = stand.finish(process, directory)

    assert done.code == RunnerExit.LAUNCHER_DIED
    assert done.result("n=1")["outcome"] == "errored"
    assert done.result("n=0")["outcome"] == "passed"
