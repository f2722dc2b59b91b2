"""`hotfire show KERNEL`: numeric errors of its cases, by group, with what has drifted."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

from hotfire_infra.analysis.appearance import appearance
from hotfire_infra.analysis.numerics.history import ErrorHistory
from hotfire_infra.analysis.quantities import count, significant
from hotfire_infra.analysis.transport import to_plain
from hotfire_infra.cli.console import data, symbol


def show_kernel_errors(found: Sequence[ErrorHistory], *, as_json: bool) -> None:
    """Print the last run of each group: cases, quantiles of both errors, error ÷ bound, rises."""
    if as_json:
        data(json.dumps(to_plain(found), ensure_ascii=False))
        return
    data(" errors of cases: median, 90 %, 99 %, largest; error ÷ bound; runs")
    for one in found:
        last = one.runs[-1]
        look = appearance("inconclusive" if one.notices else "unchanged")
        ulp = " ".join(significant(value, 2) for value in last.ulp.quantiles)
        relative = " ".join(significant(value, 2) for value in last.relative.quantiles)
        data(
            f" {symbol(look, sys.stdout)} {one.group}   {count(last.ulp.cases, 'case')}   "
            f"ULP {ulp}   relative {relative}   {significant(last.over_bound, 2)}   {len(one.runs)}"
        )
    for one in found:
        for notice in one.notices:
            data(f"   drift: {notice}")
