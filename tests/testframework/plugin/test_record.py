"""The fixture `hotfire_record`: what it writes and what it refuses."""

from __future__ import annotations

import pytest


def test_a_measurement_takes_unit_and_version_from_the_registry(suite):
    suite.write(
        """
        def test_speed(hotfire_record):
            hotfire_record.measurement("aestus.decode_rate", [3.0, 1.0, 2.0], launches=[0, 1, 2], definition={"tokens": 8})
        """  # noqa: E501
    )
    event = suite.run().of("measurement")[0]

    assert (event["unit"], event["version"], event["value"], event["estimator"]) == (
        "token/s",
        1,
        2.0,
        "median",
    )
    assert event["test"] == "test_it/pytest/test_speed"
    assert len(event["definition"]) == 64


WRONG = {
    'measurement("aestus.decode_speed", [1.0], definition="0" * 64)': "did you mean aestus.decode_r",
    'measurement("aestus.decode_rate", [], definition="0" * 64)': "over 0 replicates",
    'measurement("aestus.decode_rate", [1.0], definition="short")': "expected a sha256",
    'measurement("aestus.decode_rate", [1.0], launches=[0, 1], definition="0" * 64)': "one per repl",
    'measurement("aestus.decode_rate", [1.0], definition="0" * 64, valid=False)': "needs a reason",
    'accuracy_sample(task="t", dataset="d", item="i", prompt="p", outcome=2)': "got 2, expected 0, 1",
    'artifact("no-such-file")': "needs a plain name and a file",
}


@pytest.mark.parametrize("environment", [{}, {"HOTFIRE_EVENTS": ""}], ids=["streamed", "not"])
def test_a_wrong_record_fails_its_test_streamed_or_not(suite, environment):
    tests = [f"def test_{n}(hotfire_record): hotfire_record.{call}" for n, call in enumerate(WRONG)]
    suite.write("\n".join(tests))
    done = suite.run("-rf", COLUMNS="300", **environment)

    assert done.code == 1
    said = [line for line in done.output.splitlines() if line.startswith("FAILED")]
    assert [words in line for words, line in zip(WRONG.values(), said, strict=True)] == [True] * 7


def test_metrics_and_samples_belong_to_their_test(suite):
    suite.write(
        """
        def test_a(hotfire_record):
            hotfire_record.metrics({"ulp": 3})
            hotfire_record.accuracy_sample(task="t", dataset="d", item="i", prompt="p", outcome=1, score=0.5)
        def test_b(): pass
        """
    )
    done = suite.run()

    assert done.result("test_a")["metrics"] == {"ulp": 3}
    assert "metrics" not in done.result("test_b")
    assert done.of("accuracy_sample")[0]["test"].endswith("test_a")


def test_an_artifact_is_copied_to_where_the_runner_keeps_them(suite):
    kept = suite.folder / "kept"
    kept.mkdir()
    suite.write(
        "def test_a(hotfire_record, tmp_path):\n    p = tmp_path / 'x.json'\n    p.write_text('{}')\n    hotfire_record.artifact(p)\n"  # noqa: E501
    )
    done = suite.run(HOTFIRE_ARTIFACTS=str(kept))

    assert (kept / "x.json").read_text() == "{}"
    assert done.of("artifact_file")[0]["name"] == "x.json"
