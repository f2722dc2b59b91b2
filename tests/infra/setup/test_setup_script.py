"""setup.sh is immediate when nothing changed, and runs again when anything did."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
STUB = """
import argparse, pathlib, sys
parser = argparse.ArgumentParser()
for option in ("profile", "cache", "stamp", "digest"):
    parser.add_argument("--" + option)
given = parser.parse_args()
required = pathlib.Path(given.cache) / "required"
required.parent.mkdir(exist_ok=True)
required.touch()
pathlib.Path(given.stamp).write_text(f"{given.digest}\\n{required}\\n")
print("provisioned", given.profile)
"""


class Checkout:
    """A checkout whose parts are installed by a stub in place of provision.py."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.cache = root / "cache"
        (root / "infra/setup").mkdir(parents=True)
        for name in ("setup.sh", "uv.lock"):
            shutil.copy(ROOT / "infra/setup" / name, root / "infra/setup")
        (root / "infra/setup/provision.py").write_text(STUB, encoding="utf-8")
        for name in ("pyproject.toml", "requirements.lock"):
            shutil.copy(ROOT / name, root)
        (root / ".venv/bin").mkdir(parents=True)
        (root / ".venv/bin/python").symlink_to(sys.executable)

    def setup(self, *profile: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", self.root / "infra/setup/setup.sh", *profile],
            env={**os.environ, "HOTFIRE_CACHE": str(self.cache)},
            capture_output=True,
            text=True,
        )


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path / "checkout")


def test_the_second_call_finds_everything_in_place(checkout: Checkout) -> None:
    assert "provisioned run" in checkout.setup().stdout
    assert checkout.setup().stdout == "setup: up to date\n"


@pytest.mark.parametrize("changed", ["requirements.lock", "infra/setup/provision.py"])
def test_a_changed_input_is_installed_again(checkout: Checkout, changed: str) -> None:
    checkout.setup()
    with (checkout.root / changed).open("a", encoding="utf-8") as file:
        file.write("# changed\n")
    assert "provisioned" in checkout.setup().stdout


def test_a_part_that_somebody_deleted_is_installed_again(checkout: Checkout) -> None:
    checkout.setup()
    (checkout.cache / "required").unlink()
    assert "provisioned" in checkout.setup().stdout


def test_what_only_the_tests_need_has_a_stamp_of_its_own(checkout: Checkout) -> None:
    checkout.setup("run")
    assert "provisioned test" in checkout.setup("test").stdout
    assert "up to date" in checkout.setup("run").stdout


def test_an_unknown_profile_is_wrong_usage(checkout: Checkout) -> None:
    refused = checkout.setup("everything")
    assert refused.returncode == 2
    assert "'run', 'test' or 'cluster'" in refused.stderr
