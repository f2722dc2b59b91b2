"""Errors: one message, one next command, one code; nothing leaves as a traceback."""

import errno

import pytest

from hotfire_infra import errors as infra_errors
from hotfire_infra.cli.exit_codes import CliExit, exit_of_run
from hotfire_infra.cli.main import main
from hotfire_infra.cli.problems import CliError, explain
from hotfire_infra.configuration import Configuration, read_configuration
from hotfire_infra.errors import ConfigurationMissingError
from hotfire_infra.states import RunVerdict
from hotfire_pipelines.errors import BrokenYamlError, Location, PipelineError, PlanError
from hotfire_testframework.errors import IdentifierError, RunnerError

WHERE = Location(file="p.yaml", line=3, column=7)


def every_infra_error():
    found, todo = [], [infra_errors.InfraError]
    while todo:
        one = todo.pop()
        found.append(one)
        todo += [sub for sub in one.__subclasses__() if sub.__module__ == infra_errors.__name__]
    return found


@pytest.mark.parametrize("kind", every_infra_error())
def test_every_error_of_infra_has_its_own_code_and_a_next_command(kind):
    # One that says what kind of no it was.
    more = {"trouble": "gone"} if kind is infra_errors.ClusterError else {}
    problem = explain(kind("what happened", **more))
    assert problem.message == "what happened"
    assert problem.code == kind.exit_code
    assert problem.next_command.startswith(("hotfire ", "git "))


def test_mistake_in_the_configuration_leads_to_the_command_that_reads_it(tmp_path):
    path = tmp_path / "service.yaml"
    path.write_text("schema: hotfire.dev/service/1\nquue: {}\n", encoding="utf-8")
    with pytest.raises(PipelineError, match="service.yaml:2:1") as caught:
        read_configuration(path)
    problem = explain(caught.value)
    assert (problem.next_command, problem.code) == ("hotfire config doctor", CliExit.USAGE)
    assert "doctor" not in problem.message


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (BrokenYamlError(WHERE, "not YAML", "Close the bracket."), CliExit.USAGE),
        (PlanError("edited"), CliExit.USAGE),
        (IdentifierError("not an id"), CliExit.USAGE),
        (RunnerError("no device", 30), CliExit.INFRASTRUCTURE),
        (KeyboardInterrupt(), CliExit.INTERRUPTED),
        (FileNotFoundError(2, "No such file or directory", "plan.json"), CliExit.USAGE),
        (CliError("nothing", next_command="hotfire ps", code=CliExit.NOTHING_SELECTED), 5),
        (ZeroDivisionError("oops"), CliExit.INFRASTRUCTURE),
    ],
)
def test_errors_of_every_room_map_to_their_code(error, code):
    assert explain(error).code == code


@pytest.mark.parametrize("name", [None, "serve.new"])
def test_a_full_disk_is_said_as_such_wherever_it_is_met(name):
    problem = explain(OSError(errno.ENOSPC, "No space left on device", name))
    assert "no room left on the disk (No space left on device)" in problem.message
    assert (problem.next_command, problem.code) == ("the same command again", 3)


def test_a_read_only_file_system_is_said_as_such():
    problem = explain(OSError(errno.EROFS, "Read-only file system", "/srv/.hotfire"))
    assert problem.message.startswith("/srv/.hotfire cannot be written: its file system is mounted")
    assert problem.code == CliExit.USAGE


def test_a_disk_that_is_full_when_a_service_starts_leads_back_to_it(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HOTFIRE_HOME", str(tmp_path / "home"))

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    assert main(["serve", "--port", "0"]) == CliExit.INFRASTRUCTURE
    lines = capsys.readouterr().err.strip().splitlines()
    assert "the runner cannot be written" in lines[0]
    assert "free space, then `hotfire serve`" in lines[0]
    assert lines[-1] == "next:  hotfire serve"


def test_a_defect_says_that_it_is_ours_and_how_to_see_more():
    problem = explain(ZeroDivisionError("oops"))
    assert "a defect of Hotfire itself: ZeroDivisionError: oops" in problem.message
    assert "--debug" in problem.next_command


def test_place_in_a_file_reaches_the_reader():
    assert explain(BrokenYamlError(WHERE, "not YAML", "Close it.")).message.startswith(
        "p.yaml:3:7:"
    )


@pytest.mark.parametrize("verdict", list(RunVerdict))
def test_every_verdict_of_a_run_has_an_exit_code(verdict):
    assert (exit_of_run(verdict) == CliExit.OK) == (verdict is RunVerdict.PASSED)
    assert (exit_of_run(verdict) == CliExit.RED) == (verdict is RunVerdict.FAILED)


def test_a_run_without_a_verdict_is_pending():
    assert exit_of_run(None) is CliExit.PENDING


@pytest.mark.parametrize(
    "words", [["frob"], ["ps", "--limit", "none"], ["run"], ["serve", "--host", "0.0.0.0"]]
)
def test_wrong_words_are_one_error_and_one_next_command(words, capsys):
    assert main(words) == CliExit.USAGE
    lines = capsys.readouterr().err.strip().splitlines()
    assert lines[0].startswith("error: ")
    assert lines[-1].startswith("next:  hotfire")
    assert len(lines) == 2


def test_debug_shows_the_traceback_and_nothing_else_does(capsys):
    main(["run", "--debug"])
    assert "Traceback" in capsys.readouterr().err
    main(["run"])
    assert "Traceback" not in capsys.readouterr().err


def test_a_command_that_the_error_names_is_the_next_one():
    error = infra_errors.PlanRefusedError("the weights are missing; fetch them with `make setup`")
    assert explain(error).next_command == "make setup"


@pytest.mark.parametrize("words", [["run", "toy"], ["watch"]])
def test_a_negative_time_limit_is_refused_before_anything_starts(words, capsys):
    assert main([*words, "--timeout", "-5"]) == CliExit.USAGE
    assert "'--timeout'" in capsys.readouterr().err


def test_a_configuration_that_was_named_and_is_not_there_is_no_default(tmp_path):
    with pytest.raises(ConfigurationMissingError, match=r"\$HOTFIRE_CONFIG names .*none.yaml"):
        read_configuration(tmp_path / "none.yaml", must_exist=True)
    assert read_configuration(tmp_path / "none.yaml") == Configuration()
