"""Tests that were taken out, renamed or lost: what the source proves, and what stays missing."""

from __future__ import annotations

import dataclasses
import io
import tarfile

import pytest
from sqlalchemy import select

from hotfire_infra.analysis.reporting import StoreReports
from hotfire_infra.client.results_care import ResultsCare
from hotfire_infra.executors.fake import Script
from hotfire_infra.orchestrator.creation import RunRequest, create_run
from hotfire_infra.source.stamp import StoredSource
from hotfire_infra.states import RunVerdict
from hotfire_infra.store import queries
from hotfire_infra.store.models import Finding
from hotfire_pipelines.plan import Policy, inventory_digest
from hotfire_testframework.contract.outcomes import UNCOLLECTED

MODULE = "suites.kernels.test_gemm"
FILE = "suites/kernels/test_gemm.py"
SOURCE = StoredSource(
    repository="here",
    revision="3f2a91c" + "0" * 33,
    patch_digest="",
    subject="First",
    archive_sha256=None,
)
HARNESS = {"harness": "pytest", "paths": ["suites"], "command": []}


def named(*functions, module=MODULE, scheme="pytest"):
    return [f"{module}/{scheme}/{function}" for function in functions]


TEN = named(
    *(
        f"test_{word}"
        for word in ["alpha", "beta", "gamma", "delta", "eta", "iota", "kappa", "mu", "nu", "xi"]
    )
)


@pytest.fixture
def dialect() -> str:
    """One database is enough for all but the first test: the other was asked once."""
    return "sqlite"


class House:
    """Runs of one suite on sources that are written down here."""

    def __init__(self, stand, make_plan, make_spec, harness=None):
        self.stand, self.make_plan = stand, make_plan
        self.spec = make_spec(**(harness or HARNESS))
        self.revisions = iter(f"{number:040x}" for number in range(1, 99))

    def run(self, collected, files, *, revision=None, policy=None, script=None):
        """Run what is expected by now; the suite collects `collected` from `files`."""
        with self.stand.store.reading() as connection:
            digest = queries.last_inventory(connection, "small", "k")
        blobs = self.stand.store.blobs
        expected = queries.parse_inventory(blobs.read(digest)) if digest else tuple(collected)
        revision = revision or next(self.revisions)
        plan = self.make_plan({"k": expected}, specs={"k": self.spec})
        plan = dataclasses.replace(
            plan,
            source=dataclasses.replace(plan.source, revision=revision),
            policy=policy or Policy(),
        )
        assert plan.cells[0].inventory == inventory_digest(tuple(sorted(expected)))
        self.stand.executor._director = lambda spec: (
            script
            or Script(
                omitted_tests=frozenset(spec.expected) - set(collected),
                extra_tests=tuple(test for test in collected if test not in spec.expected),
            )
        )
        archive = blobs.put_bytes(tar_of(files))
        source = dataclasses.replace(SOURCE, revision=revision, archive_sha256=archive.sha256)
        request = RunRequest(plan=plan, source=source, requested_by="tester")
        return self.stand.finish(create_run(self.stand.store, request))

    def findings(self, done):
        with self.stand.store.reading() as connection:
            query = select(Finding.text).where(Finding.run_id == done.run.id)
            return list(connection.execute(query).scalars())


def tar_of(files):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    return buffer.getvalue()


def source_of(tests, file=FILE):
    return {file: "\n".join(f"def {test.rpartition('/')[2]}(): ..." for test in tests)}


@pytest.fixture
def house(make_stand, make_plan, make_spec):
    return House(make_stand(), make_plan, make_spec)


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_a_test_that_was_taken_out_is_gone_and_not_missing(house, store):
    house.run(TEN, source_of(TEN))
    done = house.run(TEN[1:], source_of(TEN[1:]))
    assert (done.run.verdict, done.cells[0].tests) == (RunVerdict.PASSED, {"passed": 9})
    (text,) = house.findings(done)
    assert text == (
        f"k: 1 expected test is gone: {TEN[0]} ('test_alpha' occurs nowhere in the source)"
    )
    (notice,) = StoreReports(store).find("2").notices
    assert (notice.kind, notice.text) == ("gone", text)
    assert house.run(TEN[1:], source_of(TEN[1:])).run.verdict is RunVerdict.PASSED


def test_a_renamed_test_is_gone_under_its_old_name(house):
    house.run(TEN, source_of(TEN))
    renamed = [*named("test_first"), *TEN[1:]]
    done = house.run(renamed, source_of(renamed))
    assert done.run.verdict is RunVerdict.PASSED


def test_a_test_that_the_source_still_names_is_lost_and_stays_lost(house):
    house.run(TEN, source_of(TEN))
    for _ in range(2):
        # Nobody touched it: an import guard, say, hides it now.
        done = house.run(TEN[1:], source_of(TEN))
        assert done.run.verdict is RunVerdict.INCOMPLETE
        assert done.cells[0].tests == {"passed": 9, "missing": 1}
    assert house.run(TEN, source_of(TEN)).run.verdict is RunVerdict.PASSED


def test_why_a_test_is_missing_is_said_beside_it(house, store):
    house.run(TEN, source_of(TEN))
    house.run(TEN[1:], source_of(TEN))
    (lost,) = StoreReports(store).find("2").failures
    assert (lost.test, lost.message) == (TEN[0], "its name still stands in the source")


def test_the_same_source_cannot_have_lost_a_test_for_good(house):
    house.run(TEN, source_of(TEN), revision="a" * 40)
    done = house.run(TEN[1:], source_of(TEN[1:]), revision="a" * 40)
    assert done.run.verdict is RunVerdict.INCOMPLETE
    with house.stand.store.reading() as connection:
        (row,) = queries.verdicts_of(connection, done.run.id, verdicts=["missing"])
    assert row.message == "collected before from this very source, in run 1"


def test_a_suite_that_stopped_collecting_is_not_gone(house):
    many = named(*(f"test_{number:03d}x" for number in range(100)))
    house.run(many, source_of(many))
    done = house.run(many[:85], source_of(many[:85]))
    assert done.run.verdict is RunVerdict.INCOMPLETE
    assert done.cells[0].tests == {"passed": 85, "missing": 15}
    assert house.findings(done) == []


def test_not_all_tests_of_a_cell_can_be_gone(house):
    house.run(TEN[:2], source_of(TEN[:2]))
    strange = named("test_other", module="suites.other")
    done = house.run(strange, source_of(strange, file="suites/other.py"))
    assert done.run.verdict is RunVerdict.INCOMPLETE


def test_a_whole_file_that_moved_has_lost_nothing(house):
    house.run(TEN, source_of(TEN))
    moved = [test.replace("kernels.test_gemm", "products.test_gemm") for test in TEN]
    done = house.run(moved, source_of(moved, file="suites/products/test_gemm.py"))
    assert done.run.verdict is RunVerdict.PASSED
    assert "collected as suites.products.test_gemm/pytest/test_alpha" in house.findings(done)[0]


def test_one_new_test_excuses_not_three_lost_ones(house):
    lost = named("test_sum[one]", "test_sum[two]", "test_sum[three]")
    text = {FILE: "def test_sum(): one two three"}
    house.run([*lost, *TEN], {**text, "suites/kernels/conftest.py": source_of(TEN)[FILE]})
    done = house.run(
        [*named("test_sum[four]"), *TEN],
        {FILE: "def test_sum(): one two three four " + source_of(TEN)[FILE]},
    )
    assert done.cells[0].tests == {"passed": 11, "missing": 3}


def test_an_error_while_collecting_proves_nothing(house):
    house.run(TEN, source_of(TEN))
    broken = named("suites/kernels/test_gemm.py")[0]
    script = Script(
        omitted_tests=frozenset(TEN[:1]), extra_tests=(broken,), outcomes={broken: "errored"}
    )
    done = house.run(TEN[1:], source_of(TEN[1:]), script=script)
    assert done.cells[0].tests["missing"] == 1


def test_a_module_that_was_not_collected_once_is_no_test_to_expect(house):
    broken = named(FILE)[0]
    script = Script(
        omitted_tests=frozenset(TEN[:1]),
        extra_tests=(broken,),
        outcomes={broken: "errored"},
        messages={broken: UNCOLLECTED},
    )
    done = house.run(TEN, source_of(TEN), script=script)
    assert done.cells[0].tests == {"passed": 9, "errored": 1, "missing": 1}
    mended = house.run(TEN, source_of(TEN))
    assert mended.run.verdict is RunVerdict.PASSED
    assert mended.cells[0].tests == {"passed": 10}


def test_the_pipeline_can_insist_on_every_test(house):
    house.run(TEN, source_of(TEN))
    done = house.run(TEN[1:], source_of(TEN[1:]), policy=Policy(gone_tests="block"))
    assert done.run.verdict is RunVerdict.INCOMPLETE


def test_names_of_googletest_are_looked_up_by_suite_and_case(make_stand, make_plan, make_spec):
    harness = {"harness": "gtest", "command": ["unit"]}
    house = House(make_stand(), make_plan, make_spec, harness)
    tests = [f"aestus.unit/gtest/Arena.{case}" for case in ("Grows", "Shrinks", "Moves", "Frees")]
    text = "TEST(Arena, Grows) TEST(Arena, Shrinks) TEST(Arena, Moves)"
    house.run(tests, {"arena.cpp": f"{text} TEST(Arena, Frees)"})
    assert house.run(tests[:3], {"arena.cpp": text}).run.verdict is RunVerdict.PASSED
    lost = house.run(tests[:2], {"arena.cpp": text})
    assert lost.cells[0].tests == {"passed": 2, "missing": 1}


def test_what_is_lost_can_be_accepted_by_a_person_with_a_reason(house, store):
    house.run(TEN, source_of(TEN))
    house.run(TEN[1:], source_of(TEN))
    care = ResultsCare(store, "operator")
    (accepted,) = care.accept("2", cell=None, reason="needs a newer driver")
    assert (accepted.cell, accepted.forgotten) == ("k", (TEN[0],))
    assert house.run(TEN[1:], source_of(TEN)).run.verdict is RunVerdict.PASSED
    assert care.accept("3", cell=None, reason="again") == ()
