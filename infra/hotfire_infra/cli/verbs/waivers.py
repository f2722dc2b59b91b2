"""`hotfire waivers`: lint files of waivers, draft one from a `waives.txt` list."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from hotfire_infra.analysis.quantities import count
from hotfire_infra.cli.console import data, progress, table
from hotfire_infra.cli.exit_codes import CliExit
from hotfire_infra.cli.problems import CliError
from hotfire_infra.cli.session import open_session
from hotfire_infra.client.catalogue import DEFINITIONS, find_pipeline
from hotfire_infra.settings import find_checkout
from hotfire_pipelines.document import read_document
from hotfire_pipelines.load import load_pipeline
from hotfire_pipelines.plan import Plan
from hotfire_pipelines.schema import PIPELINE_SCHEMA
from hotfire_pipelines.waiver_draft import draft
from hotfire_pipelines.waivers import Remark, Waivers, load, read_waives_txt
from hotfire_pipelines.waives_txt import WaiveList

HEADER = ("PLACE", "KIND", "MESSAGE")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A waiver file, and the pipeline that names it where one was asked for."""

    waivers: Waivers
    pipeline: Path | None = None


def lint(what: str | None, *, as_json: bool) -> int:
    """Print what is wrong with waivers: 0 nothing that blocks, 1 something, 2 (by its errors).

    A list in text (`waives.txt`) is held against what an import would find in it.
    """
    if what is not None and Path(what).suffix == ".txt":
        return _lint_list(Path(what), as_json=as_json)
    found: list[tuple[str, Remark]] = []
    for target in _targets(what):
        plan = None if target.pipeline is None else _plan(target.pipeline)
        remarks = remarks_of(target.waivers, plan, _today())
        said = "nothing to correct" if not remarks else count(len(remarks), "finding")
        progress(f" {target.waivers.file}: {count(len(target.waivers.waivers), 'waiver')}, {said}")
        found += [(target.waivers.file, remark) for remark in remarks]
    if as_json:
        data(json.dumps([_document(*one) for one in found], ensure_ascii=False))
    elif found:
        rows = [(f"{file}:{one.line}", one.kind, one.message) for file, one in found]
        data(table(HEADER, rows, frozenset()))
    return CliExit.RED if any(one.blocks for _, one in found) else CliExit.OK


def _lint_list(file: Path, *, as_json: bool) -> int:
    found = read_waives_txt(file)
    progress(f" {found.file}: {count(len(found.waivers), 'waiver')}, {_tally(found)}")
    if as_json:
        rows = [{**asdict(one), "file": found.file, "blocks": True} for one in found.findings]
        data(json.dumps(rows, ensure_ascii=False))
    elif found.findings:
        cells = [(f"{found.file}:{one.line}", one.kind, one.message) for one in found.findings]
        data(table(HEADER, cells, frozenset()))
    return CliExit.RED if found.findings else CliExit.OK


def remarks_of(waivers: Waivers, plan: Plan | None, today: date) -> tuple[Remark, ...]:
    """Return what is wrong today; without a plan nobody knows which tests there are.

    A cell with no recorded inventory, or that leaves tests out, may hold what a waiver means.
    """
    if plan is None:
        return waivers.lint(today)
    expected = {cell.key: plan.expected(cell) for cell in plan.cells}
    tests = [(test, cell.variant) for cell in plan.cells for test in expected[cell.key] or ()]
    unsure = [c.variant for c in plan.cells if expected[c.key] is None or c.left_out]
    by_line = dict(zip(waivers.lines, waivers.waivers, strict=True))
    return tuple(
        remark
        for remark in waivers.lint(today, tests)
        if remark.kind != "matches-nothing"
        or not any(by_line[remark.line].covers_variant(variant) for variant in unsure)
    )


def import_list(file: Path, platforms: tuple[str, ...]) -> int:
    """Print what a list hides on stderr, and a draft of a waiver file on stdout."""
    found = read_waives_txt(file, platforms or None)
    for finding in found.findings:
        progress(f"   {found.file}:{finding.line}: {finding.kind}: {finding.message}")
    progress(f" {found.file}: {count(len(found.waivers), 'waiver')}, {_tally(found)}")
    progress(
        " owner, signature and expiry of each are open: fill them in, then hotfire waivers lint"
    )
    data(draft(found, _today()).rstrip("\n"))
    return CliExit.OK


def _tally(found: WaiveList) -> str:
    kinds = Counter(finding.kind for finding in found.findings)
    return ", ".join(f"{number} {kind}" for kind, number in sorted(kinds.items())) or "no findings"


def _targets(what: str | None) -> Iterator[Target]:
    if what is None:
        yield from _all_targets(find_checkout(Path.cwd()) / DEFINITIONS)
        return
    is_file = Path(what).suffix in (".yaml", ".yml")
    path = Path(what) if is_file else find_pipeline(find_checkout(Path.cwd()) / DEFINITIONS, what)
    if not _is_pipeline(path):
        yield Target(waivers=load(path))
        return
    waivers = load_pipeline(path).waivers
    if waivers is None:
        raise CliError(
            f"{path} names no waiver file; add `waivers: FILE` to it",
            next_command="hotfire config schema pipeline",
        )
    yield Target(waivers=waivers, pipeline=path)


def _all_targets(folder: Path) -> Iterator[Target]:
    named = 0
    for path in sorted(folder.glob("*.yaml")):
        if _is_pipeline(path) and (waivers := load_pipeline(path).waivers) is not None:
            named += 1
            yield Target(waivers=waivers, pipeline=path)
    if not named:
        progress(f" no pipeline in {folder} names a waiver file")


def _is_pipeline(path: Path) -> bool:
    value = read_document(path).value
    return isinstance(value, Mapping) and value.get("schema") == PIPELINE_SCHEMA


def _plan(pipeline: Path) -> Plan:
    with open_session() as session:
        return session.client.plan(pipeline)


def _document(file: str, remark: Remark) -> dict[str, object]:
    return {
        "file": file,
        "line": remark.line,
        "kind": remark.kind,
        "blocks": remark.blocks,
        "message": remark.message,
    }


def _today() -> date:
    return datetime.now(UTC).date()
