"""`hotfire import`: reports of other tools become a run."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hotfire_infra.analysis.report import run_document
from hotfire_infra.cli.console import data, progress
from hotfire_infra.cli.exit_codes import CliExit, exit_of_run
from hotfire_infra.cli.following import follow
from hotfire_infra.cli.problems import CliError
from hotfire_infra.cli.session import Session, open_session
from hotfire_infra.errors import SourceError
from hotfire_infra.ingest.formats.figures import read_mapping
from hotfire_infra.ingest.formats.values import Format
from hotfire_infra.ingest.importing import Imported
from hotfire_infra.orchestrator.importing import ImportOutcome, ImportWish
from hotfire_infra.settings import find_checkout
from hotfire_infra.source.merge_base import MergeBase, commit_of, merge_base_at
from hotfire_infra.source.stamp import StoredSource, read_stamp
from hotfire_testframework.contract.metrics import METRICS

UNKNOWN = "unknown"
_HELP = "hotfire import --help"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What was typed."""

    files: tuple[Path, ...]
    format: str | None
    pipeline: str
    platform: str
    variant: tuple[str, ...]
    revision: str | None
    metrics: tuple[str, ...]
    as_json: bool
    merge_base: str | None = None
    gates: tuple[str, ...] = ()
    exonerates: bool = False


def import_reports(wish: Wish) -> int:
    """Carry out one `hotfire import`: 0 green, 1 not green, 2 (by its errors) refused."""
    axes, metrics, gates = _axes(wish.variant), read_mapping(wish.metrics), _gates(wish.gates)
    tested = _tested(wish.revision)
    source, base = tested.source, _base(tested, wish.merge_base)
    with open_session() as session:
        progress(f" import  {len(wish.files)} × {wish.pipeline} @ {source.revision[:12]}")
        outcome = session.client.import_reports(
            ImportWish(
                files=wish.files,
                source=source,
                requested_by=session.settings.user,
                format=None if wish.format is None else Format(wish.format),
                pipeline=wish.pipeline,
                platform=wish.platform,
                variant=axes,
                metrics=metrics,
                base=base,
                checkout=tested.checkout,
                gates=gates,
                exonerates=wish.exonerates,
            )
        )
        _tell(outcome)
        if outcome.run_number is None:
            return _known(session, outcome, as_json=wish.as_json)
        code = follow(session, str(outcome.run_number), as_json=wish.as_json)
    return _exit(code)


def _exit(code: int) -> int:
    """A report with errors, or one that breaks off, is not green; an import has no third answer."""
    return CliExit.RED if code == CliExit.INFRASTRUCTURE else code


def _axes(entries: Sequence[str]) -> dict[str, str]:
    axes: dict[str, str] = {}
    for entry in entries:
        name, separator, value = entry.partition("=")
        if not separator or not name or not value:
            raise CliError(f"--variant {entry!r} is not AXIS=VALUE", next_command=_HELP)
        if name == "platform":
            raise CliError("name the platform by --platform", next_command=_HELP)
        axes[name] = value
    return axes


def _gates(entries: Sequence[str]) -> dict[str, float]:
    """Return the tolerated loss by metric; without one the smallest effect that matters."""
    gates: dict[str, float] = {}
    for entry in entries:
        name, separator, value = entry.partition("=")
        if name != "*":
            METRICS.get(name)
        try:
            gates[name] = float(value) if separator else 0.0
        except ValueError:
            gates[name] = -1.0
        if not 0 <= gates[name] < 1:
            raise CliError(
                f"--gate {entry!r} is not METRIC or METRIC=LOSS with 0 ≤ LOSS < 1",
                next_command=_HELP,
            )
    return gates


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tested:
    """What was tested, and the checkout whose git can say where it began."""

    source: StoredSource
    here: Path | None
    """The checkout around this folder."""
    checkout: Path | None
    """The same, unless nobody knows what was tested in it."""


def _tested(revision: str | None) -> _Tested:
    """Return what was tested: as said, else this checkout's commit, else unknown."""
    try:
        here: Path | None = find_checkout(Path.cwd())
        assert here is not None  # else it is an error
        stamp = read_stamp(here)
    except SourceError:
        source = _stored(UNKNOWN, revision or UNKNOWN, "")
        return _Tested(source=source, here=None, checkout=None)
    if revision is None and stamp.patch_digest:
        # The report may be of what is not committed: no point of the target branch.
        progress("   uncommitted changes: --revision says which commit the reports are of")
        source = _stored(stamp.repository, stamp.revision, stamp.subject)
        return _Tested(source=source, here=here, checkout=None)
    commit = stamp.revision if revision is None else commit_of(here, revision) or revision
    subject = stamp.subject if commit == stamp.revision else ""
    source = _stored(stamp.repository, commit, subject)
    return _Tested(source=source, here=here, checkout=here)


def _stored(repository: str, revision: str, subject: str) -> StoredSource:
    # A report says nothing of what was not committed when it was written.
    return StoredSource(
        repository=repository, revision=revision, patch_digest="", subject=subject,
        archive_sha256=None,
    )  # fmt: skip


def _base(tested: _Tested, revision: str | None) -> MergeBase | None:
    """Return the merge base that was said; None leaves it to git and the target branches."""
    if revision is None:
        return None
    commit = None if tested.here is None else commit_of(tested.here, revision)
    if commit is not None and tested.here is not None:
        return merge_base_at(tested.here, commit, revision)
    if re.fullmatch(r"[0-9a-f]{40,64}", revision) is None:
        raise CliError(
            f"--merge-base {revision!r}: no commit of this checkout; give its whole id",
            next_command=_HELP,
        )
    return MergeBase(revision=revision, target=revision, ancestors=(revision,))


def _tell(outcome: ImportOutcome) -> None:
    for report in outcome.imported:
        progress(f"   {report.file}: {report.format}, {_counts(report)}")
        for problem in report.degraded:
            progress(f"      degraded: {problem}")
        if report.incomplete:
            progress(f"      incomplete: {report.incomplete}")
        for what, count in sorted(report.ignored.items()):
            progress(f"      left out: {what} ({count} ×)")
    for known in outcome.known:
        progress(f"   {known.file}: imported before, in run {known.run_number}")


def _counts(report: Imported) -> str:
    order = ("failed", "errored", "flaky", "passed", "skipped")
    return ", ".join(f"{report.totals[key]} {key}" for key in order if report.totals.get(key))


def _known(session: Session, outcome: ImportOutcome, *, as_json: bool) -> int:
    """Answer for the run that has it all; its verdict is the exit code."""
    numbers = sorted({known.run_number for known in outcome.known})
    reports = [session.reports.find(str(number)) for number in numbers]
    if any(report.verdict is None for report in reports):
        # Its results are stored and nobody has judged them yet.
        return _exit(max(follow(session, str(number), as_json=as_json) for number in numbers))
    if as_json:
        data(json.dumps(run_document(reports[-1]), ensure_ascii=False))
    else:
        data(f"nothing new: run {', '.join(map(str, numbers))}")
    return _exit(max(exit_of_run(report.verdict) for report in reports))
