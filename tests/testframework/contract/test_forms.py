"""Canonical JSON, task forms, metrics and exit codes."""

from __future__ import annotations

import json
import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotfire_testframework.contract.canonical import (
    LARGEST_SAFE_INTEGER,
    canonical_json,
    canonical_sha256,
)
from hotfire_testframework.contract.exit_codes import AttemptEnd, RunnerExit, classify
from hotfire_testframework.contract.failure import FailureClass
from hotfire_testframework.contract.metrics import METRICS, Direction, Metric, MetricName, Unit
from hotfire_testframework.contract.task import AttemptSpec, ResolvedInput, TaskSpec
from hotfire_testframework.errors import ContractError, DecodeError, MetricError

ULID = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-LARGEST_SAFE_INTEGER, LARGEST_SAFE_INTEGER)
    | st.floats(allow_nan=False, allow_infinity=False) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4),  # noqa: E501
)  # fmt: skip


@pytest.mark.parametrize(
    ("bits", "text"),
    # RFC 8785, appendix B.
    [
        ("0000000000000000", "0"), ("8000000000000000", "0"), ("0000000000000001", "5e-324"),
        ("7fefffffffffffff", "1.7976931348623157e+308"), ("4340000000000000", "9007199254740992"),
        ("4430000000000000", "295147905179352830000"), ("44b52d02c7e14af5", "9.999999999999997e+22"),
        ("44b52d02c7e14af6", "1e+23"), ("44b52d02c7e14af7", "1.0000000000000001e+23"),
        ("444b1ae4d6e2ef4e", "999999999999999700000"), ("444b1ae4d6e2ef4f", "999999999999999900000"),
        ("444b1ae4d6e2ef50", "1e+21"), ("3eb0c6f7a0b5ed8c", "9.999999999999997e-7"),
        ("3eb0c6f7a0b5ed8d", "0.000001"), ("41b3de4355555553", "333333333.3333332"),
        ("41b3de4355555557", "333333333.33333343"), ("becbf647612f3696", "-0.0000033333333333333333"),
        ("43143ff3c1cb0959", "1424953923781206.2"),
    ],
)  # fmt: skip
def test_numbers_are_written_as_the_rfc_says(bits, text):
    (value,) = struct.unpack(">d", bytes.fromhex(bits))
    assert canonical_json(value) == text.encode()


def test_keys_are_sorted_by_utf_16_as_the_rfc_says():
    value = {"\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\U0001f600": 5, "\x80": 6, "\xf6": 7}
    ordered = ["\r", "1", "\x80", "\xf6", "\u20ac", "\U0001f600", "\ufb33"]
    assert list(json.loads(canonical_json(value))) == ordered


@given(JSON)
def test_canonical_json_reads_back_and_is_stable(value):
    data = canonical_json(value)
    # An integral double beyond 2^53 reads back as an integer; in JSON all numbers are doubles.
    assert canonical_json(json.loads(data, parse_int=float)) == data


@pytest.mark.parametrize("value", [math.nan, math.inf, 2**53, {1: 2}, object(), b"x", "\ud800"])
def test_what_canonical_json_cannot_hold_is_refused(value):
    with pytest.raises(ContractError):
        canonical_json(value)


TASK = {
    "harness": "cases",
    "command": ["{input:aestus}/bin/aestus-cases"],
    "cases": ["gemm.f32:m=1,seed=1"],
    "inputs": [
        {"name": "source", "from": "source"},
        {"name": "aestus", "from": {"task": "build", "artifact": "a.tar.gz"}},
        {"name": "model", "from": {"model": "m"}},
    ],
    "outputs": [{"name": "o", "path": "out"}],
    "timeouts": {"setup_s": 1.0, "test_s": 5.0, "run_s": 9.0, "silence_s": 3.0, "grace_s": 1.0},
    "launcher": ["qemu"],
    "emulated": True,
}


def test_a_task_reads_back_as_it_was_written():
    assert TaskSpec.from_json(TASK).to_json() == TASK
    assert TaskSpec.from_json(json.loads(json.dumps(TASK))) == TaskSpec.from_json(TASK)


def test_defaults_are_left_out_so_that_a_new_field_keeps_digests():
    assert TaskSpec.from_json({"harness": "command", "command": ["x"]}).to_json() == {
        "harness": "command",
        "command": ["x"],
    }


def test_an_attempt_reads_back_as_it_was_written():
    attempt = AttemptSpec(
        attempt=ULID,
        run="r",
        task="t",
        spec=TaskSpec.from_json(TASK),
        inputs=(ResolvedInput(name="model", path="/m"),),
        expected=("a/b/c",),
        fence=3,
    )

    assert AttemptSpec.parse(attempt.encode()) == attempt


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"harness": "ctest"}, "spec.harness", "command, cases, gtest, pytest"),
        ({"comand": ["x"]}, "spec.comand", "did you mean 'command'?"),
        ({"command": "x"}, "spec.command", "a list"),
        ({"command": ["x", 3]}, "spec.command[1]", "got 3"),
        ({"cpus": True}, "spec.cpus", "int"),
        ({"cpus": 0}, "spec.cpus, retries", "cpus ≥ 1"),
        ({"env": {"A B": "x"}}, "spec.env.A B", "A B"),
        ({"timeouts": {"test_s": 10, "run_s": 5}}, "spec.timeouts.test_s", "timeouts nest"),
        ({"timeouts": {"grace_s": 0}}, "spec.timeouts.grace_s", "more than 0"),
        ({"outputs": [{"name": "o", "path": "../x"}]}, "spec.outputs[0].path", "'..'"),
        ({"outputs": [{"name": "o", "path": "/x"}]}, "spec.outputs[0].path", "relative"),
        ({"outputs": [{"name": "o", "path": "c:x"}]}, "spec.outputs[0].path", "relative"),
        ({"inputs": [{"name": "a/b", "from": "source"}]}, "spec.inputs[0].name", "a/b"),
        ({"inputs": [{"name": "a", "from": "elsewhere"}]}, "spec.inputs[0].from", "elsewhere"),
        (
            {"inputs": [{"name": "a", "from": {"task": "t"}}]},
            "spec.inputs[0].from.artifact",
            "required",
        ),
        ({"inputs": [{"name": "a"}]}, "spec.inputs[0].from", "required"),
        ({"cases": []}, "spec.cases", "case line"),
    ],
)
def test_a_wrong_task_names_field_and_value(change, field, words):
    with pytest.raises(DecodeError) as caught:
        TaskSpec.from_json({**TASK, **change})

    assert str(caught.value).startswith(field + ":")
    assert words in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"a":1,"a":2}', '{"a":NaN}', "[" * 100_000])
def test_what_is_no_json_object_is_refused(text):
    with pytest.raises(DecodeError):
        AttemptSpec.parse(text)


def test_an_input_that_the_task_does_not_declare_is_refused():
    with pytest.raises(DecodeError, match="other"):
        AttemptSpec(
            attempt=ULID,
            run="r",
            task="t",
            spec=TaskSpec.from_json(TASK),
            inputs=(ResolvedInput(name="other", path="/m"),),
        )


# -- metrics ------------------------------------------------------------------------------------


def metric(**change):
    fields = {
        "name": MetricName("a.b"),
        "unit": Unit.ONE,
        "direction": Direction.LARGER,
        "smallest_effect": 0.1,
        "meaning": "m",
    }
    return Metric(**{**fields, **change})


def test_a_latency_declared_larger_is_better_is_refused_at_definition():
    with pytest.raises(MetricError, match="larger-is-better"):
        metric(unit=Unit.SECOND, direction=Direction.LARGER)


def test_a_rate_declared_smaller_is_better_is_refused_at_definition():
    with pytest.raises(MetricError, match="smaller-is-better"):
        metric(unit=Unit.TOKEN_PER_SECOND, direction=Direction.SMALLER)


@pytest.mark.parametrize(
    "change",
    [
        {"unit": "ms"},
        {"name": "Latency"},
        {"name": "plain"},
        {"version": 0},
        {"smallest_effect": -1.0},
        {"smallest_effect": math.nan},
    ],
)
def test_a_wrong_definition_is_refused(change):
    with pytest.raises(MetricError):
        metric(**change)


def test_an_unregistered_name_is_refused_with_the_nearest():
    with pytest.raises(MetricError, match=r"did you mean aestus\.decode_rate\?"):
        METRICS.get("aestus.decode_rates")


def test_a_name_is_registered_once():
    with pytest.raises(MetricError, match="twice"):
        METRICS.register(METRICS.get("build.duration"))


DECODE_OPERATORS = (
    "embedding", "rmsnorm", "query_key_value", "rope", "attention", "attention_output", "gate_up",
    "down", "logits",
)  # fmt: skip


def test_the_registry_holds_the_agreed_names_and_units():
    assert {item.name: str(item.unit) for item in METRICS} == {
        "aestus.decode_rate": "token/s", "aestus.prefill_rate": "token/s", "aestus.load_time": "s",
        "aestus.peak_memory": "B", "aestus.binary_size": "B", "aestus.kernel_rate": "FLOP/s",
        "aestus.bandwidth_share": "1", "probe.read_bandwidth": "B/s", "aestus.perplexity": "1",
        "build.duration": "s", "cuda.registers": "1", "cuda.spill_bytes": "B",
        # What imported benchmark reports are mapped to.
        "benchmark.wall_time": "s", "benchmark.cpu_time": "s", "benchmark.byte_rate": "B/s",
        "benchmark.memory": "B", "benchmark.score": "1", "benchmark.cost": "1",
        # What a decoded token is made of.
        **{f"aestus.decode_time.{operator}": "s" for operator in DECODE_OPERATORS},
        # Of the machine itself.
        "canary.clock_time": "s", "canary.memory_time": "s", "canary.arithmetic_time": "s",
    }  # fmt: skip
    assert {item.name for item in METRICS if item.of_machine} == {
        "canary.clock_time", "canary.memory_time", "canary.arithmetic_time", "probe.read_bandwidth",
    }  # fmt: skip
    assert {item.name for item in METRICS if item.part_of == "aestus.decode_rate"} == {
        f"aestus.decode_time.{operator}" for operator in DECODE_OPERATORS
    }


# -- exit codes ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "end", "failure_class"),
    [
        (0, AttemptEnd.PASSED, None), (10, AttemptEnd.FAILED, FailureClass.PRODUCT),
        (20, AttemptEnd.ERRORED, FailureClass.CONFIG), (21, AttemptEnd.ERRORED, FailureClass.CONFIG),
        (30, AttemptEnd.ERRORED, FailureClass.INFRA_DEVICE), (32, AttemptEnd.ERRORED, FailureClass.INFRA_NETWORK),
        (35, AttemptEnd.ERRORED, FailureClass.INFRA_NODE), (36, AttemptEnd.ERRORED, FailureClass.INFRA_NODE),
        (39, AttemptEnd.ERRORED, FailureClass.INFRA_NODE), (40, AttemptEnd.TIMED_OUT, FailureClass.TIMEOUT),
        (143, AttemptEnd.CANCELLED, None), (-15, AttemptEnd.CANCELLED, None),
        (137, AttemptEnd.ERRORED, FailureClass.INFRA_NODE), (-9, AttemptEnd.ERRORED, FailureClass.INFRA_NODE),
        (1, AttemptEnd.ERRORED, FailureClass.HARNESS), (126, AttemptEnd.ERRORED, FailureClass.HARNESS),
        (127, AttemptEnd.ERRORED, FailureClass.HARNESS), (139, AttemptEnd.ERRORED, FailureClass.HARNESS),
        (-11, AttemptEnd.ERRORED, FailureClass.HARNESS), (2, AttemptEnd.ERRORED, FailureClass.HARNESS),
    ],
)  # fmt: skip
def test_every_exit_code_has_one_meaning(code, end, failure_class):
    meaning = classify(code, has_valid_manifest=True)

    assert (meaning.end, meaning.failure_class) == (end, failure_class)
    assert meaning.reason


@pytest.mark.parametrize("code", [0, 10])
def test_without_a_valid_manifest_nothing_is_a_success_or_a_product_failure(code):
    assert classify(code, has_valid_manifest=False).failure_class is FailureClass.HARNESS


def test_a_kill_is_the_products_only_with_evidence_of_its_own_memory_limit():
    assert (
        classify(137, has_valid_manifest=False, memory_limit_hit=True).failure_class
        is FailureClass.PRODUCT
    )


def test_every_runner_exit_has_a_sentence():
    assert all(code.meaning for code in RunnerExit)
    assert len(canonical_sha256({})) == 64
