"""The detector's own quality: precision from labels, recall from steps injected into stored series."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import update

from hotfire_infra.analysis import detector_quality
from hotfire_infra.analysis.detector_quality import (
    check_detector,
    keep_checked,
    precision,
    share,
    share_of_labels,
)
from hotfire_infra.analysis.detector_quality import (
    detector_quality as known_quality,
)
from hotfire_infra.cli.verbs import detector_quality as verb
from hotfire_infra.store.models import SeriesChange


def test_a_share_has_the_interval_of_wilson():
    # Newcombe (1998), Statistics in Medicine 17, 857, table I: 81 of 263, and 0 of 20.
    assert share(81, 263).interval == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert share(0, 20).interval == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert share(0, 0).interval == (0.0, 1.0)
    assert share(0, 0).words == "not known: none yet"


def test_a_drift_is_real_and_a_machine_is_not_the_code():
    found = share_of_labels({"true": 6, "drift": 1, "false": 2, "infra": 1})
    assert (found.hits, found.trials) == (7, 10)


def test_injected_steps_are_found_the_surer_the_larger_and_that_is_kept(any_branch):
    any_branch.history({}, runs=90, tests=("a", "b", "c", "d", "e", "f"))
    before = any_branch.changes()
    found = check_detector(any_branch.store, seed=3)
    assert found.series == 6
    assert [one.found.trials for one in found.recalls] == [6] * 5
    small, large = found.recalls[0], found.recalls[-1]
    assert large.found.hits == 6
    assert large.delay is not None
    assert large.delay <= 10
    assert small.found.hits < large.found.hits
    assert any_branch.changes() == before, "a canary is nobody's alert"
    with any_branch.store.reading() as connection:
        assert known_quality(connection).checks == (found,)


def test_the_daily_check_is_made_once_a_day_and_keeps_the_labels_of_then(branch, clock):
    assert keep_checked(branch.store) is None, "no series is long enough"
    branch.history({41: 0.95}, runs=70, tests=("a", "b"))
    with branch.store.writing() as connection:
        connection.execute(update(SeriesChange).values(label="true"))
    found = keep_checked(branch.store)
    assert found.precision.hits == found.precision.trials == len(branch.changes()) > 0
    assert keep_checked(branch.store) is None
    clock.advance(detector_quality.EVERY_HOURS * 3600)
    assert keep_checked(branch.store).id != found.id


def test_a_detector_that_sees_nothing_has_no_recall(branch, monkeypatch):
    branch.history({}, runs=70, tests=("a", "b"))
    monkeypatch.setattr(detector_quality, "take", lambda *_: None)
    found = check_detector(branch.store, seed=1)
    assert [one.found.hits for one in found.recalls] == [0] * 5


def test_a_step_that_was_there_before_is_no_find(branch):
    branch.history({45: 0.8}, runs=90, tests=("a",))
    points = [(row.value, "") for row in _points(branch)]
    assert detector_quality._alerts(points)
    with branch.store.reading() as connection:
        assert precision(connection).value is None


def _points(branch):
    from hotfire_infra.store.queries_measurements import points_of_series
    from hotfire_infra.store.queries_quality import watched_keys

    with branch.store.reading() as connection:
        keys = watched_keys(connection, points=1, limit=9)
        return points_of_series(connection, keys, is_mainline=True)


def test_labels_of_alerts_give_precision(branch):
    branch.history({41: 0.95}, runs=50, tests=("a", "b", "c"))
    with branch.store.writing() as connection:
        for place, row in enumerate(branch.changes()):
            label = "false" if place == 0 else "true"
            chosen = update(SeriesChange).where(SeriesChange.id == row.id)
            connection.execute(chosen.values(label=label))
    with branch.store.reading() as connection:
        found = precision(connection)
    assert (found.hits, found.trials) == (2, 3)
    assert found.words == "0.67 (0.21 … 0.94; 2 of 3)"


def test_the_command_prints_what_is_known_and_what_not(branch, monkeypatch, capsys):
    monkeypatch.setenv("HOTFIRE_HOME", str(branch.store.home))
    assert verb.quality(check=False, seed=1, as_json=False) == 0
    said = capsys.readouterr().out
    assert "precision of labelled alerts not known: none yet" in said
    assert "--check" in said
    branch.history({}, runs=70, tests=("a",))
    assert verb.quality(check=True, seed=1, as_json=True) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["precision"]["value"] is None
    assert [one["found"]["trials"] for one in told["checks"][0]["recalls"]] == [1] * 5
    verb.quality(check=False, seed=1, as_json=False)
    assert "3 to 5 of the noise  1.00 (0.21 … 1.00; 1 of 1), after" in capsys.readouterr().out
