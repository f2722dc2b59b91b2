"""Pipelines of several files, and values that are named by their place in an axis."""

from pathlib import Path

import pytest

from hotfire_pipelines.aliases import resolve
from hotfire_pipelines.errors import AliasError, PipelineError
from hotfire_pipelines.load import load_pipeline
from hotfire_pipelines.schema import Axis

TASK = "  {}: {{harness: command, command: [x], matrix: {{platform: [pc]}}}}\n"
MAIN = "schema: hotfire.dev/pipeline/1\nname: main\ninclude: [%s]\ntasks:\n" + TASK.format("own")
CUDA = Axis(values=("11.8", "12.4", "12.10", "13.0"), ordered=True)


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / f"{name.replace('__', '/')}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return folder / "main.yaml"


def test_included_files_add_their_axes_and_tasks(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        main=MAIN % ("axes.yaml, parts/tasks.yaml"),
        axes="axes:\n  platform: {values: [pc]}\n",
        parts__tasks="include: [more.yaml]\ntasks:\n" + TASK.format("second"),
        parts__more="include: [../axes.yaml]\ntasks:\n" + TASK.format("third"),
    )
    assert set(load_pipeline(path).tasks) == {"own", "second", "third"}


SELECTION = """\
selection:
  paths-ignore: ["docs/**"]
  rules:
    - {paths: ["src/**"], tasks: [own]}
  coverage: {native: [own]}
"""
MORE = """\
axes:
  platform: {values: [pc]}
selection:
  paths-ignore: ["**.md"]
  rules:
    - {paths: ["lib/**"], tasks: [own]}
    - {paths: ["bin/**"], tasks: [TASK]}
  always: [own]
  coverage: {SUITE: [own]}
"""


def test_selections_of_several_files_go_on_behind_each_other(tmp_path: Path) -> None:
    part = MORE.replace("TASK", "own").replace("SUITE", "python")
    path = write(tmp_path, main=MAIN % "more.yaml" + SELECTION, more=part)
    found = load_pipeline(path).definition.selection
    assert found is not None
    assert found.paths_ignore == ("docs/**", "**.md")
    assert [rule.paths for rule in found.rules] == [("src/**",), ("lib/**",), ("bin/**",)]
    assert (found.always, set(found.coverage)) == (("own",), {"native", "python"})
    alone = load_pipeline(write(tmp_path, main=MAIN % "more.yaml", more=part))
    assert alone.definition.selection is not None
    assert len(alone.definition.selection.rules) == 2


@pytest.mark.parametrize(
    ("task", "suite", "words"),
    [
        ("onw", "python", r"more\.yaml:7:35: the selection names the unknown task 'onw'"),
        ("own", "native", r"more\.yaml:9:14: selection\.coverage\.native is declared twice"),
    ],
)
def test_a_mistake_in_an_included_selection_is_told_with_its_place(
    tmp_path: Path, task: str, suite: str, words: str
) -> None:
    part = MORE.replace("TASK", task).replace("SUITE", suite)
    with pytest.raises(PipelineError, match=words):
        load_pipeline(write(tmp_path, main=MAIN % "more.yaml" + SELECTION, more=part))


def test_a_mistake_in_an_included_file_is_told_with_that_file(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        main=MAIN % ("axes.yaml, tasks.yaml"),
        axes="axes:\n  platform: {values: [pc]}\n",
        tasks="tasks:\n  b:\n    harness: comand\n    command: [x]\n    matrix: {platform: [pc]}\n",
    )
    with pytest.raises(PipelineError, match=r"tasks\.yaml:3:14: tasks\.b\.harness: 'comand'"):
        load_pipeline(path)


def test_a_link_that_leaves_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "outside.yaml").write_text("tasks: {}\n")
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "link.yaml").symlink_to(tmp_path / "outside.yaml")
    with pytest.raises(PipelineError, match=r"'link\.yaml' leaves the folder of the pipeline"):
        load_pipeline(write(inside, main=MAIN % ("link.yaml")))


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (["minmax"], ("11.8", "13.0")),
        (["12.X"], ("12.10",)),
        (["12.X", "minmax", "12.10"], ("12.10", "11.8", "13.0")),
        (["12.4"], ("12.4",)),
    ],
)
def test_an_alias_means_values_of_its_axis(written: list[str], meant: tuple[str, ...]) -> None:
    assert resolve("cuda", CUDA, written) == meant


def test_a_declared_value_is_never_an_alias() -> None:
    axis = Axis(values=("minmax", "12.X", "12.1"))
    assert resolve("mode", axis, ["minmax", "12.X"]) == ("minmax", "12.X")


def test_an_alias_without_answer_is_refused() -> None:
    with pytest.raises(AliasError, match=r"'14\.X' matches no value of axis 'cuda'"):
        resolve("cuda", CUDA, ["14.X"])
    with pytest.raises(AliasError, match=r"needs an order"):
        resolve("mode", Axis(values=("a", "b")), ["minmax"])


def test_aliases_are_values_before_anything_is_planned(tmp_path: Path) -> None:
    text = (
        "schema: hotfire.dev/pipeline/1\nname: main\naxes:\n  platform: {values: [pc]}\n"
        "  cuda: {values: ['11.8', '12.4', '12.10', '13.0'], ordered: true}\ntasks:\n  a:\n"
        "    harness: command\n    command: [x]\n    matrix:\n      platform: [pc]\n"
        "      cuda: [minmax, 12.X]\n      exclude: [{cuda: 12.X}]\n"
    )
    matrix = load_pipeline(write(tmp_path, main=text)).tasks["a"].matrix
    assert matrix.axes["cuda"] == ("11.8", "13.0", "12.10")
    assert matrix.exclude == ({"cuda": "12.10"},)


@pytest.mark.parametrize("name", ["x" * 300 + ".yaml", "x" * 300 + "/y.yaml"])
@pytest.mark.parametrize("where", ["include", "waivers", "list"])
def test_a_file_whose_name_no_system_takes_is_not_there(
    tmp_path: Path, name: str, where: str
) -> None:
    text = MAIN % (name if where == "include" else "axes.yaml")
    if where == "waivers":
        text += f"waivers: {name}\n"
    if where == "list":
        pytest_task = (
            "  own: {harness: pytest, matrix: {platform: [pc]}, paths: [x],"
            f" tests: {{list: {name}}}}}\n"
        )
        text = text.replace(TASK.format("own"), pytest_task)
    path = write(tmp_path, main=text, axes="axes:\n  platform: {values: [pc]}\n")
    with pytest.raises(PipelineError, match=f"there is no .*{'x' * 200}|there is no file 'y.yaml'"):
        load_pipeline(path)
