"""Perplexity on the fixed text: every token within its bound, every clear choice the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hotfire_testframework.accuracy import files, goldens
from hotfire_testframework.accuracy.judge import PERPLEXITY_SHARE, columns, judge, part
from hotfire_testframework.accuracy.launch import Once, Toolbox, score_text
from hotfire_testframework.accuracy.perplexity import CHUNKS, CONTEXT, SCORED, perplexity

TASK = f"perplexity-{files.TEXT_NAME}"

# One expensive run feeds all tests: workers of xdist must not each start their own.
pytestmark = pytest.mark.xdist_group("perplexity")


@pytest.fixture(scope="module")
def score_once(toolbox: Toolbox, model: Path, tmp_path_factory: pytest.TempPathFactory) -> Once:
    """In the default arithmetic: float32, nothing rounded."""
    return score_text(toolbox, model, tmp_path_factory.mktemp("perplexity"))


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_chunk(chunk: int, score_once: Once, hotfire_record: Any) -> None:
    scored = score_once()
    start, stop = chunk * SCORED, (chunk + 1) * SCORED
    targets, logprobs, choices = columns(scored)
    target, logprob, argmax = targets[start:stop], logprobs[start:stop], choices[start:stop]
    result = judge(part(goldens.load_perplexity(), start, stop), target, logprob, argmax)
    hotfire_record.metrics(
        {
            "impl": scored["impl"],
            "n": SCORED,
            "error_over_bound": result.worst_ratio,
            "where": result.worst,
            "undecided": result.undecided,
        }
    )
    _record_samples(hotfire_record, chunk, target, logprob, argmax)
    assert result.worst_ratio <= 1, (
        f"position {result.worst} is {result.worst_ratio:.2f} bounds off"
    )
    assert result.wrong_choices == [], "the most probable token differs at these positions"


def test_perplexity_of_all_chunks(score_once: Once, hotfire_record: Any) -> None:
    scored = score_once()
    reference = goldens.load_perplexity()
    _, logprob, _ = columns(scored)
    ours, exact = perplexity(logprob), perplexity(reference.logprob)
    hotfire_record.metrics({"perplexity": ours, "reference": exact, "impl": scored["impl"]})
    hotfire_record.measurement(
        "aestus.perplexity",
        [ours],
        estimator="mean",
        definition={"task": TASK, "context": CONTEXT, "chunks": CHUNKS},
    )
    hotfire_record.artifact(scored["file"], name="logprobs.json", media_type="application/json")
    assert len(logprob) == CHUNKS * SCORED
    assert abs(ours / exact - 1) <= PERPLEXITY_SHARE
    # The mean of the bounds is far tighter than half a percent, and as sure.
    assert abs(np.log(ours / exact)) <= reference.logprob_bound.mean()


def test_the_tool_reports_the_perplexity_of_its_own_scores(score_once: Once) -> None:
    scored = score_once()
    _, logprob, _ = columns(scored)
    assert scored["run"]["perplexity"]["value"] == pytest.approx(perplexity(logprob), rel=1e-12)


def _record_samples(record: Any, chunk: int, target: Any, logprob: Any, argmax: Any) -> None:
    """One sample per token: hit or miss of the most probable token, and ln p."""
    for position in range(SCORED):
        record.accuracy_sample(
            task=TASK,
            dataset=TEXT_DIGEST,
            item=str(chunk * SCORED + position),
            prompt=f"{MODEL_DIGEST}:{chunk}:{position}",
            outcome=int(argmax[position] == target[position]),
            score=float(logprob[position]),
        )


TEXT_DIGEST = files.sha256_of(files.tokens_file())
MODEL_DIGEST = files.MODEL_SHA256[:16]
