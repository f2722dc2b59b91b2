"""Gates on performance: frozen with the plan, refused where nothing could ever fail them."""

import json
from typing import Any

import pytest

from hotfire_pipelines.errors import PipelineError
from hotfire_pipelines.plan import Plan

House = Any


def test_gates_are_part_of_the_plan_and_of_its_digest(house: House) -> None:
    without = house.freeze()
    house.pipeline["performance"] = {"aestus.decode_rate": {"tolerance": 0.03}, "*": {}}
    plan = house.freeze()
    assert plan.policy.performance == {"*": {}, "aestus.decode_rate": {"tolerance": 0.03}}
    assert plan.digest != without.digest
    assert Plan.from_json(plan.to_json()).policy == plan.policy
    assert "performance" not in json.dumps(without.frozen())


@pytest.mark.parametrize(
    ("gates", "words"),
    [
        ({"aestus.decode_rat": {}}, "did you mean aestus.decode_rate?"),
        ({"aestus.decode_rate": {"tolerance": 0}}, "greater than 0"),
        ({"aestus.decode_rate": {"tolerence": 0.1}}, "tolerance"),
    ],
)
def test_a_gate_on_nothing_is_refused(house: House, gates: Any, words: str) -> None:
    house.pipeline["performance"] = gates
    with pytest.raises(PipelineError, match=words.replace("?", r"\?")):
        house.freeze()
