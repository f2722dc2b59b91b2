"""`hotfire import …`: results that another tool has written."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Output(StrEnum):
    """How data is printed."""

    TABLE = "table"
    JSON = "json"


class ReportFormat(StrEnum):
    """What can be read; the reader's own list would cost its import on every start."""

    AUTO = "auto"
    JUNIT = "junit"
    GTEST_JSON = "gtest-json"
    TAP = "tap"
    REPORTLOG = "reportlog"
    GOOGLE_BENCHMARK = "google-benchmark"
    PYTEST_BENCHMARK = "pytest-benchmark"
    ASV = "asv"


def import_command(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Reports to import.")],
    format_: Annotated[
        ReportFormat, typer.Option("--format", help="Default: by the content of each file.")
    ] = ReportFormat.AUTO,
    pipeline: Annotated[str, typer.Option(help="Under which name the run is listed.")] = "import",
    platform: Annotated[str, typer.Option(help="Where the tests ran.")] = "imported",
    variant: Annotated[
        list[str] | None, typer.Option(metavar="AXIS=VALUE", help="A further planned axis.")
    ] = None,
    revision: Annotated[
        str | None, typer.Option(help="What was tested; default: this checkout's commit.")
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=METRIC", help="What a figure of a benchmark is, or `ignore`."),
    ] = None,
    merge_base: Annotated[
        str | None,
        typer.Option(metavar="REV", help="Where the change began; default: as git says here."),
    ] = None,
    gate: Annotated[
        list[str] | None,
        typer.Option(metavar="METRIC[=LOSS]", help="Red if it regressed by more; `*`: any."),
    ] = None,
    exonerate: Annotated[
        bool, typer.Option("--exonerate", help="What failed before the change does not block.")
    ] = False,
    output: Annotated[Output, typer.Option("-o", "--output", help="table or json.")] = Output.TABLE,
) -> int:
    """Import reports. Exit: 0 green, 1 not green, 2 refused. Example: hotfire import junit.xml"""
    from hotfire_infra.cli.verbs import import_reports as verb

    return verb.import_reports(
        verb.Wish(
            files=tuple(files),
            format=None if format_ is ReportFormat.AUTO else format_.value,
            pipeline=pipeline,
            platform=platform,
            variant=tuple(variant or ()),
            revision=revision,
            metrics=tuple(metric or ()),
            merge_base=merge_base,
            gates=tuple(gate or ()),
            exonerates=exonerate,
            as_json=output is Output.JSON,
        )
    )
