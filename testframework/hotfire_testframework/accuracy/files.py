"""Where the oracle finds its inputs and keeps its goldens."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from hotfire_testframework.numerics.errors import ModelFileError

MODEL_NAME = "smollm2-135m-instruct-q4_1"
MODEL_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
TEXT_NAME = "us-constitution"


def repository_root() -> Path:
    """The checkout: `HOTFIRE_SOURCE` for an unpacked archive, else found from this file."""
    stated = os.environ.get("HOTFIRE_SOURCE")
    if stated:
        return Path(stated)
    for parent in Path(__file__).resolve().parents:
        if (parent / "inference" / "data").is_dir():
            return parent
    raise ModelFileError("no inference/data above this file: set HOTFIRE_SOURCE to the checkout")


def data_directory() -> Path:
    """Texts and goldens, committed."""
    return repository_root() / "inference" / "data"


def golden(name: str) -> Path:
    """A committed golden file."""
    return data_directory() / "goldens" / name


def tokens_file() -> Path:
    """Token ids of the text, whitespace-separated: what `aestus-run --tokens` reads."""
    return golden(f"{TEXT_NAME}.tokens.txt")


def read_tokens() -> list[int]:
    """The golden token ids of the text."""
    return [int(word) for word in tokens_file().read_text("ascii").split()]


def cache_directory() -> Path:
    """The user's cache of Hotfire."""
    stated = os.environ.get("HOTFIRE_CACHE")
    if stated:
        return Path(stated)
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "hotfire"


def model_path() -> Path:
    """The model: `AESTUS_MODEL`, else the user's cache, named by its content."""
    stated = os.environ.get("AESTUS_MODEL")
    path = Path(stated) if stated else cache_directory() / "models" / f"{MODEL_SHA256}.gguf"
    if not path.is_file():
        raise ModelFileError(f"no model at {path}: run `make setup` or set AESTUS_MODEL")
    return path


def sha256_of(path: Path) -> str:
    """Digest of a file, read in pieces."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
