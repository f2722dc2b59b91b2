"""What git says has changed: nothing is overlooked, and what it cannot say is a doubt."""

import hashlib
import subprocess
from pathlib import Path

import pytest

from hotfire_infra.source.changes import BaseHistory, changes_since
from hotfire_pipelines.changes import Change, ChangeKind

IDENTITY = ("-c", "user.name=Test", "-c", "user.email=test@example.org")
CODE = "int a;\nint b;\nint c;\nint d;\n"


def git(root: Path, *arguments: str) -> None:
    subprocess.run(["git", *IDENTITY, *arguments], cwd=root, check=True, capture_output=True)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    root = tmp_path / "library"
    (root / "src").mkdir(parents=True)
    (root / "src" / "a.cpp").write_text(CODE)
    (root / "src" / "b.cpp").write_text(CODE.replace("int", "long"))
    (root / "old.md").write_text("text of its own, long enough to be recognised elsewhere\n")
    (root / ".gitignore").write_text("build/\n")
    git(root, "init", "-q", "-b", "main")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "First")
    git(root, "checkout", "-qb", "topic")
    return root


def kinds(root: Path, since: str = "main") -> dict[str, str]:
    found = changes_since(root, since)
    assert found.doubts == ()
    return {change.path: change.kind.value for change in found.files}


def test_commits_staged_unstaged_and_untracked_files_all_count(checkout: Path) -> None:
    assert kinds(checkout) == {}
    (checkout / "src" / "a.cpp").write_text("committed\n")
    git(checkout, "commit", "-qam", "Second")
    (checkout / "staged.txt").write_text("s")
    git(checkout, "add", "staged.txt")
    (checkout / "src" / "b.cpp").write_text("unstaged\n")
    (checkout / "näme with space.txt").write_text("untracked")
    (checkout / "build").mkdir()
    (checkout / "build" / "ignored.o").write_text("o")
    assert kinds(checkout) == {
        "src/a.cpp": "modified",
        "src/b.cpp": "modified",
        "staged.txt": "added",
        "näme with space.txt": "untracked",
    }


def test_what_only_the_target_branch_changed_does_not_count(checkout: Path) -> None:
    git(checkout, "checkout", "-q", "main")
    (checkout / "src" / "b.cpp").write_text("on main\n")
    git(checkout, "commit", "-qam", "Main goes on")
    git(checkout, "checkout", "-q", "topic")
    (checkout / "src" / "a.cpp").write_text("on topic\n")
    assert kinds(checkout) == {"src/a.cpp": "modified"}


def test_a_deletion_and_both_sides_of_a_rename_are_told(checkout: Path) -> None:
    git(checkout, "mv", "old.md", "src/new.cpp")
    (checkout / "src" / "b.cpp").unlink()
    found = changes_since(checkout, "main")
    assert found.files == (
        Change(path="old.md", kind=ChangeKind.DELETED, moved_to="src/new.cpp"),
        Change(path="src/b.cpp", kind=ChangeKind.DELETED),
        Change(path="src/new.cpp", kind=ChangeKind.ADDED),
    )


def test_a_file_that_became_a_link_is_gone_as_what_it_was(checkout: Path) -> None:
    (checkout / "src" / "b.cpp").unlink()
    (checkout / "src" / "b.cpp").symlink_to("a.cpp")
    assert kinds(checkout) == {"src/b.cpp": "deleted"}


def test_a_repository_inside_is_a_submodule_or_treated_like_one(checkout: Path) -> None:
    inner = checkout / "third"
    inner.mkdir()
    git(inner, "init", "-q")
    (inner / "x").write_text("x")
    git(inner, "add", "-A")
    git(inner, "commit", "-qm", "Inner")
    assert kinds(checkout) == {"third/": "a submodule"}
    git(checkout, "-c", "advice.addEmbeddedRepo=false", "add", "third")
    assert kinds(checkout) == {"third": "a submodule"}


def test_a_branch_is_also_found_at_the_origin(checkout: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", "--branch", "topic", str(checkout), "clone")
    (tmp_path / "clone" / "src" / "a.cpp").write_text("x\n")
    assert kinds(tmp_path / "clone", "main") == {"src/a.cpp": "modified"}


def test_a_revision_that_is_not_there_is_a_doubt(checkout: Path) -> None:
    for name in ("mian", "", "--all"):
        found = changes_since(checkout, name)
        assert f"this clone has no revision {name!r}" in found.doubts[0]
        assert found.base is None


def test_a_shallow_clone_is_a_doubt(checkout: Path, tmp_path: Path) -> None:
    (checkout / "src" / "a.cpp").write_text("second\n")
    git(checkout, "commit", "-qam", "Second")
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{checkout}", "shallow")
    found = changes_since(tmp_path / "shallow", "HEAD")
    assert "this clone is shallow" in found.doubts[0]


def test_unrelated_histories_and_several_merge_bases_are_doubts(checkout: Path) -> None:
    git(checkout, "checkout", "-q", "--orphan", "other")
    git(checkout, "commit", "-qm", "Other")
    assert "no commit in common" in changes_since(checkout, "main").doubts[0]
    git(checkout, "checkout", "-qf", "topic")
    git(checkout, "commit", "-q", "--allow-empty", "-m", "T")
    git(checkout, "branch", "left")
    git(checkout, "checkout", "-q", "main")
    git(checkout, "commit", "-q", "--allow-empty", "-m", "M")
    git(checkout, "branch", "right")
    git(checkout, "merge", "-qm", "one", "left")
    git(checkout, "checkout", "-q", "topic")
    git(checkout, "merge", "-qm", "two", "right")
    assert "have 2 merge bases" in changes_since(checkout, "main").doubts[0]


def test_a_git_that_fails_and_files_it_must_not_look_at_are_doubts(
    checkout: Path, tmp_path: Path
) -> None:
    git(checkout, "update-index", "--assume-unchanged", "src/a.cpp")
    (checkout / "src" / "a.cpp").write_text("hidden\n")
    found = changes_since(checkout, "main")
    assert found.files == ()
    assert "git does not look at src/a.cpp" in found.doubts[0]
    (tmp_path / "none").mkdir()
    assert "git cannot say what changed" in changes_since(tmp_path / "none", "main").doubts[0]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (CODE.replace("int b", "int x"), (2,)),
        (CODE.replace("int b;\nint c;\n", "one;\n"), (2, 3)),
        (CODE.replace("int b;\n", "int b;\nnew;\n"), (2, 3)),
        ("new;\n" + CODE, (1,)),
        (CODE + "new;\n", (4, 5)),
        (CODE.replace("int a;\n", ""), (1,)),
        (CODE.replace("int a", "x").replace("int d", "y"), (1, 4)),
        ("\0binary", None),
    ],
    ids=["replaced", "fewer", "put between", "put first", "put last", "taken out", "two", "binary"],
)
def test_the_lines_of_the_base_that_a_change_touches(
    checkout: Path, text: str, lines: tuple[int, ...] | None
) -> None:
    (checkout / "src" / "a.cpp").write_text(text)
    found = changes_since(checkout, "main")
    assert found.base is not None
    [change] = found.files
    known = BaseHistory(checkout, found.base).with_lines(change)
    assert known.lines == lines
    assert known.sha256 == hashlib.sha256(CODE.encode()).hexdigest()


def test_the_history_of_a_base(checkout: Path) -> None:
    head = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=checkout, check=True, capture_output=True, text=True
    ).stdout.strip()
    (checkout / "src" / "a.cpp").write_text("second\n")
    git(checkout, "commit", "-qam", "Second")
    base = changes_since(checkout, "HEAD").base
    assert base is not None
    history = BaseHistory(checkout, base)
    assert history.ancestors() == (base, head)
    assert history.since(base) == ()
    assert history.since(head) == (Change(path="src/a.cpp"),)
    assert history.since("0" * 40) is None
