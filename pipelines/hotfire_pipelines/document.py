"""Reads one YAML file and remembers where every key and value stands."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, StringMark, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from hotfire_pipelines.errors import (
    BrokenYamlError,
    DuplicateNameError,
    InvalidValueError,
    Location,
)
from hotfire_pipelines.yaml_blanks import BlankScanner

Place = tuple[str | int, ...]

# A definition file is written by hand. Anchors can make a small file expand without end
# ("billion laughs"), so the number of values is bounded, not only the size.
MAXIMUM_BYTES = 1 << 20
MAXIMUM_VALUES = 100_000
MAXIMUM_DEPTH = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """Plain values of one file, and the place each of them came from."""

    file: str
    value: object
    keys: Mapping[Place, Location]
    values: Mapping[Place, Location]
    written: Mapping[Place, str]
    """Scalars as the author wrote them: `1.20`, not 1.2."""
    openings: Mapping[Place, int]
    """Signs between the place of a scalar and its text, where that stands on one line as it is."""

    def key(self, *place: str | int) -> Location:
        """Where the key (or list item) of this place is written, or its nearest parent."""
        return self._nearest(self.keys, place)

    def at(self, *place: str | int) -> Location:
        """Where the value of this place is written, or its nearest parent."""
        return self._nearest(self.values, place)

    def inside(self, place: Place, offset: int) -> Location:
        """Where one sign of a text is written; the start of a text that was folded or escaped."""
        start = self.at(*place)
        opening = self.openings.get(place)
        return start if opening is None else replace(start, column=start.column + opening + offset)

    def shifted(self, place: Place, by: int) -> "Document":
        """The same with the places of a list's items moved on, as behind `by` others."""

        def moved(at: Place) -> Place:
            depth = len(place)
            if len(at) <= depth or at[:depth] != place:
                return at
            index = at[depth]
            return (*place, index + by if isinstance(index, int) else index, *at[depth + 1 :])

        return replace(
            self,
            keys={moved(at): mark for at, mark in self.keys.items()},
            values={moved(at): mark for at, mark in self.values.items()},
            written={moved(at): text for at, text in self.written.items()},
            openings={moved(at): signs for at, signs in self.openings.items()},
        )

    def _nearest(self, marks: Mapping[Place, Location], place: Place) -> Location:
        for length in range(len(place), -1, -1):
            found = marks.get(place[:length]) or self.values.get(place[:length])
            if found:
                return found
        return Location(file=self.file, line=1, column=1)


def is_file(path: Path) -> bool:
    """Say whether a file that a definition names is there; a name longer than the system's is not."""
    return os.path.isfile(path)  # noqa: PTH113 - pathlib lets ENAMETOOLONG through


def names_beside(path: Path, pattern: str) -> list[str]:
    """Return the names of the files in the folder of `path`, sorted; none where it is not there."""
    folder = path.parent
    is_there = os.path.isdir(folder)  # noqa: PTH112 - as above
    return sorted(found.name for found in folder.glob(pattern)) if is_there else []


def read_document(path: Path) -> Document:
    """Parse `path`; broken YAML, repeated keys and exotic tags are errors with a place."""
    start = Location(file=str(path), line=1, column=1)
    try:
        raw = path.read_bytes()
        text = raw.decode("utf-8")
    except OSError as error:
        raise BrokenYamlError(
            start, f"cannot read the file: {error.strerror}", "Check the path."
        ) from error
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        place = Location(file=str(path), line=line, column=1)
        raise BrokenYamlError(
            place, f"byte {raw[error.start]:#04x} is not UTF-8", "Save the file as UTF-8."
        ) from error
    if len(raw) > MAXIMUM_BYTES:
        raise BrokenYamlError(
            start, f"the file has {len(raw)} bytes", "Split it: 1 MiB is the limit."
        )
    return parse_document(text, file=str(path))


def parse_document(text: str, *, file: str) -> Document:
    """Parse YAML text that came from `file`."""
    node = _compose(text, file)
    if node is None:
        raise BrokenYamlError(
            Location(file=file, line=1, column=1),
            "the file is empty",
            "Start it with `schema:`.",
        )
    builder = _Builder(file)
    value = builder.build(node, (), 0)
    return Document(
        file=file,
        value=value,
        keys=builder.keys,
        values=builder.values,
        written=builder.written,
        openings=builder.openings,
    )


def _compose(text: str, file: str) -> Node | None:
    try:
        yaml = YAML(typ="safe", pure=True)
        yaml.Scanner = BlankScanner
        node: Node | None = yaml.compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = _location(file, mark)
        problem = " ".join(str(part) for part in (error.problem, error.context) if part)
        raise BrokenYamlError(
            place,
            f"broken YAML: {problem}; the line reads {_line(text, place.line)!r}",
            "Check the indentation, quotes and brackets on this line and the one above.",
        ) from error
    except YAMLError as error:
        found = re.search(r"position (\d+)", str(error))
        line = text.count("\n", 0, int(found[1])) + 1 if found else 1
        raise BrokenYamlError(
            Location(file=file, line=line, column=1),
            f"broken YAML: {str(error).splitlines()[0]}",
            "Remove the control character from this line.",
        ) from error
    except RecursionError as error:
        raise BrokenYamlError(
            Location(file=file, line=1, column=1),
            "broken YAML: brackets or lines are nested too deeply to be read",
            f"A definition needs at most {MAXIMUM_DEPTH} levels.",
        ) from error
    return node


def _location(file: str, mark: StringMark | None) -> Location:
    if mark is None:
        return Location(file=file, line=1, column=1)
    return Location(file=file, line=mark.line + 1, column=mark.column + 1)


def _line(text: str, number: int) -> str:
    lines = text.splitlines()
    return lines[number - 1].strip()[:60] if number <= len(lines) else "<end of file>"


class _Builder:
    """Turns composed nodes into plain values while noting their places."""

    def __init__(self, file: str) -> None:
        self.keys: dict[Place, Location] = {}
        self.values: dict[Place, Location] = {}
        self.written: dict[Place, str] = {}
        self.openings: dict[Place, int] = {}
        self._file = file

    def build(self, node: Node, place: Place, depth: int) -> object:
        here = _location(self._file, node.start_mark)
        self.values[place] = here
        if len(self.values) > MAXIMUM_VALUES or depth > MAXIMUM_DEPTH:
            raise BrokenYamlError(
                here, "the file expands without end", "Remove the anchor that contains itself."
            )
        match node:
            case MappingNode():
                return self._mapping(node, place, depth)
            case SequenceNode():
                return self._sequence(node, place, depth)
            case ScalarNode():
                self.written[place] = str(node.value)
                self._note_opening(node, place)
                return self._scalar(node, here)
        raise AssertionError(type(node))  # the composer knows no other node

    def _note_opening(self, node: ScalarNode, place: Place) -> None:
        start, end = node.start_mark, node.end_mark
        opening = 1 if node.style in ("'", '"') else 0
        width = len(str(node.value)) + 2 * opening
        if start.line == end.line and end.column - start.column == width:
            self.openings[place] = opening

    def _sequence(self, node: SequenceNode, place: Place, depth: int) -> list[object]:
        items = []
        for index, item in enumerate(node.value):
            self.keys[*place, index] = _location(self._file, item.start_mark)
            items.append(self.build(item, (*place, index), depth + 1))
        return items

    def _mapping(self, node: MappingNode, place: Place, depth: int) -> dict[str, object]:
        result: dict[str, object] = {}
        for key_node, value_node in node.value:
            here = _location(self._file, key_node.start_mark)
            if not isinstance(key_node, ScalarNode):
                raise InvalidValueError(
                    here, "a list or map is used as a key", "Write a plain name."
                )
            key = str(key_node.value)
            if key == "<<":
                raise InvalidValueError(
                    here,
                    "merge keys (`<<:`) are not part of YAML 1.2",
                    "Alias the whole value (`env: *name`), or repeat the keys.",
                )
            if key in result:
                first = self.keys[*place, key]
                raise DuplicateNameError(
                    here,
                    f"the key {key!r} is written twice, first in line {first.line}",
                    "Keep one of them.",
                )
            self.keys[*place, key] = here
            result[key] = self.build(value_node, (*place, key), depth + 1)
        return result

    def _scalar(self, node: ScalarNode, here: Location) -> str | int | float | bool | None:
        text = str(node.value)
        kind = str(node.tag).removeprefix("tag:yaml.org,2002:")
        try:
            match kind:
                case "str":
                    return text
                case "null":
                    return None
                case "bool":
                    return text.lower() == "true"
                case "int":
                    return int(text.replace("_", ""), 0)
                case "timestamp" if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
                    return text  # A day: the schema decides whether one belongs here.
                case "float":
                    return float(re.sub(r"\.(inf|nan)$", r"\1", text.replace("_", "").lower()))
        except ValueError as error:
            raise InvalidValueError(
                here, f"{text!r} is not a number", f"Write it in quotes: '{text}'."
            ) from error
        raise InvalidValueError(
            here,
            f"the tag or form of {text!r} ({kind}) is not used here",
            f"Write plain text in quotes: '{text}'.",
        )
