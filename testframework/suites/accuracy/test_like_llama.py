"""With llama.cpp's roundings: each token within the bound that belongs to them, and llama.cpp's perplexity.

`aestus-run --round-like-llama` rounds activations to 8 bits and keys and values to half precision, as
the peer does. The reference stays the float64 oracle, which rounds nothing; the bounds are those of
this arithmetic (hotfire_testframework/accuracy/like_llama.py).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hotfire_testframework.accuracy import files, goldens
from hotfire_testframework.accuracy.judge import (
    PERPLEXITY_SHARE,
    columns,
    judge,
    judge_crowd,
    part,
)
from hotfire_testframework.accuracy.launch import Once, Toolbox, force_tokens, score_text
from hotfire_testframework.accuracy.perplexity import CHUNKS, CONTEXT, SCORED, perplexity

IS_EMULATED = os.environ.get("AESTUS_ACCURACY_PROFILE") == "emulated"
OPTION = "--round-like-llama"

pytestmark = pytest.mark.xdist_group("like-llama")


@pytest.fixture(scope="module")
def open_once(toolbox: Toolbox, model: Path, tmp_path_factory: pytest.TempPathFactory) -> Once:
    """Scores of the first tokens of the text: few enough for an emulator."""
    ids = files.read_tokens()[: goldens.OPENING_TOKENS + 1]
    return force_tokens(toolbox, model, ids, tmp_path_factory.mktemp("opening"), OPTION)


@pytest.mark.parametrize("step", range(goldens.OPENING_TOKENS))
def test_opening(step: int, open_once: Once, hotfire_record: Any) -> None:
    opened = open_once()
    assert opened["round_like_llama"] is True
    scores = columns(opened["teacher"], slice(step, step + 1))
    result = judge(part(goldens.load_opening(), step, step + 1), *scores)
    hotfire_record.metrics({"impl": opened["impl"], "rounded_error_over_bound": result.worst_ratio})
    assert result.worst_ratio <= 1, f"{result.worst_ratio:.2f} bounds off"
    assert result.wrong_choices == [], "the most probable token differs"


# As in test_perplexity.py: an emulator would take hours for the text.
if not IS_EMULATED:

    @pytest.fixture(scope="module")
    def score_once(toolbox: Toolbox, model: Path, tmp_path_factory: pytest.TempPathFactory) -> Once:
        """The whole text in this arithmetic."""
        return score_text(toolbox, model, tmp_path_factory.mktemp("text"), OPTION)

    @pytest.mark.parametrize("chunk", range(CHUNKS))
    def test_chunk(chunk: int, score_once: Once, hotfire_record: Any) -> None:
        scored = score_once()
        start, stop = chunk * SCORED, (chunk + 1) * SCORED
        reference, _ = goldens.load_rounded_perplexity()
        result = judge(part(reference, start, stop), *columns(scored, slice(start, stop)))
        hotfire_record.metrics(
            {
                "impl": scored["impl"],
                "n": SCORED,
                "rounded_error_over_bound": result.worst_ratio,
                "where": result.worst,
                "undecided": result.undecided,
            }
        )
        assert result.worst_ratio <= 1, (
            f"position {result.worst} is {result.worst_ratio:.2f} bounds off"
        )
        assert result.wrong_choices == [], "the most probable token differs at these positions"

    def test_all_tokens_together_are_as_near_as_such_roundings_are(
        score_once: Once, hotfire_record: Any
    ) -> None:
        """One token may be six spreads off; that all of them are further off than one, may not be."""
        _, logprob, _ = columns(score_once())
        reference, crowd = goldens.load_rounded_perplexity()
        result = judge_crowd(reference, crowd, logprob)
        hotfire_record.metrics(
            {"rms_over_limit": result.rms_ratio, "shift_over_bound": result.shift_ratio}
        )
        assert result.rms_ratio <= 1
        assert result.shift_ratio <= 1

    def test_perplexity_is_that_of_llama_cpp(score_once: Once, hotfire_record: Any) -> None:
        scored = score_once()
        _, logprob, _ = columns(scored)
        ours, peer = perplexity(logprob), goldens.load_llama_perplexity()
        hotfire_record.metrics(
            {"rounded_perplexity": ours, "llama_cpp_perplexity": peer, "impl": scored["impl"]}
        )
        hotfire_record.measurement(
            "aestus.perplexity",
            [ours],
            estimator="mean",
            definition={
                "task": f"perplexity-{files.TEXT_NAME}",
                "context": CONTEXT,
                "chunks": CHUNKS,
                "rounding": "like-llama",
            },
        )
        assert len(logprob) == CHUNKS * SCORED
        assert np.isfinite(logprob).all()
        assert abs(ours / peer - 1) <= PERPLEXITY_SHARE
