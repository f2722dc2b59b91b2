"""Errors of kernel cases over runs, out of the store and by groups."""

import json

import pytest

from hotfire_infra.analysis.numerics.history import LARGEST, error_histories, shape_class
from hotfire_infra.cli.verbs.kernel_errors import show_kernel_errors
from hotfire_infra.executors.fake import Script
from hotfire_infra.store.queries_numerics import CaseErrorRow, case_errors
from hotfire_testframework.contract.cases import CaseLine

CASES = [f"gemm.f32:m={m},n=8,k=8,data=normal,seed={m}" for m in (1, 2, 3, 200, 300)]


def row(run, name=CASES[0], ulp=1.0, relative=1e-7, bound=0.1, **values):
    fields = {"platform": "linux", "impl": "avx2", **values}
    return CaseErrorRow(
        run_number=run, name=name, max_ulp=ulp, max_relative=relative, over_bound=bound, **fields
    )


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("gemm.f32:m=0,n=5,k=1000000,data=edge,seed=1", "empty"),
        ("gemm.f32:m=4,n=8,k=8,data=edge,seed=1", "tiny"),
        ("gemm.f32:m=4,n=8,k=9,data=edge,seed=99999999", "small"),
        ("attention.f32:tokens=4,past=900,heads=2,kv=1,hd=8,data=exact,seed=1", "tiny"),
        ("gemm.f32:m=128,n=128,k=64,data=edge,seed=1", "medium"),
        ("gemm.f32:m=128,n=128,k=65,data=edge,seed=1", "large"),
    ],
)
def test_a_case_belongs_to_a_class_by_its_sizes(line, expected):
    assert shape_class(CaseLine.parse(line)) == expected


def test_groups_are_kernel_type_shape_and_architecture():
    rows = [
        row(1), row(1, CASES[3]), row(1, impl="scalar"), row(1, platform="windows"),
        row(1, "softmax.f32:rows=1,d=8,data=normal,seed=1"), row(1, "not a case line"),
    ]  # fmt: skip
    assert [str(one.group) for one in error_histories(rows)] == [
        "gemm.f32 small on linux avx2",
        "gemm.f32 tiny on linux avx2",
        "gemm.f32 tiny on linux scalar",
        "gemm.f32 tiny on windows avx2",
        "softmax.f32 tiny on linux avx2",
    ]


def test_a_run_has_the_distribution_of_its_cases():
    names = [f"gemm.f32:m=1,n=1,k=1,data=normal,seed={i}" for i in range(100)]
    (found,) = error_histories(row(1, name, ulp=float(i)) for i, name in enumerate(names))
    assert found.runs[0].ulp.cases == 100
    assert found.runs[0].ulp.quantiles == (49.0, 89.0, 98.0, 99.0)


def test_an_infinite_error_ranks_above_all():
    (found,) = error_histories([row(1), row(1, CASES[1], ulp=float("nan"), bound=float("inf"))])
    assert found.runs[0].ulp.quantiles[-1] == LARGEST
    assert found.runs[0].over_bound == LARGEST


def test_new_and_lost_cases_move_no_level():
    rows = [row(run, CASES[0]) for run in range(1, 6)]
    rows += [row(run, CASES[1], ulp=1000.0) for run in range(3, 6)]
    (found,) = error_histories(rows)
    assert [one.ulp_level for one in found.runs] == [0.0] * 5


def test_a_drift_is_found_before_the_tolerance_trips():
    rows = []
    for run in range(1, 41):
        worse = 1.0 + 0.2 * max(0, run - 30)
        rows += [
            row(run, name, ulp=4 * worse, relative=1e-6 * worse, bound=0.1 * worse)
            for name in CASES[:3]
        ]
    (found,) = error_histories(rows)
    alarm = found.ulp_alarms[0]
    assert found.runs[alarm.begin].run == 31
    assert found.runs[alarm.index].run <= 36
    assert found.runs[alarm.index].over_bound < 0.25
    assert found.relative_alarms[0].begin == alarm.begin
    assert found.notices[0].startswith("gemm.f32 tiny on linux avx2: ULP error ×1.")
    assert "since run 31" in found.notices[0]


def test_errors_that_repeat_exactly_are_quiet():
    (found,) = error_histories(row(run) for run in range(1, 60))
    assert (found.ulp_alarms, found.relative_alarms, found.notices) == ((), (), ())


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_errors_are_read_from_the_results_of_runs(make_stand, make_plan):
    said = {}
    name = f"aestus.kernels/native/{CASES[0]}"

    def record(metrics):
        return "test_attempt", {
            "test": name, "try": 2, "outcome": "passed", "duration_ns": 5, "metrics": metrics
        }  # fmt: skip

    stand = make_stand(lambda _: Script(records=said["records"]))
    plan = make_plan({"kernels": [name]})
    for ulp in (2.0, "inf"):
        metrics = {"impl": "avx2", "isa": "avx2", "max_ulp": ulp, "max_rel": 1e-7,
                   "error_over_bound": 0.25}  # fmt: skip
        said["records"] = (record(metrics),)
        stand.run(plan)
    with stand.store.reading() as connection:
        rows = list(case_errors(connection, "gemm"))
        assert list(case_errors(connection, "ge")) == []
    assert [(one.run_number, one.impl, one.max_ulp) for one in rows] == [
        (1, "avx2", 2.0), (2, "avx2", float("inf")),
    ]  # fmt: skip
    assert rows[0].over_bound == 0.25


def test_a_kernel_is_shown_with_its_drift(monkeypatch, capsys):
    rows = [row(run, ulp=4.0 + 4.0 * (run > 30), relative=1e-6, bound=0.1) for run in range(1, 41)]
    show_kernel_errors(error_histories(rows), as_json=False)
    said = capsys.readouterr().out
    assert "gemm.f32 tiny on linux avx2   1 case   ULP 8.0 8.0 8.0 8.0" in said
    assert "drift: gemm.f32 tiny on linux avx2: ULP error ×1.8 since run 31" in said
    show_kernel_errors(error_histories(rows), as_json=True)
    (told,) = json.loads(capsys.readouterr().out)
    assert told["group"]["kernel"] == "gemm"
    assert len(told["runs"]) == 40
