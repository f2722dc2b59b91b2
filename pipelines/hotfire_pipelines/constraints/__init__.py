"""Constraints on a matrix: small expressions over axes and platform dimensions, never `eval`.

    forbid:  ["platform.os == 'windows' and build_type == 'coverage'"]
    require: ["cuda >= 12.4 or not (platform.accelerator like 'nvidia-*')"]

`grammar` makes a tree of the text, `meaning` checks its names and values against the pipeline and
turns it into a closure, and `rules` into partial assignments where few axes take part.
"""

from hotfire_pipelines.constraints.grammar import parse
from hotfire_pipelines.constraints.meaning import Constraint, Kind, Vocabulary, understand
from hotfire_pipelines.constraints.rules import Ruling, rule_out

__all__ = ["Constraint", "Kind", "Ruling", "Vocabulary", "parse", "rule_out", "understand"]
