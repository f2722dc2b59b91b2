"""Reads tabs where YAML allows them: before a comment, at the end of a line, between words of a line.

ruamel.yaml forbids them everywhere outside of quotes. As indentation a tab stays an error, since
nobody knows how wide it is.
"""

from typing import Any

from ruamel.yaml.scanner import Scanner

_ENDS = "\0\r\n\x85\u2028\u2029"


class BlankScanner(Scanner):
    """The scanner of ruamel.yaml, that skips a tab as libyaml does."""

    def scan_to_next_token(self) -> None:
        """Skip blanks, comments and ends of lines."""
        super().scan_to_next_token()
        while (length := self._tabs()) and (
            not self.allow_simple_key or self.reader.peek(length) in f"#{_ENDS}"
        ):
            self.reader.forward(length)
            super().scan_to_next_token()

    def scan_plain_spaces(self, indent: Any, start_mark: Any) -> Any:
        """Return what stands between two words of a plain scalar, blanks as they are."""
        length = self._tabs()
        if "\t" not in (blanks := self.reader.prefix(length)):
            return super().scan_plain_spaces(indent, start_mark)
        self.reader.forward(length)
        if self.reader.peek() in _ENDS:
            return super().scan_plain_spaces(indent, start_mark)
        return [blanks]

    def _tabs(self) -> int:
        length = 0
        while self.reader.peek(length) in " \t":
            length += 1
        return length
