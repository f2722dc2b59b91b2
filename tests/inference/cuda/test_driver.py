"""The driver-API loader against no driver, a stranger, and a fake of the public API."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

# Each answer needs a process of its own: the driver is opened once per process.
PROBE = """
import ctypes, json, sys
library, fatbin, sizes = sys.argv[1], sys.argv[2].encode(), json.loads(sys.argv[3])
aestus = ctypes.CDLL(library)
aestus.aestus_last_error.restype = ctypes.c_char_p
aestus.aestus_cuda_name.restype = ctypes.c_char_p
answer = {}
def status(name, value):
    answer[name] = {"status": value, "error": aestus.aestus_last_error().decode()}
count = ctypes.c_int32(-1)
status("count", aestus.aestus_cuda_device_count(ctypes.byref(count)))
answer["devices"] = count.value
gpu = ctypes.c_void_p()
status("open", aestus.aestus_cuda_open(fatbin, 0, ctypes.byref(gpu)))
if gpu:
    m, n, k = sizes
    def array(size):  # an absurd size gets a small array: a refused call must not read it
        small = min(abs(size), 64)
        return (ctypes.c_float * small)(*range(small))
    a, b, c = array(m * k), array(n * k), array(m * n)
    sizes = [ctypes.c_int64(size) for size in sizes]
    answer["name"] = aestus.aestus_cuda_name(gpu).decode()
    answer["capability"] = aestus.aestus_cuda_capability(gpu)
    status("gemm", aestus.aestus_cuda_gemm_f32(gpu, a, b, c, *sizes))
    answer["c"] = list(c)
    aestus.aestus_cuda_close(gpu)
print(json.dumps(answer))
"""
NO_DEVICE, INTERNAL, ARGUMENT, IO = 6, 7, 1, 2


@pytest.fixture
def probe(aestus_build: Callable[[str], Path], tmp_path: Path) -> Callable[..., dict]:
    library = aestus_build("linux-x86_64") / "lib" / "libaestus.so"
    (tmp_path / "kernels.fatbin").write_bytes(b"any image")

    def ask(
        driver: Path,
        fatbin: Path | None = None,
        sizes: tuple[int, int, int] = (2, 2, 3),
        **environment: str,
    ) -> dict:
        image = fatbin or tmp_path / "kernels.fatbin"
        command = [sys.executable, "-c", PROBE, str(library), str(image), json.dumps(sizes)]
        done = subprocess.run(
            command,
            env={"AESTUS_CUDA_DRIVER": str(driver), **environment},
            capture_output=True,
            text=True,
            check=True,
        )
        answer: dict = json.loads(done.stdout)
        return answer

    return ask


def test_a_machine_without_a_driver_has_no_device(probe, tmp_path):
    answer = probe(tmp_path / "libnothing.so")
    assert answer["devices"] == 0
    assert answer["count"]["status"] == answer["open"]["status"] == NO_DEVICE
    assert "libnothing.so cannot be opened" in answer["count"]["error"]


def test_a_library_that_is_no_driver_names_what_it_lacks(probe, aestus_build):
    stranger = aestus_build("linux-x86_64") / "lib" / "libaestus.so"
    answer = probe(stranger)
    assert answer["count"]["status"] == NO_DEVICE
    assert "offers no cuInit" in answer["count"]["error"]


def test_a_driver_with_no_device_is_a_normal_answer(probe, fake_driver):
    answer = probe(fake_driver, FAKE_CUDA_DEVICES="0")
    assert (answer["devices"], answer["open"]["status"]) == (0, NO_DEVICE)
    assert "counts 0 devices" in answer["open"]["error"]


def test_a_launch_copies_in_computes_and_copies_out(probe, fake_driver):
    answer = probe(fake_driver, FAKE_CUDA_DEVICES="1")
    assert (answer["devices"], answer["name"], answer["capability"]) == (1, "Fake GPU", 90)
    assert answer["gemm"]["status"] == 0
    assert answer["c"] == [5, 14, 14, 50]  # [[0,1,2],[3,4,5]] times its own transpose


def test_an_empty_product_launches_nothing(probe, fake_driver):
    assert probe(fake_driver, sizes=(0, 2, 3), FAKE_CUDA_DEVICES="1")["gemm"]["status"] == 0


@pytest.mark.parametrize("sizes", [(-1, 2, 3), (2**41, 0, 1), (1, 2**21, 2**21)])
def test_absurd_sizes_are_refused_before_any_array_is_read(probe, fake_driver, sizes):
    assert probe(fake_driver, sizes=sizes, FAKE_CUDA_DEVICES="1")["gemm"]["status"] == ARGUMENT


@pytest.mark.parametrize(
    ("entry", "where", "status", "text"),
    [
        ("cuInit", "count", INTERNAL, "cuInit: CUDA_ERROR_UNKNOWN (999)"),
        ("cuMemAlloc", "gemm", 5, "the GPU has no 16 bytes free"),
        ("cuCtxSynchronize", "gemm", INTERNAL, "CUDA_ERROR_ILLEGAL_ADDRESS (700)"),
    ],
)
def test_a_failing_driver_is_named(probe, fake_driver, entry, where, status, text):
    answer = probe(fake_driver, FAKE_CUDA_DEVICES="1", FAKE_CUDA_FAIL=entry)
    assert answer[where]["status"] == status
    assert text in answer[where]["error"]


def test_missing_and_corrupt_kernels_are_named(probe, fake_driver, tmp_path):
    missing = probe(fake_driver, fatbin=tmp_path / "nowhere.fatbin", FAKE_CUDA_DEVICES="1")["open"]
    assert missing["status"] == IO
    assert "nowhere.fatbin" in missing["error"]
    (tmp_path / "bad.fatbin").write_bytes(b"not a fatbin")
    corrupt = probe(fake_driver, fatbin=tmp_path / "bad.fatbin", FAKE_CUDA_DEVICES="1")["open"]
    assert corrupt["status"] == INTERNAL
    assert "CUDA_ERROR_INVALID_IMAGE" in corrupt["error"]
