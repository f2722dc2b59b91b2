"""The command tree: what can be typed, with its help; each verb is imported when it is used."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, NoReturn

import typer

from hotfire_infra.cli.trees import (
    changes,
    db,
    devices,
    importing,
    lists,
    quarantine,
    results,
    schedules,
    tokens,
    waivers,
)
from hotfire_infra.states import Priority

EPILOG = "Examples:  hotfire run pre-merge    hotfire show latest    hotfire repro TEST"

app = typer.Typer(
    name="hotfire",
    help="Test a deep-learning library on every platform it ships for. " + EPILOG,
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
config = typer.Typer(
    help="Look at what this machine offers, and at file formats.", no_args_is_help=True
)
app.add_typer(config, name="config")
serving = typer.Typer(invoke_without_command=True)
app.add_typer(serving, name="serve")
serving.add_typer(db.tree, name="db")
app.add_typer(tokens.tree, name="tokens")
app.add_typer(results.tree, name="results")
app.add_typer(devices.tree, name="devices")
app.add_typer(schedules.tree, name="schedules")
app.add_typer(schedules.holds, name="holds")
app.add_typer(waivers.tree, name="waivers")
app.add_typer(lists.tree, name="lists")
app.add_typer(changes.tree, name="changes")
app.add_typer(quarantine.tree, name="quarantine")
app.command("import")(importing.import_command)


class Output(StrEnum):
    """How data is printed."""

    TABLE = "table"
    JSON = "json"


class PlanOutput(StrEnum):
    """How a plan, or the platforms, are printed."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"
    KUEUE = "kueue"


class Sought(StrEnum):
    """What a bisection is about."""

    FAILURE = "failure"
    FLAKE = "flake"
    PERFORMANCE = "performance"
    ACCURACY = "accuracy"


class Format(StrEnum):
    """Files that people write."""

    PIPELINE = "pipeline"
    PLATFORMS = "platforms"
    WAIVERS = "waivers"
    TESTLISTS = "testlists"
    SERVICE = "service"


class Colour(StrEnum):
    """When colour is used; NO_COLOR and CLICOLOR_FORCE are obeyed under `auto`."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


RunRef = Annotated[str, typer.Argument(metavar="RUN", help="Number, id, prefix of it, or latest.")]
SinceOption = Annotated[
    str | None,
    typer.Option(metavar="REV", help="Only what changed since the merge base with it."),
]
OutputOption = Annotated[Output, typer.Option("-o", "--output", help="table or json.")]


@app.callback()
def options(
    color: Annotated[Colour, typer.Option(help="auto, always or never.")] = Colour.AUTO,
    debug: Annotated[bool, typer.Option(help="Show the traceback of an error.")] = False,
    server: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Talk to this service; default $HOTFIRE_SERVER."),
    ] = None,
) -> None:
    """Test a deep-learning library on every platform it ships for."""
    from hotfire_infra.cli import console

    del debug  # `main` has read it already: errors can come before this point.
    console.choose_colour(color.value)
    if server is not None:
        from hotfire_infra.settings import choose_server

        choose_server(server)


@app.command()
def run(
    pipeline: Annotated[
        str | None, typer.Argument(metavar="[PIPELINE]", help="Name or file of a pipeline.")
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait/--detach", help="Follow the run to its verdict, or return.")
    ] = True,
    resume: Annotated[bool, typer.Option(help="Go on with what was interrupted.")] = False,
    plan: Annotated[str | None, typer.Option(metavar="FILE", help="Run a saved plan.")] = None,
    dry_run: Annotated[bool, typer.Option(help="Show the plan and start nothing.")] = False,
    timeout: Annotated[
        float | None, typer.Option(min=0, metavar="SECONDS", help="Stop following after this time.")
    ] = None,
    reuse: Annotated[
        bool | None,
        typer.Option("--reuse/--no-reuse", help="Take over equal results, or redo all."),
    ] = None,
    untrusted: Annotated[
        bool, typer.Option("--untrusted", help="Plan by the target branch; give no secrets.")
    ] = False,
    priority: Annotated[Priority | None, typer.Option(help="Class in the queue.")] = None,
    team: Annotated[str | None, typer.Option(help="Whose share of the machines it uses.")] = None,
    change: Annotated[
        str | None, typer.Option(metavar="BRANCH", help="Ends older runs of the same change.")
    ] = None,
    hold: Annotated[
        str | None, typer.Option(metavar="TIME", help="Keep a failed machine: 30m, 2h.")
    ] = None,
    changed_since: SinceOption = None,
    only: Annotated[
        str | None, typer.Option(metavar="WORDS", help="Only tests whose name holds this.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Run it beyond the budget, too.")] = False,
    output: OutputOption = Output.TABLE,
) -> int:
    """Run a pipeline. Exit: 0 passed, 1 red, 3 no answer. Example: hotfire run pre-merge"""
    from hotfire_infra.cli.verbs import run as verb

    return verb.run(
        verb.Wish(
            pipeline=pipeline,
            plan_file=plan,
            wait=wait,
            resume=resume,
            dry_run=dry_run,
            timeout_seconds=timeout,
            as_json=output is Output.JSON,
            reuse=reuse,
            is_trusted=not untrusted,
            since=changed_since,
            only=only,
            may_exceed=yes,
            order=verb.order_of(priority, team, change, hold),
        )
    )


@app.command()
def plan(
    pipeline: Annotated[
        str | None,
        typer.Argument(
            metavar="[PIPELINE|PLAN.json|platforms]",
            help="Default: pre-merge. Or a saved plan, or the word platforms: the catalogue.",
        ),
    ] = None,
    changed_since: SinceOption = None,
    explain: Annotated[
        str | None,
        typer.Option(metavar="CELL|TEST", help="Why is it in the plan, or not?"),
    ] = None,
    diff: Annotated[
        str | None,
        typer.Option(metavar="OLD.json|RUN", help="What differs from a saved plan or a run's."),
    ] = None,
    without_quarantined: Annotated[
        bool, typer.Option(help="Of platforms: take devices in quarantine off Kueue's quotas.")
    ] = False,
    output: Annotated[
        PlanOutput,
        typer.Option("-o", "--output", help="table or json; of platforms also yaml or kueue."),
    ] = PlanOutput.TABLE,
) -> int:
    """Show what a run would do, and start nothing. Example: hotfire plan pre-merge -o json"""
    from hotfire_infra.cli.verbs import plan as verb

    if pipeline == "platforms":
        from hotfire_infra.cli.verbs import plan_platforms

        plan_platforms.check_alone(changed_since, explain, diff)
        return plan_platforms.plan_platforms(output.value, without_quarantined=without_quarantined)
    verb.check_output(output.value, without_quarantined=without_quarantined)
    return verb.plan(
        verb.PlanWish(
            pipeline=pipeline,
            since=changed_since,
            explain=explain,
            diff=diff,
            as_json=output is PlanOutput.JSON,
        )
    )


@app.command()
def ps(
    limit: Annotated[int, typer.Option(min=1, max=500, help="How many runs.")] = 20,
    output: OutputOption = Output.TABLE,
) -> int:
    """List runs, newest first. Example: hotfire ps --limit 5"""
    from hotfire_infra.cli.verbs import ps as verb

    return verb.ps(limit, as_json=output is Output.JSON)


@app.command()
def show(
    what: Annotated[
        str, typer.Argument(metavar="RUN|latest|CELL|TEST|SERIES", help="What to show.")
    ] = "latest",
    run: Annotated[str, typer.Option(help="The run of a cell or test.")] = "latest",
    output: OutputOption = Output.TABLE,
) -> int:
    """Show a run, a cell, a test or a series. Example: hotfire show latest -o json"""
    from hotfire_infra.cli.verbs import show as verb

    return verb.show(what, run, as_json=output is Output.JSON)


@app.command()
def watch(
    run: RunRef = "latest",
    timeout: Annotated[
        float | None, typer.Option(min=0, metavar="SECONDS", help="Stop following after this time.")
    ] = None,
) -> int:
    """Follow a run to its verdict; the exit code is the run's. Example: hotfire watch 12"""
    from hotfire_infra.cli.verbs import watch as verb

    return verb.watch(run, timeout)


@app.command()
def logs(
    run: RunRef = "latest",
    cell: Annotated[str | None, typer.Argument(help="Key of a cell, or a part of it.")] = None,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on as it grows.")] = False,
    tail: Annotated[
        int | None, typer.Option(min=0, metavar="LINES", help="Only the last lines.")
    ] = None,
    stderr: Annotated[bool, typer.Option("--stderr", help="The other stream.")] = False,
) -> int:
    """Print the output of a run's newest attempt. Example: hotfire logs latest kernels -f"""
    from hotfire_infra.cli.verbs import logs as verb

    return verb.logs(run, cell, follow=follow, tail=tail, stream="stderr" if stderr else "stdout")


@app.command()
def cancel(
    run: RunRef,
    reason: Annotated[str, typer.Option(help="Why.")] = "cancelled on request",
) -> int:
    """Ask for the end of a run; results so far are kept. Example: hotfire cancel 12"""
    from hotfire_infra.cli.verbs import cancel as verb

    return verb.cancel(run, reason)


@app.command()
def retry(
    run: RunRef,
    wait: Annotated[bool, typer.Option("--wait/--detach", help="Follow it, or return.")] = True,
    everything: Annotated[
        bool, typer.Option("--all", help="Execute all again, not only what did not pass.")
    ] = False,
) -> int:
    """Run again, as a child run, what did not pass in a run. Example: hotfire retry 12"""
    from hotfire_infra.cli.verbs import retry as verb

    return verb.retry(run, wait=wait, everything=everything)


@app.command()
def repro(
    what: Annotated[str, typer.Argument(metavar="TEST|CELL", help="What to reproduce.")],
    run: Annotated[str, typer.Option(help="The run it ran in.")] = "latest",
    platform: Annotated[str | None, typer.Option(help="Where a test ran on several.")] = None,
    execute: Annotated[bool, typer.Option("--exec", help="Execute it, do not print it.")] = False,
) -> int:
    """Print the exact command of a test or cell. Example: hotfire repro TEST --exec"""
    from hotfire_infra.cli.verbs import repro as verb

    return verb.repro(what, run, platform, execute=execute)


@app.command()
def confirm(
    what: Annotated[str, typer.Argument(metavar="CHANGE|RUN", help="Whose regression is doubted.")],
    budget: Annotated[
        float, typer.Option(min=1, max=1440, metavar="MINUTES", help="Of the machine.")
    ] = 30.0,
    wait: Annotated[bool, typer.Option("--wait/--detach", help="Follow it, or return.")] = True,
    output: OutputOption = Output.TABLE,
) -> int:
    """Rerun suspect and parent until sure. Exit: 1 confirmed, 0 refuted. Example: hotfire confirm 12"""
    from hotfire_infra.cli.verbs import confirm as verb

    return verb.confirm(what, budget, wait=wait, as_json=output is Output.JSON)


@app.command()
def bisect(
    what: Annotated[str, typer.Argument(metavar="TEST|SERIES|CHANGE", help="What went wrong.")],
    good: Annotated[
        str | None, typer.Option(metavar="REV", help="A commit at which it was well.")
    ] = None,
    bad: Annotated[str, typer.Option(metavar="REV", help="A commit at which it is not.")] = "HEAD",
    kind: Annotated[
        Sought | None, typer.Option(help="Default: performance of a series, else failure.")
    ] = None,
    task: Annotated[str, typer.Option(help="Accuracy task, where the test runs several.")] = "",
    variant: Annotated[
        list[str] | None, typer.Option(metavar="AXIS=VALUE", help="Where it ran in several.")
    ] = None,
    false_fail: Annotated[
        float | None,
        typer.Option(min=0, max=0.49, help="How often it fails by chance; default: its history."),
    ] = None,
    false_pass: Annotated[
        float | None, typer.Option(min=0, max=0.98, help="How often it passes though broken.")
    ] = None,
    max_runs: Annotated[int, typer.Option(min=1, help="Give up after so many.")] = 60,
    output: OutputOption = Output.TABLE,
) -> int:
    """Find the commit that did it. Example: hotfire bisect TEST --good v1.2 --bad main"""
    from hotfire_infra.cli.verbs import bisect as verb

    return verb.bisect(
        verb.Wish(
            what=what,
            good=good,
            bad=bad,
            kind="" if kind is None else kind.value,
            task=task,
            variant=tuple(variant or ()),
            false_fail=false_fail,
            false_pass=false_pass,
            most_runs=max_runs,
            as_json=output is Output.JSON,
        )
    )


@app.command()
def compare(
    before: Annotated[
        str, typer.Argument(metavar="A", help="The earlier run, or merge-base: where B began.")
    ],
    after: Annotated[str, typer.Argument(metavar="[B]", help="The later run.")] = "latest",
    show_all: Annotated[bool, typer.Option("--all", help="Also what did not change.")] = False,
    output: OutputOption = Output.TABLE,
) -> int:
    """Compare two runs. Exit: 0 no worse, 1 worse, 6 cannot say. Example: hotfire compare 11 12"""
    from hotfire_infra.cli.verbs import compare as verb

    return verb.compare(before, after, show_all=show_all, as_json=output is Output.JSON)


@serving.callback()
def serve(
    context: typer.Context,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 picks a free one.")] = 8321,
    host: Annotated[
        str, typer.Option(help="Beyond loopback only with sign-in configured.")
    ] = "127.0.0.1",
    execute: Annotated[
        bool, typer.Option("--execute/--no-execute", help="Carry runs out, or only serve.")
    ] = True,
) -> int:
    """Serve API and dashboard, and carry runs out. Example: hotfire serve --port 8321"""
    if context.invoked_subcommand is not None:
        return 0
    from hotfire_infra.cli.verbs import serve as verb

    return verb.serve(host, port, executes=execute)


@app.command()
def audit(
    actor: Annotated[str | None, typer.Option(help="token:NAME, user:SUBJECT, …")] = None,
    action: Annotated[str | None, typer.Option(help="Beginning of the action.")] = None,
    outcome: Annotated[str | None, typer.Option(help="allowed, denied or failed.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="How many lines.")] = 50,
    output: OutputOption = Output.TABLE,
) -> int:
    """Say who did what, and who was refused. Example: hotfire audit --outcome denied"""
    from hotfire_infra.cli.verbs import tokens as verb
    from hotfire_infra.store.audit import AuditFilter

    wanted = AuditFilter(actor=actor, action=action, outcome=outcome)
    return verb.audit(wanted, limit, as_json=output is Output.JSON)


@config.command()
def doctor(output: OutputOption = Output.TABLE) -> int:
    """Say what this machine can execute, and why not. Example: hotfire config doctor"""
    from hotfire_infra.cli.verbs import doctor as verb

    return verb.doctor(as_json=output is Output.JSON)


@config.command()
def schema(
    name: Annotated[
        Format, typer.Argument(metavar="[FORMAT]", help="pipeline, platforms, waivers or service.")
    ] = Format.PIPELINE,
) -> int:
    """Print the JSON Schema of a file, for editors. Example: hotfire config schema pipeline"""
    from hotfire_infra.cli.verbs import schema as verb

    return verb.schema(name.value)


def main(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code; no error leaves this function."""
    debug = "--debug" in arguments
    rest = [argument for argument in arguments if argument != "--debug"]
    try:
        return int(app(rest, prog_name="hotfire", standalone_mode=False) or 0)
    except BrokenPipeError:
        # The reader of our output is gone (`| head`): nothing is wrong, nothing more to say.
        sys.stderr.close()
        return 0
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the one place that maps all
        from hotfire_infra.cli.console import report_problem
        from hotfire_infra.cli.problems import explain

        if debug:
            import traceback

            traceback.print_exc()
        return report_problem(explain(error))


def run_cli() -> NoReturn:
    """Entry point of the `hotfire` script."""
    sys.exit(main(sys.argv[1:]))


if __name__ == "__main__":
    run_cli()
