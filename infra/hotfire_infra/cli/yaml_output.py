"""YAML as everybody reads it: strings that any version would take for something else are quoted."""

from __future__ import annotations

import re
from collections.abc import Iterable
from io import StringIO
from typing import Any

from ruamel.yaml import YAML, ScalarNode
from ruamel.yaml.representer import SafeRepresenter

# `no`, `1e3`, `12:30` and `0o7` are strings to one version of YAML and not to the other.
_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9_./\-]*")
_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})


class _Representer(SafeRepresenter):
    """Quotes with care and repeats what is the same, instead of naming it once by an anchor."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write every value where it belongs."""
        del data
        return True


def _string(representer: SafeRepresenter, text: str) -> ScalarNode:
    is_plain = _PLAIN.fullmatch(text) and text.lower() not in _WORDS
    style = None if is_plain else '"'
    node: ScalarNode = representer.represent_scalar("tag:yaml.org,2002:str", text, style=style)
    return node


_Representer.add_representer(str, _string)


def yaml_text(documents: Iterable[Any]) -> str:
    """Return documents of mappings, sequences and scalars as block style, each behind `---`."""
    writer = YAML(typ="safe", pure=True)
    writer.Representer = _Representer
    writer.default_flow_style = False
    writer.explicit_start = True
    writer.sort_base_mapping_type_on_output = False  # type: ignore[assignment] # ruamel types it as None
    writer.width = 10_000
    writer.allow_unicode = True
    stream = StringIO()
    for document in documents:
        writer.dump(document, stream)
    return stream.getvalue()
