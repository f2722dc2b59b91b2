"""`hotfire changes noise` as it is typed."""

from __future__ import annotations

import contextlib
import json
from types import SimpleNamespace

import pytest

from hotfire_infra.analysis.noise import NoiseReport
from hotfire_infra.analysis.noise_components import Component
from hotfire_infra.cli.main import main
from hotfire_infra.cli.verbs import noise as verb

NOISE = NoiseReport(
    metric="aestus.decode_rate", environment="Zen 5; native", series=1, attempts=14, codes=5,
    within=None, processes=None, runs=Component(sd=0.0046, freedom=9, low=0.0032, high=0.0084),
    builds=Component(sd=0.002, freedom=4), floor=0.0211,
    words="A/A noise ±2.1 % (14 attempts of 5 sources, 2026-11-21)", updated_ns=1,
)  # fmt: skip


@pytest.fixture
def known(monkeypatch):
    reports = SimpleNamespace(noise=lambda: (NOISE,))
    monkeypatch.setattr(verb, "open_reports", lambda: contextlib.nullcontext(reports))


@pytest.mark.usefixtures("known")
def test_each_source_of_noise_has_a_line_with_its_interval(capsys):
    assert main(["changes", "noise"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        " aestus.decode_rate  Zen 5; native",
        "   A/A noise ±2.1 % (14 attempts of 5 sources, 2026-11-21)",
        "   between runs       0.46 % (0.32 % … 0.84 %; 9 d. f.)",
        "   between builds     0.20 % (4 d. f.)",
    ]
    assert main(["changes", "noise", "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["floor"] == 0.0211


@pytest.mark.usefixtures("known")
def test_it_is_measured_by_following_the_runs_that_are_started(monkeypatch, capsys):
    watched = []
    session = SimpleNamespace(
        client=SimpleNamespace(watch=lambda run: watched.append(run) or iter(()))
    )
    asked = {}
    desk = SimpleNamespace(repeat=lambda run, **terms: asked.update(terms, run=run) or (13, 14))
    monkeypatch.setattr(verb, "open_session", lambda: contextlib.nullcontext(session))
    monkeypatch.setattr(verb, "_desk", lambda _: desk)
    assert main(["changes", "noise", "--measure", "12", "--runs", "2", "--rebuild"]) == 0
    assert (asked, watched) == ({"run": "12", "runs": 2, "rebuild": True}, ["13", "14"])
    said = capsys.readouterr()
    assert "runs 13 to 14 measure the code of run 12 again" in said.err
    assert "A/A noise ±2.1 %" in said.out


def test_an_empty_store_says_how_to_get_data(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HOTFIRE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("HOTFIRE_SERVER", raising=False)
    assert main(["changes", "noise"]) == 0
    assert "hotfire changes noise --measure RUN" in capsys.readouterr().out
