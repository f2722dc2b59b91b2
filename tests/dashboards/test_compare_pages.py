"""The pages of two runs and of the A/A noise floor, over literal values."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from hotfire_infra.analysis.noise import NoiseReport
from hotfire_infra.analysis.noise_components import Component
from hotfire_infra.analysis.run_comparison import MetricChange, RunComparison, TestChange

NOISE = NoiseReport(
    metric="aestus.decode_rate", environment="Zen 5; x86-64-v4; native; clock performance",
    series=1, attempts=14, codes=5, within=None,
    processes=Component(sd=0.011, freedom=56, low=0.0093, high=0.0135),
    runs=Component(sd=0.0046, freedom=9, low=0.0032, high=0.0084),
    builds=Component(sd=0.002, freedom=4), floor=0.0211,
    words="A/A noise ±2.1 % (14 attempts of 5 sources, 2026-11-21)",
    updated_ns=1_795_262_400_000_000_000,
)  # fmt: skip
SLOWER = MetricChange(
    test="suites.performance/pytest/test_decode", platform="linux-x86_64", unit="token/s",
    metric="aestus.decode_rate", before=172.4, after=141.0, change="regressed",
    reason="the interval excludes no change", interval=(-0.2, -0.22, -0.18), series="ab" * 32,
    noise=NOISE.words, operators="operators: attention +31 % (92 % of it)", is_sure=True,
)  # fmt: skip
SAME = replace(
    SLOWER, metric="aestus.prefill_rate", change="unchanged", is_sure=False, operators=""
)


@pytest.fixture
def pages(literals, client_of):
    class Compared(literals.LiteralReports):
        found = RunComparison(
            before=7, after=8, tests_compared=31, metrics=(SAME, SLOWER),
            tests=(TestChange(name=literals.HOSTILE, before="passed", after="failed"),),
        )  # fmt: skip
        known = (NOISE,)

        def comparison(self, before, after):
            assert (before, after) == ("7", "8")
            return self.found

        def noise(self):
            return self.known

    reports = Compared([literals.run_report(), literals.red_report()])
    return reports, client_of(reports)


def test_a_comparison_says_what_moved_first_with_its_noise_and_operators(pages):
    _, client = pages
    text = client.get("/compare/7/8").text
    assert "1 verdict changed in 31 cells that both have; 1 of 2 series got worse" in text
    assert text.index("aestus.decode_rate") < text.index("aestus.prefill_rate")
    assert "operators: attention +31 % (92 % of it)" in text
    assert "A/A noise ±2.1 %" in text
    assert "<script>alert" not in text
    assert "<img" not in text


def test_its_twin_holds_the_same(pages):
    _, client = pages
    found = json.loads(client.get("/compare/7/8.json").text)
    assert [one["operators"] for one in found["metrics"]] == ["", SLOWER.operators]


def test_runs_that_share_nothing_and_runs_that_are_not_there_are_said(pages):
    reports, client = pages
    reports.found = RunComparison(before=7, after=8, tests=(), metrics=(), tests_compared=0)
    assert "share no cell, no series and no accuracy task" in client.get("/compare/7/8").text
    for address in ("/compare/7/99", "/compare/99/8.json"):
        assert client.get(address).status_code == 404


def test_the_noise_page_shows_each_source_with_its_interval_n_and_date(pages):
    _, client = pages
    text = client.get("/noise").text
    for said in ("±2.1 %", "0.46 % (0.32 % … 0.84 %; 9 d. f.)", "0.20 % (4 d. f.)", "14 attempts of 5",
                 "2026-11-21"):  # fmt: skip
        assert said in text
    assert json.loads(client.get("/noise.json").text)[0]["floor"] == 0.0211


def test_without_data_the_noise_page_says_how_to_get_some(pages):
    reports, client = pages
    reports.known = ()
    assert "hotfire changes noise --measure latest" in client.get("/noise").text
