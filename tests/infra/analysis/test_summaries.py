"""The figures in a cell's line."""

import dataclasses

from hotfire_infra.analysis.summaries import cell_summary
from hotfire_infra.store.queries_measurements import MeasurementRow
from hotfire_infra.store.queries_tests import CellFigures

ROW = MeasurementRow(
    run_id=1, run_number=1, revision="a" * 40, run_created_ns=0, cell_key="c", platform="p",
    test_id=1, test="m/pytest/t", variant_id=1, variant={}, metric="aestus.decode_rate", version=1,
    unit="token/s", value=172.4, replicates=(172.4,), probe=None, valid=True, reason="",
    environment_class="e", machine="m", series_key="s",
)  # fmt: skip


def row(metric, value, **changes):
    return dataclasses.replace(ROW, metric=metric, value=value, **changes)


def test_a_performance_cell_shows_rate_and_share_in_their_order():
    measured = [row("aestus.bandwidth_share", 0.41, unit="1"), ROW]
    assert cell_summary(measured, None) == "decode 172 tok/s, 41 % of the bandwidth limit"


def test_a_figure_that_does_not_count_says_why():
    measured = [row("aestus.decode_rate", 90.0, valid=False, reason="foreign load 40 %")]
    assert cell_summary(measured, None) == "decode 90.0 tok/s (not compared: foreign load 40 %)"


def test_a_gpu_build_shows_the_most_registers_and_any_spills():
    measured = [row("cuda.registers", 48), row("cuda.registers", 22), row("cuda.spill_bytes", 0)]
    assert cell_summary(measured, None) == "at most 48 registers, no spills"
    assert "1 kernel with spills" in cell_summary([*measured, row("cuda.spill_bytes", 8)], None)


def test_accuracy_shows_perplexity_beside_its_reference():
    figures = CellFigures(worst_error=0.29, perplexity=8.4266, reference=8.4266)
    assert (
        cell_summary([], figures)
        == "worst error 0.29 of its bound, perplexity 8.427 (reference 8.427)"
    )


def test_accuracy_shows_both_arithmetics_each_beside_what_it_is_compared_with():
    figures = CellFigures(
        worst_error=0.29,
        perplexity=8.4266,
        reference=8.4266,
        rounded_worst_error=0.71,
        rounded_perplexity=8.4828,
        llama_cpp_perplexity=8.5016,
    )
    assert cell_summary([], figures) == (
        "worst error 0.29 of its bound, perplexity 8.427 (reference 8.427),"
        " 8-bit activations: worst error 0.71 of its bound, perplexity 8.483 (llama.cpp 8.502)"
    )
