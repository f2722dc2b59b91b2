"""host/warp.h, on which the tests of the kernels' source rest: lanes exchange, and lanes that do not meet are told."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent

PROGRAM = """
#include <cstdio>
#include <cstdlib>
#include "host/warp.h"
float sums[64];
void kernel(unsigned absent) {
    const unsigned lane = threadIdx.x;
    float value = static_cast<float>(lane);
    for (int distance = 16; distance > 0; distance /= 2)
        if (lane % 32 != absent) value += __shfl_xor_sync(~0u, value, distance);
    sums[lane] = value;
}
int main(int, char** words) {
    const unsigned absent = static_cast<unsigned>(std::atoi(words[1]));
    const bool met = warp::launch(1, 64, [=] { kernel(absent); });
    std::printf("%d %g %g", met, sums[0], sums[63]);
}
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("warp")
    (folder / "warp.cpp").write_text(PROGRAM)
    command = ["g++", "-std=c++17", "-O2", f"-I{HERE}", "-o", folder / "warp", folder / "warp.cpp"]
    subprocess.run(command, check=True)
    return folder / "warp"


def run(program, absent):
    return subprocess.run([program, str(absent)], capture_output=True, text=True, check=True).stdout


def test_every_lane_gets_the_sum_of_its_warp(program):
    assert run(program, 99) == f"1 {sum(range(32))} {sum(range(32, 64))}"


@pytest.mark.parametrize("absent", [0, 7, 31])
def test_a_lane_that_skips_an_exchange_is_told(program, absent):
    assert run(program, absent).startswith("0 ")
