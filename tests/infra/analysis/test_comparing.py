"""Two runs compared: beyond A/A noise or not, which operators moved, the same by HTTP."""

from __future__ import annotations

import math
import random
from contextlib import closing

import pytest
from sqlalchemy import insert, select

from hotfire_infra.analysis.noise import NOT_ENOUGH
from hotfire_infra.analysis.reporting import StoreReports
from hotfire_infra.client.connection import Connection
from hotfire_infra.client.http_reports import HttpReports
from hotfire_infra.store.models import Attempt, Measurement, Task

SECONDS = {"attention": 1e-3, "gate_up": 4e-3, "down": 2e-3, "logits": 3e-3}


class Decoding:
    """Runs that measure a decode rate and the operators that it is made of."""

    def __init__(self, branch):
        self.branch, self.draw = branch, random.Random(4)

    def run(self, commit, seconds=SECONDS, slower=1.0, **terms):
        """`slower` is by what the machine is, as its canary tells: operators take that longer."""
        jitter = {
            name: slower * one * math.exp(self.draw.gauss(0, 0.005))
            for name, one in seconds.items()
        }
        canary = slower * 5e-3 * math.exp(self.draw.gauss(0, 0.005))
        run_id = self.branch.measure(commit, {"decode": 1 / sum(jitter.values())}, **terms)
        with self.branch.store.writing() as connection:
            query = (
                select(*Measurement.__table__.c)
                .join(Attempt, Attempt.id == Measurement.attempt_id)
                .join(Task, Task.id == Attempt.task_id)
            )
            whole = connection.execute(query.where(Task.run_id == run_id)).one()
            parts = {f"aestus.decode_time.{name}": value for name, value in jitter.items()}
            parts["canary.memory_time"] = canary
            for seq, (name, value) in enumerate(parts.items(), start=100):
                connection.execute(
                    insert(Measurement).values(
                        {**whole._mapping, "seq": seq, "metric": name,
                         "unit": "s", "value": value, "replicates": [value], "definition": name}
                    )
                )  # fmt: skip
        self.branch.finalize(run_id)
        return str(len(self.branch.runs))

    def again(self, commit, times=6):
        for _ in range(times):
            self.run(commit, purpose="noise")

    def compare(self, before, after):
        found = StoreReports(self.branch.store).comparison(before, after)
        decode = next(one for one in found.metrics if one.metric == "aestus.decode_rate")
        return found, decode


@pytest.fixture
def decoding(branch):
    return Decoding(branch)


def test_without_data_two_runs_prove_nothing_and_say_what_is_missing(decoding):
    before = decoding.run(1)
    after = decoding.run(2, {**SECONDS, "attention": 2e-3})
    found, decode = decoding.compare(before, after)
    assert (found.is_worse, decode.change, decode.is_sure) == (False, "inconclusive", False)
    assert decode.reason.endswith(NOT_ENOUGH)
    assert decode.operators == ""


def test_beyond_the_noise_of_the_same_code_two_runs_are_enough_and_the_operator_is_named(decoding):
    before = decoding.run(1)
    decoding.again(1)
    after = decoding.run(2, {**SECONDS, "attention": 1.7e-3})
    found, decode = decoding.compare(before, after)
    assert found.is_worse
    assert (decode.change, decode.is_sure) == ("regressed", True)
    assert decode.noise.startswith("A/A noise ±")
    assert decode.operators.startswith("operators: attention +")
    assert decode.interval[1] < decode.interval[0] < decode.interval[2] < 0
    assert not decoding.compare(after, before)[0].is_worse
    parts = {one.metric: one for one in found.metrics if "decode_time" in one.metric}
    assert parts["aestus.decode_time.attention"].change == "regressed"
    assert not any(one.is_worse for one in parts.values())


def test_inside_that_noise_nothing_is_called_worse_and_no_operator_is_blamed(decoding):
    before = decoding.run(1)
    decoding.again(1)
    after = decoding.run(2)
    found, decode = decoding.compare(before, after)
    assert not found.is_worse
    assert decode.change in {"inconclusive", "unchanged"}
    assert decode.operators == ""


def test_a_slower_machine_is_named_and_nobody_of_code_blamed(decoding):
    before = decoding.run(1)
    decoding.again(1)
    after = decoding.run(2, slower=1.25)
    found, decode = decoding.compare(before, after)
    assert not found.is_worse
    assert (decode.change, decode.is_sure) == ("environment", False)
    assert "memory canary +" in decode.why


def test_a_machine_that_moved_beside_a_regression_is_named_and_does_not_excuse_it(decoding):
    before = decoding.run(1)
    decoding.again(1)
    seconds = {name: 2 * one for name, one in SECONDS.items()}
    after = decoding.run(2, seconds, slower=1.25)
    found, decode = decoding.compare(before, after)
    assert found.is_worse
    assert (decode.change, decode.is_sure) == ("regressed", True)
    assert "does not explain it: memory canary +" in decode.why


def test_a_service_says_the_same(branch, served, onlooker):
    decoding = Decoding(branch)
    before = decoding.run(1)
    decoding.again(1)
    after = decoding.run(2, {**SECONDS, "attention": 1.7e-3})
    local = StoreReports(branch.store)
    service = onlooker(branch.store, reports=local)
    with served(service) as address, closing(Connection(address, None)) as connection:
        far = HttpReports(connection)
        assert far.comparison(before, after) == local.comparison(before, after)
        assert far.noise() == local.noise()
        assert len(far.noise()) == 2 + len(SECONDS)
