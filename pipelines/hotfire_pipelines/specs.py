"""The TaskSpec of a cell: what the runner will be told, with the plan's placeholders filled."""

import json
from collections.abc import Sequence

from hotfire_pipelines.catalogue import Execution
from hotfire_pipelines.cells import Cell
from hotfire_pipelines.edges import Links, inputs_of
from hotfire_pipelines.listing import listed_test
from hotfire_pipelines.placeholders import fill
from hotfire_pipelines.schema import Input, Role
from hotfire_pipelines.testlist_entries import TestEntry
from hotfire_testframework.contract.outcomes import Harness
from hotfire_testframework.contract.task import (
    InputOrigin,
    InputSpec,
    ModelFile,
    OutputSpec,
    ReportSpec,
    TaskOutput,
    TaskSpec,
    Timeouts,
)


def spec_of(
    cell: Cell, links: Links, lines: Sequence[str], entries: Sequence[TestEntry], run_s: float
) -> TaskSpec:
    """Build the spec of one task of a cell; `run_s` limits its run.

    `lines` are its case lines, `entries` what it runs of the cell's test list.
    """
    task = cell.definition
    values = _values(cell)
    is_test = task.role is Role.TEST
    # A native executable starts behind the launcher. pytest itself runs on the host and is told
    # the launcher as a JSON list, to put it before what it starts.
    is_launched = is_test and task.harness is not Harness.PYTEST
    setup = (*cell.platform.setup, *task.setup) if is_test else task.setup
    env = {**cell.platform.env, **task.env}
    for change in cell.overrides:
        env.update(change.env)
    return TaskSpec(
        harness=task.harness,
        setup=tuple(_argv(argv, values) for argv in setup),
        command=_argv(task.command, values),
        teardown=tuple(_argv(argv, values) for argv in task.teardown),
        env={name: fill(text, values) for name, text in sorted(env.items())},
        # A build runs on the host: compilers are not emulated.
        launcher=cell.platform.launcher if is_launched else (),
        emulated=is_launched and cell.platform.execution is Execution.EMULATED,
        inputs=tuple(_input(cell, item, links) for item in inputs_of(cell)),
        outputs=tuple(OutputSpec(name=item.name, path=item.path) for item in task.outputs),
        reports=tuple(ReportSpec(path=item.path, format=item.format) for item in task.reports),
        cases=tuple(lines),
        paths=_argv(task.paths, values),
        args=_argv(cell.args, values),
        tests=tuple(listed_test(entry) for entry in entries),
        timeouts=Timeouts(**{**cell.timeouts.model_dump(), "run_s": run_s}),
        module=task.cases.module if task.harness is Harness.CASES and task.cases else None,
        exclusive=task.exclusive,
        cpus=cell.cpus,
        memory_mib=task.memory_mib,
        retries=task.retries,
        tools=_tools(cell),
        secrets=task.secrets,
    )


def _tools(cell: Cell) -> tuple[str, ...]:
    """What the machine has and the plan cannot pin: observed with every attempt, for reuse."""
    needs = cell.requires
    packages = ("python",) if needs.python_modules else ()
    chains = tuple(f"toolchain:{name}" for name in needs.toolchains)
    return (*needs.executables, *chains, *packages)


def _values(cell: Cell) -> dict[str, str]:
    platform = cell.platform
    is_pytest = cell.definition.harness is Harness.PYTEST
    return {
        **({"launcher": json.dumps(platform.launcher)} if is_pytest else {}),
        "platform": cell.platform_name,
        "preset": platform.preset or cell.platform_name,
        "exe": platform.executable_suffix,
        "library": platform.library,
        **{f"axis:{axis}": value for axis, value in cell.axes.items()},
    }


def _argv(argv: Sequence[str], values: dict[str, str]) -> tuple[str, ...]:
    return tuple(fill(text, values) for text in argv)


def _input(cell: Cell, given: Input, links: Links) -> InputSpec:
    origin: InputOrigin = "source"
    if given.model is not None:
        origin = ModelFile(model=given.model)
    elif given.artifact is not None:
        maker = links.makers[cell.key, given.name]
        origin = TaskOutput(task=maker, artifact=given.artifact)
    return InputSpec(name=given.name, origin=origin)
