"""Static files under names that hold their digest, so a browser may keep them for ever."""

from __future__ import annotations

import hashlib
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable

FILES = (
    "hotfire.css",
    "hotfire.js",
    "chart.js",
    "flame.svg",
    "vendor/htmx-4.0.1.min.js",
    "vendor/uplot-1.6.32.min.js",
    "vendor/uplot-1.6.32.min.css",
)

VENDORED = {
    "vendor/htmx-4.0.1.min.js": "a0abb04f2f45a1f89d1d4844023245537e5e6014c87b144553e0607b4cc32130",
    "vendor/uplot-1.6.32.min.js": (
        "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f"
    ),
    "vendor/uplot-1.6.32.min.css": (
        "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04"
    ),
}
"""Digests of the files copied from npm; `THIRD_PARTY.md` names their packages and licences."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """The bytes of a static file and how to serve them."""

    served_name: str
    content: bytes
    media_type: str


@cache
def _by_file() -> Mapping[str, Asset]:
    root = resources.files("hotfire_dashboards") / "static"
    return {name: _read(root, name) for name in FILES}


def _read(root: Traversable, name: str) -> Asset:
    content = root.joinpath(*name.split("/")).read_bytes()
    stem, _, extension = name.rpartition("/")[2].rpartition(".")
    digest = hashlib.sha256(content).hexdigest()[:12]
    return Asset(
        served_name=f"{stem}.{digest}.{extension}",
        content=content,
        media_type=mimetypes.types_map.get(f".{extension}", "application/octet-stream"),
    )


def asset_url(name: str) -> str:
    """Return the address of a static file by its name in the package."""
    return f"/static/{_by_file()[name].served_name}"


def served_asset(served_name: str) -> Asset | None:
    """Return the file behind a served name; an old digest is not served as if it were new."""
    return next((one for one in _by_file().values() if one.served_name == served_name), None)
