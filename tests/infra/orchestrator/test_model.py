"""The orchestrator agrees with a hundred-line reference whatever is done to it."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from .model import OrchestratorMachine

SHALLOW = settings(
    max_examples=8,
    stateful_step_count=12,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


def run_machine(template, chosen: settings) -> None:
    machine = type("Machine", (OrchestratorMachine,), {"template": template})
    run_state_machine_as_test(machine, settings=chosen)


def test_the_orchestrator_agrees_with_its_reference(empty_database):
    run_machine(empty_database, SHALLOW)


@pytest.mark.scale
def test_the_orchestrator_agrees_with_its_reference_for_long(empty_database):
    deep = settings(SHALLOW, max_examples=400, stateful_step_count=50, derandomize=False)
    run_machine(empty_database, deep)
