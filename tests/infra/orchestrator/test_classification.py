"""Whose trouble it was: all evidence weighed together."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotfire_infra.executors.protocol import Life, Observation
from hotfire_infra.ingest.stream import ManifestCheck
from hotfire_infra.orchestrator.classification import PRECEDENCE, classify, weigh
from hotfire_infra.orchestrator.endings import Ending, ending_of, weighed
from hotfire_infra.states import AttemptState
from hotfire_testframework.contract.evidence import PRESUMPTIONS, Evidence, Witness, of_answer
from hotfire_testframework.contract.failure import FailureClass

WHOLE = ManifestCheck(is_valid=True, reason="", is_empty=False)
TORN = ManifestCheck(is_valid=False, reason="the stream ends without a manifest", is_empty=False)


def saw(kind: Witness, source: str = "runner", **more) -> Evidence:
    return Evidence.of(kind, source, f"{kind} seen", **more)


def end(code: int | None, *evidence: Evidence, manifest=WHOLE, seen=()) -> Ending:
    look = Observation(life=Life.ENDED, exit_code=code, evidence=tuple(seen))
    return ending_of(look, manifest, is_cancelled=False, evidence=evidence)


@pytest.mark.parametrize("witness", [w for w in Witness if PRESUMPTIONS[w].confidence > 0])
def test_a_single_witness_is_taken_at_its_word(witness):
    found = classify([saw(witness)])
    assert found.failure_class is PRESUMPTIONS[witness].failure_class
    assert found.confidence == PRESUMPTIONS[witness].confidence
    assert found.reason == f"{witness} seen"


def test_witnesses_that_agree_make_it_surer_and_repetition_does_not():
    alone = classify([saw(Witness.KILLED)])
    twice = classify([saw(Witness.KILLED), saw(Witness.KILLED)])
    joined = classify([saw(Witness.KILLED), saw(Witness.LEASE, "lease")])
    assert twice.confidence == alone.confidence
    assert joined.confidence > alone.confidence


def test_a_rival_takes_confidence_away_and_not_the_answer():
    found = classify([saw(Witness.OUT_OF_MEMORY, "kernel"), saw(Witness.CRASH)])
    assert found.failure_class is FailureClass.INFRA_NODE
    assert found.source == "kernel"
    assert found.confidence < 0.95


def test_a_tie_never_makes_the_product_guilty():
    items = [
        saw(Witness.CRASH, confidence=0.7),
        saw(Witness.KILLED, confidence=0.7),
    ]
    assert classify(items).failure_class is FailureClass.INFRA_NODE


def test_no_evidence_is_unknown_with_no_confidence():
    assert classify([]).failure_class is FailureClass.UNKNOWN
    assert classify([]).confidence == 0.0


EVIDENCE = st.builds(
    Evidence,
    kind=st.sampled_from([w.value for w in Witness] + ["omen"]),
    failure_class=st.sampled_from(FailureClass),
    source=st.sampled_from(["runner", "kernel", "lease"]),
    confidence=st.floats(0, 1),
)


@given(st.lists(EVIDENCE, max_size=6))
def test_the_answer_does_not_depend_on_the_order_and_stays_a_share(items):
    one, other = classify(items), classify(items[::-1])
    assert one.failure_class is other.failure_class
    assert one.confidence == other.confidence
    assert 0.0 <= one.confidence <= 1.0
    assert all(0.0 <= weight <= 1.0 for weight in weigh(items).values())


def test_every_class_has_its_place_in_a_tie():
    assert set(PRECEDENCE) == set(FailureClass)


def test_results_of_a_device_that_fell_off_the_bus_say_nothing_of_the_product():
    ending = end(10, saw(Witness.DEVICE_LOST, "kernel"))
    assert ending.state is AttemptState.ERRORED
    assert ending.failure_class == "infra-device"
    assert ending.source == "kernel"


def test_a_passed_attempt_stays_passed_whatever_the_log_says():
    ending = end(0, saw(Witness.DEVICE_LOST, "kernel"))
    assert (ending.state, ending.failure_class) == (AttemptState.PASSED, None)


def test_a_fault_that_a_program_can_cause_excuses_no_failure():
    ending = end(10, saw(Witness.XID_OF_PROGRAM, "kernel"))
    assert (ending.state, ending.failure_class) == (AttemptState.FAILED, "product")


def test_a_runner_killed_at_the_tasks_own_limit_is_the_products_doing():
    ours = end(None, seen=[saw(Witness.MEMORY_LIMIT, "kernel")])
    assert (ours.state, ours.failure_class) == (AttemptState.LOST, "infra-node")
    killed = end(-9, seen=[saw(Witness.MEMORY_LIMIT, "kernel")], manifest=TORN)
    assert (killed.state, killed.failure_class) == (AttemptState.FAILED, "product")


def test_a_runner_that_the_machine_killed_for_want_of_memory_is_lost():
    ending = end(-9, seen=[saw(Witness.OUT_OF_MEMORY, "kernel")], manifest=TORN)
    assert (ending.state, ending.failure_class) == (AttemptState.LOST, "infra-node")
    assert "out-of-memory seen" in ending.reason
    assert ending.confidence > 0.9


def test_a_crash_that_cost_a_test_does_not_make_the_end_of_the_attempt_the_products():
    ending = end(36, saw(Witness.CRASH), saw(Witness.EMULATOR))
    assert ending.failure_class == "infra-node"


@pytest.mark.parametrize(
    ("status", "failure"),
    [
        (404, FailureClass.CONFIG),
        (403, FailureClass.CONFIG),
        (429, FailureClass.INFRA_NETWORK),
        (408, FailureClass.INFRA_NETWORK),
        (503, FailureClass.INFRA_NETWORK),
        (None, FailureClass.INFRA_NETWORK),
    ],
)
def test_a_download_is_judged_by_the_hosts_answer(status, failure):
    item = of_answer("model.gguf", status)
    assert item.failure_class is failure
    assert ("no answer" if status is None else str(status)) in item.detail


def test_a_refused_download_is_not_retried_as_trouble_of_the_network():
    ending = end(32, of_answer("model.gguf", 404), of_answer("model.gguf", 404))
    quiet = end(32)
    assert quiet.failure_class == "infra-network"
    assert ending.failure_class in ("infra-network", "config")
    assert ending.confidence < quiet.confidence


def test_the_lease_itself_is_evidence():
    ending = weighed(Ending.lost("lease expired: no heartbeat", "lease"), [])
    assert [item.kind for item in ending.evidence] == ["lease"]
    assert ending.failure_class == "infra-node"


def test_evidence_of_a_later_version_is_kept_and_speaks_for_nothing():
    body = {"what": "omen", "class": "infra-cosmos", "source": "star", "confidence": 9}
    item = Evidence.from_json(body)
    assert item.kind == "omen"
    assert item.failure_class is FailureClass.UNKNOWN
    assert item.confidence == 1.0
    assert Evidence.from_json(item.to_json()) == item


def test_the_operators_guide_has_a_line_for_every_kind_of_evidence():
    guide = Path(__file__).resolve().parents[3] / "docs" / "failures.md"
    rows = [line.split("|") for line in guide.read_text(encoding="utf-8").splitlines()]
    found = {row[1].strip(" `"): row[2].strip() for row in rows if len(row) > 4}
    for witness, presumed in PRESUMPTIONS.items():
        if witness not in (Witness.EXIT_CODE, Witness.SUBMISSION, Witness.REQUEST):
            assert found[witness.value] == presumed.failure_class.value
