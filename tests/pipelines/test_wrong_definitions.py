"""What an author can get wrong: one error, with file, line, column, value and remedy."""

from collections.abc import Callable
from pathlib import Path

import pytest

from hotfire_pipelines.catalogue import load_platforms
from hotfire_pipelines.cells import expand_cells
from hotfire_pipelines.edges import link
from hotfire_pipelines.errors import PipelineError
from hotfire_pipelines.load import load_pipeline

PIPELINE = """\
schema: hotfire.dev/pipeline/1
name: small
axes:
  platform:
    values: [pc, board]
  build_type:
    values: [release, debug]
    default: release
required:
  board: when-available
models:
  tiny: {package: tiny, sha256: abababababababababababababababababababababababababababababababab}
tasks:
  build:
    harness: command
    matrix:
      platform: [pc, board]
    command: [make]
    outputs:
      - {name: out.tar.gz, path: out}
  test:
    harness: gtest
    needs: [build]
    matrix:
      platform: [pc]
      exclude:
        - {platform: board}
    command: ["{input:out}/test"]
    inputs:
      - {name: out, task: build, artifact: out.tar.gz}
      - {name: model, model: tiny}
"""

# (what is replaced, by what, line:column of the error, fact in the message, remedy in the message)
WRONG_PIPELINES = [
    ("path: out}", "path: ../out}", "20:28", "'../out' leaves the work", "name a path below it"),
    ("path: out}", "path: /out}", "20:28", "'/out' leaves the work", "name a path below it"),
    ("command: [make]", "command: [make]\n    setup: [[]]", "19:13", "[] is refused", "docs"),
    ("command: [make]", "command: [make]\n    env: {A B: c}", "19:16", "env.A B", "letters"),
    ("harness: gtest", "harnes: gtest", "22:5", "unknown key 'harnes' in tasks.test", "'harness'"),
    ("pipeline/1", "pipeline/9", "1:9", "'hotfire.dev/pipeline/9' is not one of", "'hotfire.dev"),
    ("harness: gtest", "harness: gtst", "22:14", "'gtst' is not one of", "Did you mean 'gtest'?"),
    (
        "      platform: [pc]\n",
        "      platfrom: [pc]\n",
        "25:7",
        "unknown axis 'platfrom'",
        "'platform'",
    ),
    ("platform: [pc]\n", "platform: [pcc]\n", "25:18", "'pcc' is no value of axis", "mean 'pc'?"),
    (
        "platform: [pc]\n",
        "platform: []\n",
        "25:17",
        "axis 'platform' of task 'test' has no",
        "List",
    ),
    ("platform: [pc]\n", "platform: [board]\n", "24:5", "'test' expands to no cell", "exclude"),
    ("platform: [pc]\n", "platform: [pc, pc]\n", "25:22", "'pc' is listed twice", "Remove one"),
    ("platform: [pc]\n", "platform: pc\n", "25:17", "'pc' is refused", "Write a list: [pc]"),
    ("platform: [pc]\n", "build_type: [debug]\n", "24:5", "a cell without a platform", "Name a"),
    ("{platform: board}", "{platform: bord}", "27:22", "'bord' is no value of axis", "'board'"),
    ("{platform: board}", "{plat: board}", "27:12", "unknown axis 'plat'", "'platform'"),
    ("needs: [build]", "needs: [bild]", "23:13", "needs the unknown task 'bild'", "'build'"),
    ("needs: [build]", "needs: [test]", "21:3", "wait for each other: test → test", "Remove one"),
    ("task: build", "task: biuld", "30:27", "reads from the unknown task 'biuld'", "'build'"),
    ("artifact: out.tar.gz", "artifact: out.zip", "30:44", "no output 'out.zip'", "'out.tar.gz'"),
    ("model: tiny}", "model: tny}", "31:30", "unknown model 'tny'", "'tiny'"),
    ("name: model", "name: out", "31:16", "two inputs named 'out'", "Rename one"),
    ("task: build, artifact: out.tar.gz", "task: build", "30:9", "go together", "docs/formats"),
    ("{input:out}/test", "{input:uot}/test", "28:15", "placeholder '{input:uot}'", "'input:out'"),
    ("[release, debug]", "[release, 12]", "7:23", "12 is refused", "Write it in quotes: '12'"),
    ("default: release", "default: relase", "8:14", "'relase' is no value", "'release'"),
    ("  board: when-available", "  bord: when-available", "10:3", "platform 'bord'", "'board'"),
    ("when-available", "sometimes", "10:10", "'sometimes' is not one of always", "always"),
    ("  build_type:\n", "  execution:\n", "6:3", "'execution' follows from", "Remove it"),
    ("    command: [make]\n", "", "14:3", "needs a `command:`", "docs/formats"),
    (
        "harness: gtest",
        "harness: gtest\n    shards: 2",
        "21:3",
        "only `cases:` and a list of `tests:`",
        "docs",
    ),
    ("name: small\n", "", "1:1", "the key 'name' is missing", "Add `name:`"),
    ("  platform:\n    values: [pc, board]\n", "", "3:1", "axis 'platform' is not declared", "Add"),
    ("name: small", "name: 'a|b'", "2:7", "'a|b' is refused", "Use letters"),
    (
        "[pc, board]\n  build_type",
        "[pc, bored]\n  build_type",
        "10:3",
        "platform 'board'",
        "'bored'",
    ),
]

PLATFORMS = """\
schema: hotfire.dev/platforms/1
platforms:
  pc:
    dimensions: {os: linux}
    reach: [local]
  board:
    dimensions: {os: l4t}
    execution: emulated
    launcher: [qemu]
    reach: [local]
"""

WRONG_PLATFORMS = [
    ("launcher: [qemu]", "lancher: [qemu]", "9:5", "unknown key 'lancher'", "'launcher'"),
    ("    launcher: [qemu]\n", "", "8:16", "'board' is emulated but has no launcher", "Add `laun"),
    ("execution: emulated", "execution: emulatd", "8:16", "'emulatd' is not one of", "'emulated'"),
    ("launcher: [qemu]", "built_as: pcc\n    launcher: [q]", "9:15", "'pcc', which is not", "'pc'"),
    ("    reach: [local]\n  board", "    reach: []\n  board", "5:12", "[] is refused", "docs"),
    ("{os: linux}", "{os: 7}", "4:22", "7 is refused", "in quotes: '7'"),
    ("launcher: [qemu]", "price: 0\n    launcher: [q]", "9:12", "price: 0 is refused", "docs"),
    (
        "launcher: [qemu]",
        "price: '3'\n    launcher: [q]",
        "9:12",
        "'3' is refused",
        "without quotes",
    ),
    ("launcher: [qemu]", "prize: 3\n    launcher: [q]", "9:5", "unknown key 'prize'", "'price'"),
]


@pytest.fixture
def catalogue_file(tmp_path: Path) -> Path:
    path = tmp_path / "platforms.yaml"
    path.write_text(PLATFORMS)
    return path


def test_the_example_itself_is_right(
    yaml_file: Callable[[str], Path], catalogue_file: Path
) -> None:
    pipeline = load_pipeline(yaml_file(PIPELINE))
    assert len(expand_cells(pipeline, load_platforms(catalogue_file))) == 3


@pytest.mark.parametrize(("old", "new", "place", "fact", "remedy"), WRONG_PIPELINES)
def test_a_wrong_pipeline_gets_one_clear_error(
    yaml_file: Callable[[str], Path],
    catalogue_file: Path,
    old: str,
    new: str,
    place: str,
    fact: str,
    remedy: str,
) -> None:
    path = yaml_file(_replace(PIPELINE, old, new))
    with pytest.raises(PipelineError) as caught:
        expand_cells(load_pipeline(path), load_platforms(catalogue_file))
    _check(str(caught.value), f"{path}:{place}: ", fact, remedy)


@pytest.mark.parametrize(("old", "new", "place", "fact", "remedy"), WRONG_PLATFORMS)
def test_a_wrong_catalogue_gets_one_clear_error(
    yaml_file: Callable[[str], Path], old: str, new: str, place: str, fact: str, remedy: str
) -> None:
    path = yaml_file(_replace(PLATFORMS, old, new))
    with pytest.raises(PipelineError) as caught:
        load_platforms(path)
    _check(str(caught.value), f"{path}:{place}: ", fact, remedy)


def test_a_platform_that_the_catalogue_does_not_have_is_named(
    yaml_file: Callable[[str], Path], catalogue_file: Path
) -> None:
    path = yaml_file(PIPELINE.replace("board", "boards"))
    with pytest.raises(PipelineError) as caught:
        expand_cells(load_pipeline(path), load_platforms(catalogue_file))
    _check(str(caught.value), f"{path}:5:18: ", "unknown platform 'boards'", "mean 'board'?")


def test_a_platform_without_the_needed_build_is_named(
    yaml_file: Callable[[str], Path], catalogue_file: Path
) -> None:
    path = yaml_file(PIPELINE.replace("platform: [pc, board]", "platform: [board]"))
    pipeline = load_pipeline(path)
    with pytest.raises(PipelineError) as caught:
        link(pipeline, expand_cells(pipeline, load_platforms(catalogue_file)))
    _check(str(caught.value), f"{path}:23:13: ", "'test' on pc needs 'build' on pc", "Add pc")


def test_a_file_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=r"nowhere\.yaml:1:1: cannot read the file"):
        load_pipeline(tmp_path / "nowhere.yaml")


def test_the_first_of_several_problems_is_the_error(yaml_file: Callable[[str], Path]) -> None:
    text = PIPELINE.replace("harness: gtest", "harnes: gtest").replace("name: small", "nam: small")
    with pytest.raises(PipelineError, match=r"written\.yaml:2:1: unknown key 'nam' in the file"):
        load_pipeline(yaml_file(text))


def test_a_longer_cycle_is_drawn(yaml_file: Callable[[str], Path]) -> None:
    text = PIPELINE.replace("    harness: command", "    needs: [test]\n    harness: command")
    with pytest.raises(PipelineError, match=r"build → test → build"):
        load_pipeline(yaml_file(text))


def test_every_error_maps_to_the_usage_exit_code() -> None:
    assert PipelineError.exit_code == 2


def _replace(text: str, old: str, new: str) -> str:
    assert text.count(old) >= 1, f"the example no longer contains {old!r}"
    return text.replace(old, new, 1)


def _check(message: str, start: str, fact: str, remedy: str) -> None:
    assert message.startswith(start), message
    assert fact in message
    assert remedy in message.split(fact, 1)[1], message
    assert "\n" not in message
