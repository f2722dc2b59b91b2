"""A planted fault in llama.cpp's roundings: outside the bounds, and only where they are asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from hotfire_testframework.accuracy import files, goldens
from hotfire_testframework.accuracy.judge import Judgement, columns, judge
from hotfire_testframework.accuracy.launch import Toolbox, force_tokens

pytestmark = pytest.mark.slow


@pytest.fixture
def judged(aestus_build, tmp_path):
    """`judged(fault, *options)`: the opening of the text by that build, against its bounds."""
    ids = files.read_tokens()[: goldens.OPENING_TOKENS + 1]

    def run(fault: str, *options: str) -> Judgement:
        box = Toolbox(binaries=aestus_build("linux-x86_64", fault) / "bin")
        answer = force_tokens(box, files.model_path(), ids, Path(tmp_path), *options)()
        return judge(goldens.load_opening(), *columns(answer["teacher"]))

    return run


def test_four_bits_instead_of_eight_are_outside_the_bounds(judged):
    sound = judged("", "--round-like-llama")
    assert sound.worst_ratio <= 1
    assert sound.wrong_choices == []
    planted = judged("coarse_activations", "--round-like-llama")
    assert planted.worst_ratio > 1
    assert planted.ratio.mean() > 5 * sound.ratio.mean()


def test_the_default_arithmetic_does_not_know_the_fault(judged):
    assert judged("coarse_activations").ratio.tolist() == judged("").ratio.tolist()
