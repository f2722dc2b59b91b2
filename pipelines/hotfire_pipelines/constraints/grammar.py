"""From the text of a constraint to a tree, with the place of everything that is wrong.

expression  = conjunction, {"or", conjunction}
conjunction = negation, {"and", negation}
negation    = "not", negation | "(", expression, ")" | comparison
comparison  = name, ("==" | "!=" | "<" | "<=" | ">" | ">="), (name | literal)
            | name, ["not"], "in", "[", literal, {",", literal}, "]"
            | name, ["not"], "like", string
literal     = string in quotes | number or version
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from hotfire_pipelines.errors import InvalidValueError, Location

MAXIMUM_LENGTH = 2_000
MAXIMUM_DEPTH = 50
"""Of brackets and `not`: a constraint is written by hand."""

ORDER = ("<=", ">=", "<", ">")
COMPARISONS = ("==", "!=", *ORDER)
WORDS = ("and", "or", "not", "in", "like")

TOKEN = re.compile(
    r"""(?P<space>\s+)
    |(?P<string>'[^'\n]*'|"[^"\n]*")
    |(?P<number>\d[A-Za-z0-9_.+\-]*)
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)?)
    |(?P<sign>==|!=|<=|>=|[<>()\[\],])""",
    re.VERBOSE,
)

# What people bring along from other languages.
FOREIGN = {
    "&&": "Write `and`.",
    "||": "Write `or`.",
    "!": "Write `not` or `!=`.",
    "=": "Write `==` to compare.",
    "~": "Write `like` with a pattern: name like 'pc*'.",
    "{": "Lists are written with square brackets.",
    "$": "Write the name of the axis alone.",
}

Where = Callable[[int], Location]
"""The place in the file of an offset into the expression."""


@dataclass(frozen=True, slots=True)
class Name:
    """An axis, `execution`, or `platform.DIMENSION`."""

    text: str
    at: int


@dataclass(frozen=True, slots=True)
class Literal:
    """A value as text; `is_quoted` says how it was written."""

    text: str
    at: int
    is_quoted: bool


@dataclass(frozen=True, slots=True)
class Compare:
    """One name against a literal or another name."""

    left: Name
    sign: str
    right: Name | Literal
    at: int


@dataclass(frozen=True, slots=True)
class Among:
    """One name against a list of literals."""

    left: Name
    choices: tuple[Literal, ...]


@dataclass(frozen=True, slots=True)
class Like:
    """One name against a pattern of `*`, `?` and `[…]`."""

    left: Name
    pattern: Literal


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite."""

    part: Tree


@dataclass(frozen=True, slots=True)
class All:
    """Every part holds."""

    parts: tuple[Tree, ...]


@dataclass(frozen=True, slots=True)
class Some:
    """One part holds."""

    parts: tuple[Tree, ...]


Tree = Compare | Among | Like | Not | All | Some


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of the text; `kind` is string, number, name, word, sign or end."""

    kind: str
    text: str
    at: int

    def __str__(self) -> str:
        return self.text if self.kind in ("end", "string", "number") else repr(self.text)


def parse(text: str, where: Where) -> Tree:
    """Return the tree of an expression; raises InvalidValueError with the place in the file."""
    if len(text) > MAXIMUM_LENGTH:
        raise InvalidValueError(
            where(0),
            f"a constraint of {len(text):,} characters",
            f"Split it: {MAXIMUM_LENGTH:,} is the limit, and a list may have many.",
        )
    return _Parser(text, where).whole()


class _Parser:
    """Recursive descent over the tokens, one token ahead."""

    def __init__(self, text: str, where: Where) -> None:
        self._text = text
        self._where = where
        self._tokens = self._split()
        self._next = 0
        self._depth = 0

    def whole(self) -> Tree:
        tree = self._expression()
        rest = self._peek()
        if rest.kind == "end":
            return tree
        if rest.text in COMPARISONS or rest.text in ("in", "like"):
            raise self._wrong(
                rest, f"{rest} follows a complete comparison", "Join comparisons with `and`."
            )
        if rest.text == ")":
            raise self._wrong(rest, "this bracket was never opened", "Remove it.")
        raise self._wrong(rest, f"{rest} follows a complete expression", "Join with `and` or `or`.")

    def _split(self) -> list[Token]:
        tokens: list[Token] = []
        at = 0
        while at < len(self._text):
            found = TOKEN.match(self._text, at)
            if found is None:
                raise self._strange(at)
            kind, text = str(found.lastgroup), found[0]
            if kind == "name" and text in WORDS:
                kind = "word"
            if kind != "space":
                tokens.append(Token(kind, text, at))
            at = found.end()
        return [*tokens, Token("end", "the end", len(self._text))]

    def _strange(self, at: int) -> InvalidValueError:
        rest = self._text[at:]
        token = Token("sign", rest[0], at)
        if rest[0] in "'\"":
            return self._wrong(
                token, f"the text {rest[:20]!r} has no closing quote", "Close the quote."
            )
        for sign, remedy in FOREIGN.items():
            if rest.startswith(sign):
                return self._wrong(token, f"{sign!r} has no meaning in a constraint", remedy)
        return self._wrong(
            token,
            f"{rest[0]!r} has no meaning in a constraint",
            f"Known are {' '.join(COMPARISONS)} {' '.join(WORDS)} ( ) [ ].",
        )

    def _peek(self) -> Token:
        return self._tokens[self._next]

    def _take(self) -> Token:
        token = self._tokens[self._next]
        self._next = min(self._next + 1, len(self._tokens) - 1)
        return token

    def _has(self, *texts: str) -> bool:
        token = self._peek()
        return token.kind in ("word", "sign") and token.text in texts

    def _expression(self) -> Tree:
        parts = [self._conjunction()]
        while self._has("or"):
            self._take()
            parts.append(self._conjunction())
        return parts[0] if len(parts) == 1 else Some(tuple(parts))

    def _conjunction(self) -> Tree:
        parts = [self._negation()]
        while self._has("and"):
            self._take()
            parts.append(self._negation())
        return parts[0] if len(parts) == 1 else All(tuple(parts))

    def _negation(self) -> Tree:
        if not self._has("not", "("):
            return self._comparison()
        opened = self._take()
        self._depth += 1
        if self._depth > MAXIMUM_DEPTH:
            raise self._wrong(opened, "brackets are nested too deeply", "Split the constraint.")
        if opened.text == "not":
            tree: Tree = Not(self._negation())
        else:
            tree = self._expression()
            closing = self._take()
            if closing.text != ")" or closing.kind != "sign":
                raise self._wrong(opened, "this bracket is never closed", "Add `)`.")
        self._depth -= 1
        return tree

    def _comparison(self) -> Tree:
        first = self._take()
        if first.kind in ("string", "number"):
            raise self._wrong(
                first, f"a comparison starts with {first}", "Put the name of an axis first."
            )
        if first.kind != "name":
            what = "the constraint is empty" if not self._text.strip() else None
            raise self._wrong(
                first,
                what or f"{first} stands where a name should",
                "Write a comparison: name == 'value'.",
            )
        name = Name(first.text, first.at)
        sign = self._take()
        if sign.kind == "word" and sign.text == "not" and self._has("in", "like"):
            return Not(self._membership(name, self._take()))
        if sign.kind == "word" and sign.text in ("in", "like"):
            return self._membership(name, sign)
        if sign.kind != "sign" or sign.text not in COMPARISONS:
            raise self._wrong(
                sign,
                f"{sign} follows {name.text!r}, where a comparison should",
                f"Write one of {' '.join(COMPARISONS)}, in, not in, like.",
            )
        return Compare(name, sign.text, self._operand(), sign.at)

    def _membership(self, name: Name, word: Token) -> Tree:
        if word.text == "like":
            pattern = self._take()
            if pattern.kind != "string":
                raise self._wrong(
                    pattern, f"`like` compares with {pattern}", "Write a pattern in quotes."
                )
            return Like(name, Literal(pattern.text[1:-1], pattern.at, is_quoted=True))
        opened = self._take()
        if opened.text != "[" or opened.kind != "sign":
            raise self._wrong(opened, f"`in` is followed by {opened}", "Write a list: ['a', 'b'].")
        choices = []
        while not self._has("]"):
            choices.append(self._literal())
            if self._has(","):
                self._take()
            elif not self._has("]"):
                raise self._wrong(
                    self._peek(), f"{self._peek()} stands in a list", "Add `,` or `]`."
                )
        self._take()
        if not choices:
            raise self._wrong(opened, "the list is empty", "Name at least one value.")
        return Among(name, tuple(choices))

    def _operand(self) -> Name | Literal:
        token = self._peek()
        if token.kind == "name":
            self._take()
            return Name(token.text, token.at)
        return self._literal()

    def _literal(self) -> Literal:
        token = self._take()
        if token.kind == "string":
            return Literal(token.text[1:-1], token.at, is_quoted=True)
        if token.kind == "number":
            return Literal(token.text, token.at, is_quoted=False)
        if token.kind == "name":
            raise self._wrong(
                token, f"{token} is a name, not a value", f"Text has quotes: '{token.text}'."
            )
        raise self._wrong(token, f"{token} stands where a value should", "Write 'text' or 12.8.")

    def _wrong(self, token: Token, problem: str, remedy: str) -> InvalidValueError:
        return InvalidValueError(
            self._where(token.at), f"{problem} in {shown(self._text, token.at)}", remedy
        )


def shown(text: str, at: int) -> str:
    """Return the expression with the column that is meant: `column 9 of "a == 'b'"`."""
    line = text.count("\n", 0, at) + 1
    column = at - (text.rfind("\n", 0, at) + 1) + 1
    place = f"column {column}" if "\n" not in text.strip() else f"line {line}, column {column}"
    brief = " ".join(text.split())
    return f'{place} of "{brief if len(brief) <= 80 else brief[:77] + "…"}"'
