"""The test identifier `module/scheme/name`: parse, print, and the ids that harnesses derive."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from hotfire_testframework.errors import IdentifierError

NAME_LIMIT = 1024
_PART = re.compile(r"[A-Za-z0-9_.\-]+")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_OUTSIDE_PART = re.compile(r"[^A-Za-z0-9_.\-]")


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class TestId:
    """Identity of one test; axis parameters stand outside, in the variant."""

    __test__: ClassVar[bool] = False  # pytest must not collect this class.

    module: str
    scheme: str
    name: str

    def __post_init__(self) -> None:
        for field, part in (("module", self.module), ("scheme", self.scheme)):
            if not _PART.fullmatch(part):
                raise IdentifierError(
                    f"test identifier: {field} {part!r} must match [A-Za-z0-9_.-]+"
                )
        if not 1 <= len(self.name) <= NAME_LIMIT:
            raise IdentifierError(
                f"test identifier: name has {len(self.name)} characters, allowed are 1 to {NAME_LIMIT}"
            )
        if _CONTROL.search(self.name):
            raise IdentifierError(
                f"test identifier: name {self.name!r} holds a control character or lone surrogate"
            )

    def __str__(self) -> str:
        return f"{self.module}/{self.scheme}/{self.name}"

    @classmethod
    def parse(cls, text: str) -> TestId:
        """Parse `module/scheme/name`; the name is the rest and may hold slashes."""
        parts = text.split("/", 2)
        if len(parts) != 3:
            raise IdentifierError(f"test identifier {text!r} is not module/scheme/name")
        return cls(module=parts[0], scheme=parts[1], name=parts[2])


def command_test_id(task_key: str) -> TestId:
    """Return the id of the one test that a task with the harness `command` is.

    `task_key` may carry planned axes and a shard (`build|platform=…#1/3`); they are variant, not name.
    """
    name = task_key.split("|", 1)[0].split("#", 1)[0]
    return TestId(module="tasks", scheme="command", name=name)


def pytest_test_id(node_id: str) -> TestId:
    """Return the id of a pytest node: dotted path of the file without `.py`, then the rest of the node id."""
    path, separator, rest = node_id.partition("::")
    module = path[:-3] if path.endswith(".py") else path
    dotted = ".".join(
        part for part in module.replace("\\", "/").split("/") if part not in ("", ".", "..")
    )
    module = _OUTSIDE_PART.sub("_", dotted) or "root"
    return TestId(module=module, scheme="pytest", name=printable_name(rest if separator else path))


def printable_name(text: str) -> str:
    """Return text as a legal name: control characters and lone surrogates escaped, over-long text cut with a digest."""
    clean = (
        _CONTROL.sub(lambda match: match.group().encode("unicode_escape").decode("ascii"), text)
        or "_"
    )
    if len(clean) <= NAME_LIMIT:
        return clean
    import hashlib  # Rare path: the plugin imports this module in every test process.

    digest = hashlib.sha256(clean.encode("utf-8")).hexdigest()[:16]
    return f"{clean[: NAME_LIMIT - 18]}~{digest}"
