"""Bodies of functions in Python source: lines that run when a test calls them, and not when it imports.

Everything else of a module runs at import, once for all tests.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

Span = tuple[int, int]
"""First and last line, counted from 1."""

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True, kw_only=True)
class Bodies:
    """A module taken apart: its outermost functions and methods, and the rest."""

    spans: tuple[Span, ...]
    """In the order of the file."""
    contents: tuple[str, ...]
    """What each body does, without its layout and comments."""
    rest: str
    """The module without the bodies: names, decorators, defaults, and all that is no function."""


def bodies_of(source: bytes) -> Bodies | None:
    """Take a module apart; None for what this Python cannot read."""
    try:
        module = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    spans, contents = [], []
    for function in _outermost(module):
        body = function.body
        spans.append((body[0].lineno, max(one.end_lineno or one.lineno for one in body)))
        contents.append(ast.dump(ast.Module(body=body, type_ignores=[])))
        function.body = [ast.Pass()]
    return Bodies(spans=tuple(spans), contents=tuple(contents), rest=ast.dump(module))


def changed_bodies(before: bytes, after: bytes) -> tuple[Span, ...] | None:
    """Return the spans, in the old source, of the bodies that differ; None if anything else does.

    Empty where only comments or the layout differ.
    """
    old, new = bodies_of(before), bodies_of(after)
    if old is None or new is None or old.rest != new.rest:
        return None
    return tuple(
        span
        for span, was, became in zip(old.spans, old.contents, new.contents, strict=True)
        if was != became
    )


def _outermost(node: ast.AST) -> Iterator[_Function]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, _FUNCTIONS):
            yield child
        else:
            yield from _outermost(child)
