"""Wrong input: one clear error, the next command, exit 2, never a traceback."""

import pytest

pytestmark = pytest.mark.end_to_end


def pipeline_of(checkout):
    return (checkout.root / "pipelines/definitions/toy.yaml").read_text()


def assert_one_error(answer, *words):
    assert answer.code == 2, (answer.out, answer.err)
    lines = answer.err.strip().splitlines()
    errors = [line for line in lines if line.startswith("error: ")]
    assert len(errors) == 1, answer.err
    assert all(word in answer.err for word in words), answer.err
    assert "next:  " in lines[-1]
    assert "Traceback" not in answer.err


def test_broken_yaml_is_named_with_its_line(checkout):
    checkout.write("pipelines/definitions/broken.yaml", "schema: [\nname: x\n")
    assert_one_error(checkout.hotfire("run", "broken"), "broken.yaml:3")


def test_unknown_axis_is_named_with_the_nearest_known_one(checkout):
    text = pipeline_of(checkout).replace(
        "matrix: {platform: [board]}", "matrix: {platfrom: [board]}"
    )
    checkout.write("pipelines/definitions/toy.yaml", text)
    assert_one_error(checkout.hotfire("run", "toy"), "platfrom", "'platform'")


def test_unknown_pipeline_is_named(checkout):
    assert_one_error(checkout.hotfire("run", "toi"), "toi")


def test_missing_weights_are_named_with_where_to_get_them(checkout):
    text = pipeline_of(checkout).replace("tasks:\n", "models:\n  tiny: {package: no-such-weights, sha256: "
                            + "ab" * 32 + "}\ntasks:\n", 1)  # fmt: skip
    text = text.replace("  slow:\n", "  slow:\n    inputs: [{name: model, model: tiny}]\n", 1)
    checkout.write("pipelines/definitions/toy.yaml", text)
    assert_one_error(checkout.hotfire("run", "toy"), "tiny", "next:  make setup")


@pytest.mark.parametrize("verb", ["show", "repro"])
def test_unknown_test_is_answered_with_the_nearest_known_one(green, verb):
    checkout, _ = green
    answer = checkout.hotfire(verb, "suite.test_library/pytest/test_ad[1]")
    assert_one_error(answer, "did you mean 'suite.test_library/pytest/test_add[1]'?")


def test_edited_plan_is_refused(checkout):
    plan = checkout.hotfire("plan", "toy", "-o", "json").out.replace("built", "bilt")
    checkout.write("../plan.json", plan)
    assert_one_error(checkout.hotfire("run", "--plan", "../plan.json"), "changed after")


def test_missing_plan_file_is_named(checkout):
    assert_one_error(checkout.hotfire("run", "--plan", "nowhere.json"), "nowhere.json")


def test_a_folder_that_is_no_checkout_is_refused(tmp_path, checkout):
    from dataclasses import replace

    outside = replace(checkout, root=tmp_path)
    assert_one_error(outside.hotfire("run", "toy"), "checkout")


def test_unknown_run_names_the_newest(green):
    checkout, _ = green
    assert_one_error(checkout.hotfire("show", "99"), "99")
    assert_one_error(checkout.hotfire("watch", "99"), "99")


def test_nothing_to_resume_is_exit_5(green):
    checkout, _ = green
    answer = checkout.hotfire("run", "--resume")
    assert answer.code == 5
    assert "nothing to resume" in answer.err


def test_a_test_that_never_began_is_shown_and_reproduced_by_its_cell(checkout):
    text = pipeline_of(checkout).replace("  slow:\n", "  slow:\n    setup: [['false']]\n", 1)
    checkout.write("pipelines/definitions/toy.yaml", text)
    shown = checkout.hotfire("run", "toy", "--wait")
    assert "a setup or teardown command failed: setup: 'false' ended with exit 1" in shown.err
    named = checkout.hotfire("show", "tasks/command/slow")
    assert (named.code, "hotfire repro" in named.out) == (0, True), named.err
    again = checkout.hotfire("repro", "tasks/command/slow", "--exec")
    assert again.code == 3, again.err


def test_a_platform_that_a_test_did_not_run_on_is_named(green):
    checkout, _ = green
    answer = checkout.hotfire("repro", "tasks/command/slow", "--platform", "moon")
    assert_one_error(answer, "did not run on 'moon'", "it ran on linux-x86_64")
