"""Greedy decoding: each step given the reference's history, then freely through the cache."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hotfire_testframework.accuracy import files, goldens
from hotfire_testframework.accuracy.judge import Judgement, columns, judge, part
from hotfire_testframework.accuracy.launch import Once, Toolbox, force_tokens

IS_EMULATED = os.environ.get("AESTUS_ACCURACY_PROFILE") == "emulated"
TOKENS = 16 if IS_EMULATED else goldens.GREEDY_TOKENS
TIME_LIMIT = 600.0  # s
TASK = f"greedy-{files.TEXT_NAME}"

pytestmark = pytest.mark.xdist_group("greedy")


@pytest.fixture(scope="module")
def golden() -> goldens.GreedyGolden:
    """The prompt and its exact continuation."""
    return goldens.load_greedy()


@pytest.fixture(scope="module")
def force_once(
    toolbox: Toolbox,
    model: Path,
    golden: goldens.GreedyGolden,
    tmp_path_factory: pytest.TempPathFactory,
) -> Once:
    """Scores of the continued positions, the reference's own tokens as history."""
    ids = golden.prompt + golden.tokens[:TOKENS]
    return force_tokens(toolbox, model, ids, tmp_path_factory.mktemp("forced"))


def judged(forced: dict[str, Any], golden: goldens.GreedyGolden) -> Judgement:
    """The scores against the reference."""
    first = len(golden.prompt) - 1
    chosen = slice(first, first + TOKENS)
    target, logprob, argmax = columns(forced["teacher"])
    reference = part(golden.reference, 0, TOKENS)
    return judge(reference, target[chosen], logprob[chosen], argmax[chosen])


@pytest.mark.parametrize("step", range(TOKENS))
def test_step(
    step: int,
    force_once: Once,
    golden: goldens.GreedyGolden,
    hotfire_record: Any,
) -> None:
    forced = force_once()
    judgement = judged(forced, golden)
    at = len(golden.prompt) - 1 + step
    hit = forced["teacher"]["top1"][at] == golden.tokens[step]
    hotfire_record.metrics(
        {"impl": forced["impl"], "error_over_bound": float(judgement.ratio[step])}
    )
    hotfire_record.accuracy_sample(
        task=TASK,
        dataset=files.MODEL_SHA256,
        item=str(step),
        prompt=f"{len(golden.prompt)}+{step}",
        outcome=int(hit),
        score=float(forced["teacher"]["logprob"][at]),
    )
    assert judgement.ratio[step] <= 1, f"{judgement.ratio[step]:.2f} bounds off"
    assert step not in judgement.wrong_choices


# Emulated, the teacher-forced steps take a minute; free decoding would take the same again and feed
# the very same tokens. That the cache gives the bits of a batch is a native test on every platform.
if not IS_EMULATED:

    def test_free_greedy_decoding_follows_the_reference(
        toolbox: Toolbox, model: Path, golden: goldens.GreedyGolden, tmp_path: Path
    ) -> None:
        tokens = tmp_path / "tokens.txt"
        tokens.write_text(" ".join(map(str, golden.prompt)) + "\n", "ascii")
        arguments: list[str | Path] = ["--model", model, "--tokens", tokens]
        arguments += ["--greedy", str(TOKENS)]
        answer = toolbox.run("aestus-run", arguments, tmp_path / "run.json", timeout=TIME_LIMIT)
        open_steps = np.flatnonzero(golden.reference.gap <= golden.reference.gap_bound)
        # After a step that the bound leaves open the histories may differ.
        sure = min([TOKENS, *open_steps.tolist()])
        assert sure > 0
        assert answer["greedy"]["tokens"][:sure] == golden.tokens[:sure]
