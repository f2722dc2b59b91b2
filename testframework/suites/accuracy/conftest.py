"""Fixtures of the accuracy suite: the tools, the model, and what this profile affords.

AESTUS_BIN: folder of aestus-run. AESTUS_LAUNCHER: JSON list in front of it. AESTUS_MODEL: the GGUF file.
AESTUS_ACCURACY_PROFILE: native (all chunks, 32 tokens) or emulated (16 tokens, no perplexity).
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# The goldens belong to the checkout that holds this suite, not to an installed framework.
os.environ.setdefault("HOTFIRE_SOURCE", str(Path(__file__).resolve().parents[3]))

from hotfire_testframework.accuracy import files
from hotfire_testframework.accuracy.launch import Toolbox

PROFILE = os.environ.get("AESTUS_ACCURACY_PROFILE", "native")
if PROFILE not in ("native", "emulated"):
    raise pytest.UsageError(f"AESTUS_ACCURACY_PROFILE={PROFILE!r}: use native or emulated")
# Not collected rather than skipped: the inventory of an emulated cell does not hold them.
collect_ignore = ["test_perplexity.py"] if PROFILE == "emulated" else []


@pytest.fixture(scope="session")
def toolbox() -> Toolbox:
    """The executables under test."""
    return Toolbox.from_environment()


@pytest.fixture(scope="session")
def model() -> Path:
    """The bundled model."""
    return files.model_path()
